"""What chains about a point have met, and the learning coefficient that they come down to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.estimates import Estimate
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.mixing import split_r_hat
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece, partial_answer

COLUMNS = ("chain", "draw", "loss", "distance")


@dataclass(frozen=True)
class LearningCoefficient:
    """The draws of each chain; NaN where there are none yet, or since a chain has diverged."""

    settings: LearningCoefficientSettings
    values: Mapping[str, np.ndarray]  # "loss" of mini-batches, "distance" from the point: (C, T)
    computed: np.ndarray  # (C, T) bool
    facts: AnswerFacts = field(default_factory=AnswerFacts)

    @classmethod
    def from_pieces(
        cls, settings: LearningCoefficientSettings, pieces: Iterable[Piece]
    ) -> "LearningCoefficient":
        """The chains as far as the pieces go."""
        shape = (settings.chains, settings.recorded)
        answer = partial_answer(shape, ("chain", "draw"), (), pieces)
        values = {name: np.full(shape, np.nan) for name in ("loss", "distance")}
        return cls(settings, values | answer.values, answer.computed, AnswerFacts.of(answer.facts))

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Chain and draw of each value, (C, T) each."""
        chains, draws = map(np.asarray, np.indices(self.computed.shape))
        return {"chain": chains, "draw": draws}

    @property
    def loss(self) -> np.ndarray:
        """Mini-batch loss of each draw, (C, T)."""
        return self.values["loss"]

    @property
    def chains(self) -> np.ndarray:
        """The numbers of the chains that are there, from 0."""
        return np.flatnonzero(self.computed.all(axis=1))

    @property
    def diverged(self) -> dict[int, int]:
        """Of each chain whose loss has become infinite or NaN, the draw at which it did."""
        ends = {int(n): np.flatnonzero(~np.isfinite(self.loss[n])) for n in self.chains}
        return {number: int(draws[0]) for number, draws in ends.items() if len(draws)}

    @property
    def scale(self) -> float:
        """N beta; NaN before the number of examples is known."""
        examples = self.facts.examples
        return self.settings.scale(examples) if examples else float("nan")

    @property
    def start_loss(self) -> float:
        """The loss at the point itself; NaN before it is known."""
        return float("nan") if self.facts.loss is None else self.facts.loss

    def coefficients(self, losses: np.ndarray) -> np.ndarray:
        """N beta (L - L(w0)) for losses of any shape.

        Source: Lau et al. 2023, arXiv:2308.12108, definition 1 with beta = 1 / log n.
        """
        return np.asarray(self.scale * (losses - self.start_loss))

    @property
    def kept_losses(self) -> np.ndarray:
        """Of the chains that are there, the draws that are averaged, (C', N)."""
        return np.asarray(self.loss[self.chains, self.settings.burn_in :])

    @property
    def chain_estimates(self) -> np.ndarray:
        """The learning coefficient by each chain that is there, (C',); NaN where it diverged."""
        return self.coefficients(self.kept_losses.mean(axis=1))

    @property
    def estimate(self) -> Estimate | None:
        """Mean over chains with its 95 % interval by Student's t; NaN if a chain diverged."""
        return Estimate.of(self.chain_estimates) if len(self.chains) else None

    @property
    def running(self) -> np.ndarray:
        """The estimate of each chain by its draws so far, (C, N), burn-in left out."""
        losses = self.loss[:, self.settings.burn_in :]
        counts = np.arange(1, losses.shape[1] + 1)
        return self.coefficients(np.cumsum(losses, axis=1) / counts)

    @property
    def r_hat(self) -> float:
        """Whether the chains mix, by losses and by distances; NaN where it cannot be told.

        The larger R-hat of both: losses of mini-batches are so noisy that they hide chains which
        all still move away from the point.
        """
        distances = self.values["distance"][self.chains, self.settings.burn_in :]
        return float(np.maximum(split_r_hat(self.kept_losses), split_r_hat(distances)))

    @property
    def numbers(self) -> ResultNumbers:
        """The learning coefficient, and how well the chains mix."""
        estimate = self.estimate
        if estimate is None:
            return {}
        return {
            "learning_coefficient": ResultNumber(estimate.value, estimate.low, estimate.high),
            "r_hat": ResultNumber(self.r_hat),
        }
