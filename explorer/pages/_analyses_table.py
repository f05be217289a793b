"""Analyses as a table of settings and numbers, and what can be done with the chosen ones."""

from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.ask.study import add_study, free_name, study_of
from explorer.csv_text import csv_text
from explorer.figures.recipe import MOST_PANELS as MOST_FIGURE_PANELS
from explorer.kinds import KINDS
from explorer.pages import _cards as cards
from explorer.pages import _links as links
from explorer.pages import _parts as parts
from explorer.pages._address import keep_in_address
from explorer.pages._annotations import FULL_STAR, notes_button
from explorer.pages._facts import local_time
from explorer.pages._pins import FEWEST_PANELS, MOST_PANELS, PANEL_PARAMETER
from explorer.pages._undo import delete
from explorer.wording import counted, printable
from store import Catalog, UnknownEntry, records
from store.annotations import Annotation

TITLES = {kind.name: kind.title for kind in KINDS}
KEY_LETTERS = 12  # of a key: enough to tell it from others
SELECTED = "selected"  # in the address: the beginnings of the keys
Columns = dict[str, list[object]]  # of a table, by their headings


def show_table(
    catalog: Catalog, questions: Sequence[records.Question], subjects: links.Subjects
) -> None:
    """The analyses of a page of the list; below, what can be done with those that are chosen."""
    columns, equal = table_columns(catalog, questions, subjects)
    if equal:
        with st.expander(f"{counted(len(equal), 'setting is', 'settings are')} equal in all"):
            st.text("\n".join(f"{name}  {value}" for name, value in equal.items()))
    named = set(st.query_params.get_all(SELECTED))
    selected = [row for row, q in enumerate(questions) if q.key[:KEY_LETTERS] in named]
    state = st.dataframe(
        columns,
        hide_index=True,
        placeholder="",
        on_select="rerun",
        selection_mode="multi-row",
        # A selection is a row's number: with other rows it would be another analysis.
        key=f"analyses-{hash(tuple(q.key for q in questions))}",
        selection_default={"selection": {"rows": selected}},
        column_config={
            "": st.column_config.LinkColumn(display_text=":material/open_in_new:", width=40),
            "Analysis": st.column_config.TextColumn(width=260),
        },
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "CSV",
            as_csv(columns),
            "analyses.csv",
            icon=":material/download:",
            help="What this table shows",
            on_click="ignore",
        )
        chosen = [questions[row] for row in state["selection"]["rows"] if row < len(questions)]
        keep_in_address(SELECTED, [question.key[:KEY_LETTERS] for question in chosen])
        if chosen:
            show_actions(catalog, chosen)


def table_columns(
    catalog: Catalog, questions: Sequence[records.Question], subjects: links.Subjects
) -> tuple[Columns, dict[str, object]]:
    """The columns of the table, and the settings that are equal in all rows."""
    keys = [question.key for question in questions]
    annotations, numbers = catalog.annotations("analysis", keys), catalog.numbers(keys)
    ways = links.links_of(questions, subjects)
    settings, equal = split_settings([question.settings for question in questions])
    columns: Columns = {
        "": [links.address_of(question, subjects) for question in questions],
        "Analysis": [
            printable(links.analysis_name(ways[q.key], annotations[q.key]), 200)
            if q.key in ways
            else printable(annotations[q.key].name or q.title, 200)
            for q in questions
        ],
        "Kind": [TITLES.get(q.kind, q.kind) for q in questions],
        "Status": [_status(question) for question in questions],
        "Created": [local_time(question.created) for question in questions],
    }
    noted: Columns = {
        "Favourite": [FULL_STAR if annotations[key].favourite else "" for key in keys],
        "Tags": [list(annotations[key].tags) for key in keys],
        "Note": [annotations[key].note for key in keys],
        "From": [question.origin for question in questions],
    }
    columns |= {name: values for name, values in noted.items() if any(values)}
    for name in dict.fromkeys(name for key in keys for name in numbers.get(key, {})):
        columns[name] = [numbers.get(key, {}).get(name, (None,))[0] for key in keys]
    return columns | settings, equal


def split_settings(
    all_settings: Sequence[Mapping[str, object]],
) -> tuple[Columns, dict[str, object]]:
    """Settings that differ, as columns; and those that have one value in all that have them."""
    names = dict.fromkeys(name for settings in all_settings for name in settings)
    columns: Columns = {}
    equal: dict[str, object] = {}
    for name in names:
        values = [_plain(settings.get(name)) for settings in all_settings]
        different = {repr(value) for value in values if value is not None}
        if len(different) > 1:
            columns[name] = values
        elif different:  # else nothing is said of it anywhere
            equal[name] = next(value for value in values if value is not None)
    return columns, equal


def _plain(value: object) -> object:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def _status(question: records.Question) -> str:
    return "complete" if question.status == "complete" else cards.count_text(question)


def as_csv(columns: Columns) -> str:
    """The table as text, NaN and infinity by name."""
    shown = {name: values for name, values in columns.items() if name}
    return csv_text([list(shown), *zip(*shown.values(), strict=True)])


def show_actions(catalog: Catalog, chosen: Sequence[records.Question]) -> None:
    """What can be done with the chosen analyses at once."""
    st.caption(f"{len(chosen)} chosen")
    keys = [question.key for question in chosen]
    annotations = catalog.annotations("analysis", keys)
    _offer_marks(catalog, annotations)
    if len(chosen) == 1:
        notes_button(annotations[keys[0]], chosen[0].title, "Notes")
    if FEWEST_PANELS <= len(chosen) <= MOST_PANELS and st.button(
        "Compare", icon=":material/compare:", help="Side by side, on one scale"
    ):
        st.switch_page("explorer/pages/compare.py", query_params={PANEL_PARAMETER: keys})
    if st.button(
        "New study of these", icon=":material/grid_view:", help="All their questions of each model"
    ):
        begin_study(catalog, chosen)
    if len(chosen) <= MOST_FIGURE_PANELS and st.button(
        "Figure", icon=":material/dashboard:", help="A new figure for a paper"
    ):
        st.switch_page("explorer/pages/figure.py", query_params={PANEL_PARAMETER: keys})
    if st.button("Delete", icon=":material/delete:", help="Move to the trash"):
        delete(catalog, "analysis", keys, f"{len(keys)} analyses" if keys[1:] else chosen[0].title)
        st.rerun()


def _offer_marks(catalog: Catalog, annotations: Mapping[str, Annotation]) -> None:
    """A tag for all of the analyses with these keys, the archive, and the favourites."""
    tag = st.text_input(
        "Tag", key="new-tag", placeholder="tag", label_visibility="collapsed", width=140
    )
    if st.button("Add tag", icon=":material/sell:") and tag.strip():
        try:
            for key in annotations:
                tags = (*annotations[key].tags, tag)
                catalog.change_annotation("analysis", key, tags=tags)
        except ValueError as error:
            st.error(parts.sentence(error), icon=":material/error:")
        else:
            st.rerun()
    archived = all(one.archived for one in annotations.values())
    word = "Unarchive" if archived else "Archive"
    if st.button(word, icon=":material/archive:", help="Listed only by archived == true"):
        for key in annotations:
            catalog.change_annotation("analysis", key, archived=not archived)
        st.rerun()
    starred = all(one.favourite for one in annotations.values())
    if st.button("No favourite" if starred else "Favourite", icon=":material/star:"):
        for key in annotations:
            catalog.change_annotation("analysis", key, favourite=not starred)
        st.rerun()


def begin_study(catalog: Catalog, chosen: Sequence[records.Question]) -> None:
    """Show a new study of the models and the questions of these analyses."""
    try:
        study = study_of(catalog, chosen)
    except (ValueError, UnknownEntry) as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return
    count = f"{len(chosen)} analyses" if chosen[1:] else printable(chosen[0].title)
    name = free_name(catalog, f"Study of {count}")
    add_study(catalog, name, study)
    st.switch_page("explorer/pages/study.py", query_params={"study": name})
