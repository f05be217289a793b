"""Asking the catalog's database in SQL."""

import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from json import dumps
from typing import Annotated

from cyclopts import CycloptsError, Parameter

from explorer.commands.json_values import json_value
from explorer.commands.parameters import OpenCatalog
from explorer.commands.tables import print_table, text_of
from explorer.csv_text import csv_text
from store import Catalog, records

MOST_ROWS = 1000  # of a printed table
MOST_HELD = 1 << 26  # bytes that wait in memory; more wait on disk


def sql(
    statement: str,
    /,
    *,
    json: bool = False,
    as_csv: Annotated[bool, Parameter("--csv")] = False,
    catalog: OpenCatalog,
) -> int:
    """Print what a query gives.

    Args:
        statement: such as 'SELECT * FROM analyses'; or 'SHOW TABLES'.
        json: a list of objects.
        as_csv: NULL is empty, NaN is NaN; a text that is a spreadsheet's formula begins with '.
        catalog: that is asked.

    Raises:
        CycloptsError: both forms are named.
    """
    if json and as_csv:
        raise CycloptsError(msg="Give --json or --csv, not both.")
    if json or as_csv:
        _print_all(catalog, statement, _json_texts if json else _csv_texts)
    else:
        _print_first(catalog, statement)
    return 0


def _print_first(catalog: Catalog, statement: str) -> None:
    """Print a table, as long as a screen is of use for."""
    with catalog.open_query(statement) as answer:
        rows = list(islice(answer.rows, MOST_ROWS + 1))
    print_table(records.Table(answer.columns, rows[:MOST_ROWS]))
    if len(rows) > MOST_ROWS:
        print(f"these are the first {MOST_ROWS:,} rows; --csv or --json gives all", file=sys.stderr)


def _print_all(
    catalog: Catalog, statement: str, texts: Callable[[records.QueryRows], Iterator[str]]
) -> None:
    """Print every row, however many: whoever reads slowly keeps nobody from the catalog."""
    with tempfile.SpooledTemporaryFile(MOST_HELD, "w+", encoding="utf-8", newline="") as waiting:
        with catalog.open_query(statement) as answer:
            waiting.writelines(texts(answer))
        waiting.seek(0)
        shutil.copyfileobj(waiting, sys.stdout)


def _json_texts(answer: records.QueryRows) -> Iterator[str]:
    """A list of objects."""
    before = "[\n"
    for row in answer.rows:
        entry = dict(zip(answer.columns, map(json_value, row), strict=True))
        text = dumps(entry, ensure_ascii=False, allow_nan=False, indent=1)
        yield f"{before} {text.replace(chr(10), chr(10) + ' ')}"
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _csv_texts(answer: records.QueryRows) -> Iterator[str]:
    """Lines of CSV."""
    yield csv_text([answer.columns], end="\n")
    for row in answer.rows:
        yield csv_text([map(_csv_value, row)], end="\n")


def _csv_value(value: object) -> object:
    """A value for CSV, in which numbers stay numbers; NaN by its name."""
    named = isinstance(value, bytes) or (isinstance(value, float) and math.isnan(value))
    return text_of(value) if named else value
