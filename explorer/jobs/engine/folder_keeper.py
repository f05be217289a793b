"""Removes a folder once the process that it belongs to is gone: `python folder_keeper.py FOLDER`.

Ray kills its processes, which then cannot tidy up, and their children with them. So one that is
nobody's child waits for the end of a pipe.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

END_SECONDS = 1.0  # that a worker, which dies with the process, still writes
LEAST_NAME = 10  # letters of a folder's name: a slip must not remove another


def start(folder: Path) -> IO[bytes]:
    """Have the folder removed once this process, which keeps the pipe open, is gone."""
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    launcher.wait()
    if launcher.stdin is None:
        raise AssertionError("a pipe was asked for")
    return launcher.stdin


def main(folder: Path) -> None:
    """Wait for the end of the pipe, as nobody's child."""
    if os.fork():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # until nobody can write any more
    time.sleep(END_SECONDS)
    if len(folder.name) > LEAST_NAME:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
