"""What the questions of a study are made of: its models, read at once however many there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from explorer.ask.study import Study, StudyModel
from explorer.ask.subjects import Subject, training_start
from explorer.wording import quote
from store import Catalog, UnknownEntry, records


@dataclass(frozen=True)
class StudyReads:
    """The models of a catalog, and of a study's own the problems and points, read at once."""

    models: Mapping[str, records.Model]  # by id, also deleted ones
    problems: Mapping[str, records.Problem]
    points_by_model: Mapping[str, Sequence[records.Point]]
    brought: Mapping[str, frozenset[str]] = field(default_factory=dict)  # points of answers

    @classmethod
    def of(cls, catalog: Catalog, study: Study) -> "StudyReads":
        """What the questions of a study are made of."""
        every = (catalog.models(include_deleted=True, directions=d) for d in (False, True))
        models = {model.id: model for model in chain.from_iterable(every)}
        fixed = [s for q in study.questions for s in q.subjects if isinstance(s, StudyModel)]
        wanted = [*study.models, *fixed]
        ids = sorted({model.id for model in wanted} & models.keys())
        points = catalog.points_of(ids)
        own = {id: {point.point_id for point in points[id]} for id in ids}
        elsewhere = {m.id for m in wanted if m.point and m.id in own and m.point not in own[m.id]}
        brought = {
            id: frozenset(p.point_id for p in catalog.answer_points(model_id=id))
            for id in elsewhere
        }
        return cls(models, {p.id: p for p in catalog.problems()}, points, brought)

    def problem(self, id: str) -> records.Problem:
        """The problem of that id.

        Raises:
            UnknownEntry: there is none.
        """
        if id not in self.problems:
            raise UnknownEntry("problem", id)
        return self.problems[id]

    def points(self, model_id: str) -> list[records.Point]:
        """The points of a model by step; those without one come last."""
        return list(self.points_by_model.get(model_id, ()))

    def subject(self, named: StudyModel) -> Subject:
        """The model and its point.

        Raises:
            ValueError: the catalog has it not, or in its trash.
        """
        model = self.models.get(named.id)
        if model is None:
            raise ValueError(f"{quote(named.name)} is not in this catalog; import it")
        if model.deleted is not None:
            raise ValueError(f"{quote(model.name)} is in the trash; restore it on the page Catalog")
        own = {point.point_id for point in self.points(model.id)}
        if named.point and named.point not in own | self.brought.get(model.id, frozenset()):
            raise ValueError(f"that point of {quote(model.name)} is not in this catalog any more")
        return model, named.point or model.point_id

    def start(self, subject: Subject, optional: bool) -> Subject:
        """The first snapshot of a model's training; where it may be left out the point itself.

        Raises:
            ValueError: there is none.
        """
        start = training_start(self, subject)
        if optional or len(self.points(start[0].id)) > 1:
            return start
        raise ValueError(
            f"{quote(start[0].name)} has no earlier snapshot; import several of its checkpoints "
            "together"
        )
