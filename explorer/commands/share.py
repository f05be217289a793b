"""Catalogs that others own, shown beside what is in this one."""

from pathlib import Path

from cyclopts import App

from explorer.commands.parameters import OpenCatalog
from explorer.importing.catalogs import merged_words
from explorer.wording import counted, message

share = App("share")


@share.command(name="add")
def add_shared(folder: Path, /, *, name: str = "", catalog: OpenCatalog) -> int:
    """Show what another catalog has beside what is here, from now on; nothing is written there.

    Args:
        folder: where it lies, or the catalog.duckdb in it.
        name: what it is called here; else after its folder.
        catalog: this one.

    Raises:
        ValueError: the name is taken, or cannot be shown.
    """
    own_name, new = catalog.add_shared(folder, name)
    print(f"{message(own_name)}: {merged_words(new)}; its checkpoints stay where they are")
    return 0


@share.command(name="list")
def list_shared(*, catalog: OpenCatalog) -> int:
    """List the shared catalogs: name, folder, when each was read last.

    Args:
        catalog: this one.
    """
    for shared in catalog.shared_catalogs():
        read = f"read {shared.read:%Y-%m-%d %H:%M} UTC" if shared.read else "not read yet"
        print(f"{message(shared.name)}: {message(shared.folder)}, {read}")
    return 0


@share.command(name="remove")
def remove_shared(name: str, /, *, catalog: OpenCatalog) -> int:
    """Show a shared catalog no longer; what your own analyses are about stays, with its files.

    Args:
        name: of the shared catalog, as `share list` says it.
        catalog: this one.
    """
    print_removed(name, catalog.remove_shared(name))
    return 0


def print_removed(name: str, missing: int) -> None:
    """Say that a shared catalog is gone, and what could not be copied of it."""
    print(f"{message(name)} is removed")
    if missing:
        print(
            f"{counted(missing, 'file')} that your analyses are about could not be copied from it; "
            "share it again once it is back"
        )
