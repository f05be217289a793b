"""Which folder a recorder may write into: the one that was named, or a new one beside it.

A run is told by the seed and the hyper-parameters that its script gives. A script that gives the
same ones, or none, goes on with the run that is there. It does not where it starts over (without a
seed at or before the first recorded step; in a run that has ended at any recorded step), nor where
another process writes the run just now.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from explorer.recording import HEAD, Recording, RecordingError, read_recording

try:
    import fcntl
except ImportError:  # not on Windows: there two processes in one folder are not noticed
    fcntl = None  # type: ignore[assignment]

LOCK = ".recorder.lock"
SCRIPT_FACTS = ("hyperparameters", "seed")  # of the head: what the script says of its run


@dataclass
class Claim:
    """A folder that this process alone writes into."""

    folder: Path
    lock: BinaryIO
    recording: Recording | None  # the run that is there already

    def release(self) -> None:
        """Let others write there."""
        self.lock.close()


def claim_folder(
    folder: Path, head: Mapping[str, object], resume: bool | None
) -> tuple[Claim, str]:
    """The folder for the run of this head, and why it is another one than was named, if it is.

    Args:
        folder: that was named.
        head: of the new run.
        resume: True to go on with the run that is there whatever it is, False never to.

    Raises:
        ValueError: it must be this folder, and another process writes there.
    """
    first_reason = ""
    for candidate in _candidate_folders(folder):
        claim, reason = _try_claim(candidate, head, resume)
        if claim is not None:
            return claim, first_reason
        if resume:
            raise ValueError(f"{candidate} cannot be resumed: {reason}; end the other script first")
        first_reason = first_reason or reason
    raise AssertionError("there is always another name")


def claim_folder_beside(claim: Claim, folder: Path, head: Mapping[str, object]) -> Claim:
    """A new folder for a run that turned out to be another one than the folder holds."""
    claim.release()
    return claim_folder(folder, head, resume=False)[0]


def starts_over(recording: Recording, step: int, seed: int | None) -> bool:
    """Whether a script whose first record is at this step begins a run anew."""
    steps = [s.step for s in recording.snapshots]
    steps += [at for curve in recording.curves.values() for at, _ in curve]
    if not steps:
        return False
    return step <= max(steps) if recording.ended else seed is None and step <= min(steps)


def _candidate_folders(folder: Path) -> Iterator[Path]:
    yield folder
    number = 2
    while True:
        yield folder.with_name(f"{folder.resolve().name}-{number}")
        number += 1


def _try_claim(
    folder: Path, head: Mapping[str, object], resume: bool | None
) -> tuple[Claim | None, str]:
    """The folder if it may be taken, or why not."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = _open_locked(folder)
    if lock is None:
        return None, "another process records a run there"
    try:
        recording = read_recording(folder) if (folder / HEAD).exists() else None
    except RecordingError:
        lock.close()
        return None, "it holds a run that cannot be read"
    reason = "" if recording is None or resume else _difference_text(recording.head, head)
    if recording is not None and resume is False:
        reason = reason or "it holds a run"
    if reason:
        lock.close()
        return None, reason
    return Claim(folder, lock, recording), ""


def _open_locked(folder: Path) -> BinaryIO | None:
    """An open file that no other process has locked; None where one has. Death unlocks it."""
    file = (folder / LOCK).open("ab")
    try:
        if fcntl is not None:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        return None
    except OSError:
        pass  # a file system without locks
    return file


def _difference_text(recorded: Mapping[str, object], head: Mapping[str, object]) -> str:
    """What tells two runs apart, of what a script gives; empty where nothing does."""
    for name in SCRIPT_FACTS:
        own = json.dumps(head.get(name), sort_keys=True)
        there = json.dumps(recorded.get(name), sort_keys=True)
        if head.get(name) not in (None, {}) and own != there:
            word = name.replace("hyperparameters", "hyper-parameters")
            return f"it holds a run with other {word}"
    return ""
