"""Home: what has been computed, with pictures; the models it was computed for."""

import math

import streamlit as st

from explorer.kinds import KINDS
from explorer.pages import _cards as cards
from explorer.pages import _links as links
from explorer.pages import _models as model_table
from explorer.pages import _parts as parts
from explorer.pages._facts import local_time
from explorer.pages._running import AppState
from explorer.pages._text import as_text
from store import Catalog, records

PAGE_SIZE = 12  # cards
MOST_TRASH = 50  # things that are listed


def active_jobs(catalog: Catalog) -> list[records.Job]:
    """Jobs that are queued or running."""
    return catalog.jobs(status=("queued", "running"))


def choose_filters() -> tuple[str, str | None]:
    """Words to search for, and a kind."""
    search = st.text_input(
        "Search",
        key="search",
        bind="query-params",
        placeholder="model, kind or setting",
        icon=":material/search:",
        label_visibility="collapsed",
    )
    titles = {kind.title: kind.name for kind in KINDS}
    kind = st.pills(
        "Kind", list(titles), key="kind", label_visibility="collapsed", bind="query-params"
    )
    return search or "", titles.get(kind) if kind else None


def show_analyses(app: AppState) -> None:
    """The gallery with its filters and pages; live while something is being computed."""
    st.subheader("Analyses", anchor=False)
    search, kind = choose_filters()
    catalog = app.catalog
    before = {model.id for model in catalog.models()}
    unsettled = bool(active_jobs(catalog)) or app.is_settling

    @parts.live_fragment(parts.LIST_SECONDS if unsettled else None)
    def live_gallery() -> None:
        subjects = links.Subjects(catalog)  # anew each time: a run that is followed grows
        start = (st.session_state.get("page", 1) - 1) * PAGE_SIZE
        questions_on_page, total = catalog.questions(
            search, kind=kind, limit=PAGE_SIZE, offset=start
        )
        jobs = active_jobs(catalog)
        cards.show_cards(catalog, cards.cards_of(catalog, questions_on_page), subjects)
        if not total:
            show_nothing_stored(search, bool(jobs))
        pages = math.ceil(total / PAGE_SIZE)
        if pages > 1:
            st.pagination(pages, key="page")
        if jobs:
            st.caption(f"{len(jobs)} jobs under way or waiting; see **Jobs**.")
        settled = not jobs and not app.is_settling
        if (unsettled and settled) or set(subjects.labels) != before:
            st.rerun()  # the table of models changes too, or there is nothing left to wait for

    live_gallery()


def show_nothing_stored(search: str, working: bool) -> None:
    """What to do where nothing is shown."""
    if search:
        st.info(f"Nothing matches “{as_text(search)}”; try a model's name, a kind, or a setting.")
    elif working:
        st.info("The first surfaces are being computed; they appear here as they are ready.")
    else:
        st.info("Nothing computed: choose a model below, or open **Surface** on the left.")


def show_models(app: AppState) -> None:
    """The models with their facts; choosing one leads to its surface."""
    models = app.catalog.models()
    if models:
        chosen = model_table.choose_model(models)
        if chosen:
            label, model = chosen
            links.kind_links(label)
            model_table.rename_or_delete(app.catalog, label, model)
    elif active_jobs(app.catalog) or app.is_settling:
        st.info("The sample models are being imported; this takes a few seconds at first.")
    else:
        st.info("No models: **Import** brings one in, and the trash gives back what it has.")


def show_trash(catalog: Catalog) -> None:
    """What was deleted, until it is emptied."""
    trash_items = catalog.trash()
    if not trash_items:
        return
    with st.expander(f"Trash ({len(trash_items)})", icon=":material/delete:"):
        for item in trash_items[:MOST_TRASH]:
            left, right = st.columns([5, 1], vertical_alignment="center")
            left.markdown(f"{as_text(item.title, 120)} · deleted {local_time(item.deleted)}")
            if right.button("Restore", key=f"restore-{item.id}"):
                restore = (
                    catalog.restore_question if item.what == "analysis" else catalog.restore_model
                )
                restore(item.id)
                st.rerun()
        if st.button("Empty the trash", icon=":material/delete_forever:"):
            removed = catalog.empty_trash()
            st.toast(f"{removed.count:,} files removed, {removed.bytes / 1e6:,.1f} MB")
            st.rerun()


app = parts.start_page()
parts.name_tab("Catalog")
st.title("Loss Surface Explorer", anchor=False)
show_analyses(app)
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader("Models", anchor=False, width="content")
    st.page_link("explorer/pages/import.py", label="Import", icon=":material/upload_file:")
show_models(app)
show_trash(app.catalog)
