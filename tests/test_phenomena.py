"""What stands beside the phenomena: the tour, the tables, the statements, and their command."""

import pytest

from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.statements import STATEMENTS, TEXTS, shown_by
from explorer.phenomena.tables import TABLES
from explorer.phenomena.tour import TOUR
from sample_models.__main__ import main
from tests.screen import one_sentence, opened, texts
from tests.tiny import ROOT

PAGES = {path.stem for path in (ROOT / "explorer" / "pages").glob("[a-z]*.py")}
GALLERY = "explorer/pages/gallery.py"
PARTS = ("phenomena", "tour", "tables", "statements")


def test_every_statement_is_shown_by_a_phenomenon_or_a_page() -> None:
    """All 209 rows of the texts, each once, with somewhere to see it that there is."""
    assert len({statement.row for statement in STATEMENTS}) == len(STATEMENTS) == 209
    rows = {row for phenomenon in PHENOMENA for row in phenomenon.rows}
    assert rows <= {statement.row for statement in STATEMENTS}
    assert {statement.row[0] for statement in STATEMENTS} == set(TEXTS)
    nowhere = [s.row for s in STATEMENTS if not s.page and not shown_by(s, PHENOMENA)]
    assert nowhere == []
    for statement in STATEMENTS:
        page, _, part = statement.page.partition(":")
        assert not page or page in PAGES, statement.row
        assert not part or part in PARTS, statement.row


def test_tour_and_tables_lead_somewhere() -> None:
    """Ten steps and six tables: each step and each row names phenomena or pages that there are."""
    assert len(TOUR) == 10 and len(TABLES) == 6
    for step in TOUR:
        assert step.text.endswith(".") and (step.phenomenon or step.page)
        assert not step.phenomenon or phenomenon_named(step.phenomenon)
        assert not step.page or step.page in PAGES
    for table in TABLES:
        for row in table.rows:
            assert len(row.cells) == len(table.columns) and row.shown
            for name in row.shown:
                page = name.removeprefix("page:")
                assert page in PAGES if page != name else phenomenon_named(name)


@pytest.mark.parametrize("step", range(1, 11))
def test_each_step_of_the_tour_opens(step: int, nothing_left: None) -> None:
    """Its title stands on the page, with a way on."""
    app = opened(GALLERY, part="tour", step=str(step))
    assert [e.value for e in app.exception] == [] and not app.error
    assert TOUR[step - 1].title in [heading.value for heading in app.subheader]
    assert [b.disabled for b in app.button if b.label == "Next"] == [step == 10]


def test_tables_and_statements_open(nothing_left: None) -> None:
    """Every row is there."""
    app = opened(GALLERY, part="tables")
    said = texts(app, "markdown")
    assert all(row.cells[-1] in said for table in TABLES for row in table.rows)
    app = opened(GALLERY, part="statements")
    (table,) = app.dataframe
    assert len(table.value) == len(STATEMENTS)


def test_a_step_that_there_is_not_is_one_sentence(nothing_left: None) -> None:
    """In an address."""
    assert "a number from 1 to 10" in one_sentence(opened(GALLERY, part="tour", step="11"))


def test_the_commands_print_their_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """`statements` lists each with what shows it; `verify` refuses a name that there is not."""
    assert main(["statements"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\n") >= len(STATEMENTS)
    assert "2.8" in printed and "permutation-symmetry" in printed
    with pytest.raises(SystemExit) as refused:
        main(["verify", "flat-earth"])
    assert refused.value.code == 2
    assert "flat-earth" in capsys.readouterr().err
