"""How much lower the loss of one model is than another's, compared example by example."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.axes import PointsAlongX, XFrom, XTo
from explorer.kinds.direction_settings import DirectionSettings
from explorer.kinds.facts import ChordFacts
from explorer.kinds.grid import OnLine
from explorer.kinds.groups import Profile, Profiles
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, CurvesLook, PlotHeight
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.statistics import Interval, interval


@dataclass(frozen=True, kw_only=True)
class DifferenceSettings(OnLine, DirectionSettings):
    """Both models at x times a random direction of one seed, scaled to each; x = 0: themselves."""

    x_min: XFrom = -1.0
    x_max: XTo = 1.0
    x_count: PointsAlongX = 41

    def evaluations(self, parameters: int, examples: int) -> float:
        """Both models at each point."""
        return 2.0 * self.units


@dataclass(frozen=True)
class Difference:
    """Two models' losses along a line and their difference; NaN where not computed yet."""

    x: np.ndarray  # (X,)
    # name -> (X,): "loss_first", "loss_second", "difference"; each also with "_se", its error
    values: Mapping[str, np.ndarray]
    computed: np.ndarray  # (X,) bool
    facts: ChordFacts = field(default_factory=ChordFacts)
    available: int | None = None  # examples of which random ones were evaluated; None: no such part

    @classmethod
    def from_pieces(cls, settings: DifferenceSettings, pieces: Iterable[Piece]) -> "Difference":
        """The line as far as the pieces go."""
        answer = partial_answer((settings.x_count,), ("i",), ("x",), pieces)
        names = ("loss_first", "loss_second", "difference")
        values = {name: np.full(settings.x_count, np.nan) for name in names} | answer.values
        facts = ChordFacts.of(answer.facts)
        available = facts.available or None if settings.subset == "random" else None
        return cls(settings.axis, values, answer.computed, facts, available)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Index and coordinate of each point, (X,) each."""
        return {"i": np.arange(len(self.x)), "x": self.x}

    @property
    def loss(self) -> np.ndarray:
        """Loss of the first model minus that of the second, (X,)."""
        return self.values["difference"]

    @property
    def paired_interval(self) -> Interval | None:
        """95 % interval around each difference, (X,) twice, from differences example by example.

        It is Student's: differences have tails on both sides, and their sample skewness is mostly
        noise. Where a few examples carry the whole difference it is too short: of 200 out of 1,437
        digits, 94 % of the intervals held at two trained networks, 86 % a quarter of the way along
        a random direction, 95 % at its end.

        Source: Cochran 1977, Sampling Techniques, section 2.8, of the differences.
        """
        if "difference_se" not in self.values:
            return None
        return self._interval(self.values["difference_se"])

    @property
    def unpaired_interval(self) -> Interval | None:
        """The same as if each model had been evaluated on examples of its own: variances add up."""
        if "difference_se" not in self.values:
            return None
        return self._interval(np.hypot(self.values["loss_first_se"], self.values["loss_second_se"]))

    def _interval(self, error: np.ndarray) -> Interval:
        return interval(self.loss, error, self.facts.examples, self.available)

    @property
    def numbers(self) -> ResultNumbers:
        """The difference of the models themselves, and how far they are apart."""
        numbers = {}
        if (centre := self.centre) is not None:
            ends = self.paired_interval or (np.full(len(self.x), np.nan),) * 2
            low, high = (float(end[centre]) for end in ends)
            numbers["difference"] = ResultNumber(float(self.loss[centre]), low, high)
        if self.facts.distance is not None:
            numbers["distance"] = ResultNumber(self.facts.distance)
        return numbers

    @property
    def centre(self) -> int | None:
        """Where the models themselves are compared; None if that is no point or not computed."""
        zero_places = np.flatnonzero((self.x == 0) & self.computed)
        return int(zero_places[0]) if len(zero_places) else None


@dataclass(frozen=True, kw_only=True)
class DifferenceLook(CurvesLook):
    """How two losses and, below them, their difference are drawn; the log scale is the losses'."""

    height: PlotHeight = 210

    @classmethod
    def small(cls, result: Difference) -> "DifferenceLook":
        """Both plots in the height of one."""
        return cls(width=SMALL_WIDTH, height=SMALL_HEIGHT // 2)


def profiles(differences: Mapping[str, Difference], look: DifferenceLook) -> Profiles:
    """The difference along each direction."""
    by_name = {name: Profile(one.x, one.loss, one.computed) for name, one in differences.items()}
    return Profiles(by_name, "difference", "Distance along the direction", signed=True)


DIFFERENCE = Kind(
    name="difference",
    title="Difference",
    subjects=("first", "second"),
    settings=DifferenceSettings,
    result=Difference,
    facts=ChordFacts,
    version=1,
    numbers=("difference", "distance"),
    columns=("i", "x", "difference"),
    answer="explorer.analysis.difference:answer",
    look=DifferenceLook,
    draw="explorer.render.difference:draw",
    overlaid=True,
    profiles="explorer.kinds.difference:profiles",
    page="explorer/pages/difference.py",
    icon=":material/compare_arrows:",
    sources=("li2018",),
    axes=("x_min", "x_max", "x_count"),
    taken_over="explorer.kinds.grid:taken_over_on_line",
)
