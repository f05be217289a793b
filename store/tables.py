"""Tables of values: made and widened as answers need them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from store.database_file import Cursor
from store.migrations import OWN_NAMES
from store.rows import identifier, is_identifier

_KEY = "question_key"  # the column that says of which answer a row is


def check_table(table: str) -> str:
    """`table`, when it may hold values.

    Raises:
        ValueError: not an identifier, or a table of the catalog itself.
    """
    if identifier(table) in OWN_NAMES:
        raise ValueError(f"a table of values must have a name of its own, got {table!r}")
    return table


def table_columns(cursor: Cursor, table: str) -> dict[str, str]:
    """Columns of a table with their types; empty when there is no such table."""
    return _columns_of(cursor, table) if has_table(cursor, table) else {}


def has_table(cursor: Cursor, table: str) -> bool:
    """Whether there is a table of that name."""
    query = "SELECT table_oid FROM duckdb_tables() WHERE table_name = ?"
    return cursor.execute(query, [table]).fetchone() is not None


def _columns_of(cursor: Cursor, table: str) -> dict[str, str]:
    """Columns of a table that is there; `duckdb_columns()` would go through those of all others."""
    cursor.execute(f'SELECT * FROM "{table}" LIMIT 0')  # noqa: S608 - a table's name
    return {column[0]: str(column[1]) for column in cursor.description or ()}


def arrow_types(cursor: Cursor, table: str) -> dict[str, pa.DataType]:
    """Columns of a table of values that is there with their types in Arrow; no numbers are text."""
    arrow = {"BIGINT": pa.int64(), "DOUBLE": pa.float64(), "VARCHAR": pa.string()}
    return {name: arrow.get(type, pa.string()) for name, type in _columns_of(cursor, table).items()}


def value_tables(cursor: Cursor) -> list[str]:
    """The tables that hold values; one with a name that no statement can take is not ours."""
    query = """SELECT table_name FROM duckdb_columns() WHERE NOT internal
        AND column_name IN ('question_key', 'unit')
        AND table_name IN (SELECT table_name FROM duckdb_tables())
        GROUP BY table_name HAVING count(*) = 2"""  # a view is none
    names = {name for (name,) in cursor.execute(query).fetchall()}
    return sorted(filter(is_identifier, names - OWN_NAMES))


def arrow_table(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """The columns as DuckDB takes them.

    A dict of NumPy arrays would turn NaN into NULL (measured, DuckDB 2.0.0); Arrow keeps every bit.

    Raises:
        ValueError: no unit, unequal lengths, or anything but numbers of one dimension.
    """
    if not columns:
        return pa.table({"unit": np.empty(0, dtype=np.int64)})
    if "unit" not in columns:
        raise ValueError(f"the columns must include unit, got {', '.join(columns)}")
    arrays = {identifier(name): _wide(name, np.asarray(v)) for name, v in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns must have the same length, got {lengths}")
    if arrays["unit"].dtype != np.int64:
        raise ValueError(f"unit must be whole numbers, got {columns['unit'].dtype}")
    return pa.table(arrays)


def _wide(name: str, array: np.ndarray) -> np.ndarray:
    if array.ndim != 1 or array.dtype.kind not in "fiub" or name == "question_key":
        raise ValueError(
            f"column {name} must be numbers of one dimension, got {array.dtype} of {array.shape}"
        )
    return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)


def append(cursor: Cursor, key: str, table: str, rows: pa.Table) -> None:
    """Add rows of an answer; make the table and its columns where they are missing.

    Raises:
        ValueError: floats for a column of whole numbers.
    """
    append_answers(cursor, table, rows.append_column(_KEY, pa.repeat(key, len(rows))))


def append_answers(cursor: Cursor, table: str, rows: pa.Table) -> None:
    """The same, of several answers, whose keys stand in a column.

    Raises:
        ValueError: floats for a column of whole numbers, or a name that no column of ours has.
    """
    types = {f.name: "DOUBLE" if pa.types.is_floating(f.type) else "BIGINT" for f in rows.schema}
    del types[_KEY]
    there = table_columns(cursor, table)
    if not there:
        there = {_KEY: "VARCHAR", "unit": "BIGINT"}
        cursor.execute(f"CREATE TABLE {table} ({_KEY} VARCHAR, unit BIGINT)")
    for name, type in types.items():
        if name not in there:
            cursor.execute(f'ALTER TABLE {table} ADD COLUMN "{identifier(name)}" {type}')
        elif there[name] == "BIGINT" and type == "DOUBLE":
            raise ValueError(f"column {name} of {table} holds whole numbers, got floats")
    cursor.register("fresh_rows", rows)
    try:
        cursor.execute(
            f"INSERT INTO {table} BY NAME SELECT * FROM fresh_rows"  # noqa: S608 - checked by check_table
        )
    finally:
        cursor.unregister("fresh_rows")
