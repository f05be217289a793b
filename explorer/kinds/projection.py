"""Training runs seen on a plane that was not made for them: orthogonal projections."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np

from explorer.kinds.facts import AxesFacts
from explorer.kinds.kind import Kind
from explorer.kinds.look import LAST, Look, Moment, PlotWidth
from explorer.kinds.numbers import ResultNumber, ResultNumbers, largest, loss_numbers
from explorer.kinds.path_shape import BENT_SHAPES
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.plane_settings import PlaneSettings
from explorer.kinds.require import require
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import (
    OfRuns,
    RunSnapshots,
    Trajectory,
    snapshot_places,
    split_runs,
)

PLACE_COLUMNS = ("x", "y", "out", "moved")  # columns of a snapshot beside its values


RUNS = "runs"
TRAJECTORIES = (RUNS, *BENT_SHAPES)


@dataclass(frozen=True, kw_only=True)
class ProjectionSettings(OfRuns, PlaneSettings):
    """The plane of a surface, wherever its grid ends; and whose paths are projected on it."""

    trajectory: Annotated[
        str,
        Setting(
            "Paths",
            "runs: of training, by its snapshots; chain, bezier: one path past all points that are "
            "named, in their order, with its own loss at every place.",
            choices=TRAJECTORIES,
        ),
    ] = RUNS
    t_count: Annotated[
        int,
        Setting(
            "Points along the path",
            "From its first point to its last.",
            least=2,
            most=1001,
            unused_with={"trajectory": (RUNS,)},
        ),
    ] = 41

    def __post_init__(self) -> None:
        """Refuse what makes no plane; a snapshot's true loss is by its own statistics alone."""
        super().__post_init__()
        if not self.keeps_order:
            self.reset_unused("batchnorm", "batchnorm_batch", "batchnorm_examples")

    def wanted_of(self, run: RunSnapshots) -> RunSnapshots:
        """All of a run, or of a model that a path leads past its final point."""
        return run if self.trajectory == RUNS else run.last(1)

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about these runs, or past these points.

        Raises:
            ValueError: a run lacks what they want, or no path leads past so few points.
        """
        must = "a path must lead past 2 points or more; name its other end too"
        require(not self.keeps_order or len(runs) > 1, must, len(runs))
        return super().about(runs)

    @property
    def keeps_order(self) -> bool:
        """Whether points are named in the order of a path."""
        return self.trajectory != RUNS

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """What the plane is, and which path is projected where it is no run."""
        path = () if self.trajectory == RUNS else (self.trajectory,)
        return (*super().distinguishing_words, *path)

    @property
    def drawn_lengths(self) -> tuple[int, ...]:
        """Points of each path that is drawn."""
        return self.lengths if self.trajectory == RUNS else (self.t_count,)

    @property
    def units(self) -> int:
        """Snapshots of all runs, or places along the path; one unit of work each."""
        return sum(self.drawn_lengths)


@dataclass(frozen=True, kw_only=True)
class ProjectionFacts(AxesFacts):
    """What holds for all trajectories."""

    held: tuple[float | None, ...] = ()  # share of each one's variance that the plane holds
    arc_length: float | None = None  # of the one path there is, where it is no run


@dataclass(frozen=True)
class Projection:
    """Where each snapshot lies on the plane and beside it; NaN where not computed yet."""

    lengths: tuple[int, ...]
    values: Mapping[str, np.ndarray]  # (T,) each: "x", "y", "out", "moved", true loss and metrics
    computed: np.ndarray  # (T,) bool
    facts: ProjectionFacts = ProjectionFacts()
    t: tuple[float, ...] = ()  # place of each point on the one path there is, where it is no run
    points: int = 0  # that this path leads past, its ends included

    @classmethod
    def from_pieces(cls, settings: ProjectionSettings, pieces: Iterable[Piece]) -> "Projection":
        """The paths as far as the pieces go."""
        count = settings.units
        answer = partial_answer((count,), ("unit",), (), pieces)
        column_names = ("loss", *PLACE_COLUMNS)
        values = {name: np.full(count, np.nan) for name in column_names} | answer.values
        t = tuple(np.linspace(0, 1, count).tolist()) if settings.keeps_order else ()
        facts = ProjectionFacts.of(answer.facts)
        points = len(settings.lengths) if t else 0
        return cls(settings.drawn_lengths, values, answer.computed, facts, t, points)

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Run and number of each snapshot within it, (T,) each."""
        return snapshot_places(self.lengths)

    @property
    def loss(self) -> np.ndarray:
        """True mean loss per example of each snapshot, (T,)."""
        return self.values["loss"]

    @property
    def numbers(self) -> ResultNumbers:
        """Lowest and highest loss of the snapshots, and how far they lie beside the plane."""
        numbers = loss_numbers(self.loss, None)
        if self.computed.any():
            numbers["farthest_beside"] = ResultNumber(largest(self.values["out"]))
        return numbers

    @property
    def paths(self) -> list[Trajectory]:
        """The path of each run."""
        measured = {n: v for n, v in self.values.items() if n not in PLACE_COLUMNS}
        places = {name: self.values[name] for name in PLACE_COLUMNS}
        return split_runs(Trajectory(**places, values=measured), self.lengths)


@dataclass(frozen=True, kw_only=True)
class ProjectionLook(Look):
    """How far paths are drawn."""

    width: PlotWidth = 440
    until: Moment = LAST


PROJECTION = Kind(
    name="projection",
    title="Paths on the plane",
    subjects=("point", "runs"),
    runs_from=1,
    later=(
        *("direction", "x_rank", "y_rank", "x_axis", "y_axis", "scaling"),
        *("trajectory", "t_count"),
    ),
    settings=ProjectionSettings,
    result=Projection,
    facts=ProjectionFacts,
    version=1,
    numbers=("lowest_loss", "highest_loss", "farthest_beside"),
    columns=("x", "y", "out", "loss"),
    answer="explorer.analysis.projection:answer",
    look=ProjectionLook,
    draw="explorer.render.projection:draw",
    over="explorer.render.projection:draw_over",
    page="explorer/pages/surface.py",  # it is drawn over the surface of the same plane
    icon=":material/conversion_path:",
    sources=("li2018",),
    joined="with",
)
