"""Merging brings what is missing, once, changes nothing there, and loses nothing here."""

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from explorer.__main__ import main
from store import CannotMerge, Catalog, CatalogDamaged, NotACatalog
from store.migrations import MIGRATIONS
from store.records import Direction, MergeCounts, MergedCatalogs, Point
from tests.fork_server import forked_script
from tests.stored import TABLE, ingest, piece, put_model, question

NOTHING = MergeCounts(0, 0, 0, 0, 0)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "here")
    catalog.check()
    yield catalog
    catalog.close()


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Catalog]:
    """Another catalog: a model, a complete answer with a picture, directions, and a choice."""
    catalog = Catalog(tmp_path / "there")
    catalog.check()
    put_model(catalog)
    catalog.ask(question(units=4, family="f", objective="o"))
    odd = [np.nan, np.inf, -0.0, 0.1]
    ingest(catalog, [0, 1, 2, 3], loss=odd, facts={"stand_alone": {"loss": float("nan")}})
    catalog.set_image("q1", b"a picture")
    catalog.add_directions(
        "q1", [Direction(id="d", axis=0, recipe={"seed": 3}, facts={"norm": 1.5})]
    )
    catalog.note_choice("o", "cpu", {"choice": {"batch": 7}})
    catalog.close()
    yield catalog
    catalog.close()


def kept(catalog: Catalog) -> dict[str, str]:
    """The hash of every file of a catalog that nobody has open."""
    catalog.close()
    files = [path for path in sorted(catalog.folder.rglob("*")) if path.is_file()]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def rows(catalog: Catalog) -> dict[str, list]:
    """Every row of every table but that of the migrations, as text, in a fixed order."""

    def read(cursor: duckdb.DuckDBPyConnection) -> dict[str, list]:
        query = "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
        names = sorted({n for (n,) in cursor.execute(query).fetchall()} - {"migrations"})
        rows_by_table = {name: cursor.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
        return {name: sorted(map(repr, listed)) for name, listed in rows_by_table.items()}

    return catalog._read(read)


def test_everything_comes_over_to_the_last_bit(here: Catalog, there: Catalog) -> None:
    """Into an empty catalog: the same rows in every table, the same files, and no damage."""
    before = kept(there)
    assert here.merge(there.folder) == MergeCounts(
        models=1, points=1, questions=1, units=4, files=2
    )
    assert kept(there) == before
    assert rows(here) == rows(there)
    assert here.check_integrity(contents=True) == []
    assert here.image("q1") == b"a picture"
    ours, theirs = (c.values("q1", TABLE)["loss"].view(np.uint64) for c in (here, there))
    assert (ours == theirs).all()


def test_twice_is_once(here: Catalog, there: Catalog) -> None:
    """A second merge, named by its file, brings nothing and changes no row and no file."""
    here.merge(there.folder)
    once, files = rows(here), sorted(here.folder.rglob("files/*/*"))
    assert here.merge(there.folder / "catalog.duckdb") == NOTHING
    assert rows(here) == once and sorted(here.folder.rglob("files/*/*")) == files


def test_partial_answers_are_united(here: Catalog, there: Catalog) -> None:
    """Units here stay with their values, the others come; the answer is complete with the last."""
    put_model(here)
    here.ask(question(units=4))
    ingest(here, [1, 2], loss=[7.0, 8.0], facts={"device": "here"})
    here.set_image("q1", b"half a picture")
    assert here.merge(there.folder) == MergeCounts(
        models=0, points=0, questions=0, units=2, files=1
    )
    values = here.values("q1", TABLE)
    assert values["unit"].tolist() == [0, 1, 2, 3]
    assert repr(values["loss"].tolist()) == "[nan, 7.0, 8.0, 0.1]"
    stored_question = here.question("q1")
    assert (
        stored_question.status,
        stored_question.units_done,
        stored_question.completed is None,
    ) == ("complete", 4, False)
    assert stored_question.seconds == pytest.approx(0.1 + 0.1 * 2 / 4)
    assert (
        stored_question.facts.keys() == {"device", "stand_alone"}
        and stored_question.facts["device"] == "here"
    )
    assert here.image("q1") == b"a picture"  # theirs shows all units, ours did not
    assert here.check_integrity() == []
    assert here.merge(there.folder) == NOTHING


def test_two_halves_that_are_not_the_whole(here: Catalog, there: Catalog) -> None:
    """The answer stays open, what each lacks is known, and no picture shows less than there is."""
    for catalog, units in ((here, [0, 1, 5]), (there, [1, 2, 3])):
        put_model(catalog)
        catalog.ask(question("q2", units=6))
        ingest(catalog, units, "q2", loss=[float(10 * n) for n in units])
        catalog.set_image("q2", bytes(units))
    there.close()
    here.merge(there.folder)
    stored_question = here.question("q2")
    assert (stored_question.status, stored_question.units_done, stored_question.completed) == (
        "open",
        5,
        None,
    )
    assert here.done_units("q2", TABLE).tolist() == [0, 1, 2, 3, 5]
    assert here.image("q2") is None
    assert here.check_integrity() == []
    assert ingest(here, [4], "q2") == 6


def test_units_that_come_over_keep_who_computed_them(here: Catalog, there: Catalog) -> None:
    """Of an answer of two devices a part comes over: it is of either of them, ours stays ours."""
    for catalog, pieces in (
        (here, {"mps": [0, 5]}),
        (there, {"cpu": [0, 1], "cuda": [2, 3]}),
    ):
        put_model(catalog)
        catalog.ask(question("q2", units=6))
        for device, units in pieces.items():
            catalog.ingest("q2", TABLE, piece(units), {}, 0.1, {"device": device})
    there.close()
    here.merge(there.folder)
    shares = [(share.units, share.provenance) for share in here.shares("q2")]
    assert shares == [(3, {"device": "cpu or cuda"}), (2, {"device": "mps"})]
    assert here.check_integrity() == []


def overlapping(folder: Path, number: int) -> Catalog:
    """One of several catalogs: units of an answer that its neighbours have too; of some more."""
    catalog = Catalog(folder / f"other-{number}")
    catalog.check()
    put_model(catalog)
    catalog.ask(question("shared", units=10))
    first = number % 8
    units = [first, first + 1, first + 2]
    ingest(catalog, units, "shared", loss=[n / 7 for n in units])
    own = f"own-{number}"
    if number > 5:
        put_model(catalog, own, own, f"v{number}")
        catalog.ask(question(own, units=2, model_ids=(own,), point_ids=(f"v{number}",)))
        ingest(catalog, [0, 1], own)
    catalog.close()
    return catalog


def test_many_catalogs_at_once_while_a_job_comes_in(here: Catalog, tmp_path: Path, capsys) -> None:
    """Eight that overlap, one of which is damaged, one named twice, one this very one.

    Each answer comes once, each that cannot come has its sentence, and nothing is lost of what
    another process brings in meanwhile, as the app does of a job.
    """
    others = [overlapping(tmp_path, number) for number in range(8)]
    damaged = overlapping(tmp_path, 99)
    damaged.file_path(damaged.point("v99").file_hash).write_bytes(b"something else")
    damaged.close()
    here.ask(question("job", units=20 * 50))
    here.close()
    job = forked_script(BRINGER, here.folder)
    assert job.stdout.readline() == "0\n"
    folders = [catalog.folder for catalog in others]
    named = [*folders[:4], damaged.folder, folders[0], here.folder, *folders[4:]]
    assert main(["--catalog", str(here.folder), "merge", *map(str, named)]) == 1
    shown = capsys.readouterr()
    assert shown.out == (
        "brought 3 models, 3 checkpoints, 3 analyses, 14 points of analyses, 3 files\n"
    )
    refusals = ("its content is not what was stored", "is named twice", "is this very catalog")
    lines = shown.err.splitlines()
    assert len(lines) == 3 and all(w in line for w, line in zip(refusals, lines, strict=True))
    assert job.wait() == 0
    assert here.question("job").status == "complete"
    values = here.values("shared", TABLE)
    assert values["unit"].tolist() == list(range(10))
    assert values["loss"].tolist() == [n / 7 for n in range(10)]
    assert here.question("shared").status == "complete"
    assert here.question("own-99") is None
    assert here.check_integrity(contents=True) == []
    assert here.merge_all(folders) == MergedCatalogs(NOTHING, {})


BRINGER = """
import sys
import numpy as np
from store import Catalog
from tests.stored import ingest

catalog = Catalog(sys.argv[1])
for n in range(20):
    ingest(catalog, np.arange(n * 50, n * 50 + 50), "job")
    print(n, flush=True)
"""


def test_both_ways_hold_the_same(here: Catalog, there: Catalog) -> None:
    """Law: each merged into the other, both have the same units of the same questions."""
    put_model(here, "m2", "other", "w2")
    here.ask(question("q3", units=3, model_ids=("m2",), point_ids=("w2",)))
    ingest(here, [0, 2], "q3")
    here.merge(there.folder)
    here.close()
    there.merge(here.folder)
    for key in ("q1", "q3"):
        ours, theirs = (catalog.values(key, TABLE) for catalog in (here, there))
        assert repr(ours) == repr(theirs)
    assert {m.id for m in here.models()} == {m.id for m in there.models()} == {"m1", "m2"}
    assert here.check_integrity(contents=True) == there.check_integrity(contents=True) == []


def test_more_snapshots_and_a_name_of_ones_own(here: Catalog, there: Catalog) -> None:
    """A model that both know keeps its name here and gets the checkpoints that it lacks."""
    put_model(here, name="my name")
    file = there.put_file(b"first weights", "safetensors")
    start = Point(model_id="m1", point_id="w0", label="start", step=0, file_hash=file)
    there.add_import(points=[start])
    there.close()
    assert here.merge(there.folder).points == 1
    [model] = here.models()
    assert (model.name, [p.label for p in here.points("m1")]) == ("my name", ["start", "final"])
    assert here.file_path(here.point("w0").file_hash).read_bytes() == b"first weights"


def test_the_trash_stays_where_it_is(here: Catalog, there: Catalog) -> None:
    """What was deleted there is not brought; what was deleted here only is restored."""
    put_model(there, "m2", "gone", "w2")
    there.delete_model("m2")
    there.ask(question("q2"))
    there.delete_question("q2")
    there.close()
    here.merge(there.folder)
    assert [m.id for m in here.models(include_deleted=True)] == ["m1"]
    assert here.question("q2") is None
    here.delete_model("m1")
    assert here.merge(there.folder) == NOTHING
    assert [m.id for m in here.models()] == ["m1"] and here.question("q1").deleted is None


def test_columns_that_only_one_has(here: Catalog, there: Catalog) -> None:
    """A table of values is widened; answers that lack a column have none afterwards."""
    put_model(here)
    here.ask(question("q4", units=1))
    here.ingest("q4", TABLE, {"unit": np.arange(1), "accuracy": np.ones(1)}, {}, 0.1, {})
    here.merge(there.folder)
    assert set(here.values("q1", TABLE)) == {"unit", "loss"}
    assert set(here.values("q4", TABLE)) == {"unit", "accuracy"}


def test_a_killed_writers_log_is_read(here: Catalog, there: Catalog) -> None:
    """What the other catalog holds in its write-ahead log counts, and the log stays as it is."""
    script = """
import os, signal, sys, duckdb
c = duckdb.connect(sys.argv[1])
c.execute("UPDATE models SET name = 'from the log'")
os.kill(os.getpid(), signal.SIGKILL)
"""
    there.close()
    database = str(there.folder / "catalog.duckdb")
    done = subprocess.run([sys.executable, "-c", script, database])
    assert done.returncode == -signal.SIGKILL
    before = kept(there)
    assert any(name.endswith(".wal") for name in before)
    here.merge(there.folder)
    assert kept(there) == before
    assert here.models()[0].name == "from the log"


def test_one_that_was_just_used_here_is_waited_for(here: Catalog, there: Catalog) -> None:
    """This process's own connection to the other catalog lets go when it is idle."""
    there.remember("a name", "a value")
    assert here.merge(there.folder).questions == 1


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_file_stops_it_before_any_row(here: Catalog, there: Catalog, damage: str) -> None:
    """Weights that are gone, or not what was stored: one sentence, and no row came."""
    file = there.file_path(there.point("w1").file_hash)
    there.close()
    file.unlink() if damage == "missing" else file.write_bytes(b"something else")
    with pytest.raises(CatalogDamaged, match=file.stem):
        here.merge(there.folder)
    assert here.models() == [] and here.questions() == ([], 0)


def test_a_failure_midway_leaves_no_row(here: Catalog, there: Catalog) -> None:
    """Floats for a column of whole numbers stop the merge; what came before goes with it."""
    put_model(here, "m9", "mine", "w9")
    here.ask(question("q9", units=1, model_ids=("m9",), point_ids=("w9",)))
    here.ingest("q9", TABLE, {"unit": np.arange(1), "loss": np.ones(1, dtype=int)}, {}, 0.1, {})
    before = rows(here)
    with pytest.raises(CannotMerge, match="column loss of surface_values holds whole numbers"):
        here.merge(there.folder)
    assert rows(here) == before


ODD_ROWS = {
    "no facts": "UPDATE questions SET facts = NULL",
    "facts that are a list": "UPDATE questions SET facts = '[]'",
    "provenance that is a number": "UPDATE questions SET provenance = '3'",
    "no units": "UPDATE questions SET units = NULL",
    "no seconds": "UPDATE questions SET seconds = NULL",
    "no name": "UPDATE models SET name = NULL",
    "no loss": "UPDATE measurements SET value = NULL",
    "no recipe": "UPDATE directions SET recipe = NULL",
    "units of no question": f"UPDATE {TABLE} SET unit = unit + 1000",  # noqa: S608
    "a row of no unit": f"UPDATE {TABLE} SET unit = NULL WHERE unit = 1",  # noqa: S608
    "words for a loss": f"ALTER TABLE {TABLE} ALTER loss TYPE VARCHAR USING 'low'",
    "no column of units": "DROP VIEW grids; DROP VIEW numbers; DROP VIEW analyses; "
    "DROP VIEW question_models; ALTER TABLE questions DROP COLUMN units",
    "no table of directions": "DROP TABLE directions",
}


@pytest.mark.parametrize("change", ODD_ROWS)
def test_a_catalog_changed_by_hand_is_refused_whole(
    here: Catalog, there: Catalog, change: str
) -> None:
    """NULL, odd facts, altered tables, and no seal that tells: a sentence, no row comes over."""
    there.close()
    with duckdb.connect(there.folder / "catalog.duckdb") as plain:
        plain.execute("DELETE FROM seals; DELETE FROM value_seals")
        plain.execute(ODD_ROWS[change])
    before = rows(here)
    with pytest.raises(CannotMerge, match="nothing was merged"):
        here.merge(there.folder)
    assert rows(here) == before
    assert there.check_integrity(contents=True) != []


@pytest.mark.parametrize("odd", [10**20, "none", 1e300])
def test_an_odd_setting_that_comes_over_breaks_no_view(
    here: Catalog, there: Catalog, odd: object
) -> None:
    """As a seed of 20 digits from another version: NULL in its row, all others are told."""
    settings = {"split": "train", "seed": odd, "x_count": odd, "y_min": "low"}
    there.ask(question("q7", settings=settings, units=4))
    there.close()
    here.merge(there.folder)
    assert here.query("SELECT key, seed FROM analyses ORDER BY key").rows == [
        ("q1", 3),
        ("q7", None),
    ]
    assert here.query("SELECT x_count, y_min FROM grids").rows == [(None, None)]


def test_documents_deleted_here_come_back(here: Catalog, there: Catalog) -> None:
    """As models and analyses do; under another name where its own has been taken since."""
    id = there.add_document("figure", "one", {"panels": []})
    there.close()
    here.merge(there.folder)
    here.delete_document("figure", id)
    here.add_document("figure", "one", {})
    here.merge(there.folder)
    assert [document.name for document in here.documents("figure")] == ["one", "one (2)"]


def schema(catalog: Catalog, version: int) -> None:
    """Make the catalog one of that schema version, as far as its record goes."""
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as plain:
        plain.execute("DELETE FROM migrations")
        plain.execute("INSERT INTO migrations VALUES (?, 'x', now())", [version])


def test_another_schema_is_refused(here: Catalog, there: Catalog) -> None:
    """Older or newer: the sentence says which and what to do; the other one is not migrated."""
    for version, words in ((len(MIGRATIONS) - 1, "open it once"), (99, "update this program")):
        schema(there, version)
        before = kept(there)
        with pytest.raises(CannotMerge, match=f"has schema {version}, .*{words}"):
            here.merge(there.folder)
        assert kept(there) == before


def refused(folder: Path, other: Path, capsys: pytest.CaptureFixture) -> str:
    """The one line of `merge` about what cannot be merged."""
    assert main(["--catalog", str(folder), "merge", str(other)]) == 1
    shown = capsys.readouterr()
    [line] = shown.err.splitlines()
    assert shown.out == "" and line.startswith("error: ")
    return line


def test_what_is_no_other_catalog_is_one_line(here: Catalog, tmp_path: Path, capsys) -> None:
    """A missing path, an empty folder, a text, a foreign database, the catalog itself."""
    (tmp_path / "empty").mkdir()
    text = tmp_path / "notes.txt"
    text.write_text("my notes, not a database" * 500)
    foreign = tmp_path / "foreign.duckdb"
    with duckdb.connect(foreign) as plain:
        plain.execute("CREATE TABLE mine (a INTEGER)")
    link = tmp_path / "link"
    link.symlink_to(here.folder)
    bytes_before = foreign.read_bytes()
    for other, words in (
        (tmp_path / "none", "does not exist; nothing was merged: check the path"),
        (tmp_path / "empty", "holds no catalog.duckdb"),
        (text, "is not a DuckDB database"),
        (foreign, "is a DuckDB database but no catalog"),
        (here.folder, "is this very catalog"),
        (link / "catalog.duckdb", "is this very catalog"),
    ):
        assert words in refused(here.folder, other, capsys), other
    assert foreign.read_bytes() == bytes_before
    assert not (tmp_path / "empty" / "catalog.duckdb").exists()
    with pytest.raises(NotACatalog):
        here.merge(text)


def test_an_empty_database_is_refused(here: Catalog, tmp_path: Path) -> None:
    """A DuckDB file without any table is of schema 0, and stays so."""
    empty = tmp_path / "empty.duckdb"
    duckdb.connect(empty).close()
    with pytest.raises(CannotMerge, match="has schema 0"):
        here.merge(empty)


def test_the_command_says_what_came(here: Catalog, there: Catalog, capsys) -> None:
    """Counts of what was brought; nothing the second time."""
    here.close()
    command = ["--catalog", str(here.folder), "merge", str(there.folder)]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        "brought 1 model, 1 checkpoint, 1 analysis, 4 points of analyses, 2 files\n"
    )
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("brought nothing new")
