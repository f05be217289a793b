"""What came of other catalogs, in words."""

from explorer.wording import counted
from store.records import MergeCounts


def merged_words(new: MergeCounts) -> str:
    """What a merge brought, in one line."""
    return (
        f"brought {counted(new.models, 'model')}, {counted(new.points, 'checkpoint')}, "
        f"{counted(new.questions, 'analysis', 'analyses')}, "
        f"{counted(new.units, 'point of analyses', 'points of analyses')}, "
        f"{counted(new.files, 'file')}"
    )
