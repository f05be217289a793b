"""Rows as CSV that any program reads, a spreadsheet too."""

import csv
import io
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")  # how what a spreadsheet runs begins


def csv_text(rows: Iterable[Iterable[object]], end: str = "\r\n") -> str:
    """The rows, the header first; a text that would be a formula begins with an apostrophe.

    Args:
        rows: of values; numbers stay what they are, None is empty.
        end: of each line.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator=end)
    writer.writerows([without_formula(value) for value in row] for row in rows)
    return file.getvalue()


def without_formula(value: T) -> T | str:
    """The value so that no spreadsheet takes a text for a formula. Source: OWASP, CSV injection."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
