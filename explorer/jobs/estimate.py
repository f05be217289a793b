"""How long a question will take, from what was measured on this machine before."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.jobs.question import Question
from explorer.kinds import kind_named
from store import Catalog, records

ENOUGH = 40  # units whose time says what one takes
START_SECONDS = 4.0  # of a worker that was never timed: loading torch


@dataclass(frozen=True)
class Estimate:
    """Seconds until an answer is complete."""

    units: int
    per_unit: float
    setup: float  # loading the problem, finding the way to evaluate it, checking its precision
    start: float  # of a worker; 0 where one is waiting

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.start + self.setup + self.units * self.per_unit


def estimate(catalog: Catalog, asked: Question, model: records.Model, warm: bool) -> Estimate:
    """The time for what is to be computed of a question about a model.

    The rate is that of the latest answer about the same objective, of any kind; without one it is
    that of the import, which evaluated the model once.

    Args:
        catalog: what was measured.
        asked: the question.
        model: that it is about.
        warm: whether a worker is waiting for work.
    """
    timing: Mapping[str, Any] = {}
    measured = catalog.point(model.point_id).facts["seconds"]
    per_pass = measured.get(asked.settings.split, math.nan)
    for old in catalog.questions(model_id=model.id, limit=50)[0]:
        if old.objective == asked.objective and old.seconds and old.units_done >= ENOUGH:
            computed = old.units_done - old.facts.get("taken_over", {}).get("points", 0)
            per_pass = old.seconds / max(computed, 1) / kind_named(old.kind).passes
            timing = old.facts.get("timing", {})
            break
    start = 0.0 if warm else timing.get("start", START_SECONDS)
    per_unit = per_pass * asked.kind.passes
    return Estimate(asked.settings.units, per_unit, timing.get("setup", 0.0), start)
