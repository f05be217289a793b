"""A study as a catalog of its own, which opens anywhere and merges back to the same keys."""

from collections.abc import Callable
from pathlib import Path

from explorer.ask.study import study_named
from explorer.ask.study_cells import cells
from explorer.importing.samples import decline_samples
from store import Catalog, new_folder
from store.part import Part
from store.records import MergeCounts


def export_catalog(
    catalog: Catalog,
    name: str,
    folder: Path,
    tell: Callable[[int, int], object] = lambda done, of: None,
) -> MergeCounts:
    """Make a catalog of a study with its models, their points, and the answers that there are.

    Figures that are put together of these answers alone come too.

    Args:
        catalog: where the study is; it is only read.
        name: of the study.
        folder: to be made.
        tell: is given how many of how many files are there.

    Raises:
        FileExistsError: something of that name is there.
        FileNotFoundError: there is no folder for it to lie in.
        ValueError: this version cannot read the study.
        CatalogError: the catalog cannot be read, or there is no space; nothing is left behind.
    """
    document, study = study_named(catalog, name)
    all_cells = cells(catalog, study)
    part = Part(
        keys=frozenset(cell.wish.key for cell in all_cells if cell.stored),
        models=frozenset(model.id for cell in all_cells for model, _ in cell.wish.subjects)
        | {model.id for model in study.models},
        documents=frozenset({document}),
    )
    with new_folder(folder.expanduser().absolute()) as made:
        own = Catalog(made)
        try:
            brought = own.merge(catalog.folder, tell, part)
            decline_samples(own)  # it is of the study alone
        finally:
            own.close()
    return brought
