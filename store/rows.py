"""Between rows and records: binding, JSON, times."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from store.lease import Cursor
from store.migrations import KEYS

Record = TypeVar("Record")
FEW_ROWS = 4  # that are looked for before they are put
FEW_VALUES = 64  # of which DuckDB plans a list in half the time of a subquery
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def identifier(name: str) -> str:
    """`name`, safe to stand in a statement.

    Raises:
        ValueError: it is not lower-case letters, digits and underscores.
    """
    if not _IDENTIFIER.fullmatch(name):
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
        return f"{column} IN ({', '.join('?' * len(values))})", list(values)
    return f"{column} IN (SELECT unnest(CAST(? AS {type}[])))", [list(values)]


def put_row(
    cursor: Cursor, table: str, values: Mapping[str, object], renewed: Sequence[str] = ()
) -> None:
    """Add a row. Where its key is taken, renew these columns, or leave the row as it is."""
    put_rows(cursor, table, [values], renewed)


def put_rows(
    cursor: Cursor, table: str, rows: Sequence[Mapping[str, object]], renewed: Sequence[str] = ()
) -> None:
    """Add rows of the same columns in one statement, as `put` adds one; no key may come twice."""
    if not rows:
        return
    names = [identifier(name) for name in rows[0]]
    marks = ", ".join(["(" + ", ".join("?" * len(names)) + ")"] * len(rows))
    renewal = ", ".join(f"{identifier(name)} = excluded.{name}" for name in renewed)
    conflict = f" ON CONFLICT DO {f'UPDATE SET {renewal}' if renewal else 'NOTHING'}"
    if not _are_any_stored(cursor, table, rows):
        conflict = ""  # DuckDB plans the look and the plain statement in half the time
    cursor.execute(
        f"INSERT INTO {identifier(table)} ({', '.join(names)})"  # noqa: S608 - identifiers checked
        f" VALUES {marks}{conflict}",
        [sql_value(row[name]) for row in rows for name in names],
    )


def _are_any_stored(cursor: Cursor, table: str, rows: Sequence[Mapping[str, object]]) -> bool:
    """Whether the key of any of these rows is taken; for many rows it is not looked at."""
    if len(rows) > FEW_ROWS:
        return True
    keys = KEYS[table]
    one = f"({' AND '.join(f'{name} = ?' for name in keys)})"
    query = f"SELECT 1 FROM {identifier(table)} WHERE {' OR '.join([one] * len(rows))} LIMIT 1"  # noqa: S608 - identifiers checked
    return (
        scalar(cursor, query, [sql_value(row[name]) for row in rows for name in keys]) is not None
    )


def records(
    cursor: Cursor, cls: type[Record], statement: str, values: Sequence[object] = ()
) -> list[Record]:
    """The rows of a query, each as a record of that class."""
    cursor.execute(statement, list(values))
    columns = [(column[0], str(column[1])) for column in cursor.description or ()]
    return [
        cls(
            **{
                name: _plain_value(cell, type)
                for (name, type), cell in zip(columns, row, strict=True)
            }
        )
        for row in cursor.fetchall()
    ]


def scalar(cursor: Cursor, statement: str, values: Sequence[object] = ()) -> object:
    """The first value of the first row; None when there is no row."""
    row = cursor.execute(statement, list(values)).fetchone()
    return row[0] if row else None


def row_count(cursor: Cursor, statement: str, values: Sequence[object] = ()) -> int:
    """The number that a query for `count(*)` gives."""
    counted = scalar(cursor, statement, values)
    assert isinstance(counted, int)
    return counted


def _plain_value(cell: object, type: str) -> object:
    if type == "JSON":
        value = json.loads(str(cell)) if cell is not None else {}
        return value if isinstance(value, dict) else {}  # damaged: the check finds it
    if type.endswith("[]"):
        return tuple(cell) if isinstance(cell, list) else ()
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=UTC)
    return cell
