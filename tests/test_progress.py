"""Waiting on the terminal: a line in a pipe for each stage, and no escape code from any name."""

import io
import re

import pytest
from rich.console import Console

from explorer.commands import progress
from explorer.jobs.queue_state import JobState

HOSTILE = "\x1b[31m[bold]evil[/bold]\nname"


def test_lines_in_a_pipe_come_with_each_stage() -> None:
    """A count that grows writes nothing; another stage does, whatever a name would command."""
    lines: list[str] = []
    tell = progress.line_teller("Line of a", lines.append)
    counts = [JobState("evaluating", done, 9) for done in (1, 2)]
    behind = [JobState(f"waits behind {HOSTILE}", rest=f" ({n} of 9)") for n in (1, 2)]
    for state in (JobState("loading"), *counts, *behind):
        tell(state)
    assert lines[:2] == ["Line of a: loading", "Line of a: evaluating 1 of 9"]
    assert len(lines) == 3 and not {"\x1b", "\n"} & set(lines[2])


@pytest.mark.parametrize(
    ("state", "shown_count"),
    [
        (JobState("evaluating", 1200, 2601), (1200, 2601)),
        (JobState("starting"), (0, None)),
        (JobState("waits behind Surface of mlp_a", rest=" (3 of 10)"), (0, None)),
        (JobState("evaluating 4 of 5", 1, 2), (1, 2)),
        (JobState(HOSTILE), (0, None)),
    ],
    ids=repr,
)
def test_a_bar_on_a_terminal_sends_no_code_of_a_name(
    state: JobState, shown_count: tuple[int, int | None]
) -> None:
    """The bar has the job's own count, none of its words; escape codes are rich's alone."""
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    with progress.bar(console) as bar:
        task = bar.add_task("Line of [bold]a[/bold]", total=None, doing="")
        progress.bar_teller(bar, task)(state)
        bar.refresh()
        assert (bar.tasks[0].completed, bar.tasks[0].total) == shown_count
    assert "Line of [bold]a[/bold]" in shown.getvalue()
    assert "\x1b[31m" not in shown.getvalue()
    assert state.stage != HOSTILE or re.search(r"\\x1b\[31m\[bold\]evil", shown.getvalue())
