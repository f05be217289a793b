"""Controls of a figure: of its layout, its panels, their looks, words and notes."""

from dataclasses import asdict, replace
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.ask import questions
from explorer.ask.overlays import answers_over, overlay_words
from explorer.figures.panels import readable_question
from explorer.figures.recipe import MOST_PANELS, FigurePanel, Recipe
from explorer.kinds import kind_named
from explorer.kinds.look import CAMERA_NUMBERS
from explorer.kinds.setting import setting_fields
from explorer.pages import _figure_history as history
from explorer.pages import _parts as parts
from explorer.pages._figure_fields import choose_fields, edit_rows
from explorer.pages._links import Subjects, analysis_name, links_of, show_link
from explorer.pages._session import kept
from explorer.pages._text import as_text
from explorer.render.export.composition import Note
from explorer.render.relief3d.camera import camera_numbers
from store import Catalog, records
from store.documents import Document

OF_THE_FIGURE = ("width", "title", "limits", "camera", "bar")  # parts of a look that it sets itself
VIEW = "view"  # part of a look: the one of these
VIEW_WORDS = {"contour": "Contour", "relief": "3-D"}
MOST_OFFERED = 200  # analyses to add


def edit_panels(catalog: Catalog, figure: Document, recipe: Recipe) -> Recipe:
    """The recipe as the panels' controls say."""
    st.subheader("Panels", anchor=False)
    subjects = Subjects(catalog)
    for place in range(len(recipe.panels)):
        try:
            recipe = _edit_panel(catalog, figure, recipe, place, subjects)
        except ValueError as error:
            st.error(parts.sentence(error), icon=":material/error:")
    recipe = _add_panel(catalog, figure, recipe, subjects)
    return _edit_words(figure, recipe)


def _edit_panel(
    catalog: Catalog, figure: Document, recipe: Recipe, place: int, subjects: Subjects
) -> Recipe:
    panel = recipe.panels[place]
    key = f"{history.form_key(figure)}-{place}-{panel.key[:12]}"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{recipe.letter(place) or place + 1}**", width="content")
            question = _panel_link(catalog, panel, subjects)
            moved = _move_buttons(recipe, place, key)
        if moved is not None:
            _keep_and_rerun(catalog, figure, moved)
        if question is None:
            return recipe
        left, middle, right = st.columns([2.4, 1.9, 1.1])
        heading = left.text_input(
            "Heading", panel.heading, key=f"{key}-heading", help="TeX between dollar signs."
        )
        most = recipe.style.columns
        span = right.number_input("Columns", 1, most, min(panel.span, most), key=f"{key}-span")
        with st.expander("How it is drawn", icon=":material/palette:"):
            look = _edit_look(catalog, question, panel, key, middle)
            over = _choose_over(catalog, question, panel, key)
        notes = _edit_notes(panel, key)
    changes = {"heading": heading, "span": int(span), "look": look, "over": over, "notes": notes}
    return recipe.with_panel(place, **changes)


def _panel_link(
    catalog: Catalog, panel: FigurePanel, subjects: Subjects
) -> records.Question | None:
    """The way to the panel's analysis; a sentence where there is none."""
    try:
        question = readable_question(catalog, panel.key)
    except ValueError as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return None
    if link := links_of([question], subjects).get(question.key):
        annotation = catalog.annotations("analysis", [question.key])[question.key]
        show_link(link, as_text(analysis_name(link, annotation), 120))
    return question


def _move_buttons(recipe: Recipe, place: int, key: str) -> Recipe | None:
    """The recipe with the panel moved or taken out, if a button was pressed."""
    panels = list(recipe.panels)
    st.space("stretch")
    up = st.button("", icon=":material/arrow_upward:", key=f"{key}-up", disabled=not place,
                   type="tertiary", help="Earlier")  # fmt: skip
    down = st.button("", icon=":material/arrow_downward:", key=f"{key}-down", type="tertiary",
                     disabled=place == len(panels) - 1, help="Later")  # fmt: skip
    out = st.button("", icon=":material/close:", key=f"{key}-out", type="tertiary",
                    help="Take it out of the figure")  # fmt: skip
    if out:
        del panels[place]
    elif up or down:
        other = place - 1 if up else place + 1
        panels[place], panels[other] = panels[other], panels[place]
    else:
        return None
    return replace(recipe, panels=tuple(panels))


def _keep_and_rerun(catalog: Catalog, figure: Document, recipe: Recipe) -> None:
    if history.keep(catalog, figure, recipe):
        st.rerun()


def _edit_look(
    catalog: Catalog,
    question: records.Question,
    panel: FigurePanel,
    key: str,
    beside: DeltaGenerator,
) -> dict[str, Any]:
    """What of the panel's look is not as usual.

    Args:
        catalog: that has the answer.
        question: of the panel.
        panel: as it is.
        key: what the keys of its controls begin with.
        beside: where the view is chosen of what has several: it decides most.
    """
    kind = kind_named(question.kind)
    usual = asdict(kind.look.usual(questions.result_of(catalog, question)))
    now = {**usual, **panel.look}
    fields = [field for field in setting_fields(kind.look) if not field.several]
    names = [field.name for field in fields if field.name not in (*OF_THE_FIGURE, VIEW)]
    chosen = choose_fields(kind.look, now, key, names)
    if VIEW in usual:
        chosen[VIEW] = beside.segmented_control(
            "View", list(VIEW_WORDS), format_func=lambda view: VIEW_WORDS[view], default=now[VIEW],
            required=True, key=f"{key}-{VIEW}",
        )  # fmt: skip
    chosen = {name: value for name, value in chosen.items() if value != usual[name]}
    if "camera" in usual and (camera := _choose_camera(list(now["camera"]), key)):
        chosen["camera"] = camera
    return chosen


def _choose_camera(camera: list[float], key: str) -> list[float]:
    """The camera of a view in three dimensions: the panel's, or where a view was last turned."""
    turned = camera_numbers(kept().get("camera"))
    if len(turned) == CAMERA_NUMBERS and st.button(
        "Camera as last turned",
        key=f"{key}-camera",
        icon=":material/photo_camera:",
        help="Where you stood in the 3-D view of an analysis's page, in this session.",
    ):
        return [round(number, 6) for number in turned]
    if camera and st.button("Usual camera", key=f"{key}-usual", icon=":material/home:"):
        return []
    return camera


def _choose_over(
    catalog: Catalog, question: records.Question, panel: FigurePanel, key: str
) -> tuple[str, ...]:
    """Answers that are drawn over the panel, as paths over a plane of the same point."""
    offered = answers_over(catalog, question)
    titles = {o.key: f"{o.title}, {overlay_words(o, question)}" for o in offered}
    titles |= {kept: kept[:12] for kept in panel.over if kept not in titles}
    if not titles:
        return ()
    chosen = st.multiselect(
        "Drawn over it",
        list(titles),
        list(panel.over),
        format_func=lambda kept: titles.get(kept, kept[:12]),
        key=f"{key}-over",
    )
    return tuple(chosen)


def _edit_notes(panel: FigurePanel, key: str) -> tuple[Note, ...]:
    """Words on the panel, with arrows."""
    rows = [(n.text, n.x, n.y, *(n.tip or (None, None))) for n in panel.notes]
    with st.expander("Notes on it", icon=":material/format_quote:"):
        st.caption("At shares of the panel, from its lower left corner; an arrow if it has an end.")
        edited = edit_rows(NOTE_COLUMNS, rows, f"{key}-notes", NOTE_CONFIG)
    return tuple(
        Note(text, float(x), float(y), () if None in (to_x, to_y) else (float(to_x), float(to_y)))
        for text, x, y, to_x, to_y in edited
        if text and None not in (x, y)
    )


NOTE_COLUMNS = {"words": "str", "x": "float", "y": "float", "to x": "float", "to y": "float"}
NOTE_CONFIG = {
    name: st.column_config.NumberColumn(name, min_value=0.0, max_value=1.0, step=0.01)
    for name in list(NOTE_COLUMNS)[1:]
}
WORD_COLUMNS = {"words": "str", "written": "str"}


def _add_panel(catalog: Catalog, figure: Document, recipe: Recipe, subjects: Subjects) -> Recipe:
    """A menu of the stored analyses, of which several can be added at once."""
    if len(recipe.panels) >= MOST_PANELS:
        st.caption(f"A figure has at most {MOST_PANELS} panels.")
        return recipe
    stored = [
        question for question in catalog.questions(limit=MOST_OFFERED)[0] if question.units_done
    ]
    titles = {question.key: f"{question.title} · {question.key[:6]}" for question in stored}
    key = f"{history.form_key(figure)}-add-{len(recipe.panels)}"
    with st.form(key, border=False):  # a choice is no rerun: the menu stays open
        chosen = st.multiselect(
            "Add panels",
            list(titles),
            format_func=lambda key: titles.get(key, key[:12]),
            placeholder="Analyses, in the order of their panels",
            max_selections=MOST_PANELS - len(recipe.panels),
            key=f"{key}-chosen",
        )
        pressed = st.form_submit_button("Add", icon=":material/add:")
    if pressed and chosen:
        panels = tuple(FigurePanel(key=question_key) for question_key in chosen)
        added = replace(recipe, panels=(*recipe.panels, *panels))
        _keep_and_rerun(catalog, figure, added)
    return recipe


def _edit_words(figure: Document, recipe: Recipe) -> Recipe:
    """What is written in the place of words of axes and bars."""
    with st.expander("Words of axes and colour bars", icon=":material/title:"):
        st.caption(
            r"For example *Loss* as `$\mathcal{L}(\theta)$`; letters between dollars are TeX."
        )
        rows = list(recipe.words.items())
        edited = edit_rows(WORD_COLUMNS, rows, f"{history.form_key(figure)}-words")
    words = {str(said): str(new) for said, new in edited if said and new}
    try:
        return replace(recipe, words=words)
    except ValueError as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return recipe
