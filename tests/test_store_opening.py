"""How the database is held: whatever happens to it, or to who uses it, the next use works."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from store import Catalog, CatalogLost, NotACatalog
from tests.tiny import ROOT

INTERRUPTED = """
import os, signal, sys, threading
from store import Catalog, instance

instance.CONFIG["threads"] = 1  # another thread of the database would work on, unheard of
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where tests run in the background
catalog = Catalog(sys.argv[1])
catalog.check()
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    long = "SELECT sum(sin(a.range + b.range)) FROM range(100000) a, range(100000000) b"
    catalog._read(lambda cursor: cursor.execute(long))
except KeyboardInterrupt:
    print("interrupted,", "whole" if catalog.models() == [] else "lost")
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(tmp_path / "catalog")
    catalog.remember("word", "first")
    catalog.close()
    return catalog


def test_a_backup_put_in_place_is_what_is_read_and_written(catalog: Catalog) -> None:
    """Also while the file that it replaces is held open for the next use."""
    database = catalog.folder / "catalog.duckdb"
    backup = shutil.copy(database, catalog.folder / "backup")
    catalog.remember("word", "second")
    Path(backup).replace(database)
    assert catalog.recall("word", "") == "first"
    catalog.remember("word", "third")
    catalog.close()
    assert catalog.recall("word", "") == "third"


def test_a_database_that_vanishes_is_not_made_anew(catalog: Catalog) -> None:
    """A folder that was moved away or is no longer mounted is an error, not an empty catalog."""
    catalog.models()
    catalog.folder.rename(catalog.folder.with_name("elsewhere"))
    with pytest.raises(CatalogLost):
        catalog.models()
    assert not catalog.folder.exists()
    catalog.folder.with_name("elsewhere").rename(catalog.folder)
    assert catalog.recall("word", "") == "first"


def test_what_does_not_fit_into_memory_lies_beside_the_database(tmp_path: Path) -> None:
    """Not in the folder that one happens to be in; for each of two catalogs in turn."""
    for name in ("one", "two", "one"):
        catalog = Catalog(tmp_path / name)
        row = catalog._read(
            lambda cursor: cursor.execute("SELECT current_setting('temp_directory')").fetchone()
        )
        catalog.close()
        assert row == (f"{tmp_path / name}/catalog.duckdb.tmp",)


def test_patterns_are_searched_for_by_several_at_once(catalog: Catalog) -> None:
    """Threads that search with `~` do not meet in one connection."""
    errors: list[Exception] = []

    def search() -> None:
        try:
            for _ in range(30):
                assert catalog.questions('kind ~ "surf.*"') == ([], 0)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_number_of_any_length_is_compared(catalog: Catalog) -> None:
    """More digits than the database's whole numbers have is no damage."""
    assert catalog.questions(f"units > {10**40}") == ([], 0)
    assert catalog.questions(f"units < -{10**400}") == ([], 0)


def test_ctrl_c_in_a_query_is_ctrl_c(tmp_path: Path) -> None:
    """A real SIGINT while DuckDB works: KeyboardInterrupt, and the next use finds all."""
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "catalog")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.stdout == "interrupted, whole\n", ended.stderr


def test_a_path_that_leads_nowhere_is_one_sentence(tmp_path: Path) -> None:
    """A home of nobody, and a link to itself."""
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for folder in ("~nobody-of-that-name/catalog", str(tmp_path / "circle" / "catalog")):
        with pytest.raises(NotACatalog, match="leads nowhere"):
            Catalog(folder)
