"""Questions about several points of one problem: models, the tails of their runs, points alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from explorer.kinds.look import SubjectName
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import OfRuns, RunSnapshots

FEWEST_MEMBERS, MOST_MEMBERS = 2, 50


@dataclass(frozen=True, kw_only=True)
class OfMembers(OfRuns):
    """Settings of a question about several points, of each run the last few snapshots."""

    last: Annotated[
        int,
        Setting(
            "Last snapshots",
            "So many of each run, its final one among them; a point that is chosen alone is one.",
            least=1,
            most=MOST_MEMBERS,
            unit="snapshots",
            moves_points=True,
            in_links=True,
        ),
    ] = 1

    def wanted_of(self, run: RunSnapshots) -> RunSnapshots:
        """The last snapshots of a run."""
        return run.last(self.last)

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about these runs.

        Raises:
            ValueError: they are too few or too many points, or one is there twice.
        """
        points = [point for run in runs for point in run.points]
        fewest = self.fewest_members
        if not fewest <= len(points) <= MOST_MEMBERS:
            raise ValueError(
                f"there must be from {fewest} to {MOST_MEMBERS} points, got {len(points)}; "
                "choose other models, or more of the last snapshots of their runs"
            )
        if len(set(points)) < len(points):
            twice = next(run.name for run in runs if any(points.count(p) > 1 for p in run.points))
            raise ValueError(f"a point of {twice} is there twice, with the same weights; leave one")
        return super().about(runs)

    @property
    def fewest_members(self) -> int:
        """How many points there must be."""
        return FEWEST_MEMBERS

    @property
    def members(self) -> int:
        """How many points there are."""
        return sum(self.lengths)


def member_names(
    lengths: Sequence[int], names: Sequence[SubjectName], t: Sequence[float] = ()
) -> list[str]:
    """What each point is called: by its run, and its step where the run has several.

    Args:
        lengths: snapshots of each run.
        names: of the runs in their order; without any, points are numbered.
        t: where the points lie on a path past those runs, if they do.
    """
    if t:
        return [f"t = {place:.3g}" for place in t]
    if not names:
        return [f"point {number + 1}" for number in range(sum(lengths))]
    texts = []
    for length, name in zip(lengths, names, strict=True):
        steps = name.steps or tuple(range(length))
        several = [step if isinstance(step, str) else f"step {step}" for step in steps]
        texts += [name.text] if length == 1 else [f"{name.text}, {step}" for step in several]
    return texts
