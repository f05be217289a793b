"""Tables on the terminal."""

import math

from explorer.wording import MESSAGE_LENGTH, counted, printable
from store import records


def text_of(value: object) -> str:
    """A value as text: NULL and NaN by their names."""
    if value is None:
        return "NULL"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def print_table(table: records.Table) -> None:
    """Columns side by side, numbers to the right."""
    texts = [[printable(text_of(value), MESSAGE_LENGTH) for value in row] for row in table.rows]
    widths = [max(map(len, column)) for column in zip(table.columns, *texts, strict=True)]
    number = [
        all(row[place] is None or isinstance(row[place], int | float) for row in table.rows)
        for place in range(len(widths))
    ]
    print("  ".join(name.ljust(w) for name, w in zip(table.columns, widths, strict=True)).rstrip())
    for row in texts:
        cells = zip(row, widths, number, strict=True)
        print("  ".join(c.rjust(w) if right else c.ljust(w) for c, w, right in cells).rstrip())
    print(counted(len(texts), "row"))
