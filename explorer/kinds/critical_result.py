"""What searches for critical points ended at."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.eigenvalues import point_class
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.matrix import MAX_DENSE_PARAMETERS
from explorer.kinds.numbers import ResultNumber, ResultNumbers, loss_numbers
from explorer.kinds.piece import Piece, partial_answer

KERNEL_REMAINDER = (
    0.9  # of the gradient that a Newton step leaves: from here on it is in the kernel, nearly
)
KERNEL_CURVATURE = (
    1e-4  # norm(Hg) / norm(g) in norms of the Hessian: smaller, and g is in the kernel, nearly
)
SAME_LOSS_SHARE = 1e-6  # of the range of losses: no nearer are two different ones


class EndReason(IntEnum):
    """Why a search ended; the numbers are stored."""

    CRITICAL = 0  # the gradient is below the target
    GRADIENT_FLAT = 1  # the gradient is nearly in the kernel of the Hessian
    STALLED = 2  # no step makes the gradient smaller
    STEPS = 3
    NOT_FINITE = 4
    VANISHING = 5  # below the target, but a Newton step would still go far: the loss levels off


END_WORDS = {
    EndReason.CRITICAL: "critical",
    EndReason.GRADIENT_FLAT: "gradient-flat",
    EndReason.STALLED: "stalled",
    EndReason.STEPS: "steps used up",
    EndReason.NOT_FINITE: "not finite",
    EndReason.VANISHING: "levelling off",
}
VALUE_COLUMNS = (  # of each search; NaN where the loss is not finite
    *("start_loss", "start_gradient", "gradient", "hessian_gradient", "left", "ahead"),
    *(
        "distance",
        "length",
        "lambda_min",
        "lambda_max",
        "residual_min",
        "residual_max",
        "sign_tolerance",
    ),
    *("index", "index_low", "index_high", "index_bound"),
)


@dataclass(frozen=True)
class Critical:
    """What each search found; NaN where there is nothing yet or the loss is not finite."""

    settings: CriticalSettings
    values: Mapping[str, np.ndarray]  # (T,) each
    computed: np.ndarray  # (T,) bool
    facts: AnswerFacts = field(default_factory=AnswerFacts)

    @classmethod
    def from_pieces(cls, settings: CriticalSettings, pieces: Iterable[Piece]) -> "Critical":
        """The searches as far as the pieces go."""
        answer = partial_answer((settings.units,), ("unit",), ("snapshot", "copy"), pieces)
        names = ("loss", *VALUE_COLUMNS, "steps", "products", "ended")
        values = {name: np.full(settings.units, np.nan) for name in names}
        return cls(settings, values | answer.values, answer.computed, AnswerFacts.of(answer.facts))

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example where each search ended, (T,)."""
        return self.values["loss"]

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Of each search the snapshot, counted over all runs, and the copy that it began at."""
        snapshots, copies = np.array(self.settings.search_starts).T
        return {"snapshot": snapshots, "copy": copies}

    @property
    def parameters(self) -> int:
        """Dimensions of the space."""
        return self.facts.parameters

    @property
    def exact(self) -> bool:
        """Whether indices are counted, not estimated."""
        return self.parameters <= MAX_DENSE_PARAMETERS

    @property
    def end_words(self) -> list[str]:
        """Why each search ended, in words; "" for those to come."""
        codes = self.values["ended"]
        return ["" if np.isnan(code) else END_WORDS[EndReason(int(code))] for code in codes]

    @property
    def is_critical(self) -> np.ndarray:
        """Which searches ended at a critical point, (T,) bool."""
        return np.asarray(self.values["ended"] == EndReason.CRITICAL)

    @property
    def numbers(self) -> ResultNumbers:
        """How many searches ended at a critical point, at how many losses, the lowest of them."""
        numbers = {
            "critical_points": ResultNumber(float(self.is_critical.sum())),
            "levels": ResultNumber(float(self.levels)),
        }
        return numbers | loss_numbers(self.loss[self.is_critical], None)

    @property
    def levels(self) -> int:
        """How many different losses, to a millionth of their range, the critical points have."""
        losses = np.sort(self.loss[self.is_critical])
        gaps = (
            np.diff(losses) > SAME_LOSS_SHARE * np.ptp(losses) if len(losses) else np.zeros(0, bool)
        )
        return int(gaps.sum()) + bool(len(losses))

    @property
    def relative_gradient(self) -> np.ndarray:
        """Norm of the gradient over largest absolute eigenvalue and parameters' norm, (T,).

        It bounds the length of a Newton step from below, in parameters' norms.
        """
        ends = np.abs([self.values["lambda_min"], self.values["lambda_max"]]).max(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.values["gradient"] / (ends * self.values["length"]))

    @property
    def relative_step(self) -> np.ndarray:
        """Length of a Newton step over the parameters' norm, (T,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.values["ahead"] / self.values["length"])

    @property
    def index_shares(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Index over the number of parameters, and the ends of its 95 % interval, (T,) each."""
        size = self.parameters or 1
        index_shares = (self.values[name] / size for name in ("index", "index_low", "index_high"))
        value, low, high = index_shares
        return value, low, high

    @property
    def classes(self) -> list[str]:
        """What each end is: "saddle", "minimum", ..., "not critical"; "" where nothing is known."""
        names = ("lambda_min", "lambda_max", "sign_tolerance", "gradient", "length")
        rows = zip(*(self.values[name].tolist() for name in names), self.is_critical, strict=True)
        return [
            ""
            if math.isnan(low)
            else point_class(np.array([low, high]), tolerance, gradient, length)
            if critical
            else "not critical"
            for low, high, tolerance, gradient, length, critical in rows
        ]
