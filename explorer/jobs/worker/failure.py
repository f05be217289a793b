"""How a job failed: one sentence for the user, the whole of it in the job's log."""

import contextlib
import errno
import traceback

import torch

from explorer.admission import FileNotAdmitted
from explorer.jobs.job_folder import JobFolder
from explorer.kinds.progress import JobCancelled, JobHandedBack
from explorer.wording import one_line

MAX_ERROR_LENGTH = 2000  # characters of an error
_RUST_NO_SPACE = f"(os error {errno.ENOSPC})"  # safetensors raises its own class


class NowhereToWrite(SystemExit):
    """There is nowhere to write how a job ended."""


def write_failure(job: JobFolder, error: BaseException) -> None:
    """Write how a job failed into its folder."""
    if not job.path.is_dir():
        return  # the supervisor has given it up
    if isinstance(error, JobCancelled):
        job.finish("cancelled")
        return
    if isinstance(error, JobHandedBack):
        job.finish("handed_back")
        return
    with contextlib.suppress(OSError, ValueError):  # the code may have closed what this goes to
        traceback.print_exception(error)
    try:
        (job.path / "log").write_text("".join(traceback.format_exception(error)))
        job.finish("failed", error=_error_sentence(error))
    except OSError:  # nowhere to write: the supervisor sees a worker that ended without a word
        raise NowhereToWrite(1) from error


def _error_sentence(error: BaseException) -> str:
    """What happened, on one line."""
    if getattr(error, "errno", None) == errno.ENOSPC or _RUST_NO_SPACE in str(error):
        where = getattr(error, "filename", None) or "the catalog"
        return f"no space is left on the disk of {where}; free some and resume"
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "the device has too little memory for this model and data; choose another device"
    text = one_line(" ".join(str(error).split()), MAX_ERROR_LENGTH)
    if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
        ending = f"{type(error).__name__} {text}".strip()
        return f"the problem file ended the program ({ending}); take that out"
    return (
        text
        if isinstance(error, ValueError | FileNotAdmitted)
        else f"{type(error).__name__}: {text}"
    )
