"""Asking the catalog's database in SQL."""

import math
from json import dumps
from typing import Annotated

from cyclopts import CycloptsError, Parameter

from explorer.commands.parameters import OpenCatalog
from explorer.commands.tables import print_table, text_of
from explorer.csv_text import csv_text


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
    table = catalog.query(statement)
    if json:
        rows = [dict(zip(table.columns, map(_json, row), strict=True)) for row in table.rows]
        print(dumps(rows, ensure_ascii=False, allow_nan=False, indent=1))
    elif as_csv:
        lines = [table.columns, *([_csv_value(v) for v in row] for row in table.rows)]
        print(csv_text(lines, end="\n"), end="")
    else:
        print_table(table)
    return 0


def _csv_value(value: object) -> object:
    """A value for CSV, in which numbers stay numbers; NaN by its name."""
    named = isinstance(value, bytes) or (isinstance(value, float) and math.isnan(value))
    return text_of(value) if named else value


def _json(value: object) -> object:
    """A value as JSON has it; NaN and the infinities, which it lacks, as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return text_of(value)
    if isinstance(value, dict):
        return {str(name): _json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float | str) else text_of(value)
