"""Commands that look after a catalog: SQL that only reads, the trash, exports, newer versions."""

import csv
import io
import json
import resource
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from explorer.__main__ import main
from store import CannotQuery, Catalog
from store.instance import CONFIG
from store.new_file import write_new
from tests.stored import ingest, put_model, question


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path_factory.mktemp("upkeep") / "catalog")
    put_model(catalog)
    put_model(catalog, "m2" * 8, "bob's\x1b[31m net", "w2")
    catalog.ask(question())
    ingest(catalog, range(3), loss=[np.nan, np.inf, 1.5])
    yield catalog
    catalog.close()


def ran(catalog: Catalog, *arguments: str, status: int = 0) -> None:
    assert main(["--catalog", str(catalog.folder), *arguments]) == status


def test_sql_shows_nan_and_null_as_such(catalog: Catalog, capsys) -> None:
    """On the terminal, as JSON and as CSV; nothing in a name reaches the terminal as an order."""
    query = "SELECT unit, loss, NULL AS nothing FROM surface_values ORDER BY unit"
    ran(catalog, "sql", query)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["unit", "loss", "nothing"],
        ["0", "NaN", "NULL"],
        ["1", "inf", "NULL"],
        ["2", "1.5", "NULL"],
        ["3", "rows"],
    ]
    ran(catalog, "sql", query, "--json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["loss"] for row in rows] == ["NaN", "inf", 1.5]
    assert rows[0]["nothing"] is None
    ran(catalog, "sql", query, "--csv")
    csv_rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert csv_rows[:2] == [["unit", "loss", "nothing"], ["0", "NaN", ""]]
    ran(catalog, "sql", "SELECT '=1' AS a, -1.5 AS b, '-inf'::DOUBLE AS c, -2::INT AS d", "--csv")
    assert capsys.readouterr().out == "a,b,c,d\n'=1,-1.5,-inf,-2\n"
    ran(catalog, "sql", "SELECT name, model_ids FROM models, questions ORDER BY name")
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM models",
        "CREATE TABLE mine (x INT)",
        "UPDATE models SET name = 'x'",
        "SELECT 1; DROP TABLE models",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "COPY models TO '{folder}/out.csv'",
        "ATTACH '{folder}/other.duckdb' AS other",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "COPY (SELECT 1) TO '{folder}/catalog.duckdb' (FORMAT csv, USE_TMP_FILE false)",
        "COPY (SELECT 1) TO '{folder}/catalog.duckdb.wal' (FORMAT csv, USE_TMP_FILE false)",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/catalog.duckdb' (USE_TMP_FILE false)",
        "SELECT size FROM read_blob('{folder}/catalog.duckdb')",
        "COMMIT",
        "CHECKPOINT",
        "SELECT '\ud800'",
        "SELEKT",
        "SELECT nothing FROM models",
        "",
    ],
)
def test_sql_that_does_more_than_read_is_one_sentence(
    catalog: Catalog, statement: str, capsys
) -> None:
    """Writes, other files, settings and what is no SQL: refused, and nothing has changed."""
    with pytest.raises(CannotQuery):
        catalog.query(statement.format(folder=catalog.folder))
    ran(catalog, "sql", statement.format(folder=catalog.folder), status=1)
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert len(catalog.models()) == 2
    assert {p.name for p in catalog.folder.iterdir()} <= {"catalog.duckdb", "files"}


MANY = "SELECT i, i / 7 AS share, 'row ' || i AS name FROM range({}) AS t(i)"


@pytest.mark.parametrize(("form", "count"), [("", 50_000), ("--csv", 50_000), ("--json", 10_000)])
def test_sql_holds_no_large_result(catalog: Catalog, form: str, count: int, capfd) -> None:
    """Of many rows a table has the first 1,000 and says so, a file all; few are in memory."""
    tracemalloc.start()
    try:
        ran(catalog, "sql", MANY.format(count), *filter(None, [form]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    shown = capfd.readouterr()
    assert peak < 5e6 + 2 * len(shown.out) * bool(form)  # bytes; what waits is held up to 64 MiB
    if not form:
        assert shown.out.endswith("1,000 rows\n") and shown.out.count("\n") == 1002
        assert shown.err == "these are the first 1,000 rows; --csv or --json gives all\n"
    elif form == "--csv":
        assert shown.out.count("\n") == count + 1 and shown.out.endswith("row 49999\n")
    else:
        assert json.loads(shown.out)[-1]["name"] == "row 9999"


def test_sql_that_fails_late_prints_nothing(catalog: Catalog, capsys) -> None:
    """A row that cannot be computed after thousands that could: one sentence, and no half file."""
    late = "SELECT CAST(CASE WHEN i < 90000 THEN '1' ELSE 'x' END AS INT) FROM range(100000) t(i)"
    ran(catalog, "sql", late, "--csv", status=1)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("\n") == 1 and "Could not convert" in shown.err


def test_sql_while_the_catalog_is_in_use(catalog: Catalog) -> None:
    """The same process has it open for writing before and after."""
    for count in range(3):
        catalog.remember("count", count)
        ((value,),) = catalog.query("SELECT value FROM settings WHERE name = 'count'").rows
        assert json.loads(value) == count


def test_a_model_is_renamed_deleted_and_restored(catalog: Catalog, capsys, monkeypatch) -> None:
    """By name or by the beginning of its id; deleting asks, and the analyses come back with it."""
    ran(catalog, "rename", "ResNet", "best")
    ran(catalog, "rename", "ResNet", "other", status=1)
    assert "'ResNet' is no model; there are best" in capsys.readouterr().err
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    ran(catalog, "delete", "best", status=1)
    assert len(catalog.models()) == 2
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    ran(catalog, "delete", "best")
    assert [m.name for m in catalog.models()] == ["bob's\x1b[31m net"]
    assert catalog.questions()[1] == 0
    ran(catalog, "restore", "best")
    assert len(catalog.models()) == 2
    assert catalog.questions()[1] == 1
    ran(catalog, "delete", "m2m2m2", "--yes")
    ran(catalog, "restore", "m2m2m2")
    ran(catalog, "rename", "best", "ResNet")


def test_what_a_newer_version_stored_is_named_and_the_rest_listed(
    catalog: Catalog, tmp_path: Path, capsys
) -> None:
    """Unknown kinds, unknown settings and lost ones do not hide what is known."""
    changed = Catalog(tmp_path / "newer")
    changed.merge(catalog.folder)
    for key, kind in (("a", "path"), ("b", "path"), ("c", "surface")):
        changed.ask(question(key, kind=kind, title=f"of {key}"))
    changed.close()
    with duckdb.connect(changed.folder / "catalog.duckdb", config=CONFIG) as other:
        other.execute("""UPDATE questions SET settings = '{"split": "train"}' WHERE key = 'q1'""")
        other.execute("""UPDATE questions SET settings = '{"colour": 3}' WHERE key = 'c'""")
    ran(changed, "list")
    lines = capsys.readouterr().out.splitlines()
    assert "q1 surface q1: 3 of 4 points" in lines
    assert any(line.startswith("2 analyses are of kind 'path': update") for line in lines)
    assert any(line.startswith("1 analysis is of kind 'surface' with settings") for line in lines)
    changed.close()


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    """Neither a file nor a dangling link; and nothing else is left in the folder."""
    write_new(tmp_path / "new.csv", b"content")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("new.csv", "link"):
        with pytest.raises(FileExistsError, match="exists already"):
            write_new(tmp_path / name, b"other")
    assert (tmp_path / "new.csv").read_bytes() == b"content"
    assert {path.name for path in tmp_path.iterdir()} == {"new.csv", "link"}
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_new(tmp_path / "none" / "x.csv", b"")


@pytest.mark.parametrize("nameless", [True, False])
def test_a_write_that_fails_leaves_no_cut_file(tmp_path: Path, nameless, monkeypatch) -> None:
    """With no more room nothing lies there, also on file systems without nameless files."""
    if not nameless:
        monkeypatch.setattr("store.new_file._write_nameless", lambda *_: False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_new(tmp_path / "x.csv", b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []
    write_new(tmp_path / "x.csv", b"x" * 200_000)
    assert (tmp_path / "x.csv").stat().st_size == 200_000
