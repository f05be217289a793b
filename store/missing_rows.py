"""What another catalog has and this one lacks, added to this one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from store.brought import is_stored
from store.database_file import Cursor
from store.documents import restore_document
from store.models import models_at
from store.origins import either_of
from store.other_catalog import OtherCatalog, Row
from store.questions import question_row
from store.records import MergeCounts
from store.rows import is_among, now, put_row, put_rows, row_count, rows_not_stored, scalar
from store.seals import seal_after, seal_rows
from store.tables import append
from store.titles import title_with_names
from store.values import check_units, new_rows, write_progress
from store.whole_answers import add_whole_answers, seal_whole_answers, whole_answers

_UNITED = ("models", "questions", "images", "answer_states")  # each in a way of its own
_BEGUN = "SELECT 1 FROM answer_states WHERE question_key = ? AND unit = ? LIMIT 1"


def add_missing(
    cursor: Cursor, theirs: OtherCatalog, brought: Mapping[str, Sequence[Row]]
) -> MergeCounts:
    """Add what is not there; how much that was."""
    counted = ("models", "points", "questions")
    before = [_count(cursor, table) for table in counted]
    whole = whole_answers(cursor, theirs, brought["questions"])
    whole_keys = {row["key"] for row in whole}
    ids = {table: [row["id"] for row in brought[table]] for table in ("problems", "models")}
    models = ids["models"] + models_at(cursor, {row["point_id"] for row in brought["points"]})
    with (
        seal_after(cursor, "problem", ids["problems"]),
        seal_after(cursor, "model", models),
        seal_after(cursor, "analysis", _changing_keys(cursor, brought) - whole_keys),
    ):
        _add_entries(cursor, brought)
        units = add_whole_answers(cursor, theirs, whole, brought["images"])
        others = [row for row in brought["questions"] if row["key"] not in whole_keys]
        units += _complete_questions(cursor, theirs, others, brought["images"])
        _add_states(cursor, brought["answer_states"])
    seal_whole_answers(cursor, theirs, whole_keys)
    after = [_count(cursor, table) for table in counted]
    new = {name: b - a for name, a, b in zip(counted, before, after, strict=True)}
    return MergeCounts(**new, units=units, files=0)


def _changing_keys(cursor: Cursor, brought: Mapping[str, Sequence[Row]]) -> set[str]:
    """Keys of the answers to which something may come that their seals are about."""
    keys = {row["key"] for row in brought["questions"]} - _complete_here(cursor).keys()
    for table, rows in brought.items():
        if table not in _UNITED and rows and "question_key" in rows[0]:
            keys |= {str(row["question_key"]) for row in rows_not_stored(cursor, table, rows)}
    return keys


def _complete_here(cursor: Cursor) -> dict[str, int]:
    """The answers that are complete here: how many units each has, by key."""
    query = "SELECT key, units_done FROM questions WHERE status = 'complete'"
    return dict(cursor.execute(query).fetchall())


def _add_entries(cursor: Cursor, brought: Mapping[str, Sequence[Row]]) -> None:
    """Add the rows of all tables but those of questions; name analyses as their models are here."""
    for table, rows in brought.items():
        if table not in _UNITED:
            put_rows(cursor, table, rows)
    for row in brought["documents"]:
        restore_document(cursor, row["what"], row["id"])
    for row in brought["models"]:
        put_row(cursor, "models", row, () if row["deleted"] else ("deleted",))
    here = dict(cursor.execute("SELECT id, name FROM models").fetchall())
    there = {row["id"]: row["name"] for row in brought["models"]}
    for row in brought["questions"]:
        row["title"] = title_with_names(row["title"], row["model_ids"], there, here)


def _complete_questions(
    cursor: Cursor, theirs: OtherCatalog, questions: Sequence[Row], images: Sequence[Row]
) -> int:
    """Add to questions what they have there and not here; how many units of work that was."""
    complete, pictures = _complete_here(cursor), {row["question_key"]: row for row in images}
    done = [row["key"] for row in questions if row["units_done"] == complete.get(row["key"])]
    put_rows(cursor, "images", [pictures[key] for key in done if key in pictures])
    condition, values = is_among("key", [row["key"] for row in questions], "VARCHAR")
    cursor.execute(f"UPDATE questions SET deleted = NULL WHERE {condition}", values)  # noqa: S608
    return sum(
        _complete_question(cursor, theirs, row, pictures.get(row["key"]))
        for row in questions
        if row["key"] not in complete
    )


def _complete_question(cursor: Cursor, theirs: OtherCatalog, row: Row, image: Row | None) -> int:
    """Add to an open question the units that it has there and not here; their number."""
    key, done = row["key"], row["units_done"]
    nothing = {"units_done": 0, "status": "open", "seconds": 0.0, "facts": {}, "provenance": {}}
    put_row(cursor, "questions", {**row, **nothing, "finished": None})
    ours = question_row(cursor, key)
    units = _add_values(cursor, theirs, row)
    merged = replace(
        ours,
        units_done=ours.units_done + units,
        seconds=ours.seconds + row["seconds"] * units / max(done, 1),
        facts={**json.loads(row["facts"]), **ours.facts},  # it goes on as it began here
        provenance={**json.loads(row["provenance"]), **ours.provenance},
        finished=row["finished"],
    )
    write_progress(cursor, merged)
    if image and merged.units_done == done:
        put_row(cursor, "images", image, ("hash",))
    elif merged.units_done > ours.units_done > 0:  # the picture shows less than there is now
        cursor.execute("DELETE FROM images WHERE question_key = ?", [key])
    return units


def _add_states(cursor: Cursor, states: Sequence[Row]) -> None:
    """Add what units go on from that are neither done nor begun here."""
    begun = {
        place: scalar(cursor, _BEGUN, place) or is_stored(cursor, *place)
        for place in {(row["question_key"], row["unit"]) for row in states}
    }
    for row in states:
        key, unit = row["question_key"], row["unit"]
        if not begun[key, unit] and question_row(cursor, key).status != "complete":
            put_row(cursor, "answer_states", row)


def _add_values(cursor: Cursor, theirs: OtherCatalog, question: Row) -> int:
    """Add the rows of the units that are not here, and what says when they came; their number."""
    key, added = question["key"], 0
    for table in theirs.tables:
        rows = theirs.values(table, key)
        if not len(rows):
            continue
        fresh = new_rows(cursor, key, table, rows)
        units = np.unique(fresh["unit"].to_numpy())
        if not len(units):
            continue
        check_units(units, question["units"])
        append(cursor, key, table, fresh)
        added += len(units)
        pieces = theirs.rows("SELECT * FROM pieces WHERE question_key = ?", [key])
        if len(fresh) == len(rows):
            seals = theirs.rows("SELECT * FROM value_seals WHERE question_key = ?", [key])
            put_rows(cursor, "value_seals", seals)
        else:  # pieces do not name their units: what is new is one more piece
            seconds = question["seconds"] * len(units) / max(question["units_done"], 1)
            told = either_of(json.loads(piece["provenance"] or "{}") for piece in pieces)
            told = told or json.loads(question["provenance"])
            origin = {"seconds": seconds, "provenance": told, "ingested": now()}
            pieces = [
                {"question_key": key, "first_unit": int(units[0]), "units": len(units), **origin}
            ]
            seal_rows(cursor, key, table, [fresh])
        put_rows(cursor, "pieces", pieces)
    return added


def _count(cursor: Cursor, table: str) -> int:
    return row_count(cursor, f"SELECT count(*) FROM {table}")  # noqa: S608 - our own names
