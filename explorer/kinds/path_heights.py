"""How high the loss rises on a path between two points, by each definition there is."""

import math
from collections.abc import Mapping

import numpy as np

ROUNDING = 1e-6  # of the range of losses: a smaller rise is rounding
CONNECTED_RISE = 0.02  # barrier up to which two points count as connected
CONNECTED_RATIO = 1.1  # of the higher loss of both, up to which they do by another criterion
CONNECTED_ERROR = 0.02  # rise of the error up to which they do by a third


class PathHeights:
    """Heights of a result that has losses along a path.

    A NaN among the losses makes them NaN, as does an end that is not known.
    """

    values: Mapping[str, np.ndarray]  # by name, the metrics among them

    def values_between(self, name: str = "loss") -> tuple[np.ndarray, np.ndarray]:
        """Places from 0 to 1 and the value there, both ends included, (B,) each."""
        raise NotImplementedError

    @property
    def barrier(self) -> float:
        """Largest rise of the loss above the chord between the two ends.

        Source: Entezari et al. 2022, arXiv:2110.06296, Definition 2.1.
        """
        t, loss = self.values_between()
        return float(np.max(loss - ((1 - t) * loss[0] + t * loss[-1])))

    @property
    def rise_above_mean(self) -> float:
        """Largest rise of the loss above the mean of the two ends.

        Source: Frankle et al. 2020, arXiv:1912.05671, section 2; Ainsworth et al. 2023,
        arXiv:2209.04836.
        """
        _, loss = self.values_between()
        return float(np.max(loss) - (loss[0] + loss[-1]) / 2)

    @property
    def error_rise(self) -> float | None:
        """Largest rise of the error above the mean of the two ends; None without an accuracy.

        Below 0.02 the two count as linearly connected.

        Source: Frankle et al. 2020, arXiv:1912.05671, section 2 (30 points, test error).
        """
        if "accuracy" not in self.values:
            return None
        _, accuracy = self.values_between("accuracy")
        return float((accuracy[0] + accuracy[-1]) / 2 - np.min(accuracy))

    @property
    def saddle(self) -> float:
        """Highest loss between the two points.

        Source: Draxler et al. 2018, arXiv:1803.00885.
        """
        return float(np.max(self.values_between()[1]))

    @property
    def height_ratio(self) -> float | None:
        """Highest loss between the two points over the larger loss of both; None where that is 0.

        Two near 0 make it large, however good all points between them are.
        """
        _, loss = self.values_between()
        higher = float(max(loss[0], loss[-1]))
        return self.saddle / higher if higher > 0 else None

    @property
    def midpoint_rise(self) -> float | None:
        """Loss at t = 1/2 above the mean of both ends; None where that place is not computed.

        It is at most the barrier: L((a + b) / 2) <= (L(a) + L(b)) / 2 + barrier.
        """
        t, loss = self.values_between()
        at = np.flatnonzero(t == 0.5)
        return float(loss[at[0]] - (loss[0] + loss[-1]) / 2) if len(at) else None

    @property
    def connected(self) -> dict[str, bool | None]:
        """Whether both points count as connected by this path, by each criterion; None: unknown.

        absolute: the barrier is at most `CONNECTED_RISE`; relative: no loss is above 1.1 times the
        larger one of both; accuracy: the error rises by less than 2 % (Frankle et al. 2020).
        """
        ratio, error = self.height_ratio, self.error_rise
        return {
            "absolute": _at_most(self.barrier, CONNECTED_RISE),
            "relative": None if ratio is None else _at_most(ratio, CONNECTED_RATIO),
            "accuracy": None if error is None else _at_most(error, CONNECTED_ERROR),
        }

    @property
    def largest_rise(self) -> float:
        """How far the loss climbs at most on the way, from any point to a later one.

        Source: Lucas et al. 2021, arXiv:2104.11044, the smallest Delta for which the way is
        Delta-monotonic.
        """
        _, loss = self.values_between()
        return float(np.max(loss - np.minimum.accumulate(loss)))

    @property
    def monotone(self) -> bool:
        """Whether the loss never climbs on the way, but for rounding.

        Source: Goodfellow et al. 2015, arXiv:1412.6544, section 2.
        """
        _, loss = self.values_between()
        rise = self.largest_rise
        return math.isfinite(rise) and bool(rise <= ROUNDING * np.ptp(loss))


def _at_most(value: float, limit: float) -> bool | None:
    return None if math.isnan(value) else value <= limit
