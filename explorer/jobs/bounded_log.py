"""A log that keeps the last of what it is given: `python bounded_log.py FILE < output`.

It stands between a worker and the disk, in a process of its own: a thread of the worker would wait
for the very lock that whoever prints may hold. Two files of at most `MAX_LOG_BYTES` bytes each are
kept, the older one under the name `FILE.1`.
"""

import contextlib
import os
import signal
import sys

MAX_LOG_BYTES = 1 << 20  # bytes of a file
READ_BYTES = 1 << 16


def write_log(source: int, path: str, most: int = MAX_LOG_BYTES) -> None:
    """Write what comes from a file descriptor, until its last writer has closed it."""
    log_handle = _open_log(path)
    while content := os.read(source, READ_BYTES):
        with contextlib.suppress(OSError):  # a full disk: what is printed is lost, not awaited
            if os.fstat(log_handle).st_size + len(content) > most:
                os.replace(path, f"{path}.1")  # noqa: PTH105 - nothing is imported: quick to start
                os.close(log_handle)
                log_handle = _open_log(path)
            os.write(log_handle, content)


def _open_log(path: str) -> int:
    """A file to add to; what somebody linked there stays as it is."""
    if os.path.islink(path):  # noqa: PTH114
        os.unlink(path)  # noqa: PTH108
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    write_log(sys.stdin.fileno(), sys.argv[1])
