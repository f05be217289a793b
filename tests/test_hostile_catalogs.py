"""What somebody has made of a catalog's database and files does no harm where it is used."""

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from store import Catalog, CatalogDamaged, CatalogError
from tests.stored import TABLE, ingest, put_model, question

STATEMENT = "COPY (SELECT 'harm') TO 'harm.csv'"
TABLES = (f"{TABLE}; {STATEMENT}; --", f'{TABLE}" AS t; {STATEMENT}; --')
COLUMN = f'strange" BIGINT; {STATEMENT}; --'


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody else's catalog with an answer; the statement would write beside it."""
    monkeypatch.chdir(tmp_path)
    catalog = Catalog(tmp_path / "there")
    catalog.check()
    put_model(catalog)
    catalog.ask(question(units=2))
    ingest(catalog, [0, 1])
    catalog.set_image("q1", b"a picture")
    catalog.close()
    return catalog.folder


@pytest.fixture
def here(tmp_path: Path, place: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "here")
    catalog.check()
    yield catalog
    catalog.close()


def change(place: Path, *statements: str) -> None:
    """Change a database as its owner can."""
    with duckdb.connect(place / "catalog.duckdb") as database:
        for statement in statements:
            database.execute(statement)


def in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("table", TABLES)
def test_a_table_s_name_is_no_statement(place: Path, here: Catalog, table: str) -> None:
    """It is nobody's table of values: checked, sealed, deleted from, merged and shared without."""
    change(place, f"CREATE TABLE {in_quotes(table)} (question_key VARCHAR, unit BIGINT)")
    theirs = Catalog(place)
    assert theirs.check_integrity(contents=True) == []
    theirs.seal()
    theirs.close()
    here.add_shared(place)
    here.remove_shared(here.shared_catalogs()[0].name)
    assert here.merge(place).units == 2
    theirs.delete_question("q1")
    theirs.empty_trash()
    theirs.close()
    assert not Path("harm.csv").exists()


def test_a_column_s_name_is_no_statement(place: Path, here: Catalog) -> None:
    """A table of values with such a column is refused whole, with a sentence that names it."""
    change(
        place,
        f"ALTER TABLE {TABLE} ADD COLUMN {in_quotes(COLUMN)} BIGINT",
        f"UPDATE {TABLE} SET {in_quotes(COLUMN)} = 1",  # noqa: S608
        "DELETE FROM value_seals",
    )
    for bring in (here.merge, here.add_shared):
        with pytest.raises(CatalogError, match="a name that none of ours has"):
            bring(place)
    theirs = Catalog(place)
    assert "a name that none of ours has" in theirs.check_integrity()[0]
    theirs.close()
    assert here.models() == [] and here.shared_catalogs() == []
    assert not Path("harm.csv").exists()


@pytest.mark.parametrize("make", [os.mkfifo, lambda file: file.symlink_to("/dev/zero")])
def test_what_could_be_read_without_end_is_no_file(place: Path, here: Catalog, make) -> None:
    """A pipe or a device in place of a file that a point names, and of a picture."""
    files = [path for path in (place / "files").rglob("*") if path.is_file()]
    for file in files:
        file.unlink()
        make(file)
    with pytest.raises(CatalogDamaged, match="it is no file"):
        here.merge(place)
    here.add_shared(place)
    assert not here.image("q1")
