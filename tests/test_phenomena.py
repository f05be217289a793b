"""What stands beside the phenomena: the tour, the tables, the statements, and their command."""

import json
from pathlib import Path

import pytest

from explorer.pages import _running
from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.statements import STATEMENTS, TEXTS, shown_by
from explorer.phenomena.tables import TABLES
from explorer.phenomena.tour import TOUR
from sample_models.__main__ import main
from tests.filling import new_catalog
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
    assert not nowhere
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


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalog."""
    catalog = new_catalog(tmp_path_factory.mktemp("phenomena") / "catalog")
    catalog.close()
    return catalog.folder


@pytest.fixture
def folder(filled: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the app's own, which orders nothing by itself."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(filled))
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)
    return filled


@pytest.mark.parametrize("step", range(1, 11))
def test_each_step_of_the_tour_opens(step: int, folder: Path) -> None:
    """Its title stands on the page, with a way on."""
    app = opened(GALLERY, part="Tour", step=str(step))
    assert [e.value for e in app.exception] == [] and not app.error
    assert TOUR[step - 1].title in [heading.value for heading in app.subheader]
    links = [link.proto for link in app.get("page_link")]
    assert {link.disabled for link in links if link.label == "Next"} == {step == 10}
    assert any(link.query_string == f"part=Tour&step={step + 1}" for link in links)


def test_tables_open(folder: Path) -> None:
    """Every row is there."""
    app = opened(GALLERY, part="Tables")
    said = texts(app, "markdown")
    assert all(row.cells[-1] in said for table in TABLES for row in table.rows)


def test_a_step_that_there_is_not_is_one_sentence(folder: Path) -> None:
    """In an address."""
    assert "a number from 1 to 10" in one_sentence(opened(GALLERY, part="Tour", step="11"))


def test_the_short_table_of_phenomena_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify --short` measures what is quick, from samples to numbers: all as expected."""
    file = tmp_path / "table.json"
    status = main(["verify", "--short", "--json", str(file)])
    assert status == 0, capsys.readouterr().out
    rows = json.loads(file.read_text())
    assert len(rows) >= 10
    assert all(row["verdict"] in ("as expected", "does not come out here") for row in rows)
    assert all(row["proofs"] and row["seconds"] > 0 for row in rows)
    assert f"{len(rows)} phenomena in" in capsys.readouterr().out


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
