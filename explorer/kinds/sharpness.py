"""How sharp a point is, by every published measure, and whether a rescaling moves them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np

from explorer.kinds.kind import Kind, Piece
from explorer.kinds.look import SMALL_WIDTH, Look
from explorer.kinds.measures import LAYERS, MEASURE_PLACES, MEASURES, MISSING_REASONS, YES, Measure
from explorer.kinds.settings import ObjectiveSettings, one_of, require, seed_fits

RESCALINGS = ("none", "layer", "neuron")
ALONG = 21  # points at which the loss along a direction found is known
SAME_LOSS = 0.05  # relative difference of training losses up to which models are comparable
ROUNDING_UNITS = 10  # units in the last place by which a mean loss may be off
SHARPNESS_PICTURES = ("values", "ratios", "direction")
NOT_YET = "Not computed yet."
NOT_ASKED = "Not asked for."
COLUMNS = ("unit", "role", "i", "why", "at", "value", "low", "high")


class MeasureRole(IntEnum):
    """What a row of an answer holds."""

    MEASURE = 0  # a value with the ends of its interval; `i` is the measure
    ALONG = 1  # the loss at distance `at` along the worst direction found; `i` is the measure


@dataclass(frozen=True, kw_only=True)
class SharpnessSettings(ObjectiveSettings):
    """How far around the point is looked, and how exactly.

    Source of defaults: rho 0.05, Foret et al. 2021; adaptive_rho 0.5 and eta 0.01, Kwon et al.
    2021; box 1e-3, Keskar et al. 2017; drop 0.1, Jiang et al. 2020. The others are choices.
    """

    box: float = 1e-3  # of Keskar's measure; a second is half of it
    rho: float = 0.05  # of SAM and m-sharpness
    batch_examples: int = 128  # m of m-sharpness
    adaptive_rho: float = 0.5  # of ASAM
    eta: float = 0.01
    max_rho: float = 0.01  # of the adaptive worst case, max norm: a share of each parameter
    euclid_rho: float = 0.5  # of the adaptive worst case, Euclidean
    ascent: int = 20  # steps of projected ascent
    restarts: int = 3  # of it and of Keskar's; the first from the point itself
    noise: float = 0.01  # rho of the average cases
    radius: float = 0.5  # of the ball
    draws: int = 20  # pairs of opposite perturbations in each mean
    probes: int = 10  # random vectors for sums over the spectrum
    steps: int = 80  # Lanczos steps of each
    room: int = 200  # Lanczos steps at most for an eigenvalue
    z: float = 1.0  # of the effective dimension
    drop: float = 0.1  # of the expected accuracy, that sigma may cost
    delta: float = 0.05  # of the PAC-Bayes bounds
    rescaling: str = "none"  # all measures again at an equal function: by layers or by neurons
    alpha: float = 5.0  # factor of a layer; of neurons the largest, theirs being drawn
    seed: int = 0
    measures: tuple[str, ...] = ()  # names of those asked for; all, where none is named

    def __post_init__(self) -> None:
        """Refuse what has no measure."""
        super().__post_init__()
        self.require_curvature()
        one_of("rescaling", self.rescaling, RESCALINGS)
        seed_fits("seed", self.seed)
        for name in ("box", "rho", "adaptive_rho", "max_rho", "euclid_rho", "noise", "radius", "z"):
            value = getattr(self, name)
            require(0 < value <= 1e6, f"{name} must be above 0 and at most 1,000,000", value)
        for name in ("drop", "delta"):
            require(0 < getattr(self, name) < 1, f"{name} must be in (0, 1)", getattr(self, name))
        require(1 < self.alpha <= 1000, "alpha must be above 1 and at most 1,000", self.alpha)
        self.require_within(
            eta=(0, 1e6),
            batch_examples=(1, 1_000_000),
            ascent=(1, 1000),
            restarts=(1, 100),
            draws=(2, 10_000),
            probes=(2, 1000),
            steps=(5, 500),
            room=(10, 2000),
        )
        if self.rescaling == "none":
            self.reset_unused("alpha")
        for name in self.measures:
            out = "measures must be names of measures such as sam or trace, as CSV files have them"
            require(name in MEASURE_PLACES, out, repr(name))
        named = tuple(
            name for name in MEASURE_PLACES if name in self.measures
        )  # one order, each once
        object.__setattr__(self, "measures", named if len(named) < len(MEASURE_PLACES) else ())

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the measures asked for, in the order of their units."""
        return self.measures or tuple(MEASURE_PLACES)

    @property
    def units(self) -> int:
        """Each measure asked for; with a rescaling, each again at the rescaled point."""
        return len(self.chosen) * (1 if self.rescaling == "none" else 2)


@dataclass(frozen=True)
class Value:
    """A measure's value so far: NaN with a sentence where there is none."""

    value: float = np.nan
    low: float = np.nan  # ends of a 95 % interval, or of where it must lie; equal where exact
    high: float = np.nan  # inf where the value is only a lower bound
    why: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether it is no estimate."""
        return self.low == self.high

    @property
    def is_bound(self) -> bool:
        """Whether it is the best that was found of a maximum."""
        return bool(np.isposinf(self.high)) and self.low == self.value


@dataclass(frozen=True)
class Sharpness:
    """What is known of a point's measures so far."""

    rows: Mapping[str, np.ndarray]  # by `COLUMNS`, (R,) each
    computed: np.ndarray  # (units,) bool
    facts: Mapping[str, Any] = field(default_factory=dict)
    chosen: tuple[str, ...] = tuple(MEASURE_PLACES)  # names of the measures asked for

    @classmethod
    def from_pieces(cls, settings: SharpnessSettings, pieces: Iterable[Piece]) -> "Sharpness":
        """The measures as far as the pieces go."""
        all_pieces = list(pieces)
        rows = {
            name: np.concatenate([np.empty(0, kind), *(p.columns[name] for p in all_pieces)])
            for name, kind in zip(COLUMNS, [np.int64] * 4 + [np.float64] * 4, strict=True)
        }
        computed = np.zeros(settings.units, dtype=bool)
        computed[rows["unit"].astype(int)] = True
        facts = {name: value for piece in all_pieces for name, value in piece.facts.items()}
        return cls(rows, computed, facts, settings.chosen)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables."""
        names = np.array([measure.name for measure in MEASURES])
        index = self.rows["i"].astype(int)
        moved = (self.rows["unit"] >= len(self.chosen)).astype(np.int64)
        return {
            "unit": self.rows["unit"],
            "role": self.rows["role"],
            "measure": names[index],
            "rescaled": moved,
            "at": self.rows["at"],
        }

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "low", "high")}

    def of(self, name: str, rescaled: bool = False) -> Value:
        """A measure at the point, or at the rescaled one."""
        if name not in self.chosen:
            return Value(why=NOT_ASKED)
        unit = self.chosen.index(name) + rescaled * len(self.chosen)
        own = (self.rows["unit"] == unit) & (self.rows["role"] == MeasureRole.MEASURE)
        if not own.any():
            return Value(why=NOT_YET)
        value, low, high = (float(self.rows[n][own][0]) for n in ("value", "low", "high"))
        return Value(value, low, high, MISSING_REASONS[int(self.rows["why"][own][0])])

    def along(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Distances along the worst direction that a measure found, and the losses there."""
        own = (self.rows["i"] == MEASURE_PLACES[name]) & (self.rows["role"] == MeasureRole.ALONG)
        at, loss = self.rows["at"][own], self.rows["value"][own]
        order = np.argsort(at)
        return at[order], loss[order]

    @property
    def directions(self) -> list[Measure]:
        """The measures that found a worst direction."""
        return [measure for measure in MEASURES if len(self.along(measure.name)[0])]

    @property
    def ratios(self) -> dict[str, float]:
        """Value at the rescaled point over that at the point, of each measure that has both."""
        measure_ratios = {}
        for measure in MEASURES:
            here, there = self.of(measure.name), self.of(measure.name, rescaled=True)
            if np.isfinite([here.value, there.value]).all() and here.value:
                measure_ratios[measure.name] = there.value / here.value
        return measure_ratios

    def moved_measures(self, settings: SharpnessSettings) -> list[str]:
        """The titles of measures that moved by more than 1 % and rounding though they should not.

        Most are differences of losses, each of which is rounded to its own last digits.
        """
        expected = {YES, LAYERS} if settings.rescaling == "layer" else {YES}
        rounding = ROUNDING_UNITS * self.facts.get("epsilon", 0.0) * abs(self.loss)
        ratios = self.ratios
        return [
            m.title
            for m in MEASURES
            if m.invariant in expected
            and abs(ratios.get(m.name, 1.0) - 1) > 0.01 + rounding / abs(self.of(m.name).value)
        ]

    @property
    def loss(self) -> float:
        """The mean loss at the point; NaN before anything is known."""
        loss = self.facts.get("loss")
        return float("nan") if loss is None else float(loss)


@dataclass(frozen=True, kw_only=True)
class SharpnessLook(Look):
    """Which picture of sharpness is drawn: of values, of ratios, or along a worst direction."""

    picture: str = "values"
    measure: str = "sam"  # that found the worst direction
    width: int = 600

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        super().__post_init__()
        one_of("picture", self.picture, SHARPNESS_PICTURES)
        one_of("measure", self.measure, tuple(MEASURE_PLACES))

    @classmethod
    def small(cls, result: Sharpness) -> "SharpnessLook":
        """The loss along a worst direction, where one is known and finite."""
        for measure in result.directions:
            if np.isfinite(result.along(measure.name)[1]).all():
                return cls(picture="direction", measure=measure.name, width=SMALL_WIDTH)
        return cls(width=SMALL_WIDTH)


def unequal_losses(results: Mapping[str, Sharpness], split: str = "train") -> str:
    """A sentence where the losses of compared models differ; "" where they do not."""
    losses = {name: one.loss for name, one in results.items() if np.isfinite(one.loss)}
    if len(losses) < 2:
        return ""
    low, high = min(losses.values()), max(losses.values())
    if high - low <= SAME_LOSS * abs(high):
        return ""
    losses_text = " against ".join(f"{loss:.3g} ({name})" for name, loss in losses.items())
    kind = "training" if split == "train" else split
    return (
        f"Not at equal {kind} loss: {losses_text}. Sharpness falls with the loss, so that these "
        "values do not compare the models alone."
    )


def taken_over(settings: SharpnessSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows at the point itself of an answer of other measures or with another rescaling.

    A measure's first unit is that at the point: a rescaled one comes after it.
    """
    places = np.array([MEASURE_PLACES[name] for name in settings.chosen])
    first = {int(i): int(old["unit"][old["i"] == i].min()) for i in np.unique(old["i"])}
    own = np.array([first[int(i)] == unit for i, unit in zip(old["i"], old["unit"], strict=True)])
    kept_rows = own.astype(bool) & np.isin(old["i"], places)
    rows = {name: values[kept_rows] for name, values in old.items()}
    rows["unit"] = np.searchsorted(places, rows["i"]).astype(old["unit"].dtype)
    return rows


def ranks(values: Mapping[str, Value]) -> dict[str, int]:
    """The place of each model by one measure, 1 for the smallest value; equal ones share a place.

    A model without a value has none, and with fewer than two values there is no order.
    """
    finite_values = {name: one.value for name, one in values.items() if np.isfinite(one.value)}
    if len(finite_values) < 2:
        return {}
    return {
        name: 1 + sum(v < own for v in finite_values.values())
        for name, own in finite_values.items()
    }


SHARPNESS = Kind(
    name="sharpness",
    title="Sharpness",
    subjects=("point", "start"),  # the second: initial parameters, or the point where unknown
    settings=SharpnessSettings,
    result=Sharpness,
    version=2,  # 1 had two measures less
    answer="explorer.analysis.sharpness:answer",
    look=SharpnessLook,
    draw="explorer.render.sharpness:draw",
    page="explorer/pages/sharpness.py",
    icon=":material/change_history:",
    axes=("rescaling", "alpha", "measures"),
    later=("measures",),
    taken_over="explorer.kinds.sharpness:taken_over",
    joined="from",
    passes=200,
    unit="measures",
)
