"""An answer noted and taken elsewhere: star, note; its link, its command, its SQL."""

from collections.abc import Mapping
from urllib.parse import urlencode, urljoin

import streamlit as st

from explorer.ask.command_text import compute_command, values_query
from explorer.pages._adding import adding_button
from explorer.pages._annotations import favourite_button, notes_button, show_tags
from explorer.pages._keyboard import offer_neighbours
from explorer.pages._links import Subjects, address_of
from explorer.pages._pins import pin_button
from explorer.pages._text import as_text, without_images
from store import Catalog, records


def show_sharing(catalog: Catalog, question: records.Question, name: str = "") -> None:
    """What can be noted and copied of an answer, in one row; `name` tells it from others."""
    annotation = catalog.annotations("analysis", [question.key])[question.key]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if name:
            st.caption(as_text(name), width="content")
        favourite_button(catalog, annotation)
        pin_button(catalog, question.key)
        adding_button(catalog, question)
        notes_button(annotation, question.title)
        with st.popover("Copy", icon=":material/content_copy:", key=f"copy-{question.key}"):
            show_texts(
                {
                    "Link": here(address_of(question, Subjects(catalog)) or ""),
                    "Command": compute_command(catalog, question),
                    "SQL": values_query(question),
                }
            )
        if not name:
            offer_neighbours(catalog, question)
        show_tags(annotation.tags)
    if annotation.note:
        st.markdown(without_images(annotation.note))


def show_texts(texts: Mapping[str, str]) -> None:
    """Texts under their names, each with a button that copies it."""
    for name, text in texts.items():
        st.caption(name)
        st.code(text, language=None, wrap_lines=True)


def here(address: str) -> str:
    """An address of this app as a browser on another machine would ask for it."""
    return urljoin(st.context.url or "", address.removeprefix("/"))


def address_now(page: str = "") -> str:
    """The address of this page as it stands."""
    parameters = {name: st.query_params.get_all(name) for name in st.query_params}
    return here(f"{page}?{urlencode(parameters, doseq=True)}")
