"""What the pages share: guarding, living parts, the two sides, the heading, the models."""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.ask.subject_names import label_models
from explorer.pages._charts import load_drawing_library, measure_column
from explorer.pages._running import AppState, app_state
from explorer.pages._stopping import answer_place, asking
from explorer.pages._text import as_message, as_text
from explorer.wording import printable
from store import Catalog, CatalogError, records

FIRST_MODEL_SECONDS = 1.0  # between two looks for a first model
LIST_SECONDS = 1.0  # between two looks at a list of jobs or analyses while one is under way
FOLLOWED_SECONDS = 3.0  # between two looks at a run that still grows
LEFT_WIDTH = 250  # px
ANSWER_WIDTH = 1440  # px at most: curves that are wider are stretched
# Streamlit has no container that stays in view within a column, and tells of a menu that it must
# have a choice, which it always has here.
SIDES_CSS = """
div:has(> .st-key-ask), div:has(> .st-key-progress) {
  position: sticky; top: 0; z-index: 20; background: PAPER;
}
[data-testid="stWidgetLabelRequired"] { display: none; }
.st-key-answer { max-width: ANSWERpx; }
"""
# Segmented controls are lower than the fields that stand beside them, and so would be their labels.
ONE_HEIGHT_CSS = """
[data-testid="stButtonGroup"] button[data-variant^="segmented_control"] { min-height: 2.5rem; }
"""
# A line of about a hundred letters is as long as can be read with ease.
LINES_CSS = """
[data-testid="stMarkdown"] p, [data-testid="stCaptionContainer"] p { max-width: 45rem; }
"""
PAGE_COLOURS = {"light": "#ffffff", "dark": "#171614"}


def run_guarded(page: Callable[[], None]) -> None:
    """Run a page; an error that is expected becomes one sentence on it."""
    try:
        page()
    except CatalogError as error:
        st.error(sentence(error), icon=":material/error:")


def live_fragment(seconds: float | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a part of a page run by itself every so many seconds, guarded as the page is.

    Streamlit drops what a user does in a part that the page has just given up
    (`AppSession.request_rerun`): a part that has nothing more to wait for stays one, with `seconds`
    None, and keeps its place on the page, which names it.
    """

    def live_part(part: Callable[..., None]) -> Callable[..., None]:
        @st.fragment(run_every=seconds)
        @functools.wraps(part)
        def guarded_part(*arguments: object) -> None:
            run_guarded(functools.partial(part, *arguments))

        return guarded_part

    return live_part


def sentence(error: Exception) -> str:
    """An error's message as a sentence: a capital first, a stop last; names in it are text."""
    message = str(error)
    return as_message(f"{message[:1].upper()}{message[1:].removesuffix('.')}.")


def start_page() -> AppState:
    """The process-wide objects, with a warning on the page while the catalog cannot be written."""
    app = app_state()
    st.html(f"<style>{ONE_HEIGHT_CSS}{LINES_CSS}</style>")
    with st.container():  # with or without a warning, what comes after keeps its place
        if app.supervisor.trouble:
            st.warning(as_message(app.supervisor.trouble), icon=":material/warning:")
    return app


@dataclass(frozen=True)
class Sides:
    """The parts of a page that asks."""

    top: DeltaGenerator  # of the left column: what begins the work, in view wherever one scrolls
    column: DeltaGenerator  # what is asked, below it
    right: DeltaGenerator  # what is known

    @property
    def left(self) -> AbstractContextManager[None]:
        """The left column, to draw into; what stops the page there is said on the right."""
        return asking(self.column, self.right)


def sides() -> Sides:
    """Where a page asks and where it shows: side by side, or one below the other."""
    load_drawing_library()
    paper = PAGE_COLOURS["dark" if st.context.theme.type == "dark" else "light"]
    css = SIDES_CSS.replace("PAPER", paper).replace("ANSWER", str(ANSWER_WIDTH))
    st.html(f"<style>{css}</style>")
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=LEFT_WIDTH), st.container(key="answer")
    with left:
        top = st.container(key="ask", gap="xsmall")
    with right:
        measure_column()
    return Sides(top, left, right)


def known_models(catalog: Catalog) -> dict[str, records.Model]:
    """Models by label; while there is none, the page stops, says why, and looks again by itself."""

    @live_fragment(FIRST_MODEL_SECONDS)
    def nothing_yet() -> None:
        if catalog.models():
            st.rerun()
        st.info(no_models_words(catalog))

    models_by_label = label_models(catalog.models())
    if not models_by_label:
        with answer_place():
            nothing_yet()
        st.stop()
    return models_by_label


def no_models_words(catalog: Catalog) -> str:
    """Why there is no model, and what to do."""
    if catalog.active_jobs(1) or app_state().is_settling:
        return "The sample models are being imported; this takes a few seconds at first."
    return (
        "No models: **Import** brings one in, and the trash of the catalog gives back what it has."
    )


def each_once(questions: Mapping[str, records.Question]) -> dict[str, records.Question]:
    """Questions by name, one that several names have under the first of them.

    Models of the same weights are asked the same question.
    """
    names: dict[str, str] = {}
    for name, question in questions.items():
        names.setdefault(question.key, name)
    return {name: questions[name] for name in names.values()}


def show_heading(words: str) -> None:
    """The heading of a page, which is also what the browser's tab is called."""
    name_tab(words)
    st.subheader(as_text(words, 160), anchor=False)


def name_tab(words: str) -> None:
    """Call the browser's tab after what the page is about."""
    st.set_page_config(page_title=f"{printable(words, 100)} · Loss Surface Explorer")
