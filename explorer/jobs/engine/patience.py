"""Ends an engine whose cluster says nothing any more: Ray itself waits without end."""

import os
import sys
import threading
import time

PATIENCE_SECONDS = 180.0  # to connect, or to give or take what there is; a big file takes a while
LOOKS = 20  # within that


class Patience:
    """A thread that ends this process once nothing has moved for long; what is stored stays."""

    def __init__(self, place: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Begin to wait for the first move.

        Args:
            place: of the cluster, for the sentence.
            seconds: without a move.
        """
        self._place, self._seconds = place, seconds
        self._moved = time.monotonic()
        threading.Thread(target=self._run, name="patience", daemon=True).start()

    def note_move(self) -> None:
        """Something has moved."""
        self._moved = time.monotonic()

    def _run(self) -> None:
        while time.monotonic() - self._moved < self._seconds:
            time.sleep(self._seconds / LOOKS)
        print(
            f"error: Ray at {self._place} has said nothing for {self._seconds:.0f} s; see whether "
            "it runs there, or compute on this machine",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)  # the other threads wait for Ray
