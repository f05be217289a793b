"""The way from a stored analysis to its page: what it is about, in words and as an address."""

from dataclasses import dataclass

from explorer.ask.subject_names import label_models
from explorer.ask.subjects import named_points, point_text
from explorer.kinds import Kind, kind_named, settings_from_json
from explorer.pages import _parts as parts
from explorer.wording import printable
from store import Catalog, records


@dataclass(frozen=True)
class Link:
    """Where an analysis is shown."""

    kind: Kind
    words: str  # its subjects, as on the command line: cards are narrow
    parameters: dict[str, str | list[str]]  # of its page's address


class Subjects:
    """The models and points that links name, each read once while a page is made."""

    def __init__(self, catalog: Catalog) -> None:
        """The models of today."""
        labels = label_models(catalog.models())
        self.labels = {model.id: label for label, model in labels.items()}  # as pages list them
        self._models = {model.id: model for model in labels.values()}
        self._steps: dict[tuple[str, str], int | str] = {}
        self._catalog = catalog

    def model(self, id: str) -> records.Model:
        """The model of that id, also a deleted one."""
        if id not in self._models:
            self._models[id] = self._catalog.model(id)
        return self._models[id]

    def step(self, model_id: str, id: str) -> int | str:
        """What tells a point from others of its model, as pages list it."""
        if (model_id, id) not in self._steps:
            for brought in self._catalog.answer_points(model_id=model_id):
                self._steps[model_id, brought.point_id] = point_text(brought)
            for point in self._catalog.points(model_id):
                step = printable(point.label) if point.step is None else point.step
                self._steps[model_id, point.point_id] = step
        if (model_id, id) not in self._steps:
            self._steps[model_id, id] = printable(self._catalog.point(id).label)
        return self._steps[model_id, id]


def link_to(question: records.Question, subjects: Subjects) -> Link:
    """The way to an analysis.

    Args:
        question: its question.
        subjects: of its catalog.
    """
    kind = kind_named(question.kind)
    named = zip(question.model_ids, question.model_names, strict=True)
    models = [subjects.labels.get(id, printable(name)) for id, name in named]
    settings = settings_from_json(kind.settings, question.settings)
    points = named_points(kind, settings, question.point_ids)
    subject_words: list[str] = []
    steps: list[int | str | None] = []
    for name, model_id, id in zip(models, question.model_ids, points, strict=True):
        final = subjects.model(model_id).point_id == id
        step = subjects.step(model_id, id)
        subject_words.append(name if final else f"{name}@{step}")
        # Pages about two points do not start at final ones.
        steps.append(None if final and (len(models) == 1 or kind.whole_run) else step)
    words = f" {kind.joined} ".join(subject_words)
    return Link(kind, words, parts.link_parameters(question, models, steps))
