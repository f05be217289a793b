"""What a question is about: models, points, whole runs, and the names by which people know them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from explorer.kinds import Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.trajectory import OfRuns, RunSnapshots, spans
from explorer.wording import printable
from store import Catalog, records


class Reads(Protocol):
    """Where models' problems and points are read: a catalog, or what was read of one at once."""

    def problem(self, id: str) -> records.Problem:
        """The problem of that id."""

    def points(self, model_id: str) -> list[records.Point]:
        """The points of a model by step; those without one come last."""


# A model and the id of its point: "" for its final one; in the place of a run, for all of the run.
Subject = tuple[records.Model, str]


def models_of(
    kind: Kind, settings: ObjectiveSettings, subjects: Sequence[Subject]
) -> tuple[records.Model, ...]:
    """The models of a question's subjects in its order."""
    return tuple(model for model, _ in ordered_subjects(kind, settings, subjects))


def ordered_subjects(
    kind: Kind, settings: ObjectiveSettings, subjects: Sequence[Subject]
) -> list[Subject]:
    """The subjects as a question has them: further runs by their points.

    In which order further runs are named changes nothing, and asks nothing new, but where the
    settings say otherwise.

    Raises:
        ValueError: more or fewer than the kind has, or one run twice.
    """
    names = kind.all_subjects(settings)
    fits = len(subjects) == len(names)
    single = len(kind.single_subjects(settings))
    if kind.whole_run:
        runs = [(model.id, _point_alone(model, point)) for model, point in subjects[single:]]
        fits = len(subjects) >= len(names) and len(set(runs)) == len(runs)
    if not fits:
        needed = f"{len(names)} ({', '.join(names)})"
        needed += " or more, each run once" if kind.whole_run else ""
        raise ValueError(f"the subjects of {kind.name} must be {needed}, got {len(subjects)}")
    first = max(1, single)  # a run that gives the plane stays the first
    further = list(subjects[first:])
    if isinstance(settings, OfRuns) and not settings.keeps_order:
        further.sort(key=lambda run: (run[1] or run[0].point_id, run[0].id))
    return [*subjects[:first], *further]


def check_ends(points: Mapping[str, str]) -> None:
    """Refuse an axis that leads nowhere, from a point to itself.

    Args:
        points: ids by the names of the subjects, as x_start and x_end.

    Raises:
        ValueError: there is such an axis.
    """
    for name, point in points.items():
        axis, _, part = name.partition("_")
        if part == "start" and points.get(f"{axis}_end") == point:
            raise ValueError(
                f"the axis {axis} must lead from one point to another, got the same for both; "
                f"choose another one for {axis} to lead to"
            )


def _point_alone(model: records.Model, point: str) -> str:
    """The point that stands for itself in the place of a run; empty for the whole run."""
    return "" if point == model.point_id else point


def run_snapshots(catalog: Reads, subject: Subject, fewest: int) -> RunSnapshots:
    """The snapshots of a model's training in order, each once, its final one last.

    A subject whose point is not its model's final one is that point alone: a snapshot, or a point
    that an answer brought.

    Raises:
        ValueError: they are fewer than needed.
    """
    model, point = subject
    states = {p.point_id: p.optimiser_state for p in catalog.points(model.id)}
    order = [*(id for id in states if id != model.point_id), model.point_id]
    if alone := _point_alone(model, point):
        order = [alone]
    if len(order) < fewest:
        raise ValueError(
            f"a run must have at least {fewest} different snapshots, {model.name} has "
            f"{len(order)}; import more of its checkpoints together"
        )
    return RunSnapshots(model.name, tuple(order), tuple(states.get(id, "") for id in order))


def training_start(catalog: Reads, subject: Subject) -> Subject:
    """The first snapshot of the subject's model; the subject itself where there is no other."""
    model, _ = subject
    snapshots = catalog.points(model.id)
    return (model, snapshots[0].point_id) if len(snapshots) > 1 else subject


def named_points(kind: Kind, settings: ObjectiveSettings, points: Sequence[str]) -> list[str]:
    """The point that each subject of a question is named by; a whole run's is its final one."""
    if not isinstance(settings, OfRuns):
        return list(points)
    single = len(kind.single_subjects(settings))
    lengths = settings.lengths or [len(points) - single]
    ends = (span.stop - 1 for span in spans(lengths))
    runs = points[single:]
    return [*points[:single], *(runs[end] for end in ends)]


def point_of(catalog: Catalog, model_id: str, point_id: str) -> records.Point:
    """A point as that model knows it: the same weights may be imported under several names."""
    own = (point for point in catalog.points(model_id) if point.point_id == point_id)
    return next(own, None) or catalog.point(point_id)


def point_text(point: records.AnswerPoint) -> str:
    """A point that an answer brought, as pages list it and their addresses name it."""
    return f"{printable(point.label)} ({point.question_key[:8]})"


def snapshot_text(point: records.Point) -> str:
    """Which point of its model it is, in words: its training step, or else its file's name."""
    return point.label if point.step is None else f"step {point.step}"
