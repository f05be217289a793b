"""What was changed behind the catalog's back is found; what was not, is not."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from explorer.__main__ import main
from store import Catalog, CatalogDamaged, CatalogError
from store.blocks import damaged_blocks
from store.catalog_tables import CATALOG_TABLES
from store.instance import CONFIG
from store.records import Direction, Point
from tests.stored import TABLE, first_schema, ingest, piece, put_model, question


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with two models, two answers in several pieces, directions and a picture."""
    catalog = Catalog(tmp_path_factory.mktemp("whole") / "catalog")
    for number in "12":
        key, model, point = f"q{number}", f"m{number}", f"w{number}"
        put_model(catalog, model, f"net {number}", point)
        catalog.ask(question(key, units=6, model_ids=(model,), point_ids=(point,)))
        catalog.add_directions(key, [Direction(id="d", axis=a, recipe={"seed": a}) for a in (0, 1)])
        ingest(catalog, [0, 2], key=key, facts={"a": 1})
        ingest(catalog, [1, 3, 4], key=key, loss=[np.nan, np.inf, -0.0], facts={"b": [0.5]})
        catalog.ingest(key, TABLE, {**piece([5, 5]), "accuracy": np.array([0.5, 1.0])}, {}, 0.1, {})
        catalog.set_image(key, key.encode())
    catalog.rename_model("m1", "another name")
    catalog.delete_question("q2")
    catalog.restore_question("q2")
    assert catalog.check_integrity(contents=True) == []
    assert catalog.unsealed_count() == 0
    catalog.close()
    return catalog.folder


@pytest.fixture
def catalog(whole: Path, tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(shutil.copytree(whole, tmp_path / "catalog"))
    yield catalog
    catalog.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE surface_values SET loss = 0.25 WHERE question_key = 'q1' AND unit = 2", "values"),
        ("UPDATE surface_values SET loss = NULL WHERE question_key = 'q1' AND unit = 2", "values"),
        ("UPDATE surface_values SET loss = 5e-324 WHERE unit = 4", "values"),
        ("UPDATE surface_values SET loss = NULL WHERE isnan(loss)", "values"),
        ("UPDATE surface_values SET accuracy = NULL WHERE question_key = 'q1'", "values"),
        ("UPDATE surface_values SET unit = 7 WHERE question_key = 'q1' AND unit = 2", "rows"),
        ("UPDATE surface_values SET unit = NULL WHERE question_key = 'q1' AND unit = 2", "rows"),
        ("INSERT INTO surface_values SELECT * FROM surface_values WHERE unit = 0", "rows"),
        ("DELETE FROM surface_values WHERE question_key = 'q1' AND accuracy = 0.5", "rows"),
        ("DROP TABLE surface_values", "gone"),
        ("DELETE FROM directions WHERE question_key = 'q1' AND axis = 1", "directions"),
        ("UPDATE directions SET recipe = '{\"seed\": 9}' WHERE question_key = 'q1'", "directions"),
        ("DELETE FROM pieces WHERE question_key = 'q1' AND first_unit = 0", "pieces"),
        ("DELETE FROM pieces", "pieces"),
        ("UPDATE questions SET settings = '{}' WHERE key = 'q1'", "settings"),
        ("UPDATE questions SET facts = '{}' WHERE key = 'q1'", "facts"),
        ("UPDATE questions SET units_done = 3, status = 'open' WHERE key = 'q1'", "q1"),
        ("UPDATE questions SET point_ids = ['w2'] WHERE key = 'q1'", "subjects"),
        ("DELETE FROM questions WHERE key = 'q1'", "gone"),
        ("UPDATE points SET file_hash = (SELECT max(file_hash) FROM points)", "points"),
        ("UPDATE measurements SET value = 0.4 WHERE point_id = 'w1'", "measurements"),
        ("DELETE FROM measurements WHERE point_id = 'w1'", "measurements"),
        ("UPDATE models SET point_id = 'w2' WHERE id = 'm1'", "m1"),
        ("DELETE FROM models WHERE id = 'm1'", "m1"),
        ("UPDATE problems SET arguments = '{\"width\": 3}'", "problem p1"),
    ],
)  # fmt: skip
def test_a_change_by_another_client_is_found(catalog: Catalog, change: str, said: str) -> None:
    """Values, rows, directions, pieces, settings, facts, files of points: a sentence names each."""
    with duckdb.connect(catalog.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute(change)
    wrong = catalog.check_integrity(contents=True)
    assert any(said in sentence for sentence in wrong), wrong
    assert not any("\n" in sentence for sentence in wrong)


def test_a_later_write_does_not_hide_a_change(catalog: Catalog) -> None:
    """Asking, answering or importing again does not make what was changed the truth."""
    with duckdb.connect(catalog.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute("UPDATE questions SET settings = '{}' WHERE key = 'q1'")
        other.execute("UPDATE measurements SET value = 9 WHERE point_id = 'w1'")
    catalog.delete_question("q1")
    catalog.ask(question("q1", units=6))
    ingest(catalog, [0])
    catalog.add_import(points=[Point(model_id="m1", point_id="w9", label="new", step=9)])
    said = " ".join(catalog.check_integrity())
    assert "analysis q1 is not what was stored" in said
    assert "model m1 is not what was stored" in said


def test_swapped_files_are_found(catalog: Catalog) -> None:
    """Two checkpoints whose contents changed places are no longer what their names say."""
    one, two = (catalog.file_path(catalog.point(p).file_hash) for p in ("w1", "w2"))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)
    assert len(catalog.check_integrity(contents=True)) == 2


def test_nothing_damaged_comes_over_by_a_merge(catalog: Catalog, tmp_path: Path) -> None:
    """A merge carries the seals along, and refuses what does not fit its seal."""
    here = Catalog(tmp_path / "here")
    assert here.merge(catalog.folder).questions == 2
    assert (here.check_integrity(contents=True), here.unsealed_count()) == ([], 0)
    with duckdb.connect(catalog.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute("UPDATE surface_values SET loss = 7 WHERE question_key = 'q1' AND unit = 2")
    elsewhere = Catalog(tmp_path / "elsewhere")
    with pytest.raises(CatalogDamaged, match="the values are not what was stored"):
        elsewhere.merge(catalog.folder)
    assert elsewhere.models() == []
    here.close()
    elsewhere.close()


def test_every_flipped_bit_in_a_used_block_is_found(whole: Path, tmp_path: Path) -> None:
    """In tables, indexes and lists of blocks; in each case sentences, never a traceback."""
    packed = tmp_path / "packed.duckdb"
    with duckdb.connect(packed, config=CONFIG) as new:  # all of its blocks are used
        new.execute(f"ATTACH '{whole / 'catalog.duckdb'}' AS old (READ_ONLY)")
        new.execute("COPY FROM DATABASE old TO packed")
    assert damaged_blocks(packed) == []
    content, draw = packed.read_bytes(), random.Random(5)
    blocks = (len(content) - 3 * 4096) // (1 << 18)
    for block in draw.sample(range(blocks), 8):
        damaged = bytearray(content)
        place = 3 * 4096 + block * (1 << 18) + draw.randrange(8, 1 << 18)
        damaged[place] ^= 1 << draw.randrange(8)
        folder = tmp_path / str(block)
        folder.mkdir()
        (folder / "catalog.duckdb").write_bytes(damaged)
        catalog = Catalog(folder)
        try:
            wrong = catalog.check_integrity(contents=True)
        except CatalogError as error:
            wrong = [str(error)]
        catalog.close()
        assert any("rebuild" in sentence for sentence in wrong), (block, wrong)


def test_what_an_older_version_stored_can_be_sealed(tmp_path: Path, capsys) -> None:
    """It is no damage; once sealed a change of it is found."""
    first_schema(tmp_path / "old")
    catalog = Catalog(tmp_path / "old")
    with duckdb.connect(catalog.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute("INSERT INTO problems VALUES ('p1', 'p', '/p', '5', '{}', '{}', now())")
        other.execute("INSERT INTO models VALUES ('m1', 'm', 'p1', 'w1', '{}', now(), NULL)")
        other.execute("INSERT INTO points VALUES ('m1', 'w1', 'end', 1, NULL, '{}', now())")
        other.execute("INSERT INTO pieces VALUES ('q1', 0, 2, 0.1, '{}', now())")
    assert catalog.unsealed_count() == 4  # problem, model, analysis, values
    ingest(catalog, [2])
    assert main(["--catalog", str(catalog.folder), "check"]) == 0
    assert "4 entries are of an older version" in capsys.readouterr().out
    assert main(["--catalog", str(catalog.folder), "check", "--seal"]) == 0
    assert catalog.unsealed_count() == 0
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute("UPDATE surface_values SET loss = 3 WHERE unit = 0")
    assert main(["--catalog", str(catalog.folder), "check"]) == 1
    assert "units 0 to 1: the values are not what was stored" in capsys.readouterr().out
    catalog.close()


GAPS = [
    (table.name, column)
    for table in CATALOG_TABLES
    if table.name in ("problems", "models", "points", "measurements", "questions", "directions")
    for column in (*table.needed, *table.json)
]


@pytest.mark.parametrize(("table", "column"), GAPS)
def test_a_row_with_a_gap_is_listed_and_holds_up_no_command(
    catalog: Catalog, tmp_path: Path, capsys, table: str, column: str
) -> None:
    """NULL by hand: the check names the row, other commands give their lines or one sentence."""
    catalog._write(lambda c: c.execute(f"UPDATE {table} SET {column} = NULL"))  # noqa: S608
    at = ["--catalog", str(catalog.folder)]
    assert main([*at, "check"]) == 1
    assert f" of {table} has no {column}\n" in capsys.readouterr().out
    target = str(tmp_path / "out.csv")
    for command in (
        ["list"],
        ["list", "--json"],
        ["jobs"],
        ["list", "m1"],
        ["compute", "line", "--model", "another name", "--dry-run"],
        ["export", "q1", target],
        ["draw", "q1", target.replace(".csv", ".svg")],
        ["sql", "SELECT * FROM analyses"],
        ["delete", "net 2", "--yes"],
    ):
        status = main([*at, *command])
        assert capsys.readouterr().err.count("\n") == status, command


def test_a_table_without_a_column_is_a_sentence(catalog: Catalog, capsys) -> None:
    """What is in the others is not said to be damaged, and nothing ends in a traceback."""

    def work(cursor: duckdb.DuckDBPyConnection) -> None:
        for view in ("grids", "numbers", "analyses", "question_models"):
            cursor.execute(f"DROP VIEW {view}")
        cursor.execute("ALTER TABLE questions DROP COLUMN settings")

    catalog._write(work)
    at = ["--catalog", str(catalog.folder)]
    assert main([*at, "list"]) == 1
    assert "lacks the column settings, and" in capsys.readouterr().err
    assert main([*at, "check"]) == 1
    (sentence,) = capsys.readouterr().out.splitlines()
    assert sentence == "table questions is not as it was made: it lacks settings (json)"


def test_numbers_of_an_analysis_that_is_gone_are_found(catalog: Catalog) -> None:
    """The check knows every table whose rows go with an analysis."""
    catalog.set_numbers("nobody", {"loss": (1.0, 0.5, 1.5)}, 3)
    (sentence,) = catalog.check_integrity()
    assert sentence == "result_numbers has rows of analysis nobody, which is not stored"


def test_a_file_that_a_document_names_is_kept(catalog: Catalog) -> None:
    """A hash anywhere in a figure or a study counts as in every other table."""
    hash = catalog.put_file(b"drawn by hand", "png")
    catalog.add_document("figure", "one", {"panels": [{"picture": hash}]})
    assert catalog.collect(grace=0).count == 0
    assert catalog.file_path(hash).read_bytes() == b"drawn by hand"
