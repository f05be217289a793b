"""The literature's tables and statements, each with the way to what shows it."""

import json
from collections.abc import Sequence

import streamlit as st

from explorer.kinds import KINDS
from explorer.pages._gallery_view import PAGE, PARAMETER
from explorer.pages._text import as_text
from explorer.phenomena import PHENOMENA
from explorer.phenomena.phenomenon import Phenomenon
from explorer.phenomena.statements import STATEMENTS, TEXTS, Statement, shown_by
from explorer.phenomena.tables import TABLES, Table

PAGE_MARK = "page:"  # before the name of a page in a table's row
SEEN_IN = "Seen in"
SHOWN_WIDTH = 4  # of the last column, beside the cells' 2 each
# A way's label is a sentence, which Streamlit would cut; it is no button of this page.
TABLES_CSS = """
.st-key-tables [data-testid=stPageLink] p { white-space: normal; font-weight: normal; }
.st-key-tables [data-testid=stPageLink-NavLink]:not(:hover) { background: transparent; }
.st-key-tables [class*=st-key-row-] {
  border-top: 1px solid rgb(128 128 128 / 0.25); padding-top: 0.4rem;
}
"""
# Two columns of one width in every table, however long a word is.
STATEMENTS_CSS = """
.st-key-statements table { table-layout: fixed; }
.st-key-statements td { overflow-wrap: anywhere; }
"""
# Where columns stand one below the other each cell has the title that is above it elsewhere.
STACKED_CSS = """
@media (max-width: 640px) {
  .st-key-head-%(table)d { display: none; }
  [class*=st-key-row-%(table)d-] [data-testid=stColumn]:nth-child(%(column)d)::before {
    content: %(title)s; font-size: 0.85rem; opacity: 0.6;
  }
}
"""


def show_tables() -> None:
    """All tables, one below the other."""
    st.caption(
        "Tables as articles and lessons have them. The last column leads to what bears the row out "
        "here, or does not; below each table stands what it says too simply."
    )
    st.html(f"<style>{TABLES_CSS}</style>")
    with st.container(key="tables"):
        for number, table in enumerate(TABLES):
            st.subheader(table.title, anchor=False)
            _show_table(number, table)
            if table.loose:
                st.caption(table.loose)


def _show_table(number: int, table: Table) -> None:
    widths = [2] * len(table.columns) + [SHOWN_WIDTH]
    titles = [*table.columns, SEEN_IN]
    with st.container(border=True, gap="xsmall"):
        st.html(f"<style>{_stacked_css(number, titles)}</style>")
        with st.container(key=f"head-{number}"):
            for column, title in zip(st.columns(widths), titles, strict=True):
                column.markdown(f"**{title}**" if title else "")
        for place, row in enumerate(table.rows):
            with st.container(key=f"row-{number}-{place}"):
                *cells, last = st.columns(widths)
                for column, cell in zip(cells, row.cells, strict=True):
                    column.markdown(cell)
                with last.container(gap=None):
                    for name in row.shown:
                        show_way(name)


def _stacked_css(number: int, titles: Sequence[str]) -> str:
    """What gives each cell of a table its column's title, where there is no room for columns."""
    return "".join(
        STACKED_CSS % {"table": number, "column": place, "title": json.dumps(title)}
        for place, title in enumerate(titles, 1)
        if title
    )


def show_way(name: str) -> None:
    """The way to a phenomenon by its name, or to a page."""
    if name.startswith(PAGE_MARK):
        page = name.removeprefix(PAGE_MARK)
        path = f"explorer/pages/{page}.py"
        titles = {kind.page: kind.title for kind in KINDS if kind.own_page}
        st.page_link(path, label=titles.get(path, page.capitalize()), icon=":material/tune:")
        return
    phenomenon = next((each for each in PHENOMENA if each.name == name), None)
    if phenomenon is not None:
        _phenomenon_link(phenomenon)


def _phenomenon_link(phenomenon: Phenomenon) -> None:
    st.page_link(
        PAGE,
        label=phenomenon.title,
        icon=phenomenon.questions[0].kind.icon,
        query_params={PARAMETER: phenomenon.name},
    )


def show_statements() -> None:
    """Every statement with where it is shown, those with the words that are searched for."""
    st.caption(
        "What an article, a survey and two lessons say of loss surfaces, statement by statement, "
        "and where each can be seen."
    )
    words = st.text_input(
        "Search",
        key="search",
        bind="query-params",
        max_chars=200,
        icon=":material/search:",
        placeholder="Words of a statement, a phenomenon or a text",
        label_visibility="collapsed",
        width=420,
    )
    shown = [statement for statement in STATEMENTS if _has_words(statement, words)]
    of_all = "" if len(shown) == len(STATEMENTS) else f" of {len(STATEMENTS):,}"
    st.caption(f"{len(shown):,}{of_all} statements of {len(TEXTS)} texts.")
    st.html(f"<style>{STATEMENTS_CSS}</style>")
    with st.container(key="statements"):
        for text in dict.fromkeys(statement.text for statement in shown):
            st.subheader(text, anchor=False)
            # A table wraps its words, as a data frame does not.
            st.table([_statement_row(s) for s in shown if s.text == text], hide_index=True)


def _has_words(statement: Statement, words: str) -> bool:
    """Whether all these words are somewhere in the row of a statement."""
    titles = [phenomenon.title for phenomenon in shown_by(statement, PHENOMENA)]
    row = " ".join([statement.words, statement.text, statement.page, *titles]).casefold()
    return all(word in row for word in words.casefold().split())


def _statement_row(statement: Statement) -> dict[str, str]:
    """A statement as a row of the table, in Markdown."""
    ways = [
        (phenomenon.title, f"/gallery?{PARAMETER}={phenomenon.name}")
        for phenomenon in shown_by(statement, PHENOMENA)
    ]
    if statement.page:
        ways.insert(0, _page_way(statement.page))
    return {
        "Statement": as_text(statement.words, 300),
        SEEN_IN: "; ".join(f"[{as_text(title, 200)}]({address})" for title, address in ways),
    }


def _page_way(page: str) -> tuple[str, str]:
    """The name and the address of a page, or of a part of one."""
    name, _, part = page.partition(":")
    title = name.replace("_", " ").capitalize()
    if not part:
        return title, f"/{name}"
    return f"{title}, {part}", f"/{name}?part={part.capitalize()}"
