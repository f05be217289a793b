"""Other catalogs: shown beside this one, or merged into it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from explorer.importing.catalogs import merged_words
from explorer.pages import _parts as parts
from explorer.pages._cards import ORIGIN_ICON
from explorer.pages._facts import local_time
from explorer.pages._running import AppState
from explorer.pages._text import as_text
from explorer.wording import counted
from store import Catalog, CatalogError, records

REMOVING = "What your own analyses are about stays; its files are copied"
FIELD_HEIGHT = 90  # px, for three folders


def warn_of_absence(app: AppState) -> None:
    """A sentence about each shared catalog that could not be read when somebody looked last."""
    for sentence in app.shared.troubles.values():
        st.warning(parts.sentence(ValueError(sentence)), icon=":material/cloud_off:")


def show_other_catalogs(app: AppState) -> None:
    """What can be done with other catalogs; nothing where this one can only be read."""
    if app.catalog.read_only:
        return
    shared = app.catalog.shared_catalogs()
    count = f" ({len(shared)} shared)" if shared else ""
    with st.expander(f"Other catalogs{count}", icon=ORIGIN_ICON, key="other-catalogs"):
        share_tab, merge_tab = st.tabs(["Show beside this one", "Merge into this one"])
        with share_tab:
            show_shared(app, shared)
            offer_share(app)
        with merge_tab:
            offer_merge(app.catalog)


def show_shared(app: AppState, shared: Sequence[records.SharedCatalog]) -> None:
    """The shared catalogs, each with the way to show it no longer."""
    for one in shared:
        left, right = st.columns([5, 1], vertical_alignment="center")
        read = f"read {local_time(one.read)}" if one.read else "not read yet"
        state = "away" if one.name in app.shared.troubles else read
        left.markdown(f"**{as_text(one.name)}** · {as_text(one.folder, 160)} · {state}")
        if right.button("Remove", key=f"remove-{one.name}", help=REMOVING):
            missing = app.catalog.remove_shared(one.name)
            app.shared.troubles = {}
            if missing:
                st.toast(f"{counted(missing, 'file')} could not be copied; share it again later.")
            st.rerun()


def offer_share(app: AppState) -> None:
    """A field for the folder of a catalog, and the button that shows what it has."""
    with st.form("share", border=False):
        folder = st.text_input(
            "Folder of a catalog that others own",
            key="shared-folder",
            placeholder="/server/group/.catalog",
            help="Nothing is ever written there; its checkpoints stay where they are.",
        )
        name = st.text_input("Name", key="shared-name", placeholder="as its folder", width=240)
        pressed = st.form_submit_button("Share", icon=ORIGIN_ICON)
    if not pressed:
        return
    if not (folder or "").strip():
        st.info("Name the folder of a catalog first.")
        return
    try:
        with st.spinner("Reading"):
            own_name, new = app.catalog.add_shared((folder or "").strip(), name or "")
    except (CatalogError, ValueError) as error:
        st.error(parts.sentence(error), icon=":material/error:")
    else:
        st.toast(f"{as_text(own_name)}: {merged_words(new)}.")
        st.rerun()


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
