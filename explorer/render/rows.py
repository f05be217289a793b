"""Rows of values as the Arrow tables and field names that Altair takes."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import pyarrow as pa

TAKEN = ("image", "title")


def told(columns: Mapping[str, str]) -> list[alt.Tooltip]:
    """Tooltips by field -> title, of nominal fields.

    A field's name becomes part of an expression and of a path, so that what users have named is
    never one. A title says anything, but one of the two words that Vega's tooltip takes for a
    picture's address and a heading.
    """
    return [
        alt.Tooltip(field=field, type="nominal", title=f"{title} " if title in TAKEN else title)
        for field, title in columns.items()
    ]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """The rows as Arrow: Altair takes a second to check the same rows as a list."""
    return pa.Table.from_pylist(rows)
