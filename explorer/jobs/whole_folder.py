"""Folders that are there whole, and gone at once."""

import errno
import shutil
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Remove a folder, or a link without what it leads to."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def rename_folder(source: Path, target: Path) -> None:
    """Rename; the system says either of two things where the target is there.

    Raises:
        FileExistsError: the target is there.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(target) from error
        raise
