"""The file that a command writes: refused before the work that it would need."""

from collections.abc import Sequence
from pathlib import Path

from store import check_target


def check_output_file(file: Path, endings: Sequence[str]) -> None:
    """Refuse a file that has none of these endings, or that could not be written there.

    Raises:
        ValueError: it ends otherwise.
        FileExistsError: a file of that name is there.
        FileNotFoundError: there is no such folder.
    """
    if file.suffix not in endings:
        *first, last = endings
        words = f"{', '.join(first)} or {last}" if first else last
        raise ValueError(f"the file must end in {words}, got {file.name}")
    check_target(file)
