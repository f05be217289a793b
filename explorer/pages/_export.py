"""Downloads of what a page shows: figures, the relief, meshes, numbers."""

from typing import Any


def export_surface(*args: Any) -> None:
    pass


def export_line(*args: Any) -> None:
    pass
