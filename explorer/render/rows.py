"""Rows of values as the Arrow tables and field names that Altair takes."""

from typing import Any

import pyarrow as pa


def escaped(field: str) -> str:
    """A field name that Vega reads as one name, not as a path."""
    return "".join("\\" + c if c in ".[]" else c for c in field)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as Arrow: Altair takes a second to check the same rows as a list."""
    return pa.Table.from_pylist(rows)
