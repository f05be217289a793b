"""`python -m explorer` as its users run it: real catalogs, real workers, and one-line errors."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pyarrow.csv
import pyarrow.parquet
import pytest
import safetensors.torch
import torch

from explorer.ask import requests
from explorer.kinds import kind_named
from store import Catalog
from store.migrations import MIGRATIONS
from tests.tiny import (
    ROOT,
    checkpoint,
    command_line,
    dumped,
    end_workers,
    problem_file,
    tensors,
)

FIRST, SECOND = "first.safetensors", "second.safetensors"
NO_READ_RIGHTS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a problem file, two checkpoints, and a catalog that has the first of them."""
    folder = tmp_path_factory.mktemp("place")
    problem_file(folder)
    checkpoint(folder / "first.safetensors")
    checkpoint(folder / "second.safetensors", seed=1)
    done = explorer(folder, "import", "--yes", folder / "tiny_problem.py", folder / FIRST)
    assert done.returncode == 0, done.stderr
    yield folder
    end_workers(Catalog(folder / "catalog"))


def explorer(
    place: Path, *arguments: object, given: str | None = None
) -> subprocess.CompletedProcess:
    return command_line(*arguments, catalog=place / "catalog", given=given)


def content(folder: Path) -> str:
    """What the catalog in the folder holds, read as any other process does."""
    catalog = Catalog(folder / "catalog", timeout=30)
    try:
        return dumped(catalog).split('"jobs"')[0]
    finally:
        catalog.close()


def refused(done: subprocess.CompletedProcess) -> str:
    """The one sentence on stderr of a command that was refused."""
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


def computed(place: Path, *sets: str, kind: str = "line", model: str = "first") -> str:
    """The key that a successful `compute` prints last."""
    settings = [part for text in sets for part in ("--set", text)]
    done = explorer(place, "compute", kind, "--model", model, *settings)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("given", ["n\n", "\n", None], ids=["no", "enter", "nobody there"])
def test_nothing_runs_without_agreement(tmp_path, given):
    """Unless the user says yes to this file and hash, its code does not run; nothing is stored.

    Where nobody can answer, the option that does is named.
    """
    file = problem_file(tmp_path)
    file.write_text(file.read_text() + f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n")
    weights = checkpoint(tmp_path / FIRST)
    done = explorer(tmp_path, "import", file, weights, given=given)
    hint = "" if given else "\nnobody is here to answer; give --yes to say yes\n"
    assert (done.returncode, done.stderr) == (1, f"{hint}nothing was imported\n")
    assert f"{file}\nsha256 {hashlib.sha256(file.read_bytes()).hexdigest()}\n" in done.stdout
    catalog = Catalog(tmp_path / "catalog")
    assert (catalog.models(), catalog.jobs()) == ([], [])
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def other_name(place: Path) -> subprocess.CompletedProcess:
    """An import after a yes: a model of the same file with other arguments, another problem."""
    return explorer(
        place,
        *("import", place / "tiny_problem.py", place / SECOND),
        *("--name", "other name", "-a", "width=6", "-a", "deed=kill"),
        given="y\n",
    )


def test_agreement_imports_under_the_name_given(place, other_name):
    """After yes the model is there, with the arguments it was imported with."""
    assert (other_name.returncode, other_name.stderr) == (0, "")
    catalog = Catalog(place / "catalog", timeout=30)
    model = next(m for m in catalog.models() if m.name == "other name")
    assert catalog.problem(model.problem_id).arguments == {"width": 6, "deed": "kill"}
    catalog.close()


def test_what_is_computed_is_listed_exported_and_not_computed_again(place, tmp_path):
    """One surface through all commands: the exported numbers are the catalog's, bit by bit."""
    key = computed(place, "x_count=6", "y_count=5", "split=test", kind="surface")
    before = Catalog(place / "catalog", timeout=30)
    jobs = len(before.jobs(limit=1000))
    values = before.values(key, kind_named("surface").table)
    before.close()
    assert computed(place, "y_count=5", "x_count=6.0", "split=test", kind="surface") == key
    listed = explorer(place, "list")
    assert f"{key[:12]} Surface of first: 30 of 30 points" in listed.stdout
    assert "model first: " in listed.stdout
    for suffix in ("csv", "parquet"):
        file = tmp_path / f"values.{suffix}"
        done = explorer(place, "export", key[:10], file)
        assert (done.returncode, done.stderr) == (0, "")
    told = json.loads((tmp_path / "values.csv.json").read_text())["analyses"][0]
    assert (told["key"], told["models"], told["settings"]["x_count"]) == (key, ["first"], 6)
    assert told["computed"]["device"] and "machine" not in told["computed"]
    assert str(place) not in json.dumps(told)
    columns = pandas.read_csv(tmp_path / "values.csv")
    assert set(columns["model"]) == {"first"} and columns["point"][0] == told["points"][0]
    tables = [
        pyarrow.csv.read_csv(tmp_path / "values.csv"),
        pyarrow.parquet.read_table(tmp_path / "values.parquet"),
    ]
    order = np.lexsort((values["i"], values["j"]))
    for table in tables:
        for name in ("i", "j", "x", "y", "loss", "accuracy"):
            assert table[name].to_numpy().tobytes() == values[name][order].tobytes(), name
    after = Catalog(place / "catalog", timeout=30)
    assert len(after.jobs(limit=1000)) == jobs
    after.close()


def test_an_export_overwrites_nothing(place, tmp_path):
    """A file of the user's stays as it is, and so does a folder that is not there."""
    key = computed(place, "x_count=5")
    file = tmp_path / "mine.csv"
    file.write_text("mine")
    assert str(file) in refused(explorer(place, "export", key, file))
    assert file.read_text() == "mine"
    beside = tmp_path / "other.csv.json"
    beside.write_text("mine")
    assert str(beside) in refused(explorer(place, "export", key, tmp_path / "other.csv"))
    beside.unlink()
    assert "nowhere" in refused(explorer(place, "export", key, tmp_path / "nowhere" / "a.csv"))
    said = refused(explorer(place, "export", key, tmp_path / "a.xlsx"))
    assert said == "the file must end in .csv or .parquet, got a.xlsx"
    said = refused(explorer(place, "export", "nokey", tmp_path / "a.csv"))
    assert said == "0 analyses have a key that begins with 'nokey'"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.csv"]


def test_check_finds_one_changed_byte(place, tmp_path):
    """A sound catalog passes; after one flipped byte in a stored file, the file is named."""
    for part in ("catalog.duckdb", "files"):
        source, target = place / "catalog" / part, tmp_path / "catalog" / part
        target.parent.mkdir(exist_ok=True)
        Catalog(place / "catalog", timeout=30).close()
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    done = explorer(tmp_path, "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no damage found\n", "")
    file = next((tmp_path / "catalog" / "files").glob("??/*.safetensors"))
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    done = explorer(tmp_path, "check")
    assert done.returncode == 1
    assert done.stdout == f"the file {file} is not what was stored\n"


@pytest.mark.parametrize("count", [2, 4])
def test_even_sizes_are_answered(place, count):
    """An even number of points is a grid like any other."""
    key = computed(place, f"x_count={count}")
    catalog = Catalog(place / "catalog", timeout=30)
    assert catalog.question(key).units_done == count
    catalog.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x_count=0", "x_count must be from 2 to 2,001, got 0"),
        ("x_count=-3", "x_count must be from 2 to 2,001, got -3"),
        ("x_count=1000000000", "x_count must be from 2 to 2,001, got 1000000000"),
        ("x_count=1e999", "x_count must be of type int, got inf"),
        ("x_count=many", "x_count must be of type int, got 'many'"),
        ("x_min=NaN", "x_min must be finite, got nan"),
        ("x_max=-Infinity", "x_max must be finite, got -inf"),
        ("x_min=3", "the range of x must increase, got 3.0 to 1.0"),
        ("precision=half", "precision must be one of float32, float64, tf32, bf16, got 'half'"),
        ("split=valid", "split must be one of train, test, got 'valid'"),
        ("colour=red", "there is no setting 'colour'; there are "),
        ("x_count", "a setting must be NAME=VALUE, got 'x_count'"),
        ("split=\udcff", "a setting must be UTF-8, got 'split=\\udcff'"),
    ],
)
def test_a_bad_setting_is_one_line_and_asks_nothing(place, text, words):
    """Each impossible setting: exit status 1, its own sentence, the catalog as before."""
    before = content(place)
    assert words in refused(explorer(place, "compute", "line", "--model", "first", "--set", text))
    assert content(place) == before


def test_ctrl_c_leaves_the_work_going(place):
    """Interrupted while it waits: status 130 and one sentence; the job is there and goes on."""
    command = [sys.executable, "-m", "explorer", "--catalog", str(place / "catalog"), "compute"]
    large = ["surface", "--model", "first", "--x-count", "401", "--y-count", "401"]
    waiting = subprocess.Popen(
        [*command, *large],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs tests in the background has them ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert waiting.stdout.readline().startswith("Surface of first: ")
    finally:
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=120)
    assert waiting.returncode == 130
    assert said == "\nstopped waiting; what was computed is stored, the worker goes on\n"
    catalog = Catalog(place / "catalog", timeout=30)
    job = catalog.jobs(limit=1)[0]
    assert (job.title, job.units) == ("Surface of first", 401**2)
    assert job.status in ("queued", "running", "done")  # under load it may be over by now
    requests.cancel(catalog, job.id)
    catalog.close()


def test_an_unknown_model_is_answered_with_those_there_are(place):
    """The name that does not exist, and the names that do."""
    before = content(place)
    said = refused(explorer(place, "compute", "line", "--model", "nobody"))
    assert said.startswith("'nobody' is no model; there are ")
    assert "first" in said
    assert content(place) == before


def test_a_question_about_two_models(place, tmp_path):
    """Two models make one question, in their order; its title and table are those of both."""
    done = explorer(
        place, "import", "--yes", place / "tiny_problem.py", place / SECOND, "--name", "second"
    )
    assert done.returncode == 0, done.stderr
    models = ("--model", "first", "--model", "second")
    sets = ("--set", "x_count=5", "--set", "split=test")
    keys = {}
    done = explorer(place, "compute", "interpolation", "--model", "first@first", *models[2:], *sets)
    assert (done.returncode, done.stderr) == (0, "")  # named by its file: the final point
    for kind in ("interpolation", "difference"):
        done = explorer(place, "compute", kind, *models, *sets)
        assert (done.returncode, done.stderr) == (0, "")
        keys[kind] = done.stdout.splitlines()[-1]
    listed = explorer(place, "list").stdout
    assert f"{keys['interpolation'][:12]} Interpolation of first to second: 5 of 5" in listed
    assert f"{keys['difference'][:12]} Difference of first and second: 5 of 5" in listed
    file = tmp_path / "values.csv"
    assert explorer(place, "export", keys["difference"][:12], file).returncode == 0
    header = file.read_text().splitlines()[0]
    assert header.replace('"', "").split(",")[:4] == ["i", "x", "computed", "difference"]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (("first",), "the subjects of interpolation must be 2 (from, to), got 1"),
        (("first", "first", "first"), "must be 2 (from, to), got 3"),
        (("first", "other name"), "all models must be of one problem"),
        (("first@7", "first"), "first has no snapshot 7; there are first"),
        (("first", "nobody@0"), "'nobody' is no model; there are "),
    ],
    ids=str,
)
def test_wrong_subjects_are_one_line(place, other_name, models, words):
    """Too few, too many, of two problems, or without such a snapshot: refused, nothing asked."""
    before = content(place)
    given = [part for name in models for part in ("--model", name)]
    assert words in refused(explorer(place, "compute", "interpolation", *given))
    assert content(place) == before


def bad_import(folder: Path, case: str) -> tuple[Path, Path, str]:
    """Problem file, checkpoint and the words that refuse them."""
    file, weights = problem_file(folder), checkpoint(folder / "a.safetensors")
    if case == "missing problem":
        return folder / "none.py", weights, f"there is no problem file {folder / 'none.py'}"
    if case == "missing checkpoint":
        return file, folder / "none.pt", f"there is no file {folder / 'none.pt'}"
    if case == "truncated checkpoint":
        weights.write_bytes(weights.read_bytes()[:-20])
        return file, weights, f"{weights} is no whole safetensors file"
    if case == "wrong shape":
        wrong = {**tensors(), "0.bias": torch.zeros(7)}
        safetensors.torch.save_file(wrong, weights)
        return file, weights, f"{weights}: 0.bias must have shape (6,), got (7,)"
    if case == "no function problem":
        file.write_text("import math\n")
        return file, weights, f"{file} must have a function problem(**arguments) -> Problem"
    file.write_text("def problem():\n    raise OSError('line one\\nline two')\n")
    return file, weights, f"problem() of {file} failed: OSError: line one line two"


@pytest.mark.parametrize(
    "case",
    [
        "missing problem",
        "missing checkpoint",
        "truncated checkpoint",
        "wrong shape",
        "no function problem",
        "failing problem",
    ],
)
def test_a_bad_import_is_one_line_and_stores_nothing(place, tmp_path, case):
    """Each thing that can be wrong with the files: its sentence, the catalog as before."""
    before = content(place)
    file, weights, words = bad_import(tmp_path, case)
    assert words in refused(explorer(place, "import", "--yes", file, weights))
    assert content(place) == before


def test_arguments_without_a_canonical_form_are_refused(place):
    """NaN could be in no key."""
    before = content(place)
    done = explorer(
        place, "import", "--yes", place / "tiny_problem.py", place / FIRST, "-a", "pause=NaN"
    )
    assert refused(done).startswith("arguments must be JSON values, without NaN or infinity")
    assert content(place) == before


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "asking"])
@pytest.mark.parametrize("what", ["problem", "checkpoint"])
def test_a_file_without_read_permission_is_one_line(tmp_path, what, agreed):
    """Permission is a matter of the file system: the sentence names the file."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root reads everything unless it gives that up
        before = NO_READ_RIGHTS
        if shutil.which("setpriv") is None:
            pytest.skip("root can read every file, and there is no setpriv to give that up")
    file, weights = problem_file(tmp_path / "p"), checkpoint(tmp_path / "a.safetensors")
    locked = file if what == "problem" else weights
    locked.chmod(0)
    arguments = ["import", *(["--yes"] if agreed else []), file, weights]
    catalog = tmp_path / "catalog"
    try:
        done = command_line(*arguments, catalog=catalog, before=before, given="y\n")
    finally:
        end_workers(Catalog(catalog))
    assert str(locked) in refused(done)
    assert "ermission denied" in done.stderr
    assert Catalog(catalog).models() == []


def test_a_catalog_that_is_something_else_is_left_alone(tmp_path):
    """A text file named like the database, and a file in place of the folder, keep every byte."""
    database = tmp_path / "catalog" / "catalog.duckdb"
    database.parent.mkdir()
    database.write_text("my notes, not a database" * 500)
    said = refused(explorer(tmp_path, "list"))
    assert "is not a DuckDB database; it was left as it is" in said
    assert database.read_text() == "my notes, not a database" * 500
    said = refused(command_line("list", catalog=database))
    assert "is a file, not a folder; it was left as it is" in said
    assert database.read_text() == "my notes, not a database" * 500


def test_a_newer_catalog_is_left_alone(tmp_path):
    """A schema from the future is refused, with the way out, and not written to."""
    catalog = Catalog(tmp_path / "catalog")
    catalog._write(lambda c: c.execute("INSERT INTO migrations VALUES (99, 'later', NULL)"))
    catalog.close()
    database = tmp_path / "catalog" / "catalog.duckdb"
    before = database.read_bytes()
    said = refused(explorer(tmp_path, "list"))
    assert f"newer version (schema 99, this one knows up to {len(MIGRATIONS)})" in said
    assert database.read_bytes() == before


HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_catalog_held_by_another_program_is_named_with_its_process(tmp_path):
    """After ten seconds of waiting: who holds it, and what to do; it stays as it was."""
    catalog = Catalog(tmp_path / "catalog")
    catalog.check()
    catalog.close()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "catalog" / "catalog.duckdb")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        said = refused(explorer(tmp_path, "list"))
    finally:
        holder.communicate("")
    assert f"is held by process {holder.pid} and stayed so for 10 s; close that program" in said


def test_an_unreachable_device_is_one_line(tmp_path):
    """No command waits for ever for a worker that cannot start."""
    file, weights = problem_file(tmp_path), checkpoint(tmp_path / "a.safetensors")
    done = explorer(tmp_path, "import", "--yes", file, weights)
    assert done.returncode == 0
    end_workers(Catalog(tmp_path / "catalog"))
    done = explorer(tmp_path, "compute", "line", "--model", "a", "--device", "cuda:99")
    assert "device must be one of " in refused(done)


def printed_into(place: Path, output: object, *arguments: str) -> str:
    """What a command says on stderr while its output goes there; its status is 1."""
    command = [sys.executable, "-m", "explorer", "--catalog", place / "catalog", *arguments]
    done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("arguments", [("list",), ("sql", "FROM range(90000)", "--csv")])
def test_a_reader_that_goes_away_is_named_as_such(place: Path, arguments: tuple[str, ...]) -> None:
    """As `head` does: one sentence, before and after much was printed; nothing of damage."""
    reader, writer = os.pipe()
    os.close(reader)
    said = printed_into(place, writer, *arguments)
    os.close(writer)
    assert said == "error: what read the output has ended; the rest was not printed\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device without space")
def test_an_output_without_space_is_named_as_such(place: Path) -> None:
    """Not the catalog, of which nothing is wrong."""
    with Path("/dev/full").open("w") as full:
        said = printed_into(place, full, "list")
    assert said.startswith("error: the output cannot be read or written (no space left on device);")
    assert said.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device without space")
def test_help_without_space_is_one_sentence(place: Path) -> None:
    """Nobody reads it; what a command prints, and what help does, are told alike."""
    with Path("/dev/full").open("w") as full:
        said = printed_into(place, full, "compute", "--help")
    assert said.startswith("error: the output cannot be read or written (no space left on device);")
    assert said.count("\n") == 1


@pytest.mark.parametrize("words", ["list", "--help", "delete nothing"])
def test_a_closed_output_changes_nothing(place: Path, words: str) -> None:
    """As `>&-` in a shell: the same exit status and the same errors as with one that is open."""
    program = f"{sys.executable} -m explorer --catalog '{place / 'catalog'}' {words}"
    closed, opened = (
        subprocess.run(["sh", "-c", f"{program} {end}"], capture_output=True, text=True, cwd=ROOT)
        for end in (">&-", "")
    )
    assert (closed.returncode, closed.stderr) == (opened.returncode, opened.stderr)


def test_a_place_without_permission_is_no_damage(place: Path, tmp_path: Path) -> None:
    """An export into it, a new catalog in it: the sentence says what is not allowed, and where."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root writes everywhere unless it gives that up
        before = NO_READ_RIGHTS
        if shutil.which("setpriv") is None:
            pytest.skip("root can write everywhere, and there is no setpriv to give that up")
    explorer(place, "compute", "line", "--model", "first", "--x-count", "3")
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    key = Catalog(place / "catalog").questions()[0][0].key
    done = command_line(
        "export", key, locked / "values.csv", catalog=place / "catalog", before=before
    )
    sentence = refused(done)
    assert sentence.startswith(f"{locked / 'values.csv'} cannot be read or written (permission")
    done = command_line("merge", place / "catalog", catalog=locked / "new", before=before)
    sentence = refused(done)
    assert "may not be read or written by you (permission denied)" in sentence
    assert "rebuild" not in sentence


def test_a_catalog_that_can_only_be_read_takes_no_other(place: Path, tmp_path: Path) -> None:
    """It says so before it looks at the other one, whatever that is."""
    catalog = Catalog(shutil.copytree(place / "catalog", tmp_path / "archive"))
    (catalog.folder / "catalog.duckdb").chmod(0o400)
    before = NO_READ_RIGHTS if os.geteuid() == 0 else ()
    if before and shutil.which("setpriv") is None:
        pytest.skip("root can write everywhere, and there is no setpriv to give that up")
    done = command_line("merge", tmp_path / "nothing", catalog=catalog.folder, before=before)
    assert "can only be read" in refused(done)


def test_weights_that_are_stored_keep_their_name(place: Path) -> None:
    """Imported again under another one: a sentence says so, and what names the model finds it."""
    done = explorer(
        place, "import", "--yes", place / "tiny_problem.py", place / FIRST, "--name", "another"
    )
    assert done.returncode == 0
    assert "these weights are stored already as 'first', and keep that name" in done.stderr
    names = {model.name for model in Catalog(place / "catalog").models()}
    assert "first" in names and "another" not in names
