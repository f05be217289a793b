"""How long the questions of a study take, by what was measured before: read at once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.ask.estimate import Measurements, estimate_by, tells_time
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_wishes import Wish
from explorer.contracts.facts import PointFacts, ProblemFacts
from store import Catalog, records

TIMED_ANSWERS = 50  # of each objective that are looked at for how long one takes


@dataclass(frozen=True)
class Rates:
    """How long things took before, read at once for all wishes."""

    measurements: Mapping[tuple[str, str], Measurements]  # by model and objective
    warm: bool

    @classmethod
    def of(cls, catalog: Catalog, reads: StudyReads, wishes: Sequence[Wish], warm: bool) -> "Rates":
        """The rates of these wishes.

        Models of one objective are of one architecture: where a model itself was never timed,
        another one is believed.
        """
        models = {wish.subjects[0][0].id: wish.subjects[0][0] for wish in wishes if wish.question}
        pairs = {(w.subjects[0][0].id, w.question.objective) for w in wishes if w.question}
        answers: dict[str, list[records.Question]] = {}
        if objectives := sorted({objective for _, objective in pairs}):
            # Others would be read anew for each of a thousand questions.
            for old in filter(tells_time, catalog.timed_questions(objectives, TIMED_ANSWERS)):
                answers.setdefault(old.objective or "", []).append(old)
        counts = {m.problem_id: _counts(reads, m.problem_id) for m in models.values()}
        seconds = {id: _import_seconds(reads, model) for id, model in models.items()}
        measurements = {
            (id, objective): Measurements(
                counts[models[id].problem_id],
                seconds[id],
                sorted(answers.get(objective, ()), key=lambda old, id=id: id not in old.model_ids),
            )
            for id, objective in pairs
        }
        return cls(measurements, warm)

    def seconds(self, wish: Wish, units_done: int) -> tuple[float, float]:
        """Seconds that the rest of a wish takes, and those of a worker's start."""
        if wish.question is None:
            return 0.0, 0.0
        model, _ = wish.subjects[0]
        measurements = self.measurements[model.id, wish.question.objective]
        expected = estimate_by(measurements, wish.question, model, self.warm)
        units = max(wish.question.settings.units - units_done, 0)
        return expected.setup + units * expected.per_unit, expected.start


def _counts(reads: StudyReads, problem_id: str) -> dict[str, int]:
    """Examples of each split of a problem."""
    splits = ProblemFacts.of(reads.problem(problem_id).facts).splits
    return {name: split.count for name, split in splits.items()}


def _import_seconds(reads: StudyReads, model: records.Model) -> Mapping[str, float]:
    """Seconds of one evaluation of each split, as the model's import measured them."""
    final = next(p for p in reads.points(model.id) if p.point_id == model.point_id)
    return PointFacts.of(final.facts).seconds
