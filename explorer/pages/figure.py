"""Figures of several answers for a paper: laid out, looked at, kept, made into files."""

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from explorer.figures.recipe import FIGURE, FigurePanel, FigureStyle, Recipe
from explorer.figures.widths import VENUES
from explorer.pages import _figure_controls as controls
from explorer.pages import _figure_files as files
from explorer.pages import _figure_history as history
from explorer.pages import _parts as parts
from explorer.pages import _pins as pins
from explorer.pages._adding import new_figure
from explorer.pages._figure_fields import choose_fields
from explorer.pages._text import as_message, as_text
from explorer.pages._undo import delete, offer_undo
from store import Catalog
from store.documents import Document

PARAMETER = "figure"  # in the address: the figure's id
NAME = "Figure"


def chosen_figure(catalog: Catalog) -> Document | None:
    """The figure that the address names, else the one changed last; None while there is none."""
    if keys := st.query_params.get_all(pins.PANEL_PARAMETER):
        add_figure(catalog, Recipe(panels=tuple(FigurePanel(key=key) for key in keys)))
    figures = catalog.documents(FIGURE)
    if not figures:
        return None
    ids = [figure.id for figure in figures]
    named = st.query_params.get(PARAMETER, "")
    if named and named not in ids:
        st.warning("The figure of this address is not in the catalog, or in the trash.")
    latest = max(figures, key=lambda figure: str(figure.changed)).id
    names = {figure.id: figure.name for figure in figures}
    chosen = st.selectbox(
        "Figure",
        ids,
        index=ids.index(named if named in ids else latest),
        format_func=lambda id: names.get(id, ""),
        key=f"figures-{named}",
    )
    if chosen != named:
        st.query_params[PARAMETER] = chosen
    return catalog.document(FIGURE, chosen)


def add_figure(catalog: Catalog, recipe: Recipe, name: str = NAME) -> None:
    """Keep a new figure under a free name and show it."""
    id = new_figure(catalog, recipe, name).id
    st.query_params.from_dict({PARAMETER: id})
    st.rerun()


def show_actions(
    catalog: Catalog, figure: Document | None, recipe: Recipe
) -> DeltaGenerator | None:
    """New, copy, another name, delete; where the way back is shown once all edits are known."""
    with st.container(horizontal=True, gap="xsmall"):
        if st.button("New", icon=":material/add:", help="Of what is pinned"):
            pinned = pins.readable_questions(catalog, pins.pinned_keys(catalog))
            panels = tuple(FigurePanel(key=question.key) for question in pinned)
            add_figure(catalog, Recipe(panels=panels))
        if figure is None:
            return None
        if st.button("", icon=":material/content_copy:", help="Copy", key="copy-figure"):
            add_figure(catalog, recipe, f"{figure.name} copy"[:100])
        with st.popover("", icon=":material/edit:", help="Rename"):
            rename_form(catalog, figure)
        if st.button("", icon=":material/delete:", help="Move to the trash", key="delete-figure"):
            delete(catalog, FIGURE, [figure.id], figure.name)
            st.query_params.clear()
            st.rerun()
        return st.container(horizontal=True, gap="xsmall", width="content")


def rename_form(catalog: Catalog, figure: Document) -> None:
    """A field for another name."""
    name = st.text_input("Name", figure.name, key=f"name-{figure.id}")
    if st.button("Rename", key=f"rename-{figure.id}") and name != figure.name:
        try:
            catalog.rename_document(FIGURE, figure.id, name)
        except ValueError as error:
            st.error(parts.sentence(error), icon=":material/error:")
        else:
            st.rerun()


def choose_style(figure: Document, style: FigureStyle) -> FigureStyle:
    """How the figure is laid out."""
    width = choose_width(figure, style.width)
    values = choose_fields(
        FigureStyle, vars(style), history.form_key(figure), [n for n in vars(style) if n != "width"]
    )
    return FigureStyle(width=width, **values)


def choose_width(figure: Document, width: float) -> float:
    """The width of a venue, or one's own."""
    names = {"own width": 0.0}
    for venue in VENUES:
        both = venue.column != venue.full
        names[f"{venue.name}, {'column' if both else 'text'}"] = venue.column
        if both:
            names[f"{venue.name}, page"] = venue.full
    labels = list(names)
    fitting = [label for label in labels if abs(names[label] - width) < 1e-6]
    sources = {f"{v.name}": v.source for v in VENUES}
    label = st.selectbox(
        "Width",
        labels,
        index=labels.index(fitting[0]) if fitting else 0,
        format_func=lambda name: f"{name} · {names[name]:.4g} in" if names[name] else name,
        key=f"venue-{history.form_key(figure)}",
        help="  \n".join(f"{name}: {source}" for name, source in sources.items()),
    )
    if names[label]:
        return names[label]
    return st.number_input(
        "Inches", 1.0, 20.0, float(width), 0.25, key=f"inches-{history.form_key(figure)}"
    )


def read_recipe(figure: Document) -> Recipe:
    """The recipe of a figure; the page stops with one sentence where it cannot be read."""
    try:
        return Recipe.of(figure.content)
    except ValueError as error:
        name = as_text(figure.name, 80)
        st.error(
            as_message(
                f"The recipe of {name} cannot be read: {error}; update this program, "
                "or delete the figure"
            ),
            icon=":material/error:",
        )
        st.stop()


app = parts.start_page()
parts.name_tab(NAME)
with st.container(horizontal=True, vertical_alignment="center"):
    st.title(NAME, anchor=False, width="content")
    offer_undo(app.catalog)
sides = parts.sides()
with sides.left:
    figure = chosen_figure(app.catalog)
    if figure:
        history.follow_other_windows(figure)
    recipe = read_recipe(figure) if figure else Recipe()
    steps = show_actions(app.catalog, figure, recipe)
    if figure:
        try:
            recipe = replace(recipe, style=choose_style(figure, recipe.style))
        except ValueError as error:
            st.error(parts.sentence(error), icon=":material/error:")
with sides.right:
    if figure is None:
        st.info(
            "No figure yet. Pin analyses and press **New**, or choose some in the table of the "
            "catalog and press **Figure**."
        )
    else:
        preview = st.container()
        recipe = controls.edit_panels(app.catalog, figure, recipe)
        history.keep(app.catalog, figure, recipe)
        if steps:
            with steps:
                history.offer_steps(app.catalog, figure)
        with preview:
            files.show_preview(app.catalog, figure, recipe)
