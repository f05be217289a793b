"""Home: what has been computed, with pictures; the models it was computed for."""

import math
from functools import partial

import streamlit as st

from explorer.ask.subject_names import all_labels
from explorer.pages import _analyses_table as table
from explorer.pages import _browse as browse
from explorer.pages import _cards as cards
from explorer.pages import _links as links
from explorer.pages import _models as model_table
from explorer.pages import _parts as parts
from explorer.pages import _undo as undo
from explorer.pages._charts import load_drawing_library
from explorer.pages._directions import show_directions
from explorer.pages._facts import local_time
from explorer.pages._other_catalogs import show_other_catalogs, warn_of_absence
from explorer.pages._recent import offer_recent
from explorer.pages._running import AppState
from explorer.pages._text import as_text
from explorer.wording import counted
from store import CannotFilter, Catalog

PAGE_SIZES = {"Cards": 12, "Table": 50}  # analyses of a page of the list
MOST_TRASH = 50  # things that are listed


def show_analyses(app: AppState) -> None:
    """The list with its filters and pages; live while something is being computed."""
    catalog = app.catalog
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Analyses", anchor=False, width="content")
        offer_recent(catalog, links.Subjects(catalog))
        undo.offer_undo(catalog)
    try:
        browsed = browse.choose_list(catalog)
    except CannotFilter as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return
    before = all_labels(catalog).keys()
    unsettled = bool(catalog.active_jobs(1)) or app.is_settling

    @parts.live_fragment(parts.LIST_SECONDS if unsettled else None)
    def live_list() -> None:
        subjects = links.Subjects(catalog)  # anew each time: a run that is followed grows
        total = show_list(catalog, browsed, subjects)
        jobs = catalog.active_jobs()
        if not total:
            show_nothing_stored(browsed, bool(jobs))
        if jobs:
            st.caption(f"{counted(len(jobs), 'job')} under way or waiting; see **Jobs**.")
        settled = not jobs and not app.is_settling
        if (unsettled and settled) or subjects.labels.keys() != before:
            st.rerun()  # the table of models changes too, or there is nothing left to wait for

    live_list()


def show_list(catalog: Catalog, browsed: browse.Browsed, subjects: links.Subjects) -> int:
    """A page of the list as cards or as a table; how many analyses there are in all."""
    size = PAGE_SIZES[browsed.view]
    list_page = partial(
        catalog.questions,
        browsed.search,
        facets=browsed.facets,
        archived=browsed.archived,
        order=browsed.order,
        descending=browsed.descending,
        limit=size,
    )
    questions, total = list_page(offset=(st.session_state.get("page", 1) - 1) * size)
    if total and not questions:  # the list is shorter than it was
        st.session_state["page"] = math.ceil(total / size)
        questions, total = list_page(offset=(st.session_state["page"] - 1) * size)
    if browsed.view == "Table" and questions:
        table.show_table(catalog, questions, subjects)
    else:
        cards.show_cards(catalog, cards.cards_of(catalog, questions), subjects)
    pages = math.ceil(total / size)
    if pages > 1:
        st.pagination(pages, key="page")
    return total


def show_nothing_stored(browsed: browse.Browsed, working: bool) -> None:
    """What to do where nothing is shown."""
    if browsed.is_narrowed:
        wanted = f"“{as_text(browsed.search)}”" if browsed.search.strip() else "these filters"
        st.info(f"Nothing matches {wanted}; {browsed.advice}.")
    elif working:
        st.info("The first surfaces are being computed; they appear here as they are ready.")
    else:
        st.info("Nothing computed: choose a model below, or open **Surface** on the left.")


def show_models(app: AppState) -> None:
    """The models with their facts; choosing one leads to its surface."""
    labels, noted = model_table.listed_models(app.catalog)
    if labels:
        chosen = model_table.select_model(labels, noted)
        if chosen:
            label, model = chosen
            links.kind_links(label)
            model_table.show_actions(app.catalog, label, model, noted[model.id])
    elif noted:
        st.info("All models are archived.")
    else:
        st.info(parts.no_models_words(app.catalog))


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
                catalog.restore(item)
                st.rerun()
        if st.button("Empty the trash", icon=":material/delete_forever:"):
            removed = catalog.empty_trash()
            st.toast(f"{counted(removed.count, 'file')} removed, {removed.bytes / 1e6:,.1f} MB")
            st.rerun()


app = parts.start_page()
parts.name_tab("Catalog")
st.title("Loss Surface Explorer", anchor=False)
warn_of_absence(app)
show_analyses(app)
with st.container(horizontal=True, vertical_alignment="center"):
    st.subheader("Models", anchor=False, width="content")
    st.page_link("explorer/pages/import.py", label="Import", icon=":material/upload_file:")
show_models(app)
show_directions(app.catalog)
show_trash(app.catalog)
show_other_catalogs(app)
load_drawing_library()
