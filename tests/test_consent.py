"""No code runs without a yes to its bytes: the record, the question, the real worker."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer import consent
from explorer.ask import questions
from explorer.consent import ConsentError, agree, agreed_code, code_to_agree
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.request import ImportRequest
from explorer.importing.order import order_import
from explorer.jobs.spool import Spool
from explorer.kinds.line import LINE, LineSettings
from explorer.own_code import SAMPLES
from store import Catalog, records
from tests.tiny import (
    ROOT,
    agreed,
    checkpoint,
    command_line,
    ended,
    problem_file,
    supervised,
    until,
)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a user who has agreed to nothing yet."""
    monkeypatch.setenv(consent.VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A problem file that imports a module beside it."""
    (tmp_path / "my project").mkdir()
    (tmp_path / "my project" / "p.py").write_text("import nets")
    (tmp_path / "my project" / "nets.py").write_text("A = 1")
    return tmp_path / "my project" / "p.py"


def refusal(problem: Path) -> str:
    with pytest.raises(ConsentError) as caught:
        agreed_code(problem)
    return str(caught.value)


def test_nothing_is_agreed_to_until_somebody_says_so(state: Path, project: Path) -> None:
    """Asked for, shown and agreed: the same code; a change of either file asks again, by name."""
    command = f"read and agree: python -m explorer agree '{project}'"
    said = refusal(project)
    assert said == f"you have not agreed to run {project} and the 1 file that it loads; {command}"
    agree(code_to_agree(project))
    assert agreed_code(project).hash == code_to_agree(project).hash
    nets = project.with_name("nets.py")
    nets.write_text("A = 2")
    assert refusal(project) == f"{nets} has changed since you agreed to run p.py; {command}"
    nets.write_text("A = 1")
    assert len(agreed_code(project).files) == 2
    project.with_name("more.py").write_text("")
    nets.write_text("import more")
    assert nets.name in refusal(project)
    agree(code_to_agree(project))
    assert len(agreed_code(project).files) == 3


def test_an_agreement_is_for_a_path(state: Path, project: Path, tmp_path: Path) -> None:
    """The same bytes elsewhere are asked about; a link to the file is the file."""
    agree(code_to_agree(project))
    (tmp_path / "copy").mkdir()
    copy = tmp_path / "copy" / "p.py"
    copy.write_bytes(project.read_bytes())
    assert refusal(copy).startswith(f"you have not agreed to run {copy}; ")
    (tmp_path / "link.py").symlink_to(project)
    assert agreed_code(tmp_path / "link.py").problem == project


def test_an_earlier_agreement_still_holds(state: Path, project: Path) -> None:
    """With what a problem loads unseen, agreed to at one time and not at another: by the hash."""
    hidden = project.with_name("hidden.py")
    hidden.write_text("B = 1")
    plain, more = code_to_agree(project), code_to_agree(project, [hidden])
    assert plain.hash != more.hash
    agree(plain)
    agree(more)
    assert agreed_code(project, plain.hash).hash == plain.hash
    assert agreed_code(project, more.hash).hash == more.hash
    hidden.write_text("B = 2")
    with pytest.raises(ConsentError, match="has changed since you agreed"):
        agreed_code(project, more.hash)
    agree(plain)
    assert agreed_code(project, more.hash).hash == plain.hash


def test_agreements_are_the_user_s_alone(state: Path, project: Path) -> None:
    """Nobody else can read or write them; what another user has put there counts for nothing."""
    agree(code_to_agree(project))
    (record,) = state.rglob("*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    for folder in (record.parent, record.parent.parent, state):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    if os.getuid() == 0:
        os.chown(record, 12345, -1)
        assert refusal(project).startswith("you have not agreed")
    record.unlink()
    record.write_text("{")
    assert refusal(project).startswith("you have not agreed")


def test_only_the_program_s_own_samples_need_no_yes(state: Path, project: Path) -> None:
    """By where they lie once the path is resolved."""
    assert len(agreed_code(SAMPLES / "digits_mlp.py").files) == 1
    around = SAMPLES / ".." / os.path.relpath(project, SAMPLES.parent)
    assert refusal(around).startswith(f"you have not agreed to run {project}")


def test_the_command_shows_every_file_and_asks(state: Path, project: Path, tmp_path: Path) -> None:
    """Names and hashes, on demand the sources; a no is a no, a yes is kept; no catalog is made."""
    catalog = tmp_path / "none"
    done = command_line("agree", project, catalog=catalog, given="s\nn\n")
    assert (done.returncode, done.stderr) == (1, "not agreed; nothing of it will be run\n")
    for file in code_to_agree(project).files:
        assert f"{file.path}\nsha256 {file.digest}\n" in done.stdout
        assert f"--- {file.path}\n{file.content.decode()}\n" in done.stdout
    assert refusal(project)
    assert command_line("agree", project, catalog=catalog, given="y\n").returncode == 0
    assert agreed_code(project).files
    assert not catalog.exists()
    missing = command_line("agree", tmp_path / "no.py", catalog=catalog)
    assert missing.stderr == f"error: there is no file {tmp_path / 'no.py'}; check the path\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalog, Path]]:
    """A catalog with a supervisor; the worker reads the environment, so its state is the run's."""
    folder = tmp_path_factory.mktemp("consent")
    with supervised(folder / "catalog") as (catalog, _):
        yield catalog, folder


def traced(file: Path, trace: Path) -> Path:
    """The file, which from now on leaves a trace when it is run."""
    file.write_text(f"{file.read_text()}\nopen({str(trace)!r}, 'w').close()\n")
    return file


def import_job(
    catalog: Catalog, folder: Path, problem: Path, name: str, seed: int = 0
) -> records.Job:
    weights = [Checkpoint(file=checkpoint(folder / f"{name}.safetensors", seed))]
    return ended(catalog, order_import(catalog, problem, {}, weights, name))


def line_job(catalog: Catalog, name: str, seed: int) -> records.Job:
    """The ended job of a line through the model."""
    model = next(model for model in catalog.models() if model.name == name)
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=3, seed=seed))
    job = catalog.active_job_for(key)
    assert job
    return ended(catalog, job.id)


def test_an_edited_file_is_not_run(served: tuple[Catalog, Path]) -> None:
    """The problem file, then a module that it imports late: refused by name before anything runs.

    Once the edit is agreed to, it is another problem, which answers nothing asked of the first.
    """
    catalog, folder = served
    problem, trace = problem_file(folder / "edited"), folder / "trace"
    body = problem.read_text().replace("    def forward(", "    import late\n\n    def forward(", 1)
    problem.write_text(body)
    late = problem.with_name("late.py")
    late.write_text("A = 1\n")
    assert import_job(catalog, folder, agreed(problem), "edited").status == "done"
    assert line_job(catalog, "edited", 0).status == "done"
    for file in (late, problem):
        before = file.read_text()
        job = line_job(catalog, "edited", 1) if traced(file, trace) else None
        assert job and job.status == "failed"
        assert job.error == (
            f"{file} has changed since you agreed to run tiny_problem.py; read and agree: "
            f"python -m explorer agree {problem}"
        )
        agreed(problem)
        said = line_job(catalog, "edited", 1).error
        assert said == f"{problem} has changed since its models were imported; import them again"
        assert not trace.exists()
        file.write_text(before)
    assert line_job(catalog, "edited", 2).status == "done"


@pytest.mark.parametrize(
    ("name", "load"),
    [
        ("by_name", "importlib.import_module('hid' + 'den')"),
        ("by_path", "importlib.util.module_from_spec(s := importlib.util.spec_from_file_location("
                    "'m', __file__.replace('tiny_problem', 'hidden'))); s.loader.exec_module("
                    "importlib.util.module_from_spec(s))"),
        ("swallowed", "\n    try: importlib.import_module('hid' + 'den')\n    except: pass"),
    ],
)  # fmt: skip
def test_what_cannot_be_seen_is_refused_and_offered(
    served: tuple[Catalog, Path], name: str, load: str
) -> None:
    """A module that only running shows is not loaded; the next question about the file lists it."""
    catalog, folder = served
    problem, trace = problem_file(folder / name), folder / f"{name}-trace"
    head = "import importlib.util\n" + problem.read_text()
    problem.write_text(head.replace("    def forward(", f"    {load}\n\n    def forward(", 1))
    hidden = problem.with_name("hidden.py")
    hidden.write_text("")
    traced(hidden, trace)
    job = import_job(catalog, folder, agreed(problem), name)
    assert job.status == "failed" and not trace.exists()
    assert job.error == (
        f"{problem} loads {hidden}, which you have not agreed to run; read and agree: "
        f"python -m explorer agree {problem} --also {hidden}"
    )
    done = command_line("agree", problem, "--yes", catalog=folder / "none")
    assert str(hidden) in done.stdout
    assert import_job(catalog, folder, problem, name).status == "done"
    assert trace.exists()
    assert line_job(catalog, name, 0).status == "done"
    hidden.write_text(hidden.read_text() + "\n# edited\n")
    said = line_job(catalog, name, 1).error or ""
    assert said.startswith(f"{hidden} has changed since you agreed to run tiny_problem.py; ")
    agreed(problem)
    assert "import them again" in (line_job(catalog, name, 2).error or "")


def test_a_planted_request_runs_nothing(served: tuple[Catalog, Path]) -> None:
    """A job that somebody has put into the spool, about a file of his."""
    catalog, folder = served
    (folder / "planted").mkdir()
    problem, trace = folder / "planted" / "p.py", folder / "planted" / "trace"
    problem.write_text("")
    traced(problem, trace)
    request = ImportRequest(problem=problem, arguments={}, checkpoints=(), name="planted")
    job = Spool(catalog.jobs_folder).new("f" * 12, 1, None)
    job.offer(request)
    assert import_job(catalog, folder, problem_file(folder / "after"), "after").status == "done"
    until(lambda: not job.path.exists() or job.ending)
    assert not trace.exists()


def test_a_merged_catalog_brings_no_agreement(
    served: tuple[Catalog, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user gets the model, not the yes: the sentence names the command, which suffices."""
    catalog, folder = served
    problem = problem_file(folder / "shared")
    assert import_job(catalog, folder, problem, "shared", seed=1).status == "done"
    monkeypatch.setenv(consent.VARIABLE, str(tmp_path / "other user"))
    mine = tmp_path / "mine"
    assert command_line("merge", folder / "catalog", catalog=mine).returncode == 0
    compute_line = ("compute", "line", "--model", "shared", "--set", "x_count=3")
    done = command_line(*compute_line, catalog=mine)
    assert done.returncode == 1
    command = f"python -m explorer agree {problem}"
    assert done.stderr.endswith(
        f"you have not agreed to run {problem}; read and agree: {command}\n"
    )
    assert command_line("agree", problem, "--yes", catalog=mine).returncode == 0
    assert command_line(*compute_line, catalog=mine).returncode == 0
    listed = json.loads(command_line("list", "--json", catalog=mine).stdout)
    assert any(a["kind"] == "line" and a["status"] == "complete" for a in listed["analyses"])
    assert ROOT not in problem.parents
