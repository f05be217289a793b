"""What is measured of a run's snapshots and of its learning rates, as far as it is known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece

COLUMNS: Mapping[str, type[np.int64] | type[np.float64]] = {
    **dict.fromkeys(("role", "i"), np.int64),
    **dict.fromkeys(("value", "error"), np.float64),
}
# Of log10(abs(gradient entry)): the first bin holds what is below, zeros too, the last what is
# above, both what has no other place.
BIN_EDGES = np.arange(-12.0, 4.5, 0.5)
BINS = len(BIN_EDGES) + 1


class DiagnosisRole(IntEnum):
    """What a row holds."""

    LOSS = 0  # error: its standard error
    HELD_OUT_LOSS = 1  # the same over the held-out data
    GRADIENT = 2  # norm over all parameters
    LAYER_GRADIENT = 3  # norm over layer `i`
    LAYER_BIN = 4  # entries of the gradient in bin `i % BINS` of layer `i // BINS`
    HIGHEST = 5  # eigenvalue of the Hessian; error: its residual
    LOWEST = 6
    MEDIAN_SIZE = 7  # of abs(eigenvalue), by the density
    RATE_LOSS = 8  # after the steps at a rate, infinite where it is not finite; `i` is the order;
    # error: steps that were finite


@dataclass(frozen=True, kw_only=True)
class DiagnosisFacts(AnswerFacts):
    """What holds for all snapshots, and why something could not be measured."""

    layers: tuple[str, ...] = ()  # tensors with two dimensions or more, in the model's order
    tolerance: float = 0.0  # of a residual, in largest absolute eigenvalues
    epsilon: float = 0.0  # of the arithmetic
    no_held_out: str = ""
    no_gradient: str = ""
    no_curvature: str = ""
    no_rates: str = ""
    one_order: str = ""  # why batches have but one order
    start_loss: float | None = None  # of the range test; None where it is not finite or known
    batch_statistics: bool = False  # whether BatchNorm has each batch's own, in the range test


@dataclass(frozen=True)
class Diagnosis:
    """The measured rows."""

    settings: DiagnosisSettings
    rows: Mapping[str, np.ndarray]  # (R,) each: "unit" and `COLUMNS`
    computed: np.ndarray  # (units,) bool
    facts: DiagnosisFacts = field(default_factory=DiagnosisFacts)

    @classmethod
    def from_pieces(cls, settings: DiagnosisSettings, pieces: Iterable[Piece]) -> "Diagnosis":
        """The diagnosis as far as the pieces go."""
        all_pieces = list(pieces)
        rows = {
            name: np.concatenate([np.empty(0, type), *(p.columns[name] for p in all_pieces)])
            for name, type in (("unit", np.int64), *COLUMNS.items())
        }
        order = np.argsort(rows["unit"], kind="stable")
        rows = {name: values[order] for name, values in rows.items()}
        computed = np.zeros(settings.units, dtype=bool)
        computed[rows["unit"].astype(int)] = True
        for role in np.unique(rows["role"]):
            DiagnosisRole(int(role))
        return cls(settings, rows, computed, DiagnosisFacts.of_pieces(all_pieces))

    @property
    def snapshots(self) -> int:
        """How many snapshots are looked at."""
        return self.settings.snapshots

    def along(self, role: DiagnosisRole, column: str = "value") -> np.ndarray:
        """A number of each snapshot, (T,); NaN where it is not known."""
        along = np.full(self.snapshots, np.nan)
        own = self.rows["role"] == role
        along[self.rows["unit"][own].astype(int)] = self.rows[column][own]
        return along

    @property
    def layer_gradients(self) -> np.ndarray:
        """Norm of the gradient over each layer, (T, layers); NaN where it is not known."""
        norms = np.full((self.snapshots, len(self.facts.layers)), np.nan)
        own = self.rows["role"] == DiagnosisRole.LAYER_GRADIENT
        place = (self.rows["unit"][own].astype(int), self.rows["i"][own].astype(int))
        norms[place] = self.rows["value"][own]
        return norms

    def histogram(self, snapshot: int) -> np.ndarray:
        """Entries of the gradient by layer and bin at a snapshot, (layers, BINS)."""
        counts = np.zeros((len(self.facts.layers), BINS))
        own = (self.rows["role"] == DiagnosisRole.LAYER_BIN) & (self.rows["unit"] == snapshot)
        counts.flat[self.rows["i"][own].astype(int)] = self.rows["value"][own]
        return counts

    @property
    def gradient_ratios(self) -> np.ndarray:
        """Norm over the first layer over that of the last, (T,); NaN with fewer than two layers.

        0 where the first layer has no gradient though other parameters have, as in a dead network.
        """
        norms = self.layer_gradients
        if norms.shape[1] < 2:
            return np.full(self.snapshots, np.nan)
        is_dead = (norms[:, 0] == 0) & (self.along(DiagnosisRole.GRADIENT) > 0)
        return np.where(is_dead, 0.0, _over(norms[:, 0], norms[:, -1]))

    @property
    def scales(self) -> np.ndarray:
        """The largest absolute eigenvalue at each snapshot, (T,)."""
        ends = [self.along(role) for role in (DiagnosisRole.HIGHEST, DiagnosisRole.LOWEST)]
        return np.asarray(np.abs(ends).max(axis=0))

    @property
    def foretold_falls(self) -> np.ndarray:
        """norm(g)^2 / (2 M) over the loss, (T,), with M the largest absolute eigenvalue.

        By so much at least the gradient step g / M lowers a quadratic loss, and by no more than
        twice that where nothing bends down.

        Source: Boyd and Vandenberghe 2004, section 9.3.
        """
        squares = self.along(DiagnosisRole.GRADIENT) ** 2
        return _over(squares, 2 * self.scales * np.abs(self.along(DiagnosisRole.LOSS)))

    @property
    def negative_shares(self) -> np.ndarray:
        """-lambda_min over the largest absolute eigenvalue, (T,), less the residual's share."""
        lowest, error = (self.along(DiagnosisRole.LOWEST, c) for c in ("value", "error"))
        return _over(
            np.maximum(-lowest - error, np.where(np.isnan(lowest), np.nan, 0)), self.scales
        )

    @property
    def conditions(self) -> np.ndarray:
        """Largest over median absolute eigenvalue, (T,); no more than arithmetic can tell."""
        least = self.facts.epsilon * self.scales
        return _over(self.scales, np.maximum(self.along(DiagnosisRole.MEDIAN_SIZE), least))

    @property
    def rate_losses(self) -> np.ndarray:
        """Loss after the steps at each rate, by order of batches, (rates, orders).

        Infinite where a step led to what is not finite; NaN where it is not known.
        """
        losses = np.full((self.settings.rate_count, self.settings.orders), np.nan)
        own = self.rows["role"] == DiagnosisRole.RATE_LOSS
        place = (
            self.rows["unit"][own].astype(int) - self.snapshots,
            self.rows["i"][own].astype(int),
        )
        losses[place] = self.rows["value"][own]
        return losses

    @property
    def start_loss(self) -> float:
        """The loss where the range test starts, by its statistics; NaN where it is not known."""
        start = self.facts.start_loss
        return float("nan") if start is None else start

    @property
    def best_rate(self) -> float:
        """The rate with the lowest mean loss; NaN where none is finite or known."""
        means = self.rate_losses.mean(axis=1)
        means = np.where(np.isnan(means), np.inf, means)
        return float(self.settings.rates[means.argmin()]) if np.isfinite(means).any() else np.nan

    @property
    def rising_rate(self) -> float:
        """The lowest rate from which on all end above the start; infinite where none does.

        NaN where it is not known, or the start's loss is no number.
        """
        means = self.rate_losses.mean(axis=1)
        if np.isnan([self.start_loss, *means]).any():
            return float("nan")
        below = np.flatnonzero(means <= self.start_loss)
        first = below[-1] + 1 if len(below) else 0
        return float(self.settings.rates[first]) if first < len(means) else float("inf")

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables."""
        names = np.array([role.name.lower() for role in DiagnosisRole])
        return {
            "unit": self.rows["unit"],
            "role": names[self.rows["role"].astype(int)],
            "i": self.rows["i"],
        }

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "error")}

    @property
    def numbers(self) -> ResultNumbers:
        """Each symptom's number at the last snapshot that is known, and the rates."""
        numbers = {}
        measured_places = np.flatnonzero(self.computed[: self.snapshots])
        if len(measured_places):
            last = int(measured_places[-1])
            of_last = {
                "gradient_ratio": self.gradient_ratios,
                "gradient_norm": self.along(DiagnosisRole.GRADIENT),
                "foretold_fall": self.foretold_falls,
                "lambda_max": self.along(DiagnosisRole.HIGHEST),
                "lambda_min": self.along(DiagnosisRole.LOWEST),
                "median_condition": self.conditions,
                "held_out_gap": self.along(DiagnosisRole.HELD_OUT_LOSS)
                - self.along(DiagnosisRole.LOSS),
            }
            numbers = {name: ResultNumber(float(values[last])) for name, values in of_last.items()}
        if self.computed[self.snapshots :].any():
            numbers["best_rate"] = ResultNumber(self.best_rate)
        if self.computed.all():
            numbers["rising_rate"] = ResultNumber(self.rising_rate)
        return numbers


def _over(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(over / under)
