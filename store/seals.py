"""Seals: hashes of what was stored, written with it, by which a later change is found."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from store.database_file import Cursor
from store.rows import put_row, put_rows, scalar
from store.tables import arrow_types, value_tables

# What of an entry is sealed, one query each; names, titles and the trash may change.
_SEALED_QUERIES = {
    "problem": ("SELECT source_hash, arguments, facts FROM problems WHERE id = ?",),
    "model": (
        "SELECT problem_id, point_id, facts FROM models WHERE id = ?",
        """SELECT point_id, label, step, file_hash, facts FROM points WHERE model_id = ?
            ORDER BY ALL""",
        """SELECT * FROM measurements WHERE point_id IN
            (SELECT point_id FROM points WHERE model_id = ?) ORDER BY ALL""",
    ),
    "analysis": (
        """SELECT kind, version, settings, problem_id, model_ids, point_ids, units, units_done,
            status, facts, provenance, finished FROM questions WHERE key = ?""",
        "SELECT axis, id, recipe, facts FROM directions WHERE question_key = ? ORDER BY axis",
    ),
}  # fmt: skip
# What came later: where there is nothing of it, a hash is what it was before.
_POINTS_QUERY = """SELECT name, point_id, unit, model_id, file_hash, label FROM answer_points
    WHERE question_key = ? ORDER BY ALL"""
ENTRY_QUERIES = {
    "problem": "SELECT id FROM problems",
    "model": "SELECT id FROM models",
    "analysis": "SELECT key FROM questions",
}


@contextlib.contextmanager
def seal_after(cursor: Cursor, what: str, ids: Iterable[str]) -> Iterator[None]:
    """Seal these entries as they are after this; one that did not fit its seal before stays so.

    Args:
        cursor: of the transaction that changes them.
        what: "problem", "model" or "analysis".
        ids: of the entries; such as are not there yet are new.
    """
    unchanged_ids = [
        id
        for id in dict.fromkeys(ids)
        if seal_of(cursor, what, id) == stored_seal(cursor, what, id)
    ]
    yield
    for id in unchanged_ids:
        if digest := seal_of(cursor, what, id):
            put_row(cursor, "seals", {"what": what, "id": id, "digest": digest}, ("digest",))


def seal_of(cursor: Cursor, what: str, id: str) -> str | None:
    """The hash of an entry as it is now; None where there is none."""
    query, *queries = _SEALED_QUERIES[what]
    first = cursor.execute(query, [id]).fetchall()
    if not first:
        return None
    others = [cursor.execute(q, [id]).fetchall() for q in queries]
    later: list[object] = []
    if what == "analysis":
        (*row, finished), *_ = first
        first = [tuple(row)]
        points = cursor.execute(_POINTS_QUERY, [id]).fetchall()
        later = [part for part in (points, [(finished,)] if finished else []) if part]
    return hashlib.sha256(json.dumps([first, *others, *later]).encode()).hexdigest()


def stored_seal(cursor: Cursor, what: str, id: str) -> str | None:
    """The hash of an entry as it was when it was stored; None where there is none."""
    digest = scalar(cursor, "SELECT digest FROM seals WHERE what = ? AND id = ?", [what, id])
    return None if digest is None else str(digest)


def rows_digest(rows: pa.Table) -> str:
    """sha256 of the rows of an answer by unit, column by column; unknown columns are left out."""
    order = np.argsort(rows["unit"].to_numpy(), kind="stable")
    digest = hashlib.sha256()
    for name in sorted(rows.column_names):
        column = rows[name]
        if column.null_count == len(rows):
            continue
        missing = column.is_null().to_numpy()
        values = column.fill_null(0).to_numpy()[order]
        digest.update(f"{name} {values.dtype.str} {len(values)} {missing.any()}\n".encode())
        digest.update(values.tobytes())
        if missing.any():
            digest.update(missing[order].tobytes())
    return digest.hexdigest()


def seal_rows(cursor: Cursor, key: str, table: str, pieces: Sequence[pa.Table]) -> None:
    """Seal the rows of pieces that were just stored; each has at least one."""
    types = arrow_types(cursor, table) if pieces else {}
    entries = []
    for rows in pieces:
        units = np.unique(rows["unit"].to_numpy())
        stored = rows.cast(pa.schema([(name, types[name]) for name in rows.column_names]))
        entry = {"question_key": key, "first_unit": int(units[0]), "table_name": table}
        entry |= {"unit_ranges": ranges_of(units), "rows": len(rows)}
        entries.append({**entry, "digest": rows_digest(stored)})  # with the types of their table
    put_rows(cursor, "value_seals", entries)


def ranges_of(units: np.ndarray) -> list[int]:
    """Sorted different units as [start, stop, start, stop, ...]."""
    breaks = np.flatnonzero(np.diff(units) != 1)
    starts = units[np.concatenate([[0], breaks + 1])]
    stops = units[np.concatenate([breaks, [len(units) - 1]])] + 1
    return np.stack([starts, stops], axis=1).ravel().tolist()


def stored_rows(cursor: Cursor, key: str, table: str) -> pa.Table:
    """All rows of an answer by unit."""
    query = f"SELECT * EXCLUDE (question_key) FROM {table} WHERE question_key = ?"  # noqa: S608
    return cursor.sql(f"{query} ORDER BY unit, rowid", params=[key]).to_arrow_table()


def places_in_ranges(rows: pa.Table, ranges: Sequence[int]) -> np.ndarray:
    """The places of the rows whose units lie in the ranges."""
    places = np.searchsorted(rows["unit"].to_numpy(), np.asarray(ranges, dtype=np.int64))
    return np.concatenate([np.arange(a, b) for a, b in places.reshape(-1, 2)])


def seal_unsealed(cursor: Cursor) -> int:
    """Seal what has no seal, as it is now; how many entries and answers that were."""
    count = 0
    for what, query in ENTRY_QUERIES.items():
        for (id,) in cursor.execute(query).fetchall():
            if stored_seal(cursor, what, id) is None:
                digest = seal_of(cursor, what, id)
                put_row(cursor, "seals", {"what": what, "id": id, "digest": digest})
                count += 1
    for table in value_tables(cursor):
        keys = cursor.execute(f"SELECT DISTINCT question_key FROM {table}").fetchall()  # noqa: S608
        for (key,) in keys:
            rows = stored_rows(cursor, key, table)
            free = rows.take(unsealed_places(cursor, key, rows))
            if len(free):
                seal_rows(cursor, key, table, [free])
                count += 1
    return count


def unsealed_places(cursor: Cursor, key: str, rows: pa.Table) -> np.ndarray:
    """The places of the rows of an answer that no seal is about."""
    query = "SELECT unit_ranges FROM value_seals WHERE question_key = ?"
    free = np.ones(len(rows), dtype=bool)
    for (ranges,) in cursor.execute(query, [key]).fetchall():
        free[places_in_ranges(rows, ranges)] = False
    return np.flatnonzero(free)
