"""The matrix of a study: a picture or number a cell, how far it is, or how long it takes; live."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import streamlit as st

from explorer.ask import study_run
from explorer.ask.study import Study
from explorer.ask.study_cells import UNDER_WAY, Cell, cells_of, missing_cells, seconds_left
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_wishes import wishes_of
from explorer.ask.study_words import row_labels
from explorer.pages import _parts as parts
from explorer.pages._facts import facts_line, seconds_text
from explorer.pages._links import Subjects
from explorer.pages._progress import stop_button
from explorer.pages._running import AppState
from explorer.pages._session import kept
from explorer.pages._study_cell import Shown, show_cell
from explorer.pages._study_head import Matrix, columns_of, show_head
from explorer.pages._study_numbers import show_parallel, show_scatter
from explorer.pages._text import as_text
from explorer.wording import counted
from store import CatalogError
from store.documents import Document

VIEWS = {"Pictures": 8, "Numbers": 25}  # with how many models a page
CHARTS = {"Scatter": show_scatter, "Parallel": show_parallel}
REQUESTED_KEY = "requested pictures"  # in the session


def show_matrix(app: AppState, document: Document, study: Study) -> None:
    """The cells, with what begins and stops their computing; live while something is under way."""
    if not (study.models and study.questions):
        st.info("Choose models and add questions above: each model is asked each question.")
        return
    labels = row_labels(app.catalog, study)
    matrix = Matrix(app, document, study, labels, StudyReads.of(app.catalog, study))
    wishes = wishes_of(matrix.reads, study)
    read_cells = partial(cells_of, app.catalog, matrix.reads, wishes)
    unsettled = _is_unsettled(app, read_cells())

    @parts.live_fragment(parts.LIST_SECONDS if unsettled else None)
    def live_matrix() -> None:
        all_cells = read_cells(warm=bool(app.supervisor.workers))
        if _is_unsettled(app, all_cells) != unsettled:
            st.rerun()
        show_work(matrix, all_cells)
        chart = CHARTS.get(str(st.session_state.get("view")))
        (chart or show_cells)(matrix, all_cells)

    live_matrix()


def _is_unsettled(app: AppState, all_cells: Sequence[Cell]) -> bool:
    """Whether the matrix is going to change by itself."""
    return any(cell.state in UNDER_WAY for cell in all_cells) or app.is_settling


def show_work(matrix: Matrix, all_cells: Sequence[Cell]) -> None:
    """How much is answered, with the buttons that compute the rest and that stop it."""
    missing = missing_cells(all_cells)
    under_way = [cell for cell in all_cells if cell.state in UNDER_WAY]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if missing and st.button(
            f"Compute what is missing ({_time_text(missing)})",
            type="primary",
            icon=":material/play_arrow:",
            key="compute-study",
            help=counted(len(missing), "analysis", "analyses")
            + ", the quickest models and questions first",
        ):
            _compute(matrix)
        if jobs := study_run.jobs_under_way(under_way):
            stop_button(matrix.catalog, jobs, "study")
        st.segmented_control(
            "View",
            [*VIEWS, *CHARTS],
            default="Pictures",
            required=True,
            key="view",
            bind="query-params",
            label_visibility="collapsed",
        )
        st.caption(_counts_text(all_cells), width="content")
    answered = sum(cell.state == "answered" for cell in all_cells)
    if under_way:
        st.progress(answered / len(all_cells), f"{_time_text(under_way)} left")


def _time_text(some_cells: Sequence[Cell]) -> str:
    """About how long these take, and how many of them nobody can tell."""
    seconds = seconds_left(some_cells)
    if not math.isfinite(seconds):
        return "never timed here"
    untimed = sum(math.isnan(cell.seconds) for cell in some_cells)
    return f"≈ {seconds_text(seconds)}" + (f" and {untimed} never timed" if untimed else "")


def _counts_text(all_cells: Sequence[Cell]) -> str:
    """How many cells are in which state."""
    states = [cell.state for cell in all_cells]
    counts = [f"**{states.count('answered'):,} of {len(states):,}** answered"]
    words = {"refused": "cannot be asked", "partly": "stopped"}
    for state in dict.fromkeys(state for state in states if state != "answered"):
        counts.append(f"{states.count(state):,} {words.get(state, state)}")
    return " · ".join(counts)


def _compute(matrix: Matrix) -> None:
    """Ask what is missing; what other answers completed at once has its picture drawn."""
    with st.spinner("Asking…"):
        try:
            keys = study_run.compute_missing(matrix.catalog, matrix.study)
        except CatalogError as error:
            st.error(parts.sentence(error), icon=":material/error:")
            return
    for key, question in matrix.catalog.questions_of(keys).items():
        if question.status == "complete":
            matrix.app.thumbnails.request(key)
    st.rerun()


def show_cells(matrix: Matrix, all_cells: Sequence[Cell]) -> None:
    """A page of the models, one below the other, with their cells."""
    view = str(st.session_state.get("view") or "Pictures")
    size, count = VIEWS[view], len(matrix.study.models)
    pages = math.ceil(count / size)
    place = st.container(gap="xsmall", key="study-matrix")
    page = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    rows = range((page - 1) * size, min(page * size, count))
    across = len(matrix.study.questions)
    on_page = all_cells[rows.start * across : rows.stop * across]
    shown = _read_shown(matrix, on_page, pictures=view == "Pictures")
    with place:
        show_head(matrix, on_page, shown)
        for row in rows:
            _show_row(matrix, row, all_cells[row * across : (row + 1) * across], shown)


def _show_row(matrix: Matrix, row: int, cells: Sequence[Cell], shown: Shown) -> None:
    label, *columns = columns_of(matrix.study)
    with label:
        model = matrix.reads.models.get(matrix.study.models[row].id)
        facts = facts_line(model) if model else None
        st.markdown(f"**{as_text(matrix.labels[row])}**", help=facts)
        if model and shown.pictures and not matrix.study.models[row].point:
            first, *_, last = str(facts).split(" · ") * 2
            st.caption(f"{first}  \n{last}")
    for cell, column in zip(cells, columns, strict=True):
        with column:
            show_cell(cell, matrix.study.questions[cell.wish.column], shown)


def _read_shown(matrix: Matrix, on_page: Sequence[Cell], pictures: bool) -> Shown:
    """What cells show beside how far they are, read at once."""
    keys = sorted({cell.wish.key for cell in on_page if cell.state == "answered"})
    images: Mapping[str, bytes] = matrix.catalog.images(keys) if pictures else {}
    if pictures:
        _request_pictures(matrix.app, [key for key in keys if key not in images])
    return Shown(
        matrix.catalog,
        Subjects(matrix.catalog),
        images,
        matrix.catalog.numbers(keys),
        pictures,
    )


def _request_pictures(app: AppState, keys: Sequence[str]) -> None:
    """Have pictures drawn that another process left out, once a session."""
    requested: set[str] = kept().setdefault(REQUESTED_KEY, set())
    for key in keys:
        if key not in requested:
            requested.add(key)
            app.thumbnails.request(key)
