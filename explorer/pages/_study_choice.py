"""Which study is looked at; a new one, another name, a copy, none any more; files of it."""

import shlex

import streamlit as st

from explorer.ask.command_text import program_words
from explorer.ask.study import STUDY, Study, add_study, free_name, study_from_json
from explorer.ask.study_cells import cells
from explorer.ask.study_files import numbers_file, read_study, study_file
from explorer.pages import _parts as parts
from explorer.pages._sharing import address_now, show_texts
from explorer.pages._study_catalog import offer_catalog
from explorer.pages._text import as_text
from explorer.pages._undo import delete
from explorer.wording import file_word
from store import Catalog, CatalogError
from store.documents import MAX_NAME_LENGTH, Document

PARAMETER = "study"  # of the address: the study's name


def choose_study(catalog: Catalog) -> Document | None:
    """The study that the address names, else the one that was changed last; the ways to others."""
    documents = {document.name: document for document in catalog.documents(STUDY)}
    name = _name_in_address(documents)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if documents:
            names = list(documents)
            name = st.selectbox(
                "Study",
                names,
                index=names.index(name) if name in documents else None,
                placeholder="Choose one",
                format_func=as_text,
                label_visibility="collapsed",
                width=320,
            )
        _offer_new(catalog, len(documents))
        document = documents.get(name or "")
        if document:
            st.query_params[PARAMETER] = document.name
            _offer_changes(catalog, document)
            _offer_files(catalog, document)
    return document


def _name_in_address(documents: dict[str, Document]) -> str | None:
    """The study that the address names, if it is there; without a name the latest one's."""
    name = st.query_params.get(PARAMETER)
    if name is not None:
        if name not in documents:
            st.warning(f"There is no study {as_text(name)} in this catalog: choose another one.")
        return name
    latest = sorted(documents.values(), key=lambda d: str(d.changed), reverse=True)
    return latest[0].name if latest else None


def go_to(name: str) -> None:
    """Show the study of that name."""
    st.query_params[PARAMETER] = name
    st.rerun()


def _offer_new(catalog: Catalog, count: int) -> None:
    """A new study, empty or from a file; closed again once there is one more."""
    with st.popover("New", icon=":material/add:", key=f"new-study-{count}"):
        name = st.text_input("Name", max_chars=MAX_NAME_LENGTH, key=f"new-name-{count}")
        if st.button("Create", type="primary", key=f"create-{count}"):
            _add(catalog, name, Study())
        file = st.file_uploader("Or from a file", "json", key=f"file-{count}")
        if file is not None and st.button("Import", key=f"import-{count}"):
            try:
                own_name, read = read_study(file.getvalue())
            except ValueError as error:
                st.error(parts.sentence(error), icon=":material/error:")
            else:
                _add(catalog, free_name(catalog, own_name), read)


def _add(catalog: Catalog, name: str, study: Study) -> None:
    try:
        add_study(catalog, name, study)
    except (ValueError, CatalogError) as error:
        st.error(parts.sentence(error), icon=":material/error:")
    else:
        go_to(name.strip())


def _offer_changes(catalog: Catalog, document: Document) -> None:
    """Another name, a copy, the trash."""
    with st.popover("Change", icon=":material/edit:", key=f"change-{document.id}-{document.name}"):
        name = st.text_input("Name", document.name, key=f"name-{document.id}-{document.name}")
        if st.button("Rename", icon=":material/edit:") and name.strip() != document.name:
            try:
                catalog.rename_document(STUDY, document.id, name)
            except ValueError as error:
                st.error(parts.sentence(error), icon=":material/error:")
            else:
                go_to(name.strip())
        if st.button("Duplicate", icon=":material/content_copy:"):
            copy = free_name(catalog, document.name)
            catalog.add_document(STUDY, copy, document.content)
            go_to(copy)
        if st.button("Delete", icon=":material/delete:", help="Its analyses stay"):
            delete(catalog, STUDY, [document.id], document.name)
            del st.query_params[PARAMETER]
            st.rerun()


def _offer_files(catalog: Catalog, document: Document) -> None:
    """The study and its numbers as files, its address and the command that computes it."""
    try:
        study = study_from_json(document.content)
    except ValueError:  # the page says so
        return
    stem = f"study-{file_word(document.name)}"
    with st.popover("Export", icon=":material/download:", key=f"export-{document.id}"):
        st.download_button(
            "Study (JSON)",
            study_file(document.name, study),
            f"{stem}.json",
            icon=":material/download:",
            help="What is asked: for another catalog, or `study import`",
            on_click="ignore",
        )
        st.download_button(
            "Numbers (CSV)",
            lambda: numbers_file(catalog, study, cells(catalog, study)),
            f"{stem}.csv",
            icon=":material/download:",
            help="All numbers of all answers",
            on_click="ignore",
        )
        st.download_button(
            "Report (HTML)",
            lambda: _report_bytes(catalog, document.name, study),
            f"{stem}.html",
            icon=":material/download:",
            help="Charts, 3-D views and numbers in one file, for those who have no catalog",
            on_click="ignore",
        )
        offer_catalog(catalog, document)
        show_texts({"Link": address_now("study"), "Command": run_command(catalog, document.name)})


def _report_bytes(catalog: Catalog, name: str, study: Study) -> bytes:
    from explorer.report.contents import read_report
    from explorer.report.page import report_page

    return report_page(read_report(catalog, name, study))


def run_command(catalog: Catalog, name: str) -> str:
    """The command that computes what a study lacks; for a POSIX shell."""
    words = [*program_words(catalog), "study", "run", name]
    return shlex.join(words)
