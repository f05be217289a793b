"""The literature's tables and statements, each with the way to what shows it."""

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
SHOWN_WIDTH = 4  # of the last column, beside the cells' 2 each
# A way's label is a sentence, which Streamlit would cut.
WRAPPED_CSS = ".st-key-tables [data-testid=stPageLink] p { white-space: normal; }"


def show_tables() -> None:
    """All tables, one below the other."""
    st.caption(
        "Tables as articles and lessons have them. The last column leads to what bears the row out "
        "here, or does not; below each table stands what it says too simply."
    )
    st.html(f"<style>{WRAPPED_CSS}</style>")
    with st.container(key="tables"):
        for table in TABLES:
            st.subheader(table.title, anchor=False)
            _show_table(table)
            if table.loose:
                st.caption(table.loose)


def _show_table(table: Table) -> None:
    widths = [2] * len(table.columns) + [SHOWN_WIDTH]
    with st.container(border=True, gap="xsmall"):
        for column, title in zip(st.columns(widths), [*table.columns, "Seen in"], strict=True):
            column.markdown(f"**{title}**" if title else "")
        for row in table.rows:
            *cells, last = st.columns(widths)
            for column, cell in zip(cells, row.cells, strict=True):
                column.markdown(cell)
            with last:
                for name in row.shown:
                    show_way(name)


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
    """Every statement with where it is shown, as a table that can be searched and sorted."""
    st.caption(
        "What an article, a survey and two lessons say of loss surfaces, statement by statement, "
        "and where each can be seen."
    )
    rows = [_statement_row(statement) for statement in STATEMENTS]
    st.dataframe(
        rows,
        hide_index=True,
        height=640,
        column_config={
            "Statement": st.column_config.TextColumn(width="large"),
            "Phenomena": st.column_config.ListColumn(width="large"),
            "Open": st.column_config.LinkColumn(display_text="Open", width="small"),
        },
    )
    st.caption(f"{len(rows):,} statements of {len(TEXTS)} texts.")


def _statement_row(statement: Statement) -> dict[str, object]:
    """A statement as a row of the table."""
    phenomena = shown_by(statement, PHENOMENA)
    return {
        "Open": _address(statement, phenomena),
        "Text": statement.text,
        "Statement": as_text(statement.words, 300),
        "Page": statement.page.replace(":", ", ").capitalize(),
        "Phenomena": [phenomenon.title for phenomenon in phenomena],
    }


def _address(statement: Statement, phenomena: Sequence[Phenomenon]) -> str:
    """Where it is shown, within the app."""
    if phenomena:
        return f"/gallery?{PARAMETER}={phenomena[0].name}"
    page, _, part = statement.page.partition(":")
    return f"/{page}?part={part.capitalize()}" if part else f"/{page}"
