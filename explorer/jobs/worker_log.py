"""What workers say: a log of bounded size that outlives them, and their last words."""

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

from explorer.jobs import bounded_log
from explorer.jobs.process import JOB_START_WORDS

LOG_COMMAND = [sys.executable, "-I", "-S", bounded_log.__file__]
TAIL_BYTES = 1 << 16  # bytes of a log in which the last line is looked for


def start_logger(log: Path) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """A process that keeps what is written to the pipe that comes with it.

    It ends with the last process that has the pipe.
    """
    logger = subprocess.Popen(
        [*LOG_COMMAND, str(log.resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    if logger.stdin is None:
        raise AssertionError("a pipe was asked for")
    return logger, logger.stdin


def exit_text(status: int) -> str:
    """An exit status in words."""
    with contextlib.suppress(ValueError):
        name = signal.Signals(-status).name
        often = {"SIGKILL": ", often for lack of memory", "SIGSEGV": ", a fault in compiled code"}
        return f"exit status {status}: {name}{often.get(name, '')}"
    return f"exit status {status}"


def last_line(path: Path) -> str:
    """What stands last in a log, of the job that was begun last."""
    with contextlib.suppress(OSError):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        if lines and not lines[-1].startswith(JOB_START_WORDS):
            return lines[-1][:300]
    return "nothing"
