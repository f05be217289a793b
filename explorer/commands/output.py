"""Where commands print: outputs that were closed, are full, or are read by nobody any more."""

import contextlib
import os
import sys
from typing import TextIO

LAST_STANDARD_STREAM = 2  # of input, output, errors


def open_closed_streams() -> None:
    """Have what is printed go nowhere where the command was started with a closed output.

    Otherwise the next file that is opened, perhaps the database, would be the output of this
    process and of those that it starts.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= LAST_STANDARD_STREAM:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdout, sys.stderr = _usable(sys.stdout, 1), _usable(sys.stderr, 2)


def _usable(stream: TextIO | None, number: int) -> TextIO:
    """The stream, or one to the file of that number where Python has found it closed."""
    return stream if stream is not None else open(number, "w", closefd=False)


def system_sentence(error: OSError) -> str:
    """What is wrong, with what to do; ours are sentences, the system's say what and where alone."""
    if isinstance(error, BrokenPipeError):
        _leave_output()
        return "what read the output has ended; the rest was not printed"
    if error.errno is None:
        return str(error)
    if error.filename is None:  # no file: it was printed
        _leave_output()
    why = os.strerror(error.errno).lower()
    what = error.filename or "the output"
    return f"{what} cannot be read or written ({why}); see to its path, permissions and space"


def _leave_output() -> None:
    """Where nothing can be printed, see that Python does not try again as it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
