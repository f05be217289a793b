"""How long a question will take, from what was measured on this machine before."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from explorer.ask.question import QuestionIdentity
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.kinds.execution import Timing
from explorer.kinds.facts import AnswerFacts
from store import Catalog, records

ENOUGH_UNITS = 40  # units whose time says what one takes
START_SECONDS = 4.0  # of a worker that was never timed: loading torch


@dataclass(frozen=True)
class TimeEstimate:
    """Seconds until an answer is complete."""

    units: int
    per_unit: float
    setup: float  # loading the problem, finding the way to evaluate it, checking its precision
    start: float  # of a worker; 0 where one is waiting

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.start + self.setup + self.units * self.per_unit


@dataclass(frozen=True)
class Measurements:
    """What was measured of a model and its like before."""

    counts: Mapping[str, int]  # examples of each split
    seconds: Mapping[str, float]  # that one evaluation of each split took at the import
    answers: Sequence[records.Question]  # what was asked, the first to be believed first


def estimate(
    catalog: Catalog, question: QuestionIdentity, model: records.Model, warm: bool
) -> TimeEstimate:
    """The time for what is to be computed of a question about a model.

    Args:
        catalog: what was measured.
        question: the question.
        model: that it is about.
        warm: whether a worker is waiting for work.
    """
    splits = ProblemFacts.of(catalog.problem(model.problem_id).facts).splits
    measurements = Measurements(
        {name: split.count for name, split in splits.items()},
        PointFacts.of(catalog.point(model.point_id).facts).seconds,
        catalog.questions(model_id=model.id, limit=50)[0],  # the latest first
    )
    return estimate_by(measurements, question, model, warm)


def estimate_by(
    measurements: Measurements, question: QuestionIdentity, model: records.Model, warm: bool
) -> TimeEstimate:
    """The same from what was measured.

    The rate is that of the first answer about the same objective, of any kind; without one it is
    that of the import, which evaluated the model once.
    """
    timing = Timing()
    settings = question.settings
    examples = settings.examples or measurements.counts[settings.split]
    per_pass = measurements.seconds.get(settings.split, math.nan)
    parameters = ModelFacts.of(model.facts).parameters or 0
    for old in _timed_questions(measurements.answers, question):
        if passes := _evaluations_spent(old, parameters, examples):
            per_pass = old.seconds / passes
            timing = AnswerFacts.of(old.facts).timing
            break
    begin = START_SECONDS if timing.start is None else timing.start
    start = 0.0 if warm else begin
    per_unit = per_pass * settings.evaluations(parameters, examples) / settings.units
    return TimeEstimate(question.settings.units, per_unit, timing.setup or 0.0, start)


def _timed_questions(
    answers: Sequence[records.Question], question: QuestionIdentity
) -> Iterator[records.Question]:
    """Answers that tell a question's time; those of an own pace tell only their kind's.

    Evaluations are a guess there, so that its kind's own answers come first where it is asked.
    """
    alike = [old for old in answers if old.objective == question.objective and old.seconds]
    own = [old for old in alike if question.kind.own_pace and old.kind == question.kind.name]
    for old in (*own, *alike):
        if unreadable(old.kind, old.settings):
            continue
        if old in own or not kind_named(old.kind).own_pace:
            yield old


def tells_time(old: records.Question) -> bool:
    """Whether an answer says enough for its seconds to tell those of others."""
    if old.units_done >= ENOUGH_UNITS:
        return True
    if unreadable(old.kind, old.settings):
        return False
    settings = settings_from_json(kind_named(old.kind).settings, old.settings)
    return settings.counted_evaluations(AnswerFacts.of(old.facts)) is not None


def _evaluations_spent(old: records.Question, parameters: int, examples: int) -> float:
    """Evaluations that an answer's seconds were spent on; 0 where it does not say enough.

    Args:
        old: the question, about the same objective.
        parameters: that its model has.
        examples: that the loss is a mean of.
    """
    settings = settings_from_json(kind_named(old.kind).settings, old.settings)
    facts = AnswerFacts.of(old.facts)
    counted = settings.counted_evaluations(facts)
    if counted is not None:
        return counted
    if old.units_done < ENOUGH_UNITS:
        return 0.0
    taken_over = facts.taken_over
    computed = old.units_done - (taken_over.points if taken_over else 0)
    return float(max(computed, 1) * settings.evaluations(parameters, examples) / settings.units)
