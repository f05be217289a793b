"""A figure as it will be in print, and the files that are made of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import streamlit as st

from explorer.figures.recipe import Recipe
from explorer.pages import _parts as parts
from explorer.pages._making import Tell, offer_file
from explorer.pages._session import kept
from explorer.pages._text import as_text
from explorer.render.relief3d.client import RenderError
from explorer.wording import file_word
from store import Catalog
from store.documents import Document

PREVIEW_DPI = 160
PREVIEWS_KEY = "figure-previews"  # of the last ones in the session: recipe and counts -> PNG
MOST_PREVIEWS = 4
MEDIA = {
    ".pdf": ("PDF", "application/pdf"),
    ".svg": ("SVG", "image/svg+xml"),
    ".paths.svg": ("SVG, text as paths", "image/svg+xml"),
    ".png": ("PNG", "image/png"),
    ".txt": ("Caption", "text/plain"),
    ".bib": ("BibTeX", "text/plain"),
    ".json": ("Recipe", "application/json"),
    ".zip": ("Everything", "application/zip"),
}
MOVING_MEDIA = {"GIF": "image/gif", "MP4": "video/mp4"}


def show_preview(catalog: Catalog, figure: Document, recipe: Recipe) -> None:
    """The figure as a picture, and its files; or the sentence why there is none."""
    if not recipe.panels:
        st.info("Add a panel below.")
        return
    try:
        _show_picture(catalog, figure, recipe, f"{recipe.style.width:.4g} in wide")
    except (ValueError, RenderError) as error:
        readable = _readable_part(catalog, recipe)
        if readable == recipe or not readable.panels:
            if readable == recipe:
                st.error(parts.sentence(error), icon=":material/error:")
            return
        try:
            _show_picture(catalog, figure, readable, "the other panels")
        except (ValueError, RenderError) as other:
            st.error(parts.sentence(other), icon=":material/error:")
    else:
        _show_downloads(catalog, figure, recipe)


def _show_picture(catalog: Catalog, figure: Document, recipe: Recipe, words: str) -> None:
    """The figure drawn, with its name and some words below.

    Raises:
        ValueError: as for `figure_file`.
        RenderError: as there.
    """
    png = _preview(catalog, recipe)
    st.image(png, caption=f"{as_text(figure.name, 80)} · {words}", width="stretch")


def _readable_part(catalog: Catalog, recipe: Recipe) -> Recipe:
    """The recipe without the panels whose answers cannot be shown; of each it is said why."""
    from explorer.figures.panels import stored_panel

    panels = []
    for place, panel in enumerate(recipe.panels, 1):
        try:
            stored_panel(catalog, panel, recipe.style)
        except ValueError as error:
            words = f"panel {place} cannot be shown: {error}; there are no files until then"
            st.error(parts.sentence(ValueError(words)), icon=":material/error:")
        else:
            panels.append(panel)
    return replace(recipe, panels=tuple(panels))


def _preview(catalog: Catalog, recipe: Recipe) -> bytes:
    """The picture, made once as long as neither the recipe nor its answers change."""
    from explorer.figures.making import figure_file

    stored = catalog.questions_of(list(recipe.keys)).values()
    states = [(question.units_done, question.deleted) for question in stored]
    key = repr((recipe.to_json(), states))
    previews: dict[str, bytes] = kept().setdefault(PREVIEWS_KEY, {})
    if key not in previews:
        with st.spinner("Drawing", show_time=True):
            previews[key] = figure_file(catalog, recipe, "png", PREVIEW_DPI)
        for old in list(previews)[:-MOST_PREVIEWS]:
            del previews[old]
    return previews[key]


def _show_downloads(catalog: Catalog, figure: Document, recipe: Recipe) -> None:
    from explorer.figures.files import MAKERS, overlay_bundle

    stem = file_word(figure.name)
    makers: dict[str, tuple[str, str, Callable[[Catalog, Recipe, str], bytes]]] = {
        ending: (*MEDIA[ending], maker) for ending, maker in MAKERS.items()
    }
    with st.container(horizontal=True, gap="xsmall"):
        for ending, (label, media, maker) in makers.items():
            st.download_button(
                label,
                partial(maker, catalog, recipe, stem),
                f"{stem}{ending}",
                media,
                on_click="ignore",
                icon=":material/download:",
                key=f"{figure.id}{ending}",
            )
        st.download_button(
            "LaTeX overlay",
            partial(overlay_bundle, catalog, recipe, stem),
            f"{stem}-overlay.zip",
            "application/zip",
            on_click="ignore",
            icon=":material/download:",
            key=f"{figure.id}-overlay",
            help="The drawing without words, and a TeX file that writes them in your paper's font.",
        )
        _offer_animation(catalog, figure, recipe, stem)
    st.caption("Without a browser: ", width="content")
    st.code(f"python -m explorer figure '{figure.name}' {stem}.pdf", language="bash")


def _offer_animation(catalog: Catalog, figure: Document, recipe: Recipe, stem: str) -> None:
    """The figure as a GIF or an MP4, if anything in it can move."""
    with st.popover("Animation", icon=":material/movie:", key=f"{figure.id}-animation"):
        st.caption("Panels in 3-D turn once around; paths grow from their start to their end.")
        format = st.segmented_control(
            "Format", list(MOVING_MEDIA), default="GIF", required=True, key=f"{figure.id}-moving"
        )

        def make(tell: Tell) -> bytes:
            from explorer.figures.moving import moving_figure

            return moving_figure(catalog, recipe, format, tell=tell)

        key = [figure.id, recipe.to_json()]
        offer_file(format, f"{stem}.{format.lower()}", MOVING_MEDIA[format], key, make)
