"""Import: name a problem file and checkpoints, agree to run the file, see what was found."""

from pathlib import Path

import streamlit as st

from explorer.contracts.facts import ModelFacts
from explorer.importing import following
from explorer.pages import _parts as parts
from explorer.pages._import_form import JOB_KEY, choose_import, complain
from explorer.pages._import_outcome import show_outcome
from explorer.pages._session import kept
from explorer.pages._text import as_message
from explorer.wording import counted
from store import Catalog


def show_followed_runs(catalog: Catalog) -> None:
    """The runs that are followed, with the way to stop; live while one is."""
    unsettled = any(not entry.stopped for entry in following.followed_runs(catalog).values())

    @parts.live_fragment(parts.FOLLOWED_SECONDS if unsettled else None)
    def live_runs() -> None:
        entries = following.followed_runs(catalog)
        runs = [(ModelFacts.of(model.facts).run, model) for model in catalog.models()]
        counts = {run.folder: model.points for run, model in runs if run}
        if entries:
            st.subheader("Followed runs", anchor=False)
        for folder, entry in entries.items():
            text, button = st.columns([5, 1], vertical_alignment="center")
            text.markdown(f"{as_message(folder)} · {counted(counts.get(folder, 0), 'snapshot')}")
            label = "Dismiss" if entry.stopped else "Unfollow"
            if button.button(label, key=f"unfollow-{folder}", width="stretch"):
                following.unfollow(catalog, Path(folder))
                st.rerun()
            if entry.stopped:
                complain(f"{folder} is followed no longer: {entry.stopped}")
        if unsettled and all(entry.stopped for entry in entries.values()):
            st.rerun()  # nothing is followed any more

    live_runs()


app = parts.start_page()
parts.name_tab("Import")
st.title("Import", anchor=False)
left, right = st.columns([2, 3], gap="large")
with left:
    choose_import(app.catalog)
with right:
    if JOB_KEY in kept():
        show_outcome(app.catalog, kept()[JOB_KEY])
    else:
        st.info("Name a problem file and checkpoints; what the worker finds in them appears here.")
    show_followed_runs(app.catalog)
