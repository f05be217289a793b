"""How sharp a point is, by every published measure, and whether a rescaling moves them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Annotated

import numpy as np

from explorer.codec import OTHERS, Json
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.kind import Kind, Piece
from explorer.kinds.look import SMALL_WIDTH, Look, PlotWidth
from explorer.kinds.measures import (
    LAYERS,
    MEASURE_PLACES,
    MEASURES,
    MEASURES_IN_READING_ORDER,
    MISSING_REASONS,
    YES,
    Measure,
)
from explorer.kinds.setting import Setting
from explorer.kinds.settings import (
    CurvatureSettings,
    SearchSteps,
    Seed,
)

PASSES_PER_MEASURE = 200  # evaluations of the loss, about
RESCALINGS = ("none", "layer", "neuron")
LARGEST = 1e6  # of a length
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
class SharpnessSettings(CurvatureSettings):
    """How far around the point is looked, and how exactly.

    Source of defaults: rho 0.05, Foret et al. 2021; adaptive_rho 0.5 and eta 0.01, Kwon et al.
    2021; box 1e-3, Keskar et al. 2017; drop 0.1, Jiang et al. 2020. The others are choices.
    """

    box: Annotated[
        float,
        Setting(
            "Keskar's box",
            "A share of abs(w) + 1; a second measure has half of it.",
            above=0,
            most=LARGEST,
        ),
    ] = 1e-3
    rho: Annotated[
        float,
        Setting("SAM's rho", "Also that of m-sharpness.", above=0, most=LARGEST),
    ] = 0.05
    batch_examples: Annotated[
        int,
        Setting("m", "Examples a batch of m-sharpness.", least=1, most=1_000_000, unit="examples"),
    ] = 128
    adaptive_rho: Annotated[
        float,
        Setting("ASAM's rho", "In coordinates scaled by abs(w) + eta.", above=0, most=LARGEST),
    ] = 0.5
    eta: Annotated[
        float,
        Setting("ASAM's eta", "A second measure has eta 0.", least=0, most=LARGEST),
    ] = 0.01
    max_rho: Annotated[
        float,
        Setting("Adaptive rho, max norm", "A share of each parameter.", above=0, most=LARGEST),
    ] = 0.01
    euclid_rho: Annotated[
        float,
        Setting("Adaptive rho, Euclidean", "Norm of d / abs(w).", above=0, most=LARGEST),
    ] = 0.5
    ascent: Annotated[
        int,
        Setting("Ascent steps", "Of the adaptive worst cases.", least=1, most=1000, unit="steps"),
    ] = 20
    restarts: Annotated[
        int,
        Setting(
            "Restarts", "Of the worst cases; the first from the model itself.", least=1, most=100
        ),
    ] = 3
    noise: Annotated[
        float,
        Setting("Noise", "Standard deviation of the average cases.", above=0, most=LARGEST),
    ] = 0.01
    radius: Annotated[
        float,
        Setting("Ball's radius", "Norm of the perturbation.", above=0, most=LARGEST),
    ] = 0.5
    draws: Annotated[
        int,
        Setting(
            "Draws",
            "Pairs of opposite perturbations in each mean.",
            least=2,
            most=10_000,
            unit="pairs",
        ),
    ] = 20
    probes: Annotated[
        int,
        Setting("Probes", "Random vectors for sums over the spectrum.", least=2, most=1000),
    ] = 10
    steps: Annotated[
        int,
        Setting("Lanczos steps", "Of each probe.", least=5, most=500, unit="steps"),
    ] = 80
    room: SearchSteps = 200
    z: Annotated[
        float,
        Setting("z", "Of the effective dimension.", above=0, most=LARGEST),
    ] = 1.0
    drop: Annotated[
        float,
        Setting("Allowed drop", "Of the accuracy, for the PAC-Bayes sigma.", above=0, below=1),
    ] = 0.1
    delta: Annotated[
        float,
        Setting("delta", "The PAC-Bayes bounds hold with probability 1 - delta.", above=0, below=1),
    ] = 0.05
    rescaling: Annotated[
        str,
        Setting(
            "Rescale",
            "All measures again at other parameters of the same function (Dinh et al. 2017): what "
            "comes out of a layer before a ReLU is multiplied and what goes into the next is "
            "divided, by one factor a layer or one a neuron.",
            choices=RESCALINGS,
        ),
    ] = "none"
    alpha: Annotated[
        float,
        Setting(
            "Factor",
            "Of a layer; of neurons the largest, theirs being drawn.",
            above=1,
            most=1000,
            unused_with={"rescaling": ("none",)},
        ),
    ] = 5.0
    seed: Seed = 0
    measures: Annotated[
        tuple[str, ...],
        Setting(
            "Measures",
            "Those to compute; all where none is chosen. What is known is never computed again.",
            choices=tuple(measure.name for measure in MEASURES_IN_READING_ORDER),
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Name measures in one order, each once, and none where it is all of them."""
        super().__post_init__()
        named = tuple(name for name in MEASURE_PLACES if name in self.measures)
        object.__setattr__(self, "measures", named if len(named) < len(MEASURE_PLACES) else ())

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the measures asked for, in the order of their units."""
        return self.measures or tuple(MEASURE_PLACES)

    @property
    def units(self) -> int:
        """Each measure asked for; with a rescaling, each again at the rescaled point."""
        return len(self.chosen) * (1 if self.rescaling == "none" else 2)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the measures if they are some, the rescaling if there is one, the seed."""
        some = (", ".join(self.measures),) if self.measures else ()
        rescaled = (f"rescaled by {self.rescaling}",) if self.rescaling != "none" else ()
        return (*super().distinguishing_words, *some, *rescaled, f"seed {self.seed}")

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all measures take."""
        return float(PASSES_PER_MEASURE * self.units)


@dataclass(frozen=True)
class Value:
    """A measure's value so far: NaN with a sentence where there is none."""

    value: float = np.nan
    low: float = np.nan  # ends of a 95 % interval, or of where it must lie; equal where exact
    high: float = np.nan  # inf where the value is only a lower bound
    why: str = ""

    @property
    def is_bound(self) -> bool:
        """Whether it is the best that was found of a maximum."""
        return bool(np.isposinf(self.high)) and self.low == self.value


@dataclass(frozen=True, kw_only=True)
class RescalingFacts:
    """How the parameters were rescaled, and what that changed of the outputs."""

    pairs: str = ""  # of layers; empty where there are none
    gap: float | None = None  # largest difference of outputs over their largest
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class SharpnessFacts(AnswerFacts):
    """What holds for all measures."""

    accuracy: float | None = None
    epsilon: float = 0.0  # of the numbers that the parameters are
    theta_norm: float = math.nan
    started: bool = False  # whether there is a point where training began
    rescaling: RescalingFacts | None = None


@dataclass(frozen=True)
class Sharpness:
    """What is known of a point's measures so far."""

    rows: Mapping[str, np.ndarray]  # by `COLUMNS`, (R,) each
    computed: np.ndarray  # (units,) bool
    facts: SharpnessFacts = SharpnessFacts()
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
        return cls(rows, computed, SharpnessFacts.of_pieces(all_pieces), settings.chosen)

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
        rounding = ROUNDING_UNITS * self.facts.epsilon * abs(self.loss)
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
        return math.nan if self.facts.loss is None else self.facts.loss


@dataclass(frozen=True, kw_only=True)
class SharpnessLook(Look):
    """Which picture of sharpness is drawn: of values, of ratios, or along a worst direction."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "values: with their intervals; ratios: rescaled over as it was; direction: the loss "
            "along a worst direction.",
            choices=SHARPNESS_PICTURES,
        ),
    ] = SHARPNESS_PICTURES[0]
    measure: Annotated[
        str, Setting("Found by", "Whose worst direction.", choices=tuple(MEASURE_PLACES))
    ] = "sam"
    width: PlotWidth = 600

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
    unit="measures",
)
