"""Answers of another catalog of which nothing is here: they come all at once, as they are there."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from store.database_file import Cursor
from store.other_catalog import OtherCatalog, Row
from store.rows import put_rows
from store.seals import seal_after
from store.tables import append_answers

MOST_ROWS = 500_000  # of values that are held at once
_COUNTS = """SELECT question_key AS key, count(DISTINCT unit) AS units, count(*) AS rows,
    min(unit) AS low, max(unit) AS high FROM {} GROUP BY question_key"""


def whole_answers(cursor: Cursor, theirs: OtherCatalog, questions: Sequence[Row]) -> list[Row]:
    """Those of their questions of which nothing is here, and whose rows are what they say.

    Others are looked at one by one, and refused where they do not fit.
    """
    here = "SELECT key FROM questions UNION SELECT question_key FROM answer_points"
    ours = {key for (key,) in cursor.execute(here).fetchall()}
    counts: dict[str, list[Row]] = {}
    for table in theirs.tables:
        for row in theirs.rows(_COUNTS.format(table)):
            counts.setdefault(row["key"], []).append(row)
    return [q for q in questions if q["key"] not in ours and _fits(q, counts.get(q["key"], []))]


def _fits(question: Row, counts: Sequence[Row]) -> bool:
    """Whether the rows of an answer are those of its units, in one table, and it says how many."""
    if len(counts) != 1:
        return not counts and not question["units_done"] and not question["finished"]
    (row,) = counts
    inside = row["low"] is not None and 0 <= row["low"] <= row["high"] < question["units"]
    complete = question["units_done"] >= question["units"] or bool(question["finished"])
    told = row["units"] == question["units_done"]
    return inside and told and complete == (question["status"] == "complete")


def add_whole_answers(
    cursor: Cursor, theirs: OtherCatalog, questions: Sequence[Row], images: Sequence[Row]
) -> int:
    """Add these questions with their rows, pieces, pictures and seals; how many units that were."""
    keys = {row["key"] for row in questions}
    put_rows(cursor, "questions", questions)
    put_rows(cursor, "images", [row for row in images if row["question_key"] in keys])
    for table in theirs.tables:
        for batch in _batches(theirs, table, keys):
            append_answers(cursor, table, theirs.values_of(table, batch))
    for table in ("pieces", "value_seals"):
        put_rows(cursor, table, theirs.rows_of(table, "question_key", keys))
    return sum(row["units_done"] for row in questions)


def seal_whole_answers(cursor: Cursor, theirs: OtherCatalog, keys: Collection[str]) -> None:
    """Seal answers that came whole as they were sealed there; those that were not, as they are."""
    seals = [row for row in theirs.rows_of("seals", "id", keys) if row["what"] == "analysis"]
    put_rows(cursor, "seals", seals)
    with seal_after(cursor, "analysis", set(keys) - {row["id"] for row in seals}):
        pass


def _batches(theirs: OtherCatalog, table: str, keys: Collection[str]) -> Iterator[list[str]]:
    """The keys of the answers in a table, so many at once that their rows can be held."""
    counts: Mapping[str, int] = {
        row["key"]: row["rows"] for row in theirs.rows(_COUNTS.format(table)) if row["key"] in keys
    }
    batch: list[str] = []
    held = 0
    for key, count in counts.items():
        if batch and held + count > MOST_ROWS:
            yield batch
            batch, held = [], 0
        batch.append(key)
        held += count
    if batch:
        yield batch
