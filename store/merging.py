"""Merging: what another catalog has and this one lacks, by the keys that contents give it."""

import contextlib
import json
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from store.arrays import Files
from store.brought import is_stored
from store.door import Door
from store.errors import CannotMerge, CatalogBusy, CatalogDamaged, from_duckdb, holder_of, is_held
from store.integrity import changed_entries, changed_values
from store.lease import ATTEMPT_SECONDS, CONFIG, Cursor
from store.migrations import MIGRATIONS, stored_version
from store.models import models_at
from store.pictures import note_files
from store.place import openable
from store.questions import question_row
from store.records import MergeCounts
from store.rows import now, put_row, scalar
from store.seals import seal_after, seal_rows
from store.tables import append, value_tables
from store.values import new_rows, write_progress

Row = dict[str, Any]
_HASH = re.compile(r"[0-9a-f]{64}")
_KEPT_QUESTIONS = "(SELECT key FROM questions WHERE deleted IS NULL)"
_KEPT_MODELS = """(SELECT id FROM models WHERE deleted IS NULL
    OR id IN (SELECT unnest(model_ids) FROM questions WHERE deleted IS NULL))"""
# What is brought, in this order. The trash stays behind, and so do jobs and what the app remembers.
_BROUGHT_ROWS = {
    "problems": "SELECT * FROM problems",
    "models": f"SELECT * FROM models WHERE id IN {_KEPT_MODELS}",  # noqa: S608 - our own words
    "points": f"SELECT * FROM points WHERE model_id IN {_KEPT_MODELS}",  # noqa: S608
    "measurements": f"""SELECT * FROM measurements
        WHERE point_id IN (SELECT point_id FROM points WHERE model_id IN {_KEPT_MODELS})""",  # noqa: S608
    "questions": "SELECT * FROM questions WHERE deleted IS NULL ORDER BY created, key",
    "directions": f"SELECT * FROM directions WHERE question_key IN {_KEPT_QUESTIONS}",  # noqa: S608
    "images": f"SELECT * FROM images WHERE question_key IN {_KEPT_QUESTIONS}",  # noqa: S608
    "choices": "SELECT * FROM choices",
    "answer_points": f"""SELECT * FROM answer_points WHERE question_key IN {_KEPT_QUESTIONS}
        OR point_id IN (SELECT unnest(point_ids) FROM questions WHERE deleted IS NULL)""",  # noqa: S608
    "answer_states": f"SELECT * FROM answer_states WHERE question_key IN {_KEPT_QUESTIONS}",  # noqa: S608
}
_BEGUN = "SELECT 1 FROM answer_states WHERE question_key = ? AND unit = ? LIMIT 1"
_PLAIN_TABLES = ("problems", "points", "measurements", "directions", "choices", "answer_points")


class CatalogMerging(Door):
    """The part of the catalog about other catalogs."""

    def merge(self, other: Path | str) -> MergeCounts:
        """Bring everything of another catalog, which is only read, into this one.

        What is here already stays as it is; answers are united by unit of work, and one is complete
        when all its units are there. What was deleted there is not brought; what was deleted here
        and is not deleted there is restored. Files are copied first, then the rows come in one
        transaction: whatever fails, no row is without its file.

        Args:
            other: its folder, or the database in it.

        Raises:
            CannotMerge: there is no catalog, it is this one, or of another schema.
            CatalogBusy: another process holds one of the two.
            CatalogDamaged: the other one lacks a file, or has one that is not what was stored.
        """
        place = _database(Path(other).expanduser().resolve(), self._lease.path)
        self.check()  # no file comes before the database that notes it
        with _open_snapshot(place, self._timeout) as cursor, self._lease.writing:
            theirs = _OtherCatalog(cursor, place)
            theirs.refuse_damage()
            brought = {table: theirs.rows(query) for table, query in _BROUGHT_ROWS.items()}
            named, fresh = self._adopt(place, brought)

            def work(cursor: Cursor) -> MergeCounts:
                note_files(cursor, named)
                return _add_missing(cursor, theirs, brought)

            merged = self._write(work)
        return replace(merged, files=fresh)

    def _adopt(self, place: Path, brought: dict[str, list[Row]]) -> tuple[list[str], int]:
        """Copy the files that the rows name; their hashes, and how many were not here."""
        there = {file.stem: file for file in Files(place.parent / "files").all()}
        for row in (*brought["points"], *brought["answer_points"]):
            hash = row["file_hash"]
            if hash and hash not in there and not self._files.has(hash):
                raise CatalogDamaged(
                    place, f"the file {hash} of point {row['point_id']} is missing"
                )
        # a picture without its file is drawn again, and what was half done is begun anew
        brought["images"] = [row for row in brought["images"] if row["hash"] in there]
        states = brought["answer_states"]
        brought["answer_states"] = [row for row in states if row["file_hash"] in there]
        named = {hash for rows in brought.values() for row in rows for hash in _hashes(row)}
        file_hashes = sorted(named & there.keys())
        return file_hashes, sum(self._files.adopt(there[hash]) for hash in file_hashes)


class _OtherCatalog:
    """The other catalog, opened for reading; its errors name it."""

    def __init__(self, cursor: Cursor, place: Path) -> None:
        self._cursor, self.place = cursor, place
        with self._translated_errors():
            self.tables = value_tables(cursor)

    def refuse_damage(self) -> None:
        """Let nothing over that is not what was stored there.

        Raises:
            CatalogDamaged: there is such a thing.
        """
        with self._translated_errors():
            changed = changed_entries(self._cursor) + changed_values(self._cursor)
        if changed:
            raise CatalogDamaged(self.place, changed[0])

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """The rows of a query; JSON stays the text it is, so that it comes over unchanged."""
        with self._translated_errors():
            self._cursor.execute(query, list(values))
            names = [column[0] for column in self._cursor.description or ()]
            raw_rows = self._cursor.fetchall()
        return [dict(zip(names, map(_in_utc, row), strict=True)) for row in raw_rows]

    def values(self, table: str, key: str) -> pa.Table:
        """The rows of an answer, without the columns that none of them has."""
        query = f"SELECT * EXCLUDE (question_key) FROM {table} WHERE question_key = ?"  # noqa: S608
        with self._translated_errors():
            relation = self._cursor.sql(f"{query} ORDER BY unit, rowid", params=[key])
            answer_rows = relation.to_arrow_table()
        return answer_rows.select(
            [n for n in answer_rows.column_names if answer_rows[n].null_count < len(answer_rows)]
        )

    @contextlib.contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.Error as error:
            raise (from_duckdb(error, self.place) or error) from error


def _database(other: Path, own: Path) -> Path:
    """The database file of the other catalog.

    Raises:
        CannotMerge: there is none, or it is our own.
    """
    if not other.exists():
        raise CannotMerge(other, "does not exist", "check the path")
    place = other / "catalog.duckdb" if other.is_dir() else other
    if not place.is_file():
        raise CannotMerge(other, "holds no catalog.duckdb", "name the folder of a catalog")
    if own.exists() and place.samefile(own):
        raise CannotMerge(other, "is this very catalog", "name another one")
    return place


@contextlib.contextmanager
def _open_snapshot(place: Path, timeout: float) -> Iterator[Cursor]:
    """A connection that reads one state of the database and cannot change it.

    Raises:
        CannotMerge: its schema is another one.
        CatalogError: busy, not a catalog, too new, or damaged.
    """
    connection = _connect_read_only(place, timeout)
    try:
        with connection.cursor() as cursor:
            their_version = stored_version(cursor, place)
            if their_version != len(MIGRATIONS):
                newer = their_version > len(MIGRATIONS)
                raise CannotMerge(
                    place,
                    f"has schema {their_version}, this program's is {len(MIGRATIONS)}",
                    "update this program" if newer else "open it once with this program",
                )
            cursor.execute("BEGIN")
            yield cursor
    finally:
        connection.close()


def _connect_read_only(place: Path, timeout: float) -> Cursor:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return duckdb.connect(openable(place), read_only=True, config=CONFIG)
        except duckdb.Error as error:
            if not is_held(error):
                raise (from_duckdb(error, place) or error) from error
            if time.monotonic() >= deadline:
                raise CatalogBusy(place, holder_of(error), timeout) from error
        time.sleep(random.uniform(*ATTEMPT_SECONDS))


def _add_missing(
    cursor: Cursor, theirs: _OtherCatalog, brought: Mapping[str, Sequence[Row]]
) -> MergeCounts:
    """Add what is not there; how much that was."""
    counted = ("models", "points", "questions")
    before = [_count(cursor, table) for table in counted]
    keys = [row["key"] for row in brought["questions"]]
    keys += [row["question_key"] for row in brought["answer_points"]]
    ids = {table: [row["id"] for row in brought[table]] for table in ("problems", "models")}
    models = ids["models"] + models_at(cursor, {row["point_id"] for row in brought["points"]})
    with (
        seal_after(cursor, "problem", ids["problems"]),
        seal_after(cursor, "model", models),
        seal_after(cursor, "analysis", keys),
    ):
        units = _add_all(cursor, theirs, brought)
    after = [_count(cursor, table) for table in counted]
    new = {name: b - a for name, a, b in zip(counted, before, after, strict=True)}
    return MergeCounts(**new, units=units, files=0)


def _add_all(cursor: Cursor, theirs: _OtherCatalog, brought: Mapping[str, Sequence[Row]]) -> int:
    """Add the rows that are not there; how many units of work of analyses that were."""
    for table in _PLAIN_TABLES:
        for row in brought[table]:
            put_row(cursor, table, row)
    for row in brought["models"]:
        put_row(cursor, "models", row, () if row["deleted"] else ("deleted",))
    images = {row["question_key"]: row for row in brought["images"]}
    units = 0
    for row in brought["questions"]:
        units += _complete_question(cursor, theirs, row, images.get(row["key"]))
    _add_states(cursor, brought["answer_states"])
    return units


def _complete_question(cursor: Cursor, theirs: _OtherCatalog, row: Row, image: Row | None) -> int:
    """Add to a question the units that it has there and not here; their number."""
    key, done = row["key"], row["units_done"]
    nothing = {"units_done": 0, "status": "open", "seconds": 0.0, "facts": {}, "provenance": {}}
    put_row(cursor, "questions", {**row, **nothing, "finished": None}, ("deleted",))
    ours = question_row(cursor, key)
    if ours.status != "complete":
        units = _add_values(cursor, theirs, row)
        share = units / max(done, 1)
        merged = replace(
            ours,
            units_done=ours.units_done + units,
            seconds=ours.seconds + row["seconds"] * share,
            facts={**json.loads(row["facts"]), **ours.facts},  # it goes on as it began here
            provenance={**json.loads(row["provenance"]), **ours.provenance},
            finished=row["finished"],
        )
        write_progress(cursor, merged)
    else:
        merged = ours
    if image and merged.units_done == done:
        put_row(cursor, "images", image, ("hash",) if merged is not ours else ())
    elif merged.units_done > ours.units_done > 0:  # the picture shows less than there is now
        cursor.execute("DELETE FROM images WHERE question_key = ?", [key])
    return merged.units_done - ours.units_done


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


def _add_values(cursor: Cursor, theirs: _OtherCatalog, question: Row) -> int:
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
        append(cursor, key, table, fresh)
        added += len(units)
        pieces = theirs.rows("SELECT * FROM pieces WHERE question_key = ?", [key])
        if len(fresh) == len(rows):
            for seal in theirs.rows("SELECT * FROM value_seals WHERE question_key = ?", [key]):
                put_row(cursor, "value_seals", seal)
        else:  # pieces do not name their units: what is new is one more piece
            seconds = question["seconds"] * len(units) / max(question["units_done"], 1)
            origin = {"seconds": seconds, "provenance": question["provenance"], "ingested": now()}
            pieces = [
                {"question_key": key, "first_unit": int(units[0]), "units": len(units), **origin}
            ]
            seal_rows(cursor, key, table, [fresh])
        for piece in pieces:
            put_row(cursor, "pieces", piece)
    return added


def _count(cursor: Cursor, table: str) -> int:
    return int(scalar(cursor, f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own names


def _hashes(row: Row) -> Iterator[str]:
    """Everything in a row that could be the name of a file."""
    for cell in row.values():
        if isinstance(cell, str):
            yield from _HASH.findall(cell)


def _in_utc(cell: Any) -> Any:
    return cell.replace(tzinfo=UTC) if isinstance(cell, datetime) else cell
