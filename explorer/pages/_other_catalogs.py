"""Other catalogs: merged into this one."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from explorer.importing.catalogs import merged_words
from explorer.pages import _parts as parts
from explorer.pages._text import as_text
from store import Catalog

FIELD_HEIGHT = 90  # px, for three folders


def show_other_catalogs(catalog: Catalog) -> None:
    """What can be done with other catalogs; nothing where this one can only be read."""
    if catalog.read_only:
        return
    with st.expander("Other catalogs", icon=":material/merge:"):
        offer_merge(catalog)


def offer_merge(catalog: Catalog) -> None:
    """A field for folders and the button that merges what lies in them."""
    with st.form("merge", border=False):
        folders = st.text_area(
            "Folders to merge into this catalog, one a line",
            key="merged-folders",
            height=FIELD_HEIGHT,
            placeholder="/data/first/.catalog",
            help="All their models and answers come into this one; each answer once.",
        )
        pressed = st.form_submit_button("Merge", icon=":material/merge:")
    others = [line.strip() for line in (folders or "").splitlines() if line.strip()]
    if pressed and others:
        merge_catalogs(catalog, others)
    elif pressed:
        st.info("Name the folder of a catalog first.")


def merge_catalogs(catalog: Catalog, others: list[str]) -> None:
    """Merge catalogs with a bar, and say what came of it.

    Leaving the page stops it; the one in hand comes not at all then.
    """
    bar = st.progress(0.0, "Merging")

    def begin(other: Path) -> Callable[[int, int], object]:
        words = as_text(other, 160)
        bar.progress(0.0, f"Reading {words}")
        return lambda done, of: bar.progress(done / of, f"{words} · file {done:,} of {of:,}")

    merged = catalog.merge_all(others, begin)
    bar.empty()
    if len(merged.refused) < len(others):
        words = merged_words(merged.counts)
        st.success(f"{words[:1].upper()}{words[1:]}.", icon=":material/check:")
    for sentence in merged.refused.values():
        st.error(parts.sentence(ValueError(sentence)), icon=":material/error:")
