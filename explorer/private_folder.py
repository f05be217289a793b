"""The folder for what is one user's own and belongs to no catalog: the token, consents."""

import os
from pathlib import Path


def private_folder() -> Path:
    """The folder, made for its owner alone where it is missing.

    It is `$EXPLORER_STATE`, else `loss-surface-explorer` in `$XDG_STATE_HOME` or `~/.local/state`.

    Raises:
        OSError: it cannot be made, or belongs to somebody else.
    """
    named = os.environ.get("EXPLORER_STATE")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    folder = Path(named or Path(state, "loss-surface-explorer")).expanduser()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    owned = folder.stat()
    if hasattr(os, "getuid") and owned.st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to another user; name your own in EXPLORER_STATE")
    if owned.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def write_private(path: Path, content: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.touch(mode=0o600)
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
