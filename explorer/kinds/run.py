"""Training runs on the plane of their principal components, with the loss around their paths."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from explorer.codec import prefixed
from explorer.kinds.axes import PointsAlongX, PointsAlongY
from explorer.kinds.facts import AxesFacts
from explorer.kinds.grid import OnGrid, axis_values
from explorer.kinds.kind import Kind
from explorer.kinds.look import LAST, LossPlaneLook, Moment
from explorer.kinds.numbers import ResultNumber, ResultNumbers, loss_numbers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.setting import Setting
from explorer.kinds.surface import Surface
from explorer.kinds.topology import NUMBERS, basin_numbers
from explorer.kinds.trajectory import Course, OfRuns, split_runs

LARGEST_MARGIN = 10.0
KEPT_COMPONENTS = 10  # principal components whose share is kept
RUN_PLANES = ("together", "first")  # whose principal components: all runs' or the first one's
RUN_PICTURES = ("plane", "course", "variance")  # paths on the plane; runs over steps; components


@dataclass(frozen=True, kw_only=True)
class RunSettings(OnGrid, OfRuns, ObjectiveSettings):
    """A grid over the plane of the first two principal components, around all paths.

    The plane goes through the end of the first run.
    """

    margin: Annotated[
        float,
        Setting(
            "Margin",
            "Left free on every side of the path, in widths of the path along that axis.",
            above=0,
            most=LARGEST_MARGIN,
            step=0.05,
        ),
    ] = 0.25
    x_count: PointsAlongX = 41
    y_count: PointsAlongY = 41
    plane: Annotated[
        str,
        Setting(
            "Components of",
            "Principal components (Li et al. 2018), together: of all snapshots of all runs; first: "
            "of the model's own run, on whose plane the others are projected.",
            choices=RUN_PLANES,
        ),
    ] = "together"

    def __post_init__(self) -> None:
        """Refuse what makes no grid; one run is asked about as before there could be several."""
        super().__post_init__()
        if len(self.lengths) == 1:
            self.reset_unused("lengths", "plane")
        self.require_few_points()

    @property
    def plane_recipe(self) -> dict[str, object]:
        """Which components its axes are, and of which runs."""
        return {"sort": "components", "plane": self.plane, "lengths": self.lengths}

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The size of the grid, and the split."""
        return (self.size_words, *super().distinguishing_words)


@dataclass(frozen=True, kw_only=True)
class CourseFacts:
    """The snapshots of all runs; None stands for a number that JSON does not know."""

    values: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    columns: Mapping[str, tuple[float | None, ...]] = field(
        default_factory=dict, metadata=prefixed("")
    )


@dataclass(frozen=True, kw_only=True)
class PlaneOfRunFacts(AxesFacts):
    """What holds for the whole plane."""

    explained: tuple[float, ...] = ()  # share of the variance, by component
    explained_by_random_walk: tuple[float, ...] = ()  # of as many steps
    held: tuple[float | None, ...] = ()  # share of each run's variance that the plane holds
    path: CourseFacts | None = None
    x_range: tuple[float, float] = (0.0, 1.0)
    y_range: tuple[float, float] = (0.0, 1.0)

    @property
    def point_losses(self) -> tuple[float | None, ...]:
        """The true loss of each snapshot of all runs; the plane stands on one of them alone."""
        return self.path.values.get("loss", ()) if self.path else ()


@dataclass(frozen=True)
class Run(Surface):
    """The surface of the plane, and the paths; the axes are known with the first piece."""

    facts: PlaneOfRunFacts = PlaneOfRunFacts()
    lengths: tuple[int, ...] = ()  # of several runs

    @classmethod
    def from_pieces(  # type: ignore[override]  # of another kind's settings
        cls, settings: RunSettings, pieces: Iterable[Piece]
    ) -> "Run":
        """The plane as far as the pieces go."""
        answer = partial_answer(settings.shape, ("j", "i"), ("x", "y"), pieces)
        values = {"loss": np.full(settings.shape, np.nan)} | answer.values
        facts = PlaneOfRunFacts.of(answer.facts)
        return cls(*axes(settings, facts), values, answer.computed, facts, settings.lengths)

    @property
    def numbers(self) -> ResultNumbers:
        """Lowest and highest loss on the plane, its basins, and its share of the run's variance."""
        numbers = loss_numbers(self.loss, self.facts.stand_alone_loss)
        numbers |= basin_numbers(self.values, self.computed)
        if self.facts.explained:
            numbers["explained"] = ResultNumber(sum(self.facts.explained[:2]))
        return numbers

    @property
    def path(self) -> Course | None:
        """The snapshots of all runs; None before the first piece."""
        path = self.facts.path
        if path is None:
            return None
        parts = {name: as_floats(column) for name, column in path.columns.items()}
        return Course(**parts, values={n: as_floats(v) for n, v in path.values.items()})

    @property
    def paths(self) -> list[Course]:
        """The snapshots of each run; none before the first piece."""
        path = self.path
        return [] if path is None else split_runs(path, self.lengths)


@dataclass(frozen=True, kw_only=True)
class RunLook(LossPlaneLook):
    """Which picture of training runs is drawn, and how."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "plane: paths over the loss; course: values over the steps; variance: of components.",
            choices=RUN_PICTURES,
        ),
    ] = RUN_PICTURES[0]
    until: Moment = LAST


def as_floats(values: Iterable[float | None]) -> np.ndarray:
    """Values (T,) with NaN where JSON holds none."""
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def axes(settings: RunSettings, facts: PlaneOfRunFacts) -> tuple[np.ndarray, np.ndarray]:
    """Values along x (X,) and y (Y,), from 0 to 1 before the path is known."""
    (left, right), (low, high) = facts.x_range, facts.y_range
    return axis_values(left, right, settings.x_count), axis_values(low, high, settings.y_count)


def variance_shares(gram: np.ndarray) -> np.ndarray:
    """Share of the variance that each principal component explains, largest first.

    Args:
        gram: inner products (T, T) of the snapshots, from any origin.
    """
    variances = np.linalg.eigvalsh(centred_gram(gram))[::-1].clip(min=0)
    return np.asarray(variances / max(variances.sum(), np.finfo(float).tiny))


def centred_gram(gram: np.ndarray) -> np.ndarray:
    """Inner products of the same vectors from their mean."""
    mean = gram.mean(axis=0)
    return np.asarray(gram - mean - mean[:, None] + gram.mean())


def random_walk_shares(snapshots: int) -> np.ndarray:
    """The shares of a random walk of so many snapshots in infinitely many dimensions.

    A run that explains no more than this is no evidence of a low-dimensional path.

    Source: Antognini and Sohl-Dickstein 2018, arXiv:1806.08805: inner products min(s, t).
    """
    steps = np.arange(snapshots, dtype=np.float64)
    return variance_shares(np.minimum(steps[:, None], steps))


RUN = Kind(
    name="run",
    title="Training run",
    subjects=("run",),
    runs_from=0,
    fewest=3,
    later=("lengths", "plane"),
    settings=RunSettings,
    result=Run,
    facts=PlaneOfRunFacts,
    version=1,
    numbers=("lowest_loss", "highest_loss", "loss", *NUMBERS, "explained"),
    columns=("i", "j", "x", "y", "loss"),
    answer="explorer.analysis.run:answer",
    look=RunLook,
    draw="explorer.render.run:draw",
    over="explorer.render.overlay:draw_over",
    page="explorer/pages/run.py",
    icon=":material/timeline:",
    sources=("li2018",),
)
