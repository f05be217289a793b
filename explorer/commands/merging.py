"""Bringing what other catalogs have into this one."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from explorer.commands.exit_statuses import FAILED
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import counting
from explorer.importing.catalogs import merged_words
from explorer.wording import message


def merge(*others: Path, catalog: OpenCatalog) -> int:
    """Bring other catalogs' models and answers into this one, also while the app runs.

    Each comes whole or, with a sentence that says why, not at all; the others come nevertheless.

    Args:
        others: their folders, or the catalog.duckdb in each.
        catalog: this one.

    Raises:
        ValueError: none is named.
    """
    if not others:
        raise ValueError("name the folders of one or several catalogs to merge")
    with contextlib.ExitStack() as shown:

        def begin(other: Path) -> Callable[[int, int], object]:
            shown.close()
            return shown.enter_context(counting(f"{other}: files"))

        merged = catalog.merge_all(others, begin)
    if len(merged.refused) < len(others):
        print(merged_words(merged.counts))
    for sentence in merged.refused.values():
        print(f"error: {message(sentence)}", file=sys.stderr)
    return FAILED if merged.refused else 0
