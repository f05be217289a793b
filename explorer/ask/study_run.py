"""Computing what a study lacks, and what is computed for it."""

import contextlib
import math
from collections.abc import Callable, Sequence

from explorer.ask.questions import ask
from explorer.ask.requests import BACKGROUND_PRIORITY, FOREGROUND_PRIORITY
from explorer.ask.study import Study
from explorer.ask.study_cells import UNDER_WAY, Cell, cells, missing_cells
from store import Catalog, UnknownEntry

# Behind what somebody asks on a page and waits for, before what nobody asked for.
STUDY_PRIORITY = (FOREGROUND_PRIORITY + BACKGROUND_PRIORITY) // 2


def compute_missing(
    catalog: Catalog,
    study: Study,
    tell: Callable[[int, int], None] = lambda count, of: None,
) -> list[str]:
    """Ask what is neither answered nor under way; the keys of that. A second call asks nothing.

    What failed or was stopped is taken up again. Where one cannot be asked the rest is.

    Args:
        catalog: where the study is.
        study: to compute.
        tell: is given how many of how many are asked.

    Raises:
        CatalogError: the catalog cannot be read or written.
    """
    return ask_missing(catalog, cells(catalog, study), tell)


def ask_missing(
    catalog: Catalog,
    all_cells: Sequence[Cell],
    tell: Callable[[int, int], None] = lambda count, of: None,
) -> list[str]:
    """Ask those of these cells that are neither answered nor under way; the keys of that.

    Args:
        catalog: where their models are.
        all_cells: of a study, or of a page like one.
        tell: is given how many of how many are asked.

    Raises:
        CatalogError: the catalog cannot be read or written.
    """
    missing = in_order(missing_cells(all_cells))
    for count, cell in enumerate(missing, 1):
        _ask(catalog, cell)
        tell(count, len(missing))
    return [cell.wish.key for cell in missing]


def _ask(catalog: Catalog, cell: Cell) -> None:
    """Have a cell answered; where that is refused, its job says why."""
    question = cell.wish.question
    if question is None:
        return
    (model, point), *others = cell.wish.subjects
    with contextlib.suppress(ValueError, UnknownEntry):
        ask(
            catalog,
            question.kind,
            model,
            question.settings,
            point=point,
            priority=STUDY_PRIORITY,
            others=others,
        )


def in_order(missing: Sequence[Cell]) -> list[Cell]:
    """The cells as they are best computed.

    A worker keeps the problem's code and data, and reads a model's weights for each question: what
    is of one problem, and within it of one model, goes in one go. What is cheap goes first, so that
    most of the matrix is filled soon, and a mistake in a study shows early; what was never timed
    goes last. Equal times keep the order of the matrix.
    """
    problems: dict[str, float] = {}
    models: dict[str, float] = {}
    for cell in missing:
        model, _ = cell.wish.subjects[0]
        for totals, id in ((problems, model.problem_id), (models, model.id)):
            totals[id] = totals.get(id, 0.0) + _cost(cell)

    def place(cell: Cell) -> tuple[float, str, float, str, float]:
        model, _ = cell.wish.subjects[0]
        problem = model.problem_id
        return problems[problem], problem, models[model.id], model.id, _cost(cell)

    return sorted(missing, key=place)


def _cost(cell: Cell) -> float:
    return math.inf if math.isnan(cell.seconds) else cell.seconds


def jobs_under_way(some_cells: Sequence[Cell]) -> list[str]:
    """Ids of the jobs that work on these cells or wait to."""
    return sorted({cell.job.id for cell in some_cells if cell.job and cell.state in UNDER_WAY})
