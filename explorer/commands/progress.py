"""Waiting for jobs on the terminal: one line each with a bar; plain lines in a pipe or a file."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from explorer import job_progress
from explorer.jobs.queue_state import JobState
from explorer.supervisor.supervisor import Supervisor
from explorer.wording import one_line
from store import Catalog


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


def bar_teller(progress: Progress, task: TaskID) -> Callable[[JobState], None]:
    """A function that shows what a job does, and how far it is."""

    def tell(state: JobState) -> None:
        words = one_line(state.words)
        progress.update(task, doing=words, completed=state.done or 0, total=state.total)

    return tell


def line_teller(title: str, write: Callable[[str], None] = print) -> Callable[[JobState], None]:
    """A function that writes a line whenever a job does something else, whatever the count."""
    last_stage = ""

    def tell(state: JobState) -> None:
        nonlocal last_stage
        if state.stage != last_stage:
            write(f"{title}: {one_line(state.words)}")
            last_stage = state.stage

    return tell


@contextlib.contextmanager
def counting(title: str) -> Iterator[Callable[[int, int], None]]:
    """A function that shows how many parts of a work are done; nothing but on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, of: None
        return
    with bar(console) as progress:
        task = progress.add_task(one_line(title), total=None, doing="")
        yield lambda done, of: progress.update(
            task, doing=f"{done} of {of}", completed=done, total=of
        )
