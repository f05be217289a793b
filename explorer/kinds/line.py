"""Loss along lines through one point: random directions, the gradient's, or an eigenvector."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from explorer.kinds.axes import PointsAlongX, XFrom, XTo, check_axis
from explorer.kinds.direction_settings import rank_of_eigenvector
from explorer.kinds.eigenvalues import rank_words
from explorer.kinds.facts import AxesFacts
from explorer.kinds.given_axes import DIFFERENCE, GIVEN, GivenAxisSettings
from explorer.kinds.grid import axis_values, coarse_to_fine
from explorer.kinds.groups import Profile, Profiles
from explorer.kinds.kind import Kind
from explorer.kinds.look import ProfileLook
from explorer.kinds.numbers import ResultNumber, ResultNumbers, loss_numbers
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.require import require
from explorer.kinds.reuse import on_grid
from explorer.kinds.setting import Setting
from explorer.kinds.statistics import Interval, loss_interval
from explorer.kinds.topology import NUMBERS, basin_numbers

DIRECTIONS = ("random", "gradient", "eigenvector", GIVEN)
NO_RANK_WITH = {"direction": ("random", "gradient", GIVEN)}
MAX_DIRECTIONS = 64  # directions at once: each takes the memory of a model


@dataclass(frozen=True, kw_only=True)
class LineSettings(GivenAxisSettings):
    """Lines point + x * direction. Random direction k is axis k of the seed: the first a surface's.

    The gradient's direction is -g / norm(g), scaled to the norm of the parameters; the eigenvector
    is a unit vector of the Hessian, along which the slope is not above 0.
    """

    direction: Annotated[
        str,
        Setting(
            "Direction",
            "random: drawn from a seed and normalised (Li et al. 2018); gradient: straight "
            "downhill, x = 1 being a step as long as the parameters; eigenvector: of the Hessian, "
            "of length 1; given: the difference of two points, or a stored direction.",
            choices=DIRECTIONS,
        ),
    ] = "random"
    directions: Annotated[
        int,
        Setting(
            "How many directions",
            "All of one seed. Their spread is drawn around their mean.",
            least=1,
            most=MAX_DIRECTIONS,
        ),
    ] = 1
    x_min: XFrom = -1.0
    x_max: XTo = 1.0
    x_count: PointsAlongX = 101
    rank: Annotated[int, rank_of_eigenvector("Rank", NO_RANK_WITH)] = 1

    def __post_init__(self) -> None:
        """Refuse what makes no axis or no direction."""
        super().__post_init__()
        check_axis("x", self.x_min, self.x_max)
        if self.direction != "random":
            along = "a given direction" if self.direction == GIVEN else f"the {self.direction}"
            must = f"the number of directions must be 1 along {along}"
            require(self.directions == 1, must, self.directions)
        if self.direction == "eigenvector":
            self.require_curvature()

    @property
    def given_axes(self) -> Mapping[str, str]:
        """What the direction is, where it is given; else none."""
        return {"x": self.x_axis} if self.direction == GIVEN else {}

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """Points and split, then how many directions and of what kind."""
        size = f"{self.x_count} points"
        if self.direction == "gradient":
            return (size, self.split, self.direction)
        if self.direction == GIVEN:
            return (size, self.split, self.given_words)
        if self.direction == "eigenvector":
            return (size, self.split, f"{self.direction} {rank_words(self.rank)}")
        split, *direction_words = super().distinguishing_words
        several = (f"{self.directions} directions",) if self.directions > 1 else ()
        return (size, split, *several, *direction_words)

    @property
    def units(self) -> int:
        """Points on all lines; one unit of work each."""
        return self.directions * self.x_count

    @property
    def axis(self) -> np.ndarray:
        """Values along x, shape (X,)."""
        return axis_values(self.x_min, self.x_max, self.x_count)

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        if self.direction == "gradient":
            return "Loss along the negative gradient"
        if self.direction == "eigenvector":
            return f"Loss along {self._eigenvector_words}"
        if self.direction == GIVEN:
            return f"Loss along {self._given_words}"
        if self.directions == 1:
            return "Loss along a random direction"
        return f"Loss along {self.directions} random directions"

    @property
    def x_title(self) -> str:
        """What x is, in words."""
        if self.direction == "gradient":
            return "Step down the gradient, in norms of the parameters"
        if self.direction == "eigenvector":
            return f"Distance along {self._eigenvector_words}"
        if self.direction == GIVEN:
            return f"Distance along {self._given_words}{self._unit_words}"
        return f"Distance along {'each' if self.directions > 1 else 'the'} direction"

    @property
    def _given_words(self) -> str:
        return "the difference of two points" if self.x_axis == DIFFERENCE else "a stored direction"

    @property
    def _unit_words(self) -> str:
        units = {"raw": ", in units of its length", "filter": ", in norms of each filter"}
        return units.get(self.scaling, "")

    @property
    def _eigenvector_words(self) -> str:
        named = {1: "the top eigenvector", -1: "the bottom eigenvector"}
        return named.get(self.rank, f"eigenvector {rank_words(self.rank)}")


@dataclass(frozen=True, kw_only=True)
class LineLook(ProfileLook):
    """How lines are drawn: a value along them, and perhaps a second one below it."""


@dataclass(frozen=True, kw_only=True)
class LineFacts(AxesFacts):
    """What holds for the whole line: the last four of one along the gradient or an eigenvector."""

    gradient_norm: float | None = None
    slope: float = math.nan  # of the loss at 0
    eigenvalue: float | None = None
    residual: float = math.nan  # that it is within


@dataclass(frozen=True)
class Line:
    """Values along K lines; NaN where not computed yet or the model gave NaN: see `computed`."""

    x: np.ndarray  # (X,)
    values: Mapping[str, np.ndarray]  # name -> (K, X): "loss", metrics, "squared_norm"
    computed: np.ndarray  # (K, X) bool
    facts: LineFacts = LineFacts()
    available: int | None = None  # examples of which random ones were evaluated; None: no such part
    settings: LineSettings = field(default_factory=LineSettings)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each point, shape (K, X)."""
        return self.values["loss"]

    @property
    def complete(self) -> np.ndarray:
        """Where all lines are computed, (X,) bool."""
        return np.asarray(self.computed.all(axis=0))

    def mean(self, name: str) -> np.ndarray:
        """Mean of a value over the lines, (X,); NaN where one of them is not computed yet."""
        with np.errstate(invalid="ignore"):  # +Inf and -Inf have none
            return np.asarray(self.values[name].mean(axis=0))

    def spread(self, name: str) -> np.ndarray:
        """Standard deviation of a value over two or more lines, (X,): how far directions differ."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.values[name].std(axis=0, ddof=1))

    @property
    def interval(self) -> Interval | None:
        """95 % interval around each loss, (K, X) twice; None where losses have no such thing."""
        return loss_interval(self.values, self.facts.examples, self.available)

    @property
    def numbers(self) -> ResultNumbers:
        """Lowest and highest loss, that of the model by itself; of one line basins, curvature."""
        numbers = loss_numbers(self.loss, self.facts.stand_alone_loss)
        if len(self.loss) == 1:
            only_line = {name: values[0] for name, values in self.values.items()}
            numbers |= basin_numbers(only_line, self.computed[0])
        if math.isfinite(self.facts.slope):
            numbers["slope"] = ResultNumber(self.facts.slope)
        if self.facts.eigenvalue is not None:
            numbers["eigenvalue"] = ResultNumber.within(self.facts.eigenvalue, self.facts.residual)
        return numbers

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Indices and coordinate of each point, (K, X) each."""
        k, i = np.indices(self.computed.shape)
        return {"k": k, "i": i, "x": self.x[i]}

    @classmethod
    def from_pieces(cls, settings: LineSettings, pieces: Iterable[Piece]) -> "Line":
        """The lines as far as the pieces go."""
        shape = (settings.directions, settings.x_count)
        answer = partial_answer(shape, ("k", "i"), ("x",), pieces)
        values = {"loss": np.full(shape, np.nan)} | answer.values
        facts = LineFacts.of(answer.facts)
        available = facts.available or None if settings.subset == "random" else None
        return cls(settings.axis, values, answer.computed, facts, available, settings)


def places(settings: LineSettings) -> tuple[np.ndarray, np.ndarray]:
    """Line k and index i of each unit of work, (P,) each: all lines grow together."""
    order = coarse_to_fine((settings.x_count,))[:, 0]
    count = settings.directions
    return np.tile(np.arange(count), len(order)), np.repeat(order, count)


def taken_over(settings: LineSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another answer's lines that stand on these, as rows of these."""
    k, i = places(settings)
    axes = settings.axis, np.arange(settings.directions)
    return on_grid(old, axes, (i, k), (("i", "x"), ("k", "k")))


def profiles(lines: Mapping[str, Line], look: LineLook) -> Profiles:
    """A value along each line, the mean of several directions of one model."""
    by_name = {
        name: Profile(line.x, line.mean(look.value), line.complete) for name, line in lines.items()
    }
    return Profiles(by_name, look.value, next(iter(lines.values())).settings.x_title)


LINE = Kind(
    name="line",
    title="Line",
    subjects=("point",),
    settings=LineSettings,
    result=Line,
    facts=LineFacts,
    version=2,
    numbers=("lowest_loss", "highest_loss", "loss", *NUMBERS, "slope", "eigenvalue"),
    columns=("k", "i", "x", "loss"),
    answer="explorer.analysis.line:answer",
    look=LineLook,
    draw="explorer.render.line:draw",
    overlaid=True,
    profiles="explorer.kinds.line:profiles",
    page="explorer/pages/line.py",
    icon=":material/show_chart:",
    sources=("li2018",),
    axes=("directions", "x_min", "x_max", "x_count"),
    taken_over="explorer.kinds.line:taken_over",
    later=("rank", "x_axis", "scaling"),
)
