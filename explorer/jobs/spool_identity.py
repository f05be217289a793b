"""What tells a spool from its copies, and the workers named for one."""

import contextlib
from pathlib import Path

from explorer.jobs.process import ProcessName


def identity_of(folder: Path) -> str:
    """What tells a folder from its copies, and stays when it is renamed; empty if there is none.

    All machines that share the folder see the same: the numbers in its file system of it and of the
    folder that it lies in, not that of the device, which each machine gives by itself.
    """
    try:
        return f"{folder.parent.stat().st_ino:x}-{folder.stat().st_ino:x}"
    except OSError:
        return ""


def worker_named(text: str, spool: str) -> ProcessName | None:
    """The worker that a file is named for; None where it is another spool's, or no such name."""
    owner, _, name = text.partition(".")
    with contextlib.suppress(ValueError):
        return ProcessName.parse(name) if owner == spool else None
    return None
