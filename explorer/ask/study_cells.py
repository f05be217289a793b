"""The cells of a study: each wish with how far its answer is and how long the rest takes.

However many cells there are, the catalog is read a fixed number of times.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from explorer.ask.study import Study
from explorer.ask.study_rates import Rates
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_wishes import Wish, wishes_of
from store import Catalog, records

State: TypeAlias = Literal[
    "answered", "computing", "waiting", "failed", "partly", "not asked", "refused"
]
UNDER_WAY: tuple[State, ...] = ("computing", "waiting")
MISSING: tuple[State, ...] = ("failed", "partly", "not asked")  # what `compute_missing` begins


@dataclass(frozen=True)
class Cell:
    """A wish and what there is of its answer."""

    wish: Wish
    state: State
    stored: records.Question | None = None
    job: records.Job | None = None  # that it has, or had last
    seconds: float = 0.0  # that what is missing takes beside the start of a worker; NaN: unknown
    start: float = 0.0  # of a worker

    @property
    def units(self) -> int:
        """Units of work of the whole answer."""
        question = self.wish.question
        return question.settings.units if question else 0

    @property
    def units_done(self) -> int:
        """Units that are answered."""
        return self.stored.units_done if self.stored else 0

    @property
    def sentence(self) -> str:
        """Why there is no answer, where that is no matter of time."""
        if self.state == "failed" and self.job:
            return self.job.error or "it failed and does not say why"
        return self.wish.refusal


def cells_of(
    catalog: Catalog, reads: StudyReads, wishes: Sequence[Wish], warm: bool = False
) -> list[Cell]:
    """How far each wish is, and how long the rest of it takes.

    Args:
        catalog: where the answers are.
        reads: that the wishes were made from.
        wishes: of a study.
        warm: whether a worker is waiting for work.
    """
    keys = sorted({wish.key for wish in wishes if wish.key})
    stored = {key: q for key, q in catalog.questions_of(keys).items() if q.deleted is None}
    unfinished = sorted(key for key in keys if _is_unfinished(stored.get(key)))
    jobs = catalog.latest_jobs([key for key in unfinished if key in stored])
    rates = Rates.of(catalog, reads, [w for w in wishes if w.key in unfinished], warm)
    return [_cell(wish, stored.get(wish.key), jobs.get(wish.key), rates) for wish in wishes]


def cells(catalog: Catalog, study: Study, warm: bool = False) -> list[Cell]:
    """All cells of a study, row by row."""
    reads = StudyReads.of(catalog, study)
    return cells_of(catalog, reads, wishes_of(reads, study), warm)


def missing_cells(all_cells: Sequence[Cell]) -> list[Cell]:
    """Those that are neither answered nor under way; of several with one key the first."""
    return list({c.wish.key: c for c in reversed(all_cells) if c.state in MISSING}.values())[::-1]


def seconds_left(some_cells: Sequence[Cell]) -> float:
    """About how long these take one after the other; NaN where none of them was ever timed."""
    once = {cell.wish.key: cell for cell in some_cells}.values()
    timed = [cell for cell in once if math.isfinite(cell.seconds)]
    if once and not timed:
        return math.nan
    return sum(cell.seconds for cell in timed) + max((cell.start for cell in timed), default=0.0)


def _is_unfinished(question: records.Question | None) -> bool:
    return question is None or question.status != "complete"


def _cell(
    wish: Wish, stored: records.Question | None, job: records.Job | None, rates: Rates
) -> Cell:
    if wish.question is None:
        return Cell(wish, "refused")
    if not _is_unfinished(stored):
        return Cell(wish, "answered", stored)
    done = stored.units_done if stored else 0
    seconds, start = rates.seconds(wish, done)
    return Cell(wish, _state(stored, job), stored, job, seconds, start)


def _state(stored: records.Question | None, job: records.Job | None) -> State:
    """Of a question that is not answered."""
    if stored is None:
        return "not asked"
    states: dict[str, State] = {"running": "computing", "queued": "waiting", "failed": "failed"}
    return states.get(job.status if job else "", "partly")
