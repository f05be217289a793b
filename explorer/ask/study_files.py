"""A study as a file: what is asked, as JSON; the numbers of its answers, as CSV."""

import json
from collections.abc import Sequence

from explorer.ask.study import Study, study_from_json
from explorer.ask.study_cells import Cell
from explorer.codec import Json, json_of, to_json
from explorer.csv_text import csv_text
from explorer.kinds import kind_named
from store import Catalog

COLUMNS = (
    *("model", "model_id", "point", "kind", "question", "key", "state", "units_done", "units"),
    *("number", "value", "low", "high", "seconds", "sentence"),
)


def study_file(name: str, study: Study) -> bytes:
    """A study under its name, for `read_study`."""
    content: Json = {"name": name, "study": to_json(study)}
    return (json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def read_study(content: bytes) -> tuple[str, Study]:
    """The name and the study of a file.

    Raises:
        ValueError: it is none, or of another version.
    """
    try:
        value = json_of(content)
    except ValueError as error:  # no JSON, no UTF-8
        raise ValueError(f"the file is no JSON, so it holds no study: {error}") from error
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise ValueError('the file holds no study: it must have a "name" and a "study"')
    return value["name"], study_from_json(value.get("study"))


def numbers_file(catalog: Catalog, study: Study, cells: Sequence[Cell]) -> bytes:
    """All numbers of all answers, one a row; a cell without one has a row that says how far it is.

    Args:
        catalog: where the numbers are.
        study: whose cells these are.
        cells: of the study.
    """
    stored = catalog.numbers(sorted({cell.wish.key for cell in cells if cell.wish.key}))
    lines: list[list[object]] = [list(COLUMNS)]
    for cell in cells:
        before, after = _beside(study, cell)
        numbers = stored.get(cell.wish.key, {})
        rows = [[name, *value_and_ends] for name, value_and_ends in numbers.items()]
        lines += [[*before, *row, *after] for row in rows or [["", "", "", ""]]]
    return csv_text(lines).encode()


def _beside(study: Study, cell: Cell) -> tuple[list[object], list[object]]:
    """What a row says before and after its number."""
    model = study.models[cell.wish.row]
    question = study.questions[cell.wish.column]
    words = _words(cell)
    took = cell.stored.seconds if cell.stored else ""
    before = [model.name, model.id, model.point, question.kind, words, cell.wish.key, cell.state]
    return [*before, cell.units_done, cell.units], [took, cell.sentence]


def _words(cell: Cell) -> str:
    """Kind and settings that tell a question from others."""
    question = cell.wish.question
    if question is None:
        return ""
    title = kind_named(question.kind.name).title
    return ", ".join([title, *question.settings.distinguishing_words])
