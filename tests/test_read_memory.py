"""What is read twice of a catalog that has not changed is read once, and never from before."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Catalog, UnknownEntry
from store.door import Door
from tests.stored import put_model, question
from tests.tiny import ROOT

RENAME = """
import sys
from store import Catalog
Catalog(sys.argv[1]).rename_model("m1", "theirs")
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalog with a model and a question."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    put_model(catalog)
    catalog.ask(question())
    yield catalog
    catalog.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each transaction that reads, as it happens."""
    seen: list[str] = []
    read = Door._read
    monkeypatch.setattr(Door, "_read", lambda self, work: seen.append("") or read(self, work))
    return seen


def test_what_has_not_changed_is_read_once(catalog: Catalog, reads: list[str]) -> None:
    """By any object of the catalog in this process, also after the file was let go."""
    first = (catalog.models(), catalog.question("q1"), catalog.questions("surface"))
    catalog.close()
    first = (catalog.models(), catalog.question("q1"), catalog.questions("surface"))
    count = len(reads)
    assert count >= 3
    again = Catalog(catalog.folder)
    assert (again.models(), again.question("q1"), again.questions("surface")) == first
    assert len(reads) == count
    assert again.models("nothing like it") == []  # another question is another read
    assert len(reads) == count + 1


def test_each_change_is_seen_at_once(catalog: Catalog) -> None:
    """A hundred changes, each read after it was made, with the file open and let go."""
    for number in range(100):
        catalog.rename_model("m1", f"name {number}")
        if number % 10 == 0:
            catalog.close()
        assert catalog.model("m1").name == f"name {number}"
        assert [model.name for model in catalog.models()] == [f"name {number}"]


def test_readers_in_other_threads_see_each_change(catalog: Catalog) -> None:
    """While one thread reads on and on, what is read after a change is never from before it."""
    ended = threading.Event()

    def read_on() -> None:
        while not ended.is_set():
            catalog.model("m1")

    readers = [threading.Thread(target=read_on) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for number in range(40):
            catalog.rename_model("m1", f"name {number}")
            assert catalog.model("m1").name == f"name {number}"
    finally:
        ended.set()
        for reader in readers:
            reader.join()


def test_a_change_by_another_process_is_seen(catalog: Catalog) -> None:
    """What it has stored is there when it has ended."""
    assert catalog.model("m1").name == "ResNet"
    catalog.close()
    subprocess.run([sys.executable, "-c", RENAME, str(catalog.folder)], cwd=ROOT, check=True)
    assert catalog.model("m1").name == "theirs"


def test_another_database_in_its_place_is_read(catalog: Catalog, tmp_path: Path) -> None:
    """A file that was put there instead is another one, and so is none."""
    copy = tmp_path / "copy.duckdb"
    catalog.close()
    shutil.copy(catalog.folder / "catalog.duckdb", copy)
    catalog.rename_model("m1", "later")
    assert catalog.model("m1").name == "later"
    catalog.close()
    copy.replace(catalog.folder / "catalog.duckdb")
    assert catalog.model("m1").name == "ResNet"


def test_what_one_reader_changes_is_its_own(catalog: Catalog) -> None:
    """A list or a mapping that was given out is not what the next one is given."""
    catalog.models()
    models = catalog.models()
    models[0].facts["mine"] = 1
    models.clear()
    assert [dict(model.facts) for model in catalog.models()] == [{"parameters": 9}]


def test_what_is_not_there_is_looked_for_again(catalog: Catalog) -> None:
    """A refusal is not remembered."""
    for _ in range(2):
        with pytest.raises(UnknownEntry):
            catalog.model("m2")
    put_model(catalog, "m2", point="w2")
    assert catalog.model("m2").id == "m2"
