"""Small questions of every kind, about two runs of the tiny problem, and what is stored of them."""

from pathlib import Path

import numpy as np

from explorer.ask import questions
from explorer.ask.subjects import Subject
from explorer.kinds import Kind
from store import Catalog, records
from tests.filling import add_tiny, new_catalog
from tests.setting_values import small_settings

SNAPSHOTS = 3  # of each run: a plane of principal components takes as many


def two_runs(folder: Path) -> Path:
    """The folder of a new catalog with two runs of one problem."""
    catalog = new_catalog(folder / "catalog")
    for name, first in (("one", 0), ("other", SNAPSHOTS)):
        add_tiny(catalog, folder, name, range(first, first + SNAPSHOTS))
    catalog.close()
    return catalog.folder


def subjects(catalog: Catalog, kind: Kind) -> list[Subject]:
    """The end of the first run; for a further subject the run's start, or the other whole run."""
    one, other = sorted(catalog.models(), key=lambda model: model.name)
    further = (other, "") if kind.whole_run else (one, catalog.points(one.id)[0].point_id)
    return [(one, ""), *[further] * (len(kind.subjects) - 1)]


def ask(catalog: Catalog, kind: Kind) -> str:
    """The key of the small question of a kind."""
    (model, point), *others = subjects(catalog, kind)
    return questions.ask(catalog, kind, model, small_settings(kind), point=point, others=others)


def question_of(catalog: Catalog, kind: Kind) -> records.Question:
    """The question of that kind."""
    (question,), _ = catalog.questions(kind=kind.name)
    return question


def columns_by_unit(catalog: Catalog, kind: Kind) -> dict[str, np.ndarray]:
    """The stored columns of a kind's answer; the rows in an order that its pieces do not change."""
    columns = catalog.values(question_of(catalog, kind).key, kind.table)
    whole = [name for name, column in columns.items() if column.dtype.kind in "iu"]
    order = np.lexsort([columns[name] for name in whole])
    return {name: column[order] for name, column in columns.items()}
