"""Bringing what another catalog has into this one."""

from pathlib import Path

from explorer.commands.parameters import OpenCatalog


def merge(other: Path, /, *, catalog: OpenCatalog) -> int:
    """Bring another catalog's models and answers into this one.

    Args:
        other: its folder, or the catalog.duckdb in it.
        catalog: this one.
    """
    new = catalog.merge(other)
    print(
        f"brought {new.models:,} models, {new.points:,} checkpoints, {new.questions:,} analyses, "
        f"{new.units:,} points of analyses, {new.files:,} files"
    )
    return 0
