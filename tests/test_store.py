"""What the catalog promises about single calls: nothing lost, nothing changed, nothing twice."""

import dataclasses
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

from store import Catalog, CatalogTooNew, NotACatalog, UnknownEntry
from store.catalog_tables import KEYS
from store.migrations import MIGRATIONS
from store.records import AnswerPiece, Direction, Measurement, Point
from tests.stored import TABLE, first_schema, ingest, piece, put_model, question


@pytest.fixture
def catalog(tmp_path: Path):
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    yield catalog
    catalog.close()


def test_every_bit_of_a_float_survives(catalog):
    """NaN with its payload, infinities and -0.0 come back as they went in, also after reopening."""
    odd = np.array([0x7FF8000000001234, 0xFFF8000000000001], dtype=np.uint64).view(np.float64)
    sent = np.concatenate([odd, [np.nan, np.inf, -np.inf, -0.0, 5e-324, 0.1]])
    catalog.ask(question(units=len(sent)))
    ingest(catalog, range(len(sent)), loss=sent)
    for _ in range(2):
        got = catalog.values("q1", TABLE)["loss"]
        assert not isinstance(got, np.ma.MaskedArray)
        assert got.dtype == np.float64
        assert (got.view(np.uint64) == sent.view(np.uint64)).all()
        catalog.close()


def test_a_nan_is_no_null_for_other_clients(catalog):
    """A stored NaN is a NaN in SQL too: NULL is kept for columns that a row never had."""
    catalog.ask(question())
    ingest(catalog, [0, 1], loss=[np.nan, 1.0])
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as plain:
        row = plain.execute(
            "SELECT count(loss), count_if(isnan(loss)) FROM surface_values"
        ).fetchone()
    assert row == (2, 1)


def test_ingesting_twice_or_overlapping_is_harmless(catalog):
    """Rows of stored units are left out, seconds count what was new, first values stay."""
    catalog.ask(question(units=6))
    assert ingest(catalog, [0, 1, 2]) == 3
    assert ingest(catalog, [0, 1, 2]) == 3
    assert ingest(catalog, [0, 2, 3, 4], loss=[9.0, 9.0, 1.5, 2.0]) == 5
    values = catalog.values("q1", TABLE)
    assert values["unit"].tolist() == [0, 1, 2, 3, 4]
    assert values["loss"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert catalog.question("q1").seconds == pytest.approx(0.2)
    assert catalog.check_integrity() != []  # model, point and problem of this test do not exist
    assert not [s for s in catalog.check_integrity() if "units" in s]


def test_a_question_is_complete_when_all_units_are_there(catalog):
    """The status follows the distinct units; facts merge."""
    catalog.ask(question(units=3))
    ingest(catalog, [2, 0], facts={"a": 1, "loss": float("nan")})
    half = catalog.question("q1")
    assert (half.status, half.units_done, half.completed) == ("open", 2, None)
    assert catalog.done_units("q1", TABLE).tolist() == [0, 2]
    ingest(catalog, [1], facts={"b": 2})
    whole = catalog.question("q1")
    assert (whole.status, whole.units_done) == ("complete", 3)
    assert whole.completed.tzinfo is not None
    assert (whole.facts["a"], whole.facts["b"]) == (1, 2)
    assert np.isnan(whole.facts["loss"])
    assert catalog.ask(question(units=3)) == whole


def test_a_unit_may_have_many_rows_in_order(catalog):
    """Rows of one unit keep the order in which they came, units are sorted."""
    catalog.ask(question())
    catalog.ingest("q1", TABLE, piece([1, 1, 1], [3.0, 1.0, 2.0]), {}, 0, {})
    catalog.ingest("q1", TABLE, piece([0, 0], [9.0, 8.0]), {}, 0, {})
    assert catalog.values("q1", TABLE)["loss"].tolist() == [9.0, 8.0, 3.0, 1.0, 2.0]
    assert catalog.units_done("q1") == 2


def test_a_later_piece_may_bring_a_new_column(catalog):
    """A table widens; rows without the column read NaN; answers that never had it lack it."""
    catalog.ask(question())
    catalog.ask(question("q2"))
    ingest(catalog, [0])
    ingest(catalog, [0], key="q2")
    catalog.ingest("q1", TABLE, {**piece([1]), "accuracy": np.array([0.75])}, {}, 0, {})
    assert np.array_equal(catalog.values("q1", TABLE)["accuracy"], [np.nan, 0.75], equal_nan=True)
    assert set(catalog.values("q2", TABLE)) == {"unit", "loss"}
    assert catalog.values("q1", "other_values") == {}


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("questions", piece([0])),
        ("x; DROP TABLE models", piece([0])),
        (TABLE, {"loss": np.zeros(1)}),
        (TABLE, {"unit": np.arange(2), "loss": np.zeros(3)}),
        (TABLE, {"unit": np.arange(1), 'a"b': np.zeros(1)}),
        (TABLE, {"unit": np.arange(1), "name": np.array(["text"])}),
        (TABLE, {"unit": np.zeros(1)}),
    ],
)
def test_columns_that_do_not_fit_are_refused(catalog, table, columns):
    """Foreign names and shapes never reach the database."""
    catalog.ask(question())
    with pytest.raises(ValueError, match="must"):
        catalog.ingest("q1", table, columns, {}, 0, {})
    assert catalog.units_done("q1") == 0


def test_floats_do_not_become_whole_numbers(catalog):
    """A column of whole numbers refuses floats rather than rounding; the piece is left out."""
    catalog.ask(question())
    catalog.ingest("q1", TABLE, {"unit": np.arange(1), "n": np.arange(1)}, {}, 0, {})
    with pytest.raises(ValueError, match="whole numbers"):
        catalog.ingest("q1", TABLE, {"unit": np.arange(1, 2), "n": np.array([0.5])}, {}, 0, {})
    assert catalog.done_units("q1", TABLE).tolist() == [0]


def test_an_import_is_found_again(catalog):
    """Problem, model, point and measurements go in together and come out as records."""
    file_hash = put_model(catalog)
    start = Point(model_id="m1", point_id="w0", label="start", step=0)
    measurement = {"problem_id": "p1", "split": "test", "name": "loss", "value": float("inf")}
    catalog.add_import(
        points=[start], measurements=[Measurement(point_id="w1", count=10, **measurement)]
    )
    catalog.ask(question())
    (model,) = catalog.models("resnet 9")
    assert model.measurements == {"test": {"loss": float("inf")}, "train": {"loss": 0.5}}
    assert (model.points, model.analyses, model.facts) == (2, 1, {"parameters": 9})
    assert [p.label for p in catalog.points("m1")] == ["start", "final"]
    assert catalog.point("w1").file_hash == file_hash
    assert catalog.problem("p1").name == "rings"
    assert catalog.models("nothing") == []
    assert catalog.check_integrity(contents=True) == []
    for wanted in (catalog.model, catalog.problem, catalog.point, catalog.job, catalog.file_path):
        with pytest.raises(UnknownEntry, match="there is no"):
            wanted("unknown")


def test_jobs_images_directions_and_memory(catalog):
    """The small tables give back what they were given; times follow the status."""
    catalog.add_job("j1", "answer", "one", {"a": 1}, question_key="q1", units=4)
    catalog.add_job("j2", "import", "two", {}, priority=5)
    catalog.update_job("j1", status="running", pid=7, worker={"device": "cuda:0"})
    running = catalog.active_job_for("q1")
    assert (running.pid, running.worker, running.finished) == (7, {"device": "cuda:0"}, None)
    catalog.update_job("j1", status="done", units_done=4)
    assert catalog.active_job_for("q1") is None
    assert [j.id for j in catalog.jobs(["done", "failed"])] == ["j1"]
    assert catalog.job("j1").started <= catalog.job("j1").finished
    with pytest.raises(ValueError, match="not a field"):
        catalog.update_job("j1", id="j3")
    with pytest.raises(UnknownEntry):
        catalog.update_job("j9", status="done")
    catalog.set_image("q1", b"old")
    catalog.set_image("q1", b"png")
    assert catalog.images(["q1", "q2"]) == {"q1": b"png"}
    direction = Direction(id="d", axis=0, recipe={"seed": 0}, facts={"norm": 2.0})
    catalog.add_directions("q1", [direction])
    assert catalog.directions("q1") == [direction]
    catalog.remember("rates", {"cpu": [1.5, None]})
    assert catalog.recall("rates", {}) == {"cpu": [1.5, None]}
    assert catalog.recall("nothing", 3) == 3
    assert catalog.recall("rates", "auto") == "auto"  # what is kept there is no text


def test_deleting_is_recoverable_until_the_trash_is_emptied(catalog):
    """Deleted analyses keep their values; emptying removes rows and the files only they had."""
    kept = put_model(catalog)
    lost = put_model(catalog, "m2", "Other", "w2")
    for key, model in (("q1", "m1"), ("q2", "m2"), ("q3", "m1")):
        catalog.ask(question(key, model_ids=(model,), point_ids=("w" + model[1],)))
        ingest(catalog, [0, 1], key=key)
        catalog.set_image(key, key.encode())
    catalog.delete_question("q1")
    catalog.delete_model("m2")
    assert {(t.what, t.id) for t in catalog.trash()} == {
        ("model", "m2"),
        ("analysis", "q1"),
        ("analysis", "q2"),
    }
    assert catalog.questions()[1] == 1
    assert [m.id for m in catalog.models()] == ["m1"]
    catalog.restore_model("m2")
    catalog.restore_question("q1")
    assert catalog.trash() == []
    assert len(catalog.values("q1", TABLE)["unit"]) == 2
    catalog.delete_model("m2")
    catalog.delete_question("q1")
    assert catalog.ask(question("q1")).units_done == 2  # asking again restores
    assert catalog.empty_trash().count == 0  # young files are spared
    assert catalog.collect(grace=0).count == 2  # weights of m2, image of q2
    assert catalog.file_path(kept).exists()
    with pytest.raises(UnknownEntry):
        catalog.file_path(lost)
    assert catalog.values("q2", TABLE) == {}
    assert catalog.question("q2") is None
    assert catalog.check_integrity(contents=True) == []


def test_a_deleted_model_stays_while_an_analysis_needs_it(catalog):
    """Emptying the trash never makes a kept analysis dangle."""
    put_model(catalog)
    catalog.ask(question())
    catalog.delete_model("m1")
    catalog.restore_question("q1")
    catalog.empty_trash(grace=0)
    assert catalog.model("m1").deleted is not None
    assert catalog.check_integrity() == []


def test_files_are_named_by_content_and_never_written_again(catalog, tmp_path):
    """The same content is kept once, under its hash, and the stored file is not touched again."""
    source = tmp_path / "weights.bin"
    source.write_bytes(b"\0" * 3_000_000)
    hash = catalog.put_file(source, ".safetensors")
    path = catalog.file_path(hash)
    inode = path.stat().st_ino
    assert catalog.put_file(source.read_bytes(), "safetensors") == hash
    assert catalog.file_path(hash).stat().st_ino == inode
    assert path.parent.name == hash[:2]
    assert [p for p in (catalog.folder / "files").rglob("*") if p.is_file()] == [path]
    path.write_bytes(b"changed")
    assert catalog.check_integrity(contents=True) == [f"the file {path} is not what was stored"]
    assert catalog.put_file(source, ".safetensors") == hash  # imported again: whole again
    assert path.read_bytes() == source.read_bytes()


def test_a_missing_file_is_found(catalog):
    """The integrity check names what a row refers to and is not there."""
    catalog.file_path(put_model(catalog)).unlink()
    (sentence,) = catalog.check_integrity()
    assert "point w1 is missing" in sentence


@pytest.mark.parametrize("content", ["hello\n", "hello " * 5000])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path, content):
    """A text file in the place of the database is never overwritten or deleted."""
    place = tmp_path / "catalog.duckdb"
    place.write_text(content)
    with pytest.raises(NotACatalog, match="not a DuckDB database"):
        Catalog(tmp_path).check()
    assert place.read_text() == content


def test_a_foreign_database_is_refused(tmp_path):
    """A DuckDB file with somebody's tables gets none of ours."""
    with duckdb.connect(tmp_path / "catalog.duckdb") as other:
        other.execute("CREATE TABLE theirs (x INT)")
    with pytest.raises(NotACatalog, match="no catalog"):
        Catalog(tmp_path).check()
    with duckdb.connect(tmp_path / "catalog.duckdb") as other:
        assert other.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("theirs",)]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    """A catalog is a folder; a file of that name is left alone."""
    (tmp_path / "c").write_text("mine")
    with pytest.raises(NotACatalog, match="not a folder"):
        Catalog(tmp_path / "c").check()


def test_a_newer_schema_is_refused(catalog):
    """A catalog of a later version is not touched by this one."""
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as later:
        later.execute("INSERT INTO migrations VALUES (99, 'later', now())")
    with pytest.raises(CatalogTooNew, match="schema 99"):
        catalog.check()


def test_a_catalog_of_the_first_schema_is_brought_up_to_date(tmp_path):
    """Opening it adds what is new and keeps every row, also when killed before a checkpoint."""
    folder = tmp_path / "old"
    first_schema(folder)
    code = f"""import os; from store import Catalog; catalog = Catalog({str(folder)!r})
catalog.note_choice("o", "cpu", {{"lanes": 4}}); print(catalog.question("q1").facts, flush=True)
os.kill(os.getpid(), 9)"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stdout.strip() == "{'a': 1}"
    catalog = Catalog(folder)
    stored_question = catalog.question("q1")
    assert (stored_question.units_done, stored_question.family, stored_question.objective) == (
        2,
        None,
        None,
    )
    assert catalog.choices("o") == {"cpu": {"lanes": 4}}
    ingest(catalog, [1, 2, 3])
    assert np.array_equal(catalog.values("q1", TABLE)["loss"], [0, np.nan, 1, 1.5], equal_nan=True)
    assert catalog.question("q1").status == "complete"
    applied = catalog._read(lambda c: c.execute("SELECT version, name FROM migrations").fetchall())
    assert applied == [(n, name) for n, (name, _) in enumerate(MIGRATIONS, start=1)]
    assert catalog._read(lambda c: c.execute("SELECT key FROM analyses").fetchall()) == [("q1",)]
    catalog.close()


def test_an_old_question_is_given_its_family_when_it_is_asked_again(tmp_path):
    """What was answered before there were families is found by them, with its answer untouched."""
    first_schema(tmp_path / "old")
    catalog = Catalog(tmp_path / "old")
    before = catalog.question("q1")
    after = catalog.ask(question(family="f", objective="o"))
    assert after == dataclasses.replace(before, family="f", objective="o")
    assert catalog.relatives("f") == [after]
    catalog.close()


def test_relatives_are_of_one_family_the_most_answered_first(catalog):
    """Neither questions of another family, nor of none, nor those in the trash are relatives."""
    for key, family, done in (
        ("a", "f", 1),
        ("b", "f", 3),
        ("c", "g", 4),
        ("d", None, 4),
        ("e", "f", 4),
    ):
        catalog.ask(question(key, family=family))
        ingest(catalog, range(done), key)
    catalog.delete_question("e")
    assert [relative.key for relative in catalog.relatives("f")] == ["b", "a"]
    assert catalog.relatives("h") == []
    catalog.restore_question("e")
    assert [relative.key for relative in catalog.relatives("f")] == ["e", "b", "a"]


def test_the_later_choice_wins_and_each_device_has_its_own(catalog):
    """A note about an objective replaces the earlier one on that device, and no other's."""
    catalog.note_choice("o", "cpu", {"choice": {"lanes": 1}, "timing": {"1": 0.2}})
    catalog.note_choice("o", "cuda", {"choice": {"lanes": 64}})
    catalog.note_choice("other", "cpu", {"choice": {"lanes": 7}})
    catalog.note_choice("o", "cpu", {"choice": {"lanes": 4}})
    catalog.close()
    assert catalog.choices("o") == {
        "cpu": {"choice": {"lanes": 4}},
        "cuda": {"choice": {"lanes": 64}},
    }
    assert catalog.choices("unknown") == {}


def test_another_process_reads_the_file_with_plain_duckdb(catalog):
    """Once idle, any DuckDB client reads tables and views, without our code."""
    put_model(catalog)
    catalog.ask(question())
    ingest(catalog, range(4))
    time.sleep(0.8)  # longer than the idle time of a lease: nobody called close()
    code = f"""import duckdb; c = duckdb.connect({str(catalog.folder / "catalog.duckdb")!r})
print(c.execute("FROM analyses SELECT models, split, seed, normalisation, status").fetchall(),
c.execute("FROM model_measurements SELECT model, name, value").fetchall())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == (
        "[('ResNet', 'train', 3, 'raw', 'complete')] [('ResNet', 'loss', 0.5)]"
    )


def test_each_filter_finds_what_it_names_among_ten_thousand(catalog):
    """Pages of the list, words and filters: what they find, and how many there are in all."""
    for id, name in (("m1", "ResNet"), ("m2", "VGG"), ("m3", "MLP")):
        put_model(catalog, id, name, f"w{id[1]}")
    catalog._write(
        lambda c: c.execute("""INSERT INTO questions BY NAME SELECT sha256(i::VARCHAR) AS key,
        ['surface', 'line', 'spectrum'][1 + i % 3] AS kind, 1 AS version, 'analysis ' || i AS title,
        json_object('split', 'train', 'seed', i, 'precision', 'float32', 'x_count', 51,
            'normalisation', 'filter', 'x_min', -1.0, 'x_max', 1.0, 'batchnorm', 'frozen')
            AS settings, 'p1' AS problem_id, ['m' || (1 + i % 3), 'm1'] AS model_ids,
        ['w1'] AS point_ids, 2601 AS units, 2601 AS units_done, 'complete' AS status,
        1.5 AS seconds, '{"barrier": 0.3}'::JSON AS facts, '{}'::JSON AS provenance,
        TIMESTAMP '2025-01-01' + INTERVAL (i) MINUTE AS created FROM range(10000) AS t(i)""")
    )
    page, total = catalog.questions()
    assert (len(page), total, page[0].title) == (24, 10000, "analysis 9999")
    assert catalog.questions(kind="line", model_id="m2", status="complete")[1] == 3333
    assert len(catalog.questions(offset=9990)[0]) == 10
    assert catalog.questions("seed 77")[1] == sum("77" in str(i) for i in range(10000))
    assert catalog.questions("vgg analysis 1234")[1] == sum(
        "1234" in str(i) and i % 3 == 1 for i in range(10000)
    )
    assert [m.analyses for m in sorted(catalog.models(), key=lambda m: m.id)] == [10000, 3333, 3333]


def test_a_renamed_model_is_found_by_its_new_name(catalog):
    """Titles follow the name, that of the other model of an analysis stays; no key changes."""
    put_model(catalog, name="a net")
    put_model(catalog, "m2", "net", "w2")
    titles = {
        "q1": ("Interpolation of a net to net", ("m1", "m2")),
        "q2": ("Interpolation of net at step 3 to a net", ("m2", "m1")),
        "q3": ("Curvature along a run of net", ("m2",)),
        "q4": ("made by hand", ("m2",)),
        "q5": ("Sharpness of net", ("m2", "m2")),
    }
    for key, (title, models) in titles.items():
        catalog.ask(question(key, title=title, model_ids=models))
    catalog.add_job("j1", "answer", titles["q1"][0], {}, question_key="q1")
    catalog.rename_model("m2", " best of all ")
    assert [catalog.model(id).name for id in ("m1", "m2")] == ["a net", "best of all"]
    assert [catalog.question(key).title for key in titles] == [
        "Interpolation of a net to best of all",
        "Interpolation of best of all at step 3 to a net",
        "Curvature along a run of best of all",
        "made by hand",
        "Sharpness of best of all",
    ]
    assert catalog.job("j1").title == "Interpolation of a net to best of all"
    put_model(catalog, name="the net")  # imported once more, under another name
    assert catalog.question("q1").title == "Interpolation of the net to best of all"
    for bad in ("", "  ", "two\nlines", "\x1b[31mred"):
        with pytest.raises(ValueError, match="must be printable and not empty"):
            catalog.rename_model("m2", bad)
    with pytest.raises(UnknownEntry):
        catalog.rename_model("m9", "x")


def test_a_model_deleted_twice_comes_back_with_all_its_analyses(catalog):
    """An analysis asked after the deletion goes into the trash with the second, and comes back."""
    put_model(catalog)
    catalog.ask(question("q1"))
    catalog.delete_model("m1")
    catalog.ask(question("q2"))
    catalog.delete_model("m1")
    assert catalog.questions()[1] == 0
    catalog.restore_model("m1")
    assert {q.key for q in catalog.questions()[0]} == {"q1", "q2"}


def test_pieces_that_came_together_are_stored_as_one_after_the_other(catalog, tmp_path):
    """Rows, seals, sums and facts are those of single pieces; what overlaps is stored once."""
    spans = [(0, 3), (3, 5), (4, 9), (4, 9)]
    pieces = [
        AnswerPiece(
            columns={"unit": np.arange(*span), "loss": np.arange(*span) / 7},
            facts={"last": span[1], f"f{span[0]}": 1},
            seconds=0.25,
            provenance={"device": "cpu"},
        )
        for span in spans
    ]
    pieces.append(AnswerPiece(columns={"unit": np.arange(9, 10), "other": np.ones(1, dtype=int)}))
    one_by_one = Catalog(tmp_path / "other")
    for place in (catalog, one_by_one):
        place.ask(question(units=10))
    counts = [
        one_by_one.ingest("q1", TABLE, p.columns, p.facts, p.seconds, p.provenance) for p in pieces
    ]
    assert counts == [3, 5, 9, 9, 10]
    assert catalog.ingest_together("q1", TABLE, pieces) == 10
    stored, single = catalog.question("q1"), one_by_one.question("q1")
    for name in ("units_done", "status", "seconds", "facts", "provenance"):
        assert getattr(stored, name) == getattr(single, name)
    ours, theirs = catalog.values("q1", TABLE), one_by_one.values("q1", TABLE)
    assert {n: v.tobytes() for n, v in ours.items()} == {n: v.tobytes() for n, v in theirs.items()}
    query = "SELECT first_unit, digest FROM value_seals ORDER BY ALL"
    assert catalog.query(query) == one_by_one.query(query)
    query = "SELECT first_unit, units, seconds FROM pieces ORDER BY ALL"
    assert catalog.query(query) == one_by_one.query(query)
    assert catalog.check_integrity() == one_by_one.check_integrity()


def test_pieces_together_are_stored_all_or_none(catalog):
    """One that does not fit takes the others with it, so that they can be brought one by one."""
    catalog.ask(question(units=10))
    good = AnswerPiece(columns={"unit": np.arange(2), "count": np.arange(2)})
    bad = AnswerPiece(columns={"unit": np.arange(2, 3), "count": np.ones(1)})
    with pytest.raises(ValueError, match="whole numbers"):
        catalog.ingest_together("q1", TABLE, [good, bad])
    assert catalog.units_done("q1") == 0
    assert catalog.values("q1", TABLE) == {}


def test_an_answer_keeps_who_computed_how_much(catalog):
    """Two machines at one answer: neither overwrites the other; what says nothing is left out."""
    catalog.ask(question(units=9))
    one, other = {"device": "cpu", "machine": "a"}, {"device": "gpu", "machine": "b"}
    for units, origin in (([0, 1], one), ([2, 3, 4], other), ([5], {}), ([6, 7], one)):
        columns = {"unit": np.array(units), "loss": np.zeros(len(units))}
        catalog.ingest("q1", TABLE, columns, {}, 0.0, origin)
    shares = [(share.provenance, share.units) for share in catalog.shares("q1")]
    assert shares == [(one, 4), (other, 3)]


def test_the_keys_that_rows_are_put_by_are_those_of_the_tables(catalog):
    """All tables that have a primary key, with its columns in order."""
    query = """SELECT table_name, constraint_column_names FROM duckdb_constraints()
        WHERE constraint_type = 'PRIMARY KEY' AND table_name <> 'migrations'"""
    with catalog._lease.cursor(10) as cursor:
        stored = {table: tuple(names) for table, names in cursor.execute(query).fetchall()}
    assert stored == KEYS


@pytest.mark.parametrize("units", [10**30, -(10**30)])
def test_a_number_that_no_column_holds_is_refused(tmp_path, units) -> None:
    """As a wrong value, not as damage of the catalog, which stays as it was and in use."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.ask(question("q1"))
    with pytest.raises(ValueError, match="a value cannot be stored"):
        catalog.ask(question("q2", units=units))
    assert [q.key for q in catalog.questions()[0]] == ["q1"]
    catalog.ask(question("q3"))
    assert {q.key for q in catalog.questions()[0]} == {"q1", "q3"}
