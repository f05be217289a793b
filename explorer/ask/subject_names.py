"""What the subjects of a question are called in its pictures."""

from collections.abc import Sequence

from explorer.ask.subjects import named_points, point_of, snapshot_text
from explorer.kinds import kind_named, settings_from_json
from explorer.kinds.look import SubjectName
from explorer.kinds.trajectory import OfRuns, spans
from explorer.wording import printable
from store import Catalog, records


def label_models(models: Sequence[records.Model]) -> dict[str, records.Model]:
    """Models by a label that can be read, and that tells apart those of one name."""
    names = [printable(model.name) for model in models]
    return {
        name if names.count(name) == 1 else f"{name} ({model.id[:6]})": model
        for name, model in zip(names, models, strict=True)
    }


def all_labels(catalog: Catalog) -> dict[str, str]:
    """What models, and directions that were imported, are called, by id."""
    lists = catalog.models(directions=True), catalog.models()
    return {model.id: label for one in lists for label, model in label_models(one).items()}


def subject_names(catalog: Catalog, question: records.Question) -> tuple[SubjectName, ...]:
    """The names of a question's subjects in their order; of whole runs with their steps."""
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    labels = all_labels(catalog)
    ends = named_points(kind, settings, question.point_ids)
    lengths = settings.lengths if isinstance(settings, OfRuns) else ()
    first_run = len(kind.single_subjects(settings))
    runs = _run_points(question.point_ids[first_run:], lengths)
    names = []
    for place, (model_id, name) in enumerate(
        zip(question.model_ids, question.model_names, strict=True)
    ):
        label = labels.get(model_id, printable(name))
        if place < first_run or ends[place] != catalog.model(model_id).point_id:  # a point alone
            names.append(_point_name(catalog, model_id, ends[place], label))
        else:
            points = runs[place - first_run]
            names.append(SubjectName(label, _steps(catalog, model_id, points)))
    return tuple(names)


def _run_points(point_ids: Sequence[str], lengths: Sequence[int]) -> list[Sequence[str]]:
    """The points of each run; of one run, whose length may be left out, all."""
    return [point_ids[span] for span in spans(lengths or [len(point_ids)])]


def _point_name(catalog: Catalog, model_id: str, point_id: str, label: str) -> SubjectName:
    """Model and snapshot; the final one goes by the model's name alone."""
    if point_id == catalog.model(model_id).point_id:
        return SubjectName(label)
    snapshot = snapshot_text(point_of(catalog, model_id, point_id))
    return SubjectName(f"{label} at {printable(snapshot)}")


def _steps(catalog: Catalog, model_id: str, point_ids: Sequence[str]) -> tuple[int | str, ...]:
    """Training step of each snapshot of a run, or its file's name where it has none."""
    points = {point.point_id: point for point in catalog.points(model_id)}
    return tuple(
        _step(points[point_id]) if point_id in points else point_id[:6] for point_id in point_ids
    )


def _step(point: records.Point) -> int | str:
    return printable(point.label) if point.step is None else point.step
