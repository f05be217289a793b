"""Bringing what another catalog has into this one."""

from pathlib import Path

from explorer.commands.parameters import OpenCatalog
from explorer.wording import counted


def merge(other: Path, /, *, catalog: OpenCatalog) -> int:
    """Bring another catalog's models and answers into this one.

    Args:
        other: its folder, or the catalog.duckdb in it.
        catalog: this one.
    """
    new = catalog.merge(other)
    print(
        f"brought {counted(new.models, 'model')}, {counted(new.points, 'checkpoint')}, "
        f"{counted(new.questions, 'analysis', 'analyses')}, "
        f"{counted(new.units, 'point of analyses', 'points of analyses')}, "
        f"{counted(new.files, 'file')}"
    )
    return 0
