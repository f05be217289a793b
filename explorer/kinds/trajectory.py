"""Snapshots of training runs beside a plane, and how they divide into runs."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

import numpy as np

from explorer.kinds.setting import Setting, Settings


@dataclass(frozen=True)
class RunSnapshots:
    """The snapshots of one training run that a question is about, the final one last."""

    name: str  # of the model
    points: tuple[str, ...]  # hash of each one's parameters and buffers
    optimiser_states: tuple[str, ...]  # hash of each one's, "" where there is none

    def last(self, count: int) -> "RunSnapshots":
        """Its last snapshots, so many at most."""
        tail = slice(-count, None)
        states = self.optimiser_states[tail]
        return dataclasses.replace(self, points=self.points[tail], optimiser_states=states)


@dataclass(frozen=True, kw_only=True)
class OfRuns(Settings):
    """Settings of a question about whole runs; who asks it fills in the lengths."""

    lengths: Annotated[
        tuple[int, ...],
        Setting("Lengths", "Snapshots of each run.", least=1, open_ended=True, filled_in=True),
    ] = ()

    def wanted_of(self, run: RunSnapshots) -> RunSnapshots:
        """Those snapshots of a run that are asked about; all of them unless a kind says otherwise.

        The final one is always among them.
        """
        return run

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings with what is filled in from the runs that are asked about.

        Raises:
            ValueError: a run lacks what they want.
        """
        return dataclasses.replace(self, lengths=tuple(len(run.points) for run in runs))

    @property
    def keeps_order(self) -> bool:
        """Whether the order in which runs are named says something; it does not, unless it does."""
        return False

    def check_beside(self, points: Sequence[str], runs: Sequence[RunSnapshots]) -> None:
        """Refuse runs that do not fit the subjects that are one point each.

        Args:
            points: hashes of those, in their order.
            runs: that are asked about.

        Raises:
            ValueError: they do not; unless a kind says otherwise, all do.
        """


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """Snapshots beside a plane, in the order of training; (T,) each."""

    x: np.ndarray  # coordinates in the plane
    y: np.ndarray
    out: np.ndarray  # distance from the plane
    moved: np.ndarray  # distance from the run's first snapshot
    values: Mapping[str, np.ndarray]  # the true loss and metrics, by each snapshot's own buffers


@dataclass(frozen=True, kw_only=True)
class Course(Trajectory):
    """A path with what it does in parameter space."""

    norm: np.ndarray  # of all parameters
    turn: np.ndarray  # angle in degrees to the step before; NaN for the first two


TrajectoryType = TypeVar("TrajectoryType", bound=Trajectory)


def spans(lengths: Sequence[int]) -> list[slice]:
    """The part of all snapshots that each run is."""
    ends = np.cumsum([0, *lengths]).tolist()
    return [slice(a, b) for a, b in itertools.pairwise(ends)]


def snapshot_places(lengths: Sequence[int]) -> dict[str, np.ndarray]:
    """Run and number of each snapshot within it, (T,) each."""
    runs = [np.full(length, run) for run, length in enumerate(lengths)]
    numbers = [np.arange(length) for length in lengths]
    return {"run": np.concatenate(runs), "snapshot": np.concatenate(numbers)}


def split_runs(path: TrajectoryType, lengths: Sequence[int]) -> list[TrajectoryType]:
    """The path of each run; of one run, whose lengths may be left out, the whole."""
    return [_part(path, span) for span in spans(lengths or [len(path.x)])]


def _part(path: TrajectoryType, span: slice) -> TrajectoryType:
    columns: dict[str, np.ndarray] = {
        field.name: getattr(path, field.name)[span]
        for field in dataclasses.fields(path)
        if field.name != "values"
    }
    values = {name: column[span] for name, column in path.values.items()}
    return type(path)(values=values, **columns)
