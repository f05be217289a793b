"""Between rows and records: binding, JSON, times."""

import dataclasses
import itertools
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar, get_type_hints

from store.catalog_tables import KEYS
from store.database_file import Cursor
from store.errors import CatalogError

Record = TypeVar("Record")
FEW_VALUES = 64  # that a query lists one by one: it is planned in half the time
MOST_ROWS = 200  # of a statement
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def is_identifier(name: str) -> bool:
    """Whether `name` is safe to stand in a statement as it is."""
    return bool(_IDENTIFIER.fullmatch(name))


def quoted(name: str) -> str:
    """Any name of somebody else's table, safe to stand in a statement."""
    return '"' + name.replace('"', '""') + '"'


def identifier(name: str) -> str:
    """`name`, safe to stand in a statement.

    Raises:
        ValueError: it is not lower-case letters, digits and underscores.
    """
    if not is_identifier(name):
        raise ValueError(
            f"a table or column must be named in lower-case letters, digits and _, got {name!r}"
        )
    return name


def sql_value(value: object) -> object:
    """`value` as it is bound to a statement: mappings as JSON, times in UTC."""
    if isinstance(value, Mapping):
        return json.dumps(dict(value), ensure_ascii=False)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def is_among(column: str, values: Collection[object], type: str) -> tuple[str, list[object]]:
    """The condition that a column has one of these values of an SQL type, and what it binds."""
    if not values:
        return "FALSE", []
    if len(values) <= FEW_VALUES:
        return f"{column} IN ({_marks(values)})", list(values)
    return f"{column} IN (SELECT unnest(CAST(? AS {type}[])))", [list(values)]


def put_row(
    cursor: Cursor, table: str, values: Mapping[str, object], renewed: Sequence[str] = ()
) -> None:
    """Add a row. Where its key is taken, renew these columns, or leave the row as it is."""
    put_rows(cursor, table, [values], renewed)


def put_rows(
    cursor: Cursor, table: str, rows: Sequence[Mapping[str, object]], renewed: Sequence[str] = ()
) -> None:
    """Add rows of the same columns, as `put_row` adds one; no key may come twice.

    Looking first and then adding takes a third of the time of INSERT ... ON CONFLICT.
    """
    for start in range(0, len(rows), MOST_ROWS):
        _put_rows(cursor, table, rows[start : start + MOST_ROWS], renewed)


def rows_not_stored(
    cursor: Cursor, table: str, rows: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """Those of the rows whose keys the table has not."""
    key = KEYS[table]
    entries = [tuple(row[name] for name in key) for row in rows]
    taken = _taken_keys(cursor, table, key, entries) if entries else set()
    return [row for row, entry in zip(rows, entries, strict=True) if entry not in taken]


def _put_rows(
    cursor: Cursor, table: str, rows: Sequence[Mapping[str, object]], renewed: Sequence[str]
) -> None:
    key = KEYS[table]
    names = [identifier(name) for name in rows[0]]
    bound = {
        tuple(row[name] for name in key): [sql_value(row[name]) for name in names] for row in rows
    }
    taken = _taken_keys(cursor, table, key, list(bound))
    new = [values for entry, values in bound.items() if entry not in taken]
    if new:
        one = f"({_marks(names)})"
        values = f"SELECT {one[1:-1]}" if len(new) == 1 else f"VALUES {', '.join([one] * len(new))}"
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) {values}",
            list(itertools.chain.from_iterable(new)),
        )
    for entry in taken if renewed else ():
        row = dict(zip(names, bound[entry], strict=True))
        changes = ", ".join(f"{identifier(name)} = ?" for name in renewed)
        same = " AND ".join(f"{name} = ?" for name in key)
        cursor.execute(
            f"UPDATE {table} SET {changes} WHERE {same}",  # noqa: S608 - identifiers checked
            [*(row[name] for name in renewed), *entry],
        )


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _taken_keys(
    cursor: Cursor, table: str, key: Sequence[str], entries: Sequence[tuple[object, ...]]
) -> set[tuple[object, ...]]:
    """Those of the keys that the table has."""
    parts = [
        is_among(name, set(values), "BIGINT" if isinstance(values[0], int) else "VARCHAR")
        for name, values in zip(key, zip(*entries, strict=True), strict=True)
    ]
    query = f"SELECT {', '.join(key)} FROM {table} WHERE {' AND '.join(text for text, _ in parts)}"  # noqa: S608
    stored = cursor.execute(query, [value for _, values in parts for value in values]).fetchall()
    return {tuple(row) for row in stored} & set(entries)


def records(
    cursor: Cursor, cls: type[Record], statement: str, values: Sequence[object] = ()
) -> list[Record]:
    """The rows of a query, each as a record of that class.

    Columns that no field is for are somebody else's and left out. NULL where a field has none of it
    is damage, which the check lists: it reads as empty, 0 or NaN, so that other rows are shown.

    Raises:
        CatalogError: the columns of a table are not those that it was made with.
    """
    cursor.execute(statement, list(values))
    empty = _empty_values(cls)  # type: ignore[arg-type]  # a class can be hashed
    columns = [
        (place, column[0], str(column[1]), empty[column[0]])
        for place, column in enumerate(cursor.description or ())
        if column[0] in empty
    ]
    required = _required_fields(cls)  # type: ignore[arg-type]
    if missing := required - {name for _, name, _, _ in columns}:
        raise CatalogError(
            f"a table of the catalog lacks the column {', '.join(sorted(missing))}, and what is in "
            "it cannot be read; put back a copy of the catalog's folder"
        )
    return [
        cls(
            **{
                name: _plain_value(row[place], type, instead)
                for place, name, type, instead in columns
            }
        )
        for row in cursor.fetchall()
    ]


@lru_cache(maxsize=64)
def _empty_values(cls: type[object]) -> dict[str, object]:
    """What stands in each field of a record where its column has NULL; None where that is meant."""
    empty: dict[object, object] = {str: "", int: 0, float: math.nan, bool: False}
    return {name: empty.get(hint) for name, hint in get_type_hints(cls).items()}


@lru_cache(maxsize=64)
def _required_fields(cls: type[object]) -> frozenset[str]:
    """The fields of a record that have no default."""
    return frozenset(
        each.name
        for each in dataclasses.fields(cls)  # type: ignore[arg-type]  # all records are such
        if each.default is each.default_factory is dataclasses.MISSING
    )


def scalar(cursor: Cursor, statement: str, values: Sequence[object] = ()) -> object:
    """The first value of the first row; None when there is no row."""
    row = cursor.execute(statement, list(values)).fetchone()
    return row[0] if row else None


def row_count(cursor: Cursor, statement: str, values: Sequence[object] = ()) -> int:
    """The number that a query for `count(*)` gives."""
    counted = scalar(cursor, statement, values)
    assert isinstance(counted, int)
    return counted


def _plain_value(cell: object, type: str, instead: object) -> object:
    if type == "JSON":
        value = json.loads(str(cell)) if cell is not None else {}
        return value if isinstance(value, dict) else {}  # damaged: the check finds it
    if type.endswith("[]"):
        return tuple(cell) if isinstance(cell, list) else ()
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=UTC)
    return instead if cell is None else cell
