"""Catalogs that others own are shown beside what is here: nothing is written there, or lost."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import numpy as np
import pytest

from explorer.__main__ import main
from explorer.ask import questions
from explorer.importing import catalogs
from explorer.kinds.line import LINE, LineSettings
from explorer.pages import _running
from explorer.pages._links import Subjects, address_of
from store import CannotShare, Catalog, CatalogDamaged, CatalogTooNew, SharedCatalogAway
from store.errors import FileAway
from store.migrations import MIGRATIONS
from store.records import MergeCounts
from tests.filling import add_answer, add_tiny, new_catalog
from tests.fork_server import forked_script
from tests.screen import fine, opened, pressed, texts
from tests.stored import TABLE, ingest, put_model, question
from tests.tiny import end_workers

KEY = "q1"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "here")
    catalog.check()
    yield catalog
    catalog.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Catalog]:
    """Somebody else's: a model, an answer with a picture, one half done, a figure."""
    catalog = Catalog(tmp_path / "group" / ".catalog")
    catalog.check()
    put_model(catalog)
    catalog.ask(question(units=4))
    ingest(catalog, [0, 1, 2, 3])
    catalog.set_image(KEY, b"a picture")
    catalog.ask(question("half", units=4))
    ingest(catalog, [1], "half")
    catalog.add_document("figure", "theirs", {})
    catalog.close()
    yield catalog
    catalog.close()


def content(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything that lies in a folder: when it was changed, and what is in it."""
    return {
        str(p): (p.stat().st_mtime_ns, p.stat().st_ino, p.read_bytes() if p.is_file() else b"")
        for p in sorted([folder, *folder.rglob("*")])
    }


def test_it_is_shown_and_nothing_is_written_there(here: Catalog, there: Catalog) -> None:
    """Models, answers and pictures as there, each with its name; only pictures are copied."""
    before = content(there.folder)
    name, new = here.add_shared(there.folder)
    assert (name, new) == ("group", MergeCounts(models=1, points=1, questions=2, units=5))
    assert here.refresh_shared("group") == MergeCounts()
    assert {q.key: (q.origin, q.units_done) for q in here.questions()[0]} == {
        KEY: ("group", 4),
        "half": ("group", 1),
    }
    assert [m.origin for m in here.models()] == ["group"] and here.documents("figure") == []
    assert here.image(KEY) == b"a picture"
    assert here.file_path(here.point("w1").file_hash).is_relative_to(there.folder)
    assert [file.suffix for file in here.folder.rglob("files/*/*")] == [".png"]
    assert here.questions(facets={"shared": ["group"]})[1] == 2
    assert here.questions('shared == "group" and status == "open"')[1] == 1
    assert here.facets()["shared"] == {"group": 2}
    assert here.check_integrity(contents=True) == []
    assert content(there.folder) == before


def test_it_is_followed_and_what_was_deleted_here_stays_away(here: Catalog, there: Catalog) -> None:
    """What comes there comes here, what goes there goes here; the trash here is mine."""
    here.add_shared(there.folder)
    there.ask(question("new", units=1))
    ingest(there, [0], "new")
    ingest(there, [2], "half")
    there.close()
    assert here.refresh_shared("group").units == 2
    assert here.done_units("half", TABLE).tolist() == [1, 2]
    here.delete_question("new")
    ingest(there, [3], "half")
    there.close()
    here.refresh_shared("group")
    assert here.question("new").deleted is not None
    here.empty_trash()
    there.delete_question(KEY)
    there.close()
    here.refresh_shared("group")
    assert [q.key for q in here.questions()[0]] == ["half"]
    assert here.question("new") is None and here.check_integrity() == []


def test_what_i_made_of_it_stays_when_it_is_removed(here: Catalog, there: Catalog) -> None:
    """My answers about its models, and what I went on with: with their files, and mine from now."""
    here.add_shared(there.folder, "lab")
    here.ask(question("mine", units=1))
    ingest(here, [0], "mine")
    here.add_job("j", "answer", "go on", {}, question_key="half")
    ingest(here, [0], "half")
    assert here.question("mine").origin == ""
    assert here.remove_shared("lab") == 0
    assert {q.key: q.origin for q in here.questions()[0]} == {"mine": "", "half": ""}
    assert [m.origin for m in here.models()] == [""] and here.shared_catalogs() == []
    assert here.file_path(here.point("w1").file_hash).is_relative_to(here.folder)
    assert here.check_integrity(contents=True) == []


def test_one_that_is_away_is_a_sentence(here: Catalog, there: Catalog) -> None:
    """What was read of it is shown; files say where they lie; it can be removed, and told so."""
    here.add_shared(there.folder)
    here.ask(question("mine", units=1))
    there.folder.rename(there.folder.with_name("moved"))
    with pytest.raises(SharedCatalogAway, match="the shared catalog group is away"):
        here.refresh_shared("group")
    assert list(catalogs.refresh_shared(here)) == ["group"]
    assert here.values(KEY, TABLE)["unit"].tolist() == [0, 1, 2, 3]
    assert here.image(KEY) == b"a picture"
    with pytest.raises(FileAway, match="lies in the shared catalog group, which is away"):
        here.file_path(here.point("w1").file_hash)
    assert any("which is away" in sentence for sentence in here.check_integrity())
    assert here.remove_shared("group") == 1
    assert [q.key for q in here.questions()[0]] == ["mine"]


OWNER = """
import sys, time
import duckdb

held = duckdb.connect(sys.argv[1])
held.execute("DELETE FROM seals WHERE id = 'much'")
for rows in range(1000):
    held.execute("BEGIN")
    held.execute("INSERT INTO surface_values VALUES ('much', ?, 0.5)", [rows])
    held.execute("INSERT INTO pieces VALUES ('much', ?, 1, 0.1, '{}', now())", [rows])
    held.execute("UPDATE questions SET units_done = ? WHERE key = 'much'", [rows + 1])
    held.execute("COMMIT")
    print(rows, flush=True)
    time.sleep(0.3)
"""


def test_one_that_is_being_written_is_read_when_it_is_quiet(here: Catalog, there: Catalog) -> None:
    """Its owner has it open and commits again and again: a copy of one state comes over."""
    there.ask(question("much", units=100_000))
    there.close()
    owner = forked_script(OWNER, there.folder / "catalog.duckdb")
    try:
        assert owner.stdout.readline() == "0\n"
        here.add_shared(there.folder)
        assert owner.poll() is None
    finally:
        owner.kill()
        owner.wait()
    much = here.question("much")
    assert much.units_done > 0
    assert here.done_units("much", TABLE).tolist() == list(range(much.units_done))
    assert here.check_integrity() == []
    here.refresh_shared("group")
    assert here.question("much").units_done >= much.units_done


def test_what_cannot_be_shared_is_refused_and_leaves_nothing(
    here: Catalog, there: Catalog, tmp_path: Path
) -> None:
    """This very one, none at all, twice, a taken name, a damaged or newer one: a sentence each."""
    here.add_shared(there.folder)
    copy = tmp_path / "copy"
    shutil.copytree(there.folder, copy)
    (tmp_path / "notes.txt").write_text("no catalog")
    for folder, name, words in (
        (here.folder, "", "is this very catalog; it is not shown here"),
        (tmp_path / "none", "", "does not exist"),
        (tmp_path / "notes.txt", "", "notes.txt is a file and no catalog; it is not shown here"),
        (there.folder, "again", "is shown already, as group"),
        (copy, "group", "already; choose another name"),
        (copy, "a\nb", "printable name"),
    ):
        with pytest.raises((CannotShare, ValueError), match=words):
            here.add_shared(folder, name)
    with duckdb.connect(copy / "catalog.duckdb") as plain:
        plain.execute("UPDATE surface_values SET loss = 7; UPDATE questions SET key = 'x' || key;")
        plain.execute("UPDATE surface_values SET question_key = 'x' || question_key")
        plain.execute("UPDATE value_seals SET question_key = 'x' || question_key")
        plain.execute("UPDATE seals SET id = 'x' || id WHERE what = 'analysis'")
    with pytest.raises(CatalogDamaged, match="the values are not what was stored"):
        here.add_shared(copy, "damaged")
    with duckdb.connect(copy / "catalog.duckdb") as plain:
        plain.execute("INSERT INTO migrations VALUES (99, 'x', now())")
    with pytest.raises(CatalogTooNew):
        here.add_shared(copy, "newer")
    assert [shared.name for shared in here.shared_catalogs()] == ["group"]
    assert here.questions()[1] == 2


def test_an_older_schema_is_read_in_its_copy(here: Catalog, there: Catalog) -> None:
    """Nobody has to open it with this version, which could not be done where it is read-only."""
    with duckdb.connect(there.folder / "catalog.duckdb") as plain:
        plain.execute("DROP TABLE shared_catalogs; DROP TABLE origins")
        plain.execute("DELETE FROM migrations WHERE version = ?", [len(MIGRATIONS)])
    before = content(there.folder)
    assert here.add_shared(there.folder)[1].questions == 2
    assert content(there.folder) == before


def test_a_merge_takes_files_from_where_they_lie(
    here: Catalog, there: Catalog, tmp_path: Path
) -> None:
    """A catalog with a shared one is merged, or shared, whole: also what it has by sharing."""
    here.add_shared(there.folder)
    here.close()
    merged, third = Catalog(tmp_path / "merged"), Catalog(tmp_path / "third")
    assert merged.merge(here.folder).files == 2
    third.add_shared(here.folder)
    assert third.file_path(third.point("w1").file_hash).is_relative_to(there.folder)
    for catalog in (merged, third):
        assert catalog.questions()[1] == 2 and catalog.check_integrity(contents=True) == []
        catalog.close()
    assert merged.question(KEY).origin == "" and third.question(KEY).origin == "here"
    merged.close()
    here.merge(there.folder)
    assert here.question(KEY).origin == ""
    assert here.file_path(here.point("w1").file_hash).is_relative_to(here.folder)


def test_commands_find_what_was_computed_there(tmp_path: Path, capsys) -> None:
    """A real answer is found at once; another question of its model is computed into mine."""
    group = new_catalog(tmp_path / "group")
    model = add_tiny(group, tmp_path, "theirs")
    answered = add_answer(group, LINE, LineSettings(x_count=3), (model, ""))
    group.close()
    mine = ["--catalog", str(tmp_path / "mine")]
    capsys.readouterr()
    before = content(group.folder)
    assert main([*mine, "share", "add", str(group.folder)]) == 0
    assert capsys.readouterr().out.startswith("group: brought 1 model, 1 checkpoint, 1 analysis")
    assert main([*mine, "compute", "line", "--model", "theirs", "--x-count", "3"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (f"{answered.key}\n", "already computed in group\n")
    catalog = Catalog(tmp_path / "mine")
    assert catalog.jobs() == []
    own = add_answer(catalog, LINE, LineSettings(x_count=5), (catalog.models()[0], ""))
    assert own.origin == "" and own.status == "complete"
    assert questions.result_of(catalog, answered) is not None
    main([*mine, "list"])
    listed = capsys.readouterr().out
    assert listed.count(", from group") == 2 and "model theirs" in listed
    assert content(group.folder) == before
    group.folder.rename(tmp_path / "away")
    assert main([*mine, "share", "list"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("group: ") and shown.err.startswith("note: the shared catalog gr")
    assert main([*mine, "share", "remove", "group"]) == 0
    end_workers(catalog)
    catalog.close()


def test_the_page_shares_marks_and_removes(
    here: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cards and the answer's page say whose it is; away is a warning; a press removes it."""
    group = new_catalog(tmp_path / "group")
    model = add_tiny(group, tmp_path, "theirs")
    key = add_answer(group, LINE, LineSettings(x_count=3), (model, "")).key
    group.close()
    new_catalog(here.folder).close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(here.folder))
    app = fine(opened())
    app.text_input(key="shared-folder").set_value(str(group.folder))
    app = fine(pressed(app, "Share"))
    assert "from group" in "\n".join(texts(app, "markdown", "caption"))
    address = address_of(here.question(key), Subjects(here))
    answer = fine(opened("explorer/pages/line.py", **parse_qs(urlsplit(address).query)))
    captions = "\n".join(texts(answer, "caption"))
    assert "3 points already computed in group." in captions
    group.folder.rename(tmp_path / "away")
    state = _running.app_state()
    state.shared.troubles = catalogs.refresh_shared(state.catalog)
    app = opened()
    assert any("is away" in warning.value for warning in app.warning)
    app = fine(pressed(app, "Remove"))
    assert here.models() == [] and here.shared_catalogs() == []


def test_shared_rows_are_found_by_the_same_queries(here: Catalog, there: Catalog) -> None:
    """Law: a question's answer is the same, to the last bit, whether it is shared or merged."""
    here.add_shared(there.folder)
    ours, theirs = (c.values(KEY, TABLE) for c in (here, there))
    assert {n: v.tobytes() for n, v in ours.items()} == {n: v.tobytes() for n, v in theirs.items()}
    assert np.array_equal(here.done_units("half", TABLE), there.done_units("half", TABLE))
