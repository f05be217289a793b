"""Commands that compute nothing: what they say is what the catalog holds, and they leave it so."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.ask import questions, requests
from explorer.ask.estimate import estimate
from explorer.kinds import kind_named, settings_from_json
from store import Catalog
from store.records import Measurement
from tests.tiny import ended, imported, supervised

LINE = ("compute", "line", "--model", "tiny", "--set")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A catalog with one model, one line of 6 points, and 4 of 9 points of another line."""
    place = tmp_path_factory.mktemp("place")
    kind = kind_named("line")
    with supervised(place / "catalog") as (catalog, _):
        model = imported(catalog, place, "tiny")
        keys = [
            questions.ask(catalog, kind, model, settings_from_json(kind.settings, {"x_count": 6})),
        ]
        ended(catalog, catalog.jobs()[0].id)
    settings = settings_from_json(kind.settings, {"x_count": 9, "seed": 5})
    keys.append(questions.ask(catalog, kind, model, settings))  # nobody answers it now
    requests.cancel(catalog, catalog.active_job_for(keys[-1]).id)
    rows = {name: values[:4] for name, values in catalog.values(keys[0], kind.table).items()}
    catalog.ingest(keys[-1], kind.table, rows, {}, 0.1, {})
    catalog.close()
    yield place / "catalog"
    catalog.close()


def content(folder: Path) -> list:
    """Every row of every table, and the name and bytes of every file but the database's."""
    catalog = Catalog(folder)
    tables = catalog._read(
        lambda c: c.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY 1"
        ).fetchall()
    )
    rows = [
        catalog._read(lambda c, t=table: c.execute(f"SELECT * FROM {t} ORDER BY ALL").fetchall())  # noqa: S608
        for (table,) in tables
    ]
    catalog.close()
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and "catalog." not in p.name]
    return [tables, repr(rows), [(p, p.read_bytes()) for p in files]]


def said(capsys: pytest.CaptureFixture, folder: Path, *arguments: str, status: int = 0) -> str:
    """What a command that was run to its end printed."""
    assert main(["--catalog", str(folder), *arguments]) == status
    shown = capsys.readouterr()
    return shown.err if status else shown.out


SHARPNESS = ("compute", "sharpness", "--model", "tiny")


def test_a_value_nested_without_end_is_one_sentence(folder: Path, capsys) -> None:
    """What is typed as a setting may be any text."""
    error = said(capsys, folder, *LINE, f"x_count={'[' * 100_000}", status=1)
    assert "nested too deeply" in error and error.count("\n") == 1


def test_a_dry_run_says_what_is_there_and_changes_nothing(folder: Path, capsys) -> None:
    """A complete, a begun and a new question: points and key are right, no row and no job more."""
    before = content(folder)
    catalog = Catalog(folder)
    keys = {q.units: q.key for q in catalog.questions()[0]}
    assert sorted(keys) == [6, 9]
    catalog.close()
    done = said(capsys, folder, *LINE, "x_count=6", "--dry-run")
    assert done == f"{keys[6][:12]} Line of tiny: 6 of 6 points, complete, 0 s\n"
    begun = said(capsys, folder, *LINE, "x_count=9", "--set", "seed=5", "--dry-run")
    assert begun.startswith(f"{keys[9][:12]} Line of tiny: 4 of 9 points, about ")
    new = said(capsys, folder, *LINE, "x_count=2001", "--set", "seed=6", "--dry-run")
    assert re.fullmatch(r"[0-9a-f]{12} Line of tiny: 0 of 2,001 points, about \d+\.\d s\n", new)
    assert content(folder) == before


def test_a_dry_run_estimates_what_is_missing(folder: Path, capsys) -> None:
    """The seconds are those that the pages estimate, for the missing points only."""
    catalog = Catalog(folder)
    kind = kind_named("line")
    settings = settings_from_json(kind.settings, {"x_count": 9, "seed": 5})
    model = catalog.models()[0]
    told = estimate(
        catalog, questions.question_about(catalog, kind, model, settings), model, warm=False
    )
    catalog.close()
    wanted = told.seconds - 4 * told.per_unit
    assert told.per_unit > 0
    begun = said(capsys, folder, *LINE, "x_count=9", "--set", "seed=5", "--dry-run")
    assert float(begun.split()[-2]) == pytest.approx(wanted, abs=0.051)


def test_a_dry_run_asks_of_each_model_and_of_two(folder: Path, capsys) -> None:
    """A model named twice has two lines, the second without a start; a pair one line."""
    many = said(capsys, folder, *LINE, "x_count=2001", "--model", "tiny", "--dry-run").splitlines()
    first, second = (float(line.split()[-2]) for line in many)
    assert first >= second
    pair = ("compute", "interpolation", "--model", "tiny", "--model", "tiny", "--dry-run")
    [line] = said(capsys, folder, *pair).splitlines()
    assert "Interpolation of tiny to tiny: 0 of " in line


def test_a_start_may_be_left_out(folder: Path, capsys) -> None:
    """Each of several models is asked from its own start; one without earlier snapshots alone."""
    [line] = said(capsys, folder, *SHARPNESS, "--dry-run").splitlines()
    assert "Sharpness of tiny: 0 of " in line
    both = said(capsys, folder, *SHARPNESS, "--model", "tiny", "--dry-run").splitlines()
    assert both == [line]  # two of one model are its point and its start


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x_count=0", "x_count must be from 2 to 2,001"),
        ("split=valid", "split must be one of train, test"),
    ],
)
def test_a_dry_run_refuses_what_computing_would(folder: Path, capsys, text, words) -> None:
    """A bad setting is one sentence here too."""
    error = said(capsys, folder, *LINE, text, "--dry-run", status=1)
    assert words in error and len(error.splitlines()) == 1


def test_the_list_says_how_far_each_analysis_is(folder: Path, capsys) -> None:
    """Complete ones are called so, others say how many points they have; the trash is left out."""
    lines = said(capsys, folder, "list").splitlines()
    assert lines[0].startswith("model tiny: ") and "train loss" in lines[0]
    assert sorted(line.split(": ")[1] for line in lines[1:]) == [
        "4 of 9 points",
        "6 of 6 points, complete",
    ]
    catalog = Catalog(folder)
    open_one = catalog.questions(status="open")[0][0].key
    catalog.delete_question(open_one)
    catalog.close()
    try:
        assert "4 of 9" not in said(capsys, folder, "list")
        [one] = json.loads(said(capsys, folder, "list", "--json"))["analyses"]
        assert one["status"] == "complete"
    finally:
        catalog.restore_question(open_one)
        catalog.close()


def test_the_list_as_json(folder: Path, capsys) -> None:
    """Valid JSON with the catalog's own numbers; NaN and infinity, which JSON lacks, are words."""
    catalog = Catalog(folder)
    model = catalog.models()[0]
    odd = {"nothing": math.nan, "everything": -math.inf}
    catalog.add_import(
        measurements=[
            Measurement(
                point_id=model.point_id,
                problem_id=model.problem_id,
                split="odd",
                name=name,
                value=value,
                count=1,
            )
            for name, value in odd.items()
        ]
    )
    catalog.close()

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    listing = json.loads(said(capsys, folder, "list", "--json"), parse_constant=refuse)
    [listed] = listing["models"]
    assert listed["measurements"]["odd"] == {"nothing": "NaN", "everything": "-inf"}
    assert listed["measurements"]["train"] == model.measurements["train"]
    assert (listed["id"], listed["name"], listed["points"]) == (model.id, "tiny", 1)
    by_units = {analysis["units"]: analysis for analysis in listing["analyses"]}
    assert (by_units[9]["status"], by_units[9]["units_done"]) == ("open", 4)
    assert (by_units[6]["status"], by_units[6]["models"]) == ("complete", ["tiny"])
    assert by_units[6]["settings"]["x_count"] == 6
