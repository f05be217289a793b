"""Waiting on the terminal: a line in a pipe for each stage, and no escape code from any name."""

import io
import re

import pytest
from rich.console import Console

from explorer.commands import progress

HOSTILE = "\x1b[31m[bold]evil[/bold]\nname"


def test_lines_in_a_pipe_come_with_each_stage() -> None:
    """A count that grows writes nothing; another stage does, whatever a name would command."""
    lines: list[str] = []
    tell = progress.line_teller("Line of a", lines.append)
    for doing in ("loading", "evaluating 1 of 9", "evaluating 2 of 9", f"waits behind {HOSTILE}"):
        tell(doing)
    assert lines[:2] == ["Line of a: loading", "Line of a: evaluating 1 of 9"]
    assert len(lines) == 3 and not {"\x1b", "\n"} & set(lines[2])


@pytest.mark.parametrize("doing", ["evaluating 1,200 of 2,601", "starting", HOSTILE], ids=repr)
def test_a_bar_on_a_terminal_sends_no_code_of_a_name(doing: str) -> None:
    """The bar has the count of the words; escape codes on the terminal are rich's alone."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    with progress.bar(console) as bar:
        task = bar.add_task("Line of [bold]a[/bold]", total=None, doing="")
        progress.bar_teller(bar, task)(doing)
        bar.refresh()
        count = (bar.tasks[0].completed, bar.tasks[0].total)
    assert count == ((1200, 2601) if "2,601" in doing else (0, None))
    assert "Line of [bold]a[/bold]" in shown.getvalue()
    assert "\x1b[31m" not in shown.getvalue()
    assert doing is not HOSTILE or re.search(r"\\x1b\[31m\[bold\]evil", shown.getvalue())
