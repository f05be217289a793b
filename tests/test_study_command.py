"""Studies on the command line: the same keys as anywhere else, computed once, kept in files."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.ask.study import Study, StudyQuestion, add_study, study_model, study_named
from explorer.ask.study_cells import cells
from explorer.importing.samples import order_first_samples
from explorer.kinds.line import LINE, LineSettings
from store import Catalog
from store.records import MergeCounts
from tests.filling import add_answer, add_tiny, new_catalog
from tests.stored import question
from tests.tiny import command_line, end_workers

COUNTS = (3, 5)  # points of the lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study `sweep` of two models and two lines, of which one is answered; and an empty one."""
    place = tmp_path_factory.mktemp("place")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(("one", "two"))]
    questions = [StudyQuestion(kind=LINE.name, settings={"x_count": n}) for n in COUNTS]
    add_study(
        catalog, "sweep", Study(models=tuple(map(study_model, models)), questions=(*questions,))
    )
    refused = StudyQuestion(kind="horoscope")
    broken = Study(models=(study_model(models[0]),), questions=(refused,))
    add_study(catalog, "broken", broken)
    add_study(catalog, "empty", Study())
    catalog.add_document("study", "unreadable", {"colour": 1})
    add_answer(catalog, LINE, LineSettings(x_count=COUNTS[0]), (models[0], ""))
    catalog.close()
    yield catalog.folder
    end_workers(catalog)
    catalog.close()


def said(capsys: pytest.CaptureFixture, folder: Path, *arguments: object, status: int = 0) -> str:
    """What a command that was run to its end printed."""
    capsys.readouterr()
    assert main(["--catalog", str(folder), "study", *map(str, arguments)]) == status
    shown = capsys.readouterr()
    return shown.err if status else shown.out


def keys(folder: Path) -> list[str]:
    """Of the cells of the study, row by row."""
    catalog = Catalog(folder)
    return [cell.wish.key for cell in cells(catalog, study_named(catalog, "sweep")[1])]


def test_studies_are_listed_with_how_far_they_are(folder: Path, capsys) -> None:
    """Each study in a line; of one each analysis; what cannot be read says so in its line."""
    lines = said(capsys, folder, "list").splitlines()
    assert lines[:2] == [
        "broken: 1 model, 1 question; 0 of 1 answered, 1 refused",
        "empty: 0 models, 0 questions; 0 of 0 answered",
    ]
    assert lines[2].startswith("sweep: 2 models, 2 questions; 1 of 4 answered")
    assert lines[3].startswith("unreadable: it is no study that this version can read")
    assert "there is no kind 'horoscope'" in said(capsys, folder, "list", "broken")


def test_a_dry_run_lists_what_is_missing_cheap_first(folder: Path, capsys) -> None:
    """Three analyses with key, points and time; nothing is asked."""
    *lines, total = said(capsys, folder, "run", "sweep", "--dry-run").splitlines()
    missing = [key[:12] for key in keys(folder)[1:]]
    assert sorted(line.split()[0] for line in lines) == sorted(missing)
    assert all("not asked, 0 of " in line and " s" in line for line in lines)
    assert total.startswith("3 missing, about ")
    catalog = Catalog(folder)
    assert len(catalog.questions()[0]) == 1


def test_a_study_is_run_to_its_end_and_then_has_nothing_to_do(folder: Path, capsys) -> None:
    """A real worker answers what is missing, under the keys of its cells; a second run is none."""
    catalog = Catalog(folder)
    before = catalog.question(keys(folder)[0])
    jobs = len(catalog.jobs())
    catalog.close()
    done = command_line("study", "run", "sweep", catalog=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "4 of 4 answered"
    assert done.stdout.count(": done\n") == 3
    assert said(capsys, folder, "run", "sweep") == "4 of 4 answered\n"
    assert len(catalog.jobs()) == jobs + 3
    answered = catalog.questions(status="complete")[0]
    assert {question.key for question in answered} == {*keys(folder)}
    assert catalog.question(keys(folder)[0]) == before


def test_a_cell_that_cannot_be_asked_is_said_and_no_error(folder: Path, capsys) -> None:
    """The sentence of the cell is printed, and the run ends well: there is nothing to compute."""
    out = said(capsys, folder, "run", "broken")
    assert "horoscope of one: refused: there is no kind 'horoscope'" in out
    assert out.endswith("0 of 1 answered, 1 refused\n")
    assert said(capsys, folder, "run", "empty") == "0 of 0 answered\n"


def test_a_study_goes_to_another_name_by_a_file(folder: Path, tmp_path: Path, capsys) -> None:
    """Exported and imported it has the same cells; no file is overwritten, no name taken twice."""
    file = tmp_path / "sweep.json"
    said(capsys, folder, "export", "sweep", file)
    content = file.read_bytes()
    assert json.loads(content)["name"] == "sweep"
    taken = said(capsys, folder, "export", "sweep", file, status=1)
    assert "exists already; choose another" in taken
    assert file.read_bytes() == content
    assert "already; choose another" in said(capsys, folder, "import", file, status=1)
    assert said(capsys, folder, "import", file, "--name", "copy").startswith("copy: ")
    catalog = Catalog(folder)
    assert study_named(catalog, "copy")[1] == study_named(catalog, "sweep")[1]


def test_a_study_becomes_a_catalog_of_its_own(folder: Path, tmp_path: Path, capsys) -> None:
    """It opens with the same cells, is whole, and merges back to the very same: nothing is new.

    What is not the study's stays behind; a folder that is there is left alone, and a failure leaves
    none.
    """
    catalog = Catalog(folder)
    key = keys(folder)[0]
    catalog.add_document("figure", "of it", {"panels": [{"key": key}]})
    catalog.add_document("figure", "of more", {"panels": [{"key": key}, {"key": "not there"}]})
    catalog.ask(question("a" * 64, problem_id=catalog.problems()[0].id, model_ids=(), point_ids=()))
    catalog.add_document("figure", "of another", {"panels": [{"key": "a" * 64}]})
    own = tmp_path / "own"
    assert said(capsys, folder, "export", "sweep", "--as-catalog", own).startswith(
        "brought 2 models, 2 checkpoints, "
    )
    part = Catalog(own)
    theirs, ours = (cells(c, study_named(c, "sweep")[1]) for c in (catalog, part))
    assert [(c.wish.key, c.state) for c in ours] == [(c.wish.key, c.state) for c in theirs]
    assert [d.name for d in part.documents("study")] == ["sweep"]
    assert [d.name for d in part.documents("figure")] == ["of it", "of more"]
    assert part.question("a" * 64) is None and part.check_integrity(contents=True) == []
    order_first_samples(part)
    assert part.jobs() == []
    assert catalog.merge(own) == MergeCounts()
    bytes_before = (own / "catalog.duckdb").read_bytes()
    again = said(capsys, folder, "export", "sweep", "--as-catalog", own, status=1)
    assert "exists already" in again and (own / "catalog.duckdb").read_bytes() == bytes_before
    said(capsys, folder, "export", "sweep", status=1)
    file = catalog.file_path(catalog.point(catalog.models()[0].point_id).file_hash)
    content = file.read_bytes()
    file.write_bytes(b"damaged")
    said(capsys, folder, "export", "sweep", "--as-catalog", tmp_path / "none", status=1)
    assert not (tmp_path / "none").exists()
    file.write_bytes(content)
    catalog.delete_question("a" * 64)
    part.close()


def test_numbers_are_exported(folder: Path, tmp_path: Path, capsys) -> None:
    """A row at least for each cell, under the keys of the cells."""
    file = tmp_path / "numbers.csv"
    said(capsys, folder, "export", "sweep", file)
    with file.open(newline="") as rows:
        assert {row["key"] for row in csv.DictReader(rows)} == {*keys(folder)}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "none"), "there is no study 'none'"),
        (("list", "unreadable"), "there is no field colour"),
        (("export", "sweep", "sweep.txt"), "must end in .json or .csv"),
        (("import", "no-such-file.json"), "no-such-file.json"),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, capsys, arguments, words) -> None:
    """What went wrong, on one line, and status 1."""
    error = said(capsys, folder, *arguments, status=1)
    assert words in error and len(error.splitlines()) == 1


def test_wrong_usage_names_what_there_is(folder: Path, capsys) -> None:
    """A command of `study` that is none, or left out."""
    for arguments, words in ((("walk",), "there is no command 'walk'"), ((), "name a command")):
        assert main(["--catalog", str(folder), "study", *arguments]) == 2
        assert words in capsys.readouterr().err
