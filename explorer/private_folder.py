"""The folder for what is one user's own and belongs to no catalog: token, secret, agreements."""

import os
import uuid
from pathlib import Path

VARIABLE = "EXPLORER_STATE"  # the environment's; another folder than the usual one
NAME = "loss-surface-explorer"


def private_folder() -> Path:
    """Where the user's own state is kept; it need not be there yet.

    Source: XDG Base Directory Specification 0.8 (a relative path there is to be ignored).
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    state_home = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state_home if state_home.is_absolute() else Path.home() / ".local" / "state") / NAME


def made_private_folder() -> Path:
    """The folder, made for its owner alone where it is missing.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    folder = private_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = folder.stat()
    if hasattr(os, "getuid") and there.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; name your own in {VARIABLE}")
    if there.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def write_private(path: Path, content: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        partial.touch(mode=0o600)
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
