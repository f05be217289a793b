"""What a walk along a solution manifold has met."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.manifold_settings import ManifoldSettings
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece, partial_answer

KEPT_TARGETS, KEPT_OUTPUTS = "targets", "outputs"
VALUE_COLUMNS = (  # of each place; NaN where there is nothing
    *("loss_before", "difference", "corrections", "step_length", "distance", "path_length"),
    *("gradient_norm", "rank", "last_singular", "next_singular", "zero_modes"),
)


@dataclass(frozen=True, kw_only=True)
class ManifoldFacts(AnswerFacts):
    """Of a walk on which outputs are kept."""

    constraints: int = 0  # outputs of all examples
    kept: str = ""  # KEPT_TARGETS or KEPT_OUTPUTS
    start_loss: float | None = None  # at the point itself, before any correction
    parameters_norm: float | None = None  # there
    ended: str = ""  # why the walk ended before its last step


@dataclass(frozen=True)
class Manifold:
    """The places of a walk; NaN where there is nothing yet."""

    settings: ManifoldSettings
    values: Mapping[str, np.ndarray]  # (S + 1,) each
    computed: np.ndarray  # (S + 1,) bool: which places were reached
    facts: ManifoldFacts = field(default_factory=ManifoldFacts)

    @classmethod
    def from_pieces(cls, settings: ManifoldSettings, pieces: Iterable[Piece]) -> "Manifold":
        """The walk as far as the pieces go."""
        answer = partial_answer((settings.units,), ("step",), (), pieces)
        values = {name: np.full(settings.units, np.nan) for name in ("loss", *VALUE_COLUMNS)}
        values |= answer.values
        # Of a last step that could not be corrected there is a row that says no more than that.
        reached = answer.computed & np.isfinite(values["loss"])
        return cls(settings, values, reached, ManifoldFacts.of(answer.facts))

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each place, (S + 1,)."""
        return self.values["loss"]

    @property
    def places(self) -> dict[str, np.ndarray]:
        """The number of steps taken at each place, (S + 1,)."""
        return {"step": np.arange(self.settings.units)}

    @property
    def expected_dimension(self) -> int:
        """Parameters minus constraints, and not below 0.

        Source: Cooper 2018, arXiv:1804.10200, Theorem 2.1: the dimension of the set of zero loss
        where the outputs can fit all targets, p - n C for n examples of C outputs.
        """
        return max(0, self.facts.parameters - self.facts.constraints)

    @property
    def dimensions(self) -> np.ndarray:
        """Directions that change no output to first order, at each place, (S + 1,)."""
        return np.asarray(self.facts.parameters - self.values["rank"])

    @property
    def gap(self) -> float:
        """The last singular value that counts over the first that does not, at the start.

        Infinite where all count, or the others are exactly 0; NaN where none is known.
        """
        last, following = (self.values[name][0] for name in ("last_singular", "next_singular"))
        if math.isnan(last):
            return math.nan
        return math.inf if math.isnan(following) or following == 0 else float(last / following)

    @property
    def numbers(self) -> ResultNumbers:
        """Dimensions and rank at the start, and how far the walk came at which loss."""
        if not self.computed[0]:
            return {}
        reached = self.computed
        numbers = {
            "manifold_dimension": float(self.dimensions[0]),
            "expected_dimension": float(self.expected_dimension),
            "jacobian_rank": float(self.values["rank"][0]),
            "zero_modes": float(self.values["zero_modes"][0]),
        }
        numbers["walk_distance"] = float(self.values["distance"][reached][-1])
        numbers["walk_loss"] = float(self.loss[reached].max())
        return {name: ResultNumber(value) for name, value in numbers.items()}
