"""Loss on a path between two points, straight or not, and how high it rises there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Self

import numpy as np

from explorer.kinds.axes import axis_end, points_along
from explorer.kinds.facts import ChordFacts, number
from explorer.kinds.grid import OnLine
from explorer.kinds.groups import Profile, Profiles
from explorer.kinds.kind import Kind
from explorer.kinds.look import ProfileLook
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.path_heights import PathHeights
from explorer.kinds.path_shape import BENT_SHAPES, BEZIER, CHAIN, MOST_BENDS, SHAPES, STRAIGHT
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.setting import Setting, SettingError
from explorer.kinds.statistics import Interval, loss_interval
from explorer.wording import counted

ENDS_HELP = "An end of the axis; 0 is the first point, 1 the second."


@dataclass(frozen=True, kw_only=True)
class InterpolationSettings(OnLine):
    """The points (1 - a) first + a second; with the defaults both ends are among them.

    Frozen running statistics are interpolated too, and beyond an end stay its own. Other paths lead
    from a = 0 to a = 1 and end there; bends that they lead past are further subjects, in order.
    """

    shape: Annotated[
        str,
        Setting(
            "Path",
            "straight: the line through both; spherical: the arc around 0 (Shoemake 1985); layers: "
            "one layer moved after the other; chain: straight lines from bend to bend; bezier: the "
            "curve that these pull (Garipov et al. 2018). Bends come from a path that was trained.",
            choices=SHAPES,
            moves_points=True,
            sources={CHAIN: "garipov2018", BEZIER: "garipov2018"},
        ),
    ] = STRAIGHT
    bends: Annotated[
        int,
        Setting(
            "Bends",
            "Points between both ends that the path leads past.",
            least=0,
            most=MOST_BENDS,
            filled_in=True,
        ),
    ] = 0
    repair: Annotated[
        bool,
        Setting(
            "REPAIR",
            "Give each channel's activations along the line the mean and spread between those of "
            "both ends, by rescaling weights and biases at every place (Jordan et al. 2023).",
            unused_with={"shape": tuple(shape for shape in SHAPES if shape != STRAIGHT)},
        ),
    ] = False
    x_min: Annotated[float, axis_end("a from", ENDS_HELP)] = -0.25
    x_max: Annotated[float, axis_end("a to", ENDS_HELP)] = 1.25
    x_count: Annotated[int, points_along("the line")] = 61

    def __post_init__(self) -> None:
        """Refuse what makes no path: but for the straight line none goes on beyond its ends."""
        super().__post_init__()
        if self.shape != STRAIGHT:
            for name, end in (("x_min", self.x_min), ("x_max", self.x_max)):
                if not 0 <= end <= 1:
                    raise SettingError(name, f"must be from 0 to 1 on such a path, got {end:g}")

    @property
    def further_subjects(self) -> tuple[str, ...]:
        """The bends."""
        return tuple(f"bend_{number}" for number in range(1, self.bends + 1))

    @classmethod
    def usual_batchnorm(cls) -> str:
        """Recomputed: statistics between two points are those of neither."""
        return "recalibrated"

    @classmethod
    def subject_sequence(cls) -> str:
        """The bends are named together, as those of one answer."""
        return "bends"

    def with_further(self, count: int) -> Self:
        """The settings of a path past so many bends; of other paths there are none.

        Raises:
            ValueError: this sort of path leads past some.
        """
        if self.shape not in BENT_SHAPES:
            return self
        if count < 1:
            raise ValueError(f"the bends of a {self.shape} path must be 1 or more, got 0")
        return replace(self, bends=count)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """Points and split, and which path it is where that is not the straight line."""
        bends = f" with {counted(self.bends, 'bend')}" if self.bends else ""
        path = () if self.shape == STRAIGHT else (f"{self.shape}{bends}",)
        repair = ("REPAIR",) if self.repair else ()
        return (*super().distinguishing_words, *path, *repair)

    def further_words(self, names: Mapping[str, str], origin: str) -> str:
        """How many bends there are."""
        return counted(len(names), "bend")


@dataclass(frozen=True, kw_only=True)
class InterpolationLook(ProfileLook):
    """How the way between two points is drawn: a value along it, perhaps a second one below it."""


@dataclass(frozen=True)
class Interpolation(PathHeights):
    """Values between two points; NaN where not computed yet or the model gave NaN.

    Heights are over the computed points from a = 0 to a = 1, those two included.
    """

    x: np.ndarray  # (X,) a: 0 at the first point, 1 at the second
    values: Mapping[str, np.ndarray]  # name -> (X,): "loss", metrics, "squared_norm"
    computed: np.ndarray  # (X,) bool
    facts: ChordFacts = field(default_factory=ChordFacts)
    available: int | None = None  # examples of which random ones were evaluated; None: no such part

    @classmethod
    def from_pieces(
        cls, settings: InterpolationSettings, pieces: Iterable[Piece]
    ) -> "Interpolation":
        """The line as far as the pieces go."""
        answer = partial_answer((settings.x_count,), ("i",), ("x",), pieces)
        values = {"loss": np.full(settings.x_count, np.nan)} | answer.values
        facts = ChordFacts.of(answer.facts)
        available = facts.available or None if settings.subset == "random" else None
        return cls(settings.axis, values, answer.computed, facts, available)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Index and coordinate of each point, (X,) each."""
        return {"i": np.arange(len(self.x)), "x": self.x}

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each point, shape (X,)."""
        return self.values["loss"]

    @property
    def interval(self) -> Interval | None:
        """95 % interval around each loss, (X,) twice; None where losses have no such thing."""
        return loss_interval(self.values, self.facts.examples, self.available)

    def ends(self, name: str = "loss") -> tuple[float, float]:
        """A value at a = 0 and a = 1; NaN where it is not known."""
        end_values = [number(end, name) for end in self.facts.alone or ({}, {})]
        for place, a in enumerate((0.0, 1.0)):
            for at in np.flatnonzero((self.x == a) & self.computed):
                end_values[place] = float(self.values[name][at])
        return end_values[0], end_values[1]

    def values_between(self, name: str = "loss") -> tuple[np.ndarray, np.ndarray]:
        """Places a from 0 to 1 and the value there, both ends included, (B,) each."""
        inner = self.computed & (self.x > 0) & (self.x < 1)
        first, last = self.ends(name)
        a = np.concatenate([[0.0], self.x[inner], [1.0]])
        return a, np.concatenate([[first], self.values[name][inner], [last]])

    @property
    def numbers(self) -> ResultNumbers:
        """Heights of the way by each definition, and how far the two points are apart."""
        heights = {
            "barrier": self.barrier,
            "rise_above_mean": self.rise_above_mean,
            "error_rise": self.error_rise,
            "saddle": self.saddle,
            "height_ratio": self.height_ratio,
            "midpoint_rise": self.midpoint_rise,
            "largest_rise": self.largest_rise,
            "distance": self.facts.distance,
            "arc_length": self.facts.arc_length,
        }
        return {name: ResultNumber(n) for name, n in heights.items() if n is not None}


def profiles(lines: Mapping[str, Interpolation], look: InterpolationLook) -> Profiles:
    """A value along each line."""
    by_name = {
        name: Profile(line.x, line.values[look.value], line.computed)
        for name, line in lines.items()
    }
    return Profiles(by_name, look.value, "a: 0 is the first point, 1 is the second")


INTERPOLATION = Kind(
    name="interpolation",
    title="Interpolation",
    subjects=("from", "to"),
    settings=InterpolationSettings,
    result=Interpolation,
    facts=ChordFacts,
    version=2,
    numbers=(
        *("barrier", "rise_above_mean", "error_rise", "saddle", "height_ratio", "midpoint_rise"),
        *("largest_rise", "distance", "arc_length"),
    ),
    columns=("i", "x", "loss"),
    answer="explorer.analysis.interpolation:answer",
    look=InterpolationLook,
    draw="explorer.render.interpolation:draw",
    overlaid=True,
    profiles="explorer.kinds.interpolation:profiles",
    page="explorer/pages/interpolation.py",
    icon=":material/linear_scale:",
    sources=("goodfellow2015",),
    axes=("x_min", "x_max", "x_count"),
    taken_over="explorer.kinds.grid:taken_over_on_line",
    joined="to",
)
