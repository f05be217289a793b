"""How long a question will take, from what was measured on this machine before."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.ask.question import QuestionIdentity
from explorer.contracts.facts import ModelFacts, PointFacts, ProblemFacts
from explorer.kinds import Kind, kind_named, unreadable
from explorer.kinds.matrix import PASSES_PER_PRODUCT
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


def estimate(
    catalog: Catalog, question: QuestionIdentity, model: records.Model, warm: bool
) -> TimeEstimate:
    """The time for what is to be computed of a question about a model.

    The rate is that of the latest answer about the same objective, of any kind; without one it is
    that of the import, which evaluated the model once.

    Args:
        catalog: what was measured.
        question: the question.
        model: that it is about.
        warm: whether a worker is waiting for work.
    """
    timing: Mapping[str, Any] = {}
    measured = PointFacts.of(catalog.point(model.point_id).facts).seconds
    per_pass = measured.get(question.settings.split, math.nan)
    for old in _timed_questions(catalog, question, model):
        if (
            old.objective == question.objective
            and old.seconds
            and (passes := _evaluations_spent(old))
        ):
            per_pass = old.seconds / passes
            timing = old.facts.get("timing", {})
            break
    start = 0.0 if warm else timing.get("start", START_SECONDS)
    per_unit = per_pass * _passes_per_unit(catalog, question, model)
    return TimeEstimate(question.settings.units, per_unit, timing.get("setup", 0.0), start)


def _timed_questions(
    catalog: Catalog, question: QuestionIdentity, model: records.Model
) -> list[records.Question]:
    """Answers about the model, the latest first; those of products with a matrix tell only theirs.

    A product's passes are a guess, so that its kind's own answers come first where it is asked.
    """
    listed, _ = catalog.questions(model_id=model.id, limit=50)
    readable_questions = [old for old in listed if not unreadable(old.kind, old.settings)]
    alike = [old for old in readable_questions if old.kind == question.kind.name]
    if _has_own_estimate(question.kind):
        return alike + [
            old for old in readable_questions if not _has_own_estimate(kind_named(old.kind))
        ]
    return [old for old in readable_questions if not _has_own_estimate(kind_named(old.kind))]


def _has_own_estimate(kind: Kind) -> bool:
    """Whether the settings of a kind foretell the evaluations of the whole answer."""
    return hasattr(kind.settings, "evaluations")


def _passes_per_unit(catalog: Catalog, question: QuestionIdentity, model: records.Model) -> float:
    """Evaluations of the objective that a unit of work takes; on the average of all units."""
    settings = question.settings
    if not _has_own_estimate(question.kind):
        return question.kind.passes
    splits = ProblemFacts.of(catalog.problem(model.problem_id).facts).splits
    examples = settings.examples or splits[settings.split].count
    whole: float = settings.evaluations(ModelFacts.of(model.facts).parameters, examples)
    return whole / settings.units


def _evaluations_spent(old: records.Question) -> float:
    """Evaluations that an answer's seconds were spent on; 0 where it does not say enough."""
    kind = kind_named(old.kind)
    if _has_own_estimate(kind):
        products = sum(n for name, n in old.facts.items() if name.startswith("products_"))
        return 0.0 if old.settings.get("batches") else products * PASSES_PER_PRODUCT
    if old.units_done < ENOUGH_UNITS:
        return 0.0
    computed = old.units_done - old.facts.get("taken_over", {}).get("points", 0)
    return max(computed, 1) * kind.passes
