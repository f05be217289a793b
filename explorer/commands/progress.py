"""Waiting for jobs on the terminal: one line each with a bar; plain lines in a pipe or a file."""

import contextlib
import re
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from explorer import job_progress
from explorer.supervisor.supervisor import Supervisor
from explorer.wording import one_line
from store import Catalog

COUNT = re.compile(r"(\d[\d,]*) of (\d[\d,]*)")  # in what a job does; what is within comes last


class JobFailed(ValueError):
    """A job ended otherwise than done; the message is its error."""


def wait_for_jobs(
    catalog: Catalog, jobs: Sequence[str], device: str, *, keep_going: bool = False
) -> None:
    """Supervise until the jobs have ended, or follow the supervisor that is there.

    Args:
        catalog: where they are.
        jobs: their ids.
        device: to compute on.
        keep_going: wait for the others where one fails; the catalog says why it did.

    Raises:
        ValueError: a job failed; the message is its error.
    """
    supervisor = Supervisor(catalog, device)
    supervisor.start()
    try:
        for job_id in jobs:
            with contextlib.suppress(*([JobFailed] if keep_going else [])):
                _wait_for_job(catalog, job_id, supervisor)
    finally:
        supervisor.stop()


def _wait_for_job(catalog: Catalog, job_id: str, supervisor: Supervisor) -> None:
    title, console = one_line(catalog.job(job_id).title), Console()
    if console.is_terminal:
        with bar(console) as progress:
            task = progress.add_task(title, total=None, doing="")
            tell = bar_teller(progress, task)
            job = job_progress.wait_for_job(catalog, job_id, supervisor, tell)
            progress.update(task, doing=job.status)
    else:
        job = job_progress.wait_for_job(catalog, job_id, supervisor, line_teller(title))
        print(f"{title}: {job.status}", flush=True)
    if job.status != "done":
        raise JobFailed(f"{job.title} {job.status}: {job.error or 'resume it to go on'}")


def bar(console: Console) -> Progress:
    """A line with title, bar, what is done and the time; names in it are no markup."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[doing]}", markup=False),
        TimeElapsedColumn(),
        console=console,
    )


def bar_teller(progress: Progress, task: TaskID) -> Callable[[str], None]:
    """A function that shows what a job does, and how far it is."""

    def tell(doing: str) -> None:
        count = COUNT.search(doing)
        done, total = (int(n.replace(",", "")) for n in count.groups()) if count else (0, None)
        progress.update(task, doing=one_line(doing), completed=done, total=total)

    return tell


def line_teller(title: str, write: Callable[[str], None] = print) -> Callable[[str], None]:
    """A function that writes a line whenever a job does something else, whatever the count."""
    last = ""

    def tell(doing: str) -> None:
        nonlocal last
        stage = COUNT.split(doing, maxsplit=1)[0]
        if stage != last:
            write(f"{title}: {one_line(doing)}")
            last = stage

    return tell
