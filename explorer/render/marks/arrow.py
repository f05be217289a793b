"""Rows of values as the Arrow tables, column names and titles that Altair takes."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

Encodings: TypeAlias = Mapping[str, Any]  # channel -> what Altair encodes it by, a type a channel

PLAIN_CHARACTERS = " _-"  # beside letters and digits: what no part of Vega gives a meaning


def column_name(name: str) -> str:
    """A column's name that Vega reads as one name: what could mean something there as %hex.

    Vega-Lite puts names of fields into expressions, where quotes, dots, brackets, backslashes and
    line ends would end them.
    """
    return "".join(c if c.isalnum() or c in PLAIN_CHARACTERS else f"%{ord(c):x}" for c in name)


def tooltip_title(words: str) -> str:
    """A tooltip's title that reads as the words.

    Vega-Lite puts it into an expression and protects only quotes (6.1.0).
    """
    lines = " ".join(words.splitlines())
    return lines.replace("\\", "\\\\")


def arrow_table(rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """The rows as Arrow: Altair takes a second to check the same rows as a list."""
    return pa.Table.from_pylist(rows)
