"""What a user notes about a model or an analysis: name, tags, note, favourite, archive."""

import zlib
from collections.abc import Sequence
from typing import Literal, TypeAlias

import streamlit as st

from explorer.pages import _parts as parts
from explorer.pages._running import app_state
from explorer.pages._text import as_text, in_badge, without_images
from store import Catalog, CatalogError
from store.annotations import MAX_NOTE_LENGTH, MAX_TAG_LENGTH, Annotation

TagColour: TypeAlias = Literal["blue", "green", "orange", "red", "violet", "gray"]
TAG_COLOURS: tuple[TagColour, ...] = ("blue", "green", "orange", "red", "violet", "gray")
FULL_STAR = "★"
EDITED_KEY = "edited annotation"  # with its title, in the session
NOTE_HEIGHT = 180  # px
ARCHIVED_HELP = {
    "analysis": "Listed only where the search says archived == true",
    "model": "Listed only with the others that are archived",
}


def tag_colour(tag: str) -> TagColour:
    """The colour of a tag, the same one everywhere and always."""
    return TAG_COLOURS[zlib.crc32(tag.encode()) % len(TAG_COLOURS)]


def show_tags(tags: Sequence[str]) -> None:
    """Tags one after the other, each in its colour."""
    for tag in tags:
        st.badge(in_badge(tag, MAX_TAG_LENGTH), color=tag_colour(tag))


def show_note(annotation: Annotation) -> None:
    """A note as its writer meant it: Markdown; its pictures are links, for they lie elsewhere."""
    if annotation.note:
        with st.expander("Note", icon=":material/sticky_note_2:"):
            st.markdown(without_images(annotation.note))


def favourite_button(catalog: Catalog, annotation: Annotation) -> None:
    """A star that is full where this is a favourite; a press turns it."""
    word = "Remove from the favourites" if annotation.favourite else "Make it a favourite"
    star = FULL_STAR if annotation.favourite else "☆"
    if st.button(star, key=f"star-{annotation.id}", type="tertiary", help=word):
        wanted = not annotation.favourite
        catalog.change_annotation(annotation.what, annotation.id, favourite=wanted)
        st.rerun()


def notes_button(annotation: Annotation, title: str, words: str = "") -> None:
    """A button that opens the form.

    Args:
        annotation: what is noted so far.
        title: of the analysis or model, as it is without a name given by the user.
        words: on the button; none: its icon alone.
    """
    if st.button(
        words,
        key=f"notes-{annotation.id}",
        icon=":material/edit_note:",
        type="secondary" if words else "tertiary",
        help="Name, tags and a note of your own",
    ):
        st.session_state[EDITED_KEY] = (annotation, title)
        st.rerun()


def show_open_form() -> None:
    """The form whose button was pressed, until it is saved or closed.

    It belongs to the whole page: a part that runs by itself would take it away with its next run.
    """
    if edited := st.session_state.get(EDITED_KEY):
        annotation, title = edited  # as it was when the form was opened
        edit_annotation(app_state().catalog, annotation, title)


def _close_form() -> None:
    st.session_state.pop(EDITED_KEY, None)


@st.dialog("Name, tags and note", width="medium", on_dismiss=_close_form)
def edit_annotation(catalog: Catalog, annotation: Annotation, title: str) -> None:
    """The form; nothing is kept before it is saved, and then only what was changed in it."""
    parts.run_guarded(lambda: _show_form(catalog, annotation, title))


def _show_form(catalog: Catalog, annotation: Annotation, title: str) -> None:
    st.caption(as_text(title, 200))
    fields = _choose_fields(catalog, annotation, title)
    if st.button("Save", type="primary", icon=":material/check:"):
        changed = {n: value for n, value in fields.items() if value != getattr(annotation, n)}
        try:
            catalog.change_annotation(annotation.what, annotation.id, **changed)
        except (ValueError, CatalogError) as error:
            st.error(parts.sentence(error), icon=":material/error:")
        else:
            _close_form()
            st.rerun()


def _choose_fields(catalog: Catalog, annotation: Annotation, title: str) -> dict[str, object]:
    """The fields of an annotation as they stand in the form."""
    id, fields = annotation.id, dict[str, object]()
    if annotation.what == "analysis":
        name = st.text_input(
            "Name", annotation.name or "", placeholder=title, key=f"noted-name-{id}"
        )
        fields["name"] = name.strip() or None
    choices = dict.fromkeys([*annotation.tags, *catalog.tags(annotation.what)])
    fields["tags"] = tuple(
        st.multiselect(
            "Tags",
            list(choices),
            annotation.tags,
            accept_new_options=True,
            placeholder="choose, or write a new one",
            key=f"noted-tags-{id}",
        )
    )
    fields["note"] = st.text_area(
        "Note",
        annotation.note,
        height=NOTE_HEIGHT,
        max_chars=MAX_NOTE_LENGTH,
        help="Markdown",
        key=f"noted-note-{id}",
    )
    fields["favourite"] = st.checkbox("Favourite", annotation.favourite, key=f"noted-star-{id}")
    fields["archived"] = st.checkbox(
        "Archived",
        annotation.archived,
        help=ARCHIVED_HELP[annotation.what],
        key=f"noted-archived-{id}",
    )
    return fields
