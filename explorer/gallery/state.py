"""How far each phenomenon is: its samples, its questions, their answers and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.ask.questions import question_about, result_of
from explorer.ask.subjects import Subject
from explorer.contracts.facts import ModelFacts
from explorer.importing.samples import is_sample
from explorer.phenomena.phenomenon import Phenomenon, Proof, SampleQuestion, SampleSubject
from sample_models import samples
from store import Catalog, UnknownEntry, records


@dataclass(frozen=True)
class QuestionState:
    """A question of a phenomenon and what the catalog has of it."""

    question: SampleQuestion
    subjects: tuple[Subject, ...] = ()  # none while a sample or an earlier answer is missing
    key: str = ""  # "" while there are no subjects
    stored: records.Question | None = None
    job: records.Job | None = None  # that it has, or had last
    refusal: str = ""  # why it cannot be asked

    @property
    def is_complete(self) -> bool:
        """Whether it is answered."""
        return self.stored is not None and self.stored.status == "complete"

    @property
    def is_under_way(self) -> bool:
        """Whether it is being computed or waits for that."""
        return not self.is_complete and self.job is not None and self.job.is_active

    @property
    def trouble(self) -> str:
        """Why it is not answered, where that is no matter of time."""
        if self.is_complete or self.is_under_way:
            return ""
        if self.job is not None and self.job.status == "failed":
            return self.job.error or "its computation failed; see its job on the page Jobs"
        return self.refusal

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody wanted it answered no longer."""
        return not self.is_complete and self.job is not None and self.job.status == "cancelled"


@dataclass(frozen=True)
class PhenomenonState:
    """A phenomenon and how far its questions are."""

    phenomenon: Phenomenon
    questions: tuple[QuestionState, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all its questions are answered."""
        return all(question.is_complete for question in self.questions)

    @property
    def is_under_way(self) -> bool:
        """Whether one of them is being computed or waits for that."""
        return any(question.is_under_way for question in self.questions)

    @property
    def trouble(self) -> str:
        """Why one of them is not answered; empty where nothing is wrong."""
        return next((q.trouble for q in self.questions if q.trouble), "")

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its questions, as far as they are known."""
        return tuple(question.key for question in self.questions if question.key)


def sample_models_in(catalog: Catalog) -> dict[str, records.Model]:
    """The newest model that is each sample, by the sample's name."""
    shipped = {sample.title: sample for sample in samples()}
    models: dict[str, records.Model] = {}
    for model in catalog.models():
        sample = shipped.get(ModelFacts.of(model.facts).title or "")
        if sample and sample.name not in models and is_sample(catalog, model, sample):
            models[sample.name] = model
    return models


def states_of(catalog: Catalog, phenomena: Sequence[Phenomenon]) -> list[PhenomenonState]:
    """How far each of these is."""
    models = sample_models_in(catalog)
    return [_state(catalog, phenomenon, models) for phenomenon in phenomena]


def _state(
    catalog: Catalog, phenomenon: Phenomenon, models: Mapping[str, records.Model]
) -> PhenomenonState:
    states: list[QuestionState] = []
    for question in phenomenon.questions:
        states.append(_question_state(catalog, question, models, states))
    return PhenomenonState(phenomenon, tuple(states))


def _question_state(
    catalog: Catalog,
    question: SampleQuestion,
    models: Mapping[str, records.Model],
    earlier: Sequence[QuestionState],
) -> QuestionState:
    subjects = [_subject(catalog, subject, models, earlier) for subject in question.subjects]
    present = [subject for subject in subjects if subject is not None]
    if len(present) < len(subjects):
        return QuestionState(question)
    (model, point), *others = present
    try:
        key = question_about(
            catalog, question.kind, model, question.settings, point=point, others=others
        ).key
    except (ValueError, UnknownEntry) as error:
        return QuestionState(question, tuple(present), refusal=str(error))
    stored = catalog.question(key)
    if stored is not None and stored.deleted is not None:
        stored = None
    unfinished = stored is not None and stored.status != "complete"
    job = catalog.latest_jobs([key]).get(key) if unfinished else None
    return QuestionState(question, tuple(present), key, stored, job)


def _subject(
    catalog: Catalog,
    subject: SampleSubject,
    models: Mapping[str, records.Model],
    earlier: Sequence[QuestionState],
) -> Subject | None:
    """The model and point that a subject is; None while it is not there."""
    model = models.get(subject.sample)
    if model is None:
        return None
    if subject.question is not None:
        before = earlier[subject.question]
        if not before.is_complete:
            return None
        brought = catalog.answer_points(key=before.key)
        points = [point.point_id for point in brought if point.name == subject.point]
        return (model, points[0]) if points else None
    if subject.step is None:
        return model, ""
    points = [p.point_id for p in catalog.points(model.id) if p.step == subject.step]
    return (model, points[0]) if points else None


def proofs_of(catalog: Catalog, state: PhenomenonState) -> list[Proof]:
    """The numbers of a phenomenon whose questions are all answered.

    Raises:
        UnreadableAnswer: an answer cannot be read.
        ValueError: its numbers cannot be had of these answers.
    """
    results = [result_of(catalog, q.stored) for q in state.questions if q.stored is not None]
    try:
        return list(state.phenomenon.prove(results))
    except (ArithmeticError, LookupError, TypeError) as error:
        raise ValueError(
            f"the numbers of {state.phenomenon.title!r} cannot be had of its answers ({error}); "
            "compute it anew"
        ) from error
