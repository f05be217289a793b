"""Where a catalog lies: lost databases, places that can only be read, names that are odd."""

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import duckdb
import numpy as np
import pytest

from explorer.__main__ import main
from store import (
    Catalog,
    CatalogError,
    CatalogFull,
    CatalogLost,
    CatalogReadOnly,
    CatalogTooNew,
    NotACatalog,
    rebuilding,
)
from store.database_file import Cursor
from store.migrations import MIGRATIONS
from store.place import log_of
from store.rebuilding import _copy_rows
from tests.stored import TABLE, first_schema, ingest, put_model, question


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A model with an answer."""
    catalog = Catalog(tmp_path / "catalog")
    put_model(catalog)
    catalog.ask(question())
    ingest(catalog, range(4))
    catalog.close()
    yield catalog
    catalog.close()


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder; what is in it when it is asked for can only be read from then on, even by root."""
    place = tmp_path / "archive"
    place.mkdir()
    mounts = (["mount", "--bind", place, place], ["mount", "-o", "remount,ro,bind", place])

    def lock() -> Path:
        for mount in mounts:
            if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
                pytest.skip("a folder can be mounted for reading alone only as root")
        return place

    yield place, lock
    subprocess.run(["umount", "-l", str(place)], capture_output=True)


def test_no_new_database_is_made_beside_a_lost_ones_files(catalog: Catalog) -> None:
    """With the database gone or emptied every door says so, and no file is collected."""
    database, lost = catalog.folder / "catalog.duckdb", catalog.folder / "mine"
    files = sorted(catalog.folder.rglob("files/*/*"))
    database.rename(lost)
    for left in (None, b""):
        if left is not None:
            database.write_bytes(left)
        for use in (catalog.check, catalog.models, lambda: catalog.empty_trash(grace=0)):
            with pytest.raises(CatalogLost, match=r"1 files of it.*rebuild`$"):
                use()
    assert sorted(catalog.folder.rglob("files/*/*")) == files
    database.unlink()
    lost.rename(database)
    assert [m.name for m in catalog.models()] == ["ResNet"]


def test_a_log_without_its_database_is_not_forgotten(tmp_path: Path) -> None:
    """DuckDB would leave the log behind a new database, and what was committed in it."""
    log = log_of(tmp_path / "catalog.duckdb")
    log.write_bytes(b"rows")
    with pytest.raises(CatalogLost, match=r"its log catalog\.duckdb\.wal of it are there"):
        Catalog(tmp_path).check()
    assert log.read_bytes() == b"rows"


def test_a_rebuilt_catalog_keeps_files_that_it_has_not_put(catalog: Catalog) -> None:
    """After a rebuild nothing collects the lost one's checkpoints; an import finds them again."""
    (catalog.folder / "catalog.duckdb").unlink()
    rebuilt = catalog.rebuild()
    assert (rebuilt.aside, rebuilt.rows, rebuilt.files) == (None, 0, 1)
    assert catalog.empty_trash(grace=0).count == 0
    assert catalog.foreign_files() == [hash_of(catalog)]
    put_model(catalog)
    assert catalog.foreign_files() == []
    catalog.delete_model("m1")
    assert catalog.empty_trash(grace=0).count == 1  # now it is one of its own
    with pytest.raises(NotACatalog, match="is whole"):
        catalog.rebuild()


def hash_of(catalog: Catalog) -> str:
    (file,) = catalog.folder.rglob("files/*/*")
    return file.stem


def test_files_of_another_catalogs_database_are_kept(catalog: Catalog, tmp_path: Path) -> None:
    """A database put in the place of another removes none of the files that are not its own."""
    other = Catalog(tmp_path / "other")
    put_model(other, "m2", "Other", "w2")
    other.close()
    shutil.copy(other.folder / "catalog.duckdb", catalog.folder / "catalog.duckdb")
    assert [m.name for m in catalog.models()] == ["Other"]
    assert catalog.collect(grace=0).count == 0
    assert any("is missing" in said for said in catalog.check_integrity())


def test_a_damaged_database_gives_what_can_be_read_of_it(catalog: Catalog) -> None:
    """Rebuilding copies the tables that are whole, and keeps the damaged file."""
    for n in range(3):
        ingest(catalog, np.arange(4), key=catalog.ask(question(f"more{n}")).key)
    catalog.close()
    database = catalog.folder / "catalog.duckdb"
    with duckdb.connect(database, read_only=True) as plain:
        (block,) = plain.execute(
            "SELECT block_id FROM pragma_storage_info('surface_values') WHERE block_id >= 0 LIMIT 1"
        ).fetchone() or (0,)
    content = bytearray(database.read_bytes())
    content[3 * 4096 + block * (1 << 18) + 100] ^= 4
    database.write_bytes(content)
    assert len(catalog.check_integrity(contents=True)) == 1
    assert main(["--catalog", str(catalog.folder), "rebuild"]) == 0
    assert [m.name for m in catalog.models()] == ["ResNet"]
    assert len(list(catalog.folder.glob("catalog.duckdb.*.old"))) == 1


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO migrations VALUES (99, 'later', now())", CatalogTooNew),
        ("DROP TABLE migrations", NotACatalog),
    ],
)
def test_what_another_program_wrote_is_not_rebuilt(
    catalog: Catalog, statement: str, error: type[CatalogError]
) -> None:
    """A newer version's database and somebody else's are no damage: they stay where they are."""
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as plain:
        plain.execute(statement)
    before = (catalog.folder / "catalog.duckdb").read_bytes()
    with pytest.raises(error):
        catalog.rebuild()
    assert (catalog.folder / "catalog.duckdb").read_bytes() == before


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("DROP TABLE problems; CREATE VIEW Problems AS {reading}", "view Problems"),
        ("DROP TABLE migrations; CREATE VIEW migrations AS {reading}", "view migrations"),
        ("CREATE MACRO max(a) AS {reading}", "macro max"),
        ('CREATE MACRO "||"(a, b) AS {reading}', r"macro \|\|"),
    ],
)
def test_a_catalog_reads_no_file_by_code_in_it(
    catalog: Catalog, tmp_path: Path, code: str, name: str
) -> None:
    """A view in place of a table, a macro in place of a function: refused, or harmless."""
    file = tmp_path / "secret"
    file.write_text("a secret")
    reading = f"(SELECT content FROM read_text('{file}'))"  # noqa: S608 - our own words
    hostile = Catalog(shutil.copytree(catalog.folder, tmp_path / "hostile"))
    with duckdb.connect(hostile.folder / "catalog.duckdb") as plain:
        plain.execute(code.format(reading=reading))
    with pytest.raises(NotACatalog, match=f"code of its own, the {name}, which"):
        hostile.check()
    other = Catalog(tmp_path / "other")
    try:
        other.merge(hostile.folder)
        said = ""
    except CatalogError as error:
        said = str(error)
    assert "a secret" not in said + str(other.query("SELECT * FROM problems").rows)


def test_views_of_ones_own_are_no_code_that_is_run(catalog: Catalog) -> None:
    """A view and a macro under names that nobody else uses are queried as one likes."""
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as plain:
        plain.execute("CREATE MACRO twice(a) AS 2 * a; CREATE VIEW mine AS SELECT twice(3) AS unit")
    assert catalog.query("SELECT * FROM mine").rows == [(6,)]
    assert catalog.check_integrity(contents=True) == []


def test_a_damaged_log_costs_only_what_it_had(
    catalog: Catalog, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is copied without it, no deleted row is missed, and the old is there meanwhile."""
    ingest(catalog, np.arange(5000), key=catalog.ask(question("big", units=5000)).key)
    catalog.close()
    database, log = catalog.folder / "catalog.duckdb", catalog.folder / "catalog.duckdb.wal"
    with duckdb.connect(database) as plain:
        plain.execute("DELETE FROM surface_values WHERE unit % 2 = 0")
    script = """
import os, signal, sys, duckdb
c = duckdb.connect(sys.argv[1])
c.execute("UPDATE models SET name = 'from the log'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, database])
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 4
    log.write_bytes(content)
    before = database.read_bytes()

    def copy_rows(new: Cursor, old: Cursor) -> tuple[int, int]:
        assert (database.read_bytes(), log.read_bytes()) == (before, bytes(content))
        return _copy_rows(new, old)

    monkeypatch.setattr(rebuilding, "_copy_rows", copy_rows)
    assert main(["--catalog", str(catalog.folder), "rebuild"]) == 0
    assert "rows were saved; what its log had is not among them;" in capsys.readouterr().out
    assert [m.name for m in catalog.models()] == ["ResNet"]
    assert len(catalog.values("big", TABLE)["unit"]) == 2500
    catalog.close()
    kept = {p.suffix: p.read_bytes() for p in catalog.folder.glob("catalog.duckdb.*.old*")}
    assert kept == {".old": before, ".wal": bytes(content)}
    assert {p.suffix for p in catalog.folder.iterdir()} == {"", ".duckdb", *kept}


def test_a_catalog_that_can_only_be_read_is_listed_and_exported(read_only, capsys) -> None:
    """Archives are browsed, queried and exported; a change is one sentence; nothing is written."""
    place, lock = read_only
    catalog = Catalog(place / "catalog")
    put_model(catalog)
    catalog.ask(question(settings={"split": "train"}))
    ingest(catalog, range(4))
    catalog.close()
    lock()
    assert catalog.read_only
    before = sorted(place.rglob("*"))
    assert main(["--catalog", str(catalog.folder), "list"]) == 0
    assert "model ResNet" in capsys.readouterr().out
    assert main(["--catalog", str(catalog.folder), "sql", "SELECT name FROM models"]) == 0
    assert "ResNet" in capsys.readouterr().out
    assert main(["--catalog", str(catalog.folder), "rename", "ResNet", "x"]) == 1
    assert "can only be read: to compute" in capsys.readouterr().err
    for change in (lambda: catalog.put_file(b"x", "bin"), lambda: catalog.delete_model("m1")):
        with pytest.raises(CatalogReadOnly):
            change()
    catalog.close()
    assert sorted(place.rglob("*")) == before


def test_an_old_archive_is_read_through_a_copy(read_only) -> None:
    """A schema that cannot be brought up to date where it lies is so in a copy."""
    place, lock = read_only
    first_schema(place / "old")
    before = (place / "old" / "catalog.duckdb").read_bytes()
    lock()
    catalog = Catalog(place / "old")
    for _ in range(2):
        assert catalog.question("q1").facts == {"a": 1}
        assert catalog.values("q1", TABLE)["unit"].tolist() == [0, 1]
        catalog.close()
    applied = catalog._read(lambda c: c.execute("SELECT count(*) FROM migrations").fetchone())
    assert applied == (len(MIGRATIONS),)
    catalog.close()
    assert (place / "old" / "catalog.duckdb").read_bytes() == before


def test_an_old_archive_that_cannot_be_copied_is_not_empty(read_only, monkeypatch) -> None:
    """No space for the copy is a sentence; with space again everything is there."""
    place, lock = read_only
    first_schema(place / "old")
    lock()
    catalog = Catalog(place / "old")
    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", Mock(side_effect=OSError(errno.ENOSPC, "full")))
        for _ in range(2):
            with pytest.raises(CatalogFull, match="free some space and try again"):
                catalog.question("q1")
    assert catalog.question("q1").facts == {"a": 1}
    catalog.close()


@pytest.mark.parametrize("name", ["a#b", "a%20b", 'it\'s "q"', "ü ñ", "[x]*"])
def test_an_odd_name_of_the_folder_is_only_a_name(tmp_path: Path, name: str) -> None:
    """Whatever stands in it, the database, its log and its files lie in the folder itself."""
    folder = tmp_path / name
    catalog = Catalog(folder)
    put_model(catalog)
    assert catalog.query("SELECT name FROM models").rows == [("ResNet",)]
    assert [m.name for m in catalog.models()] == ["ResNet"]
    catalog.close()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert {path.name for path in folder.iterdir()} == {"catalog.duckdb", "files"}


@pytest.mark.parametrize("name", ["a?b", "?mode=ro", "a\\b"])
def test_a_name_that_duckdb_takes_apart_is_one_sentence(tmp_path: Path, name: str, capsys) -> None:
    """Nothing is made, in that folder or in one whose name is a part of it."""
    assert main(["--catalog", str(tmp_path / name), "list"]) == 1
    assert "in its path, with which DuckDB opens no file" in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.name != name]


def test_a_name_that_is_no_utf8_is_one_sentence(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    with pytest.raises(NotACatalog, match="name that is not UTF-8") as caught:
        Catalog(folder).check()
    str(caught.value).encode()


def test_what_is_made_is_its_owners_alone(catalog: Catalog) -> None:
    """Folders 0700, files 0600, whatever the umask is."""
    places = [catalog.folder, *catalog.folder.rglob("*")]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in places if path.is_dir()}
    assert modes == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in places if p.is_file()} == {0o600}
