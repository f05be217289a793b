"""A study as a catalog of its own: in which folder, and what came of it."""

import shlex
from pathlib import Path

import streamlit as st

from explorer.importing.catalogs import merged_words
from explorer.importing.study_catalog import export_catalog
from explorer.pages import _parts as parts
from explorer.pages._text import as_text
from explorer.wording import file_word
from store import Catalog, CatalogError
from store.documents import Document


def offer_catalog(catalog: Catalog, document: Document) -> None:
    """A folder, and the button that makes a catalog of the study there."""
    usual = catalog.folder.parent / f"study-{file_word(document.name)}"
    folder = st.text_input(
        "Folder to be made for a catalog of this study",
        str(usual),
        key=f"catalog-{document.id}-{document.name}",
        help="With its models, answers and figures; it opens by `--catalog`, and merges back.",
    )
    if st.button("Make catalog", icon=":material/create_new_folder:") and (folder or "").strip():
        _make_catalog(catalog, document, Path((folder or "").strip()).expanduser())


def _make_catalog(catalog: Catalog, document: Document, folder: Path) -> None:
    bar = st.progress(0.0, "Reading")
    try:
        brought = export_catalog(
            catalog,
            document.name,
            folder,
            lambda done, of: bar.progress(done / of, f"File {done:,} of {of:,}"),
        )
    except (CatalogError, OSError, ValueError) as error:
        st.error(parts.sentence(error), icon=":material/error:")
    else:
        words = as_text(merged_words(brought).removeprefix("brought "), 200)
        st.success(f"Made, with {words}. To open it:", icon=":material/check:")
        st.code(shlex.join([".ci/app", "--", "--catalog", str(folder)]), language=None)
    finally:
        bar.empty()
