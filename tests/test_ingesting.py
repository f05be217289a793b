"""How pieces come from the spool into the catalog: together, and each once."""

from pathlib import Path

import numpy as np
import pytest

from explorer.contracts.request import ImportRequest
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.spool import Spool
from explorer.kinds.line import LINE
from explorer.kinds.piece import Piece
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, records
from tests.stored import line_rows

PIECES = 70
LAST = np.array([2 * PIECES])  # the unit that no piece has
QUESTION = records.Question(
    key="a" * 64,
    kind="line",
    version=1,
    title="Line of net",
    settings={"split": "train", "x_count": 2 * PIECES + 1},
    problem_id="p",
    model_ids=("m",),
    point_ids=("x",),
    units=2 * PIECES + 1,
)


@pytest.fixture
def waiting(tmp_path: Path) -> tuple[Supervisor, JobFolder]:
    """A supervisor without workers, and a job that one has left many pieces of."""
    catalog = Catalog(tmp_path / "catalog")
    job = records.Job(id="job", task="answer", title="Line", request={}, question_key=QUESTION.key)
    catalog.ask(QUESTION, job)
    stored = catalog.job("job")
    supervisor = Supervisor(catalog, hires=False)
    folder = Spool(catalog.jobs_folder).new("job", stored.priority, stored.created)
    folder.offer(ImportRequest(problem=Path("/p.py"), arguments={}, checkpoints=(), name="job"))
    for n in range(PIECES):
        units = np.arange(2 * n, 2 * n + 2)
        folder.put_piece(Piece(line_rows(units), {f"fact{n}": n}, 0.5))
    return supervisor, folder


def test_pieces_that_wait_are_stored_in_few_transactions(waiting, monkeypatch):
    """The database is opened and written for many together, so that others get in between."""
    supervisor, folder = waiting
    catalog, writes = supervisor.catalog, []
    write = Catalog._write
    monkeypatch.setattr(Catalog, "_write", lambda self, work: writes.append(1) or write(self, work))
    supervisor.step()
    assert len(writes) <= 2 * (PIECES // 32 + 1)  # the pieces, then how far the job is
    assert folder.piece_files() == []
    assert catalog.job("job").units_done == 2 * PIECES
    values = catalog.values(QUESTION.key, LINE.table)
    assert values["unit"].tolist() == list(range(2 * PIECES))
    assert values["loss"].tobytes() == (np.arange(2 * PIECES) / 7).tobytes()
    stored_question = catalog.question(QUESTION.key)
    assert stored_question.seconds == PIECES * 0.5
    assert stored_question.facts == {f"fact{n}": n for n in range(PIECES)}


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({**line_rows(LAST), "Top-1": np.ones(1)}, "got 'Top-1'"),
        ({**line_rows(LAST), "top": np.ones((1, 1))}, "one dimension"),
        ({**line_rows(LAST), "unit": np.array([10**6])}, "units 1000000 to 1000000"),
        ({**line_rows(LAST), "unit": np.array([-3])}, "units -3 to -3"),
        ({"unit": LAST, "loss": np.ones(1)}, "its rows lack the columns k, i, x"),
        ({**line_rows(LAST), "i": LAST + 1}, "stand at no place of the answer"),
        ({**line_rows(LAST), "k": np.array([-1])}, "stand at no place of the answer"),
        ({**line_rows(LAST), "i": LAST + 0.5}, "stand at no place of the answer"),
    ],
    ids=[
        "a column of no table",
        "two dimensions",
        "beyond the last unit",
        "before the first",
        "without the columns of its kind",
        "beyond the last place",
        "before the first place",
        "at no whole place",
    ],
)
def test_one_piece_that_does_not_fit_takes_no_other_with_it(waiting, columns, words):
    """What came before and after it is stored though its job fails; the piece is put aside."""
    supervisor, folder = waiting
    folder.put_piece(Piece(columns))
    folder.put_piece(Piece(line_rows(LAST)))
    supervisor.step()
    job = supervisor.catalog.job("job")
    assert job.status == "failed" and words in job.error
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES + 1


@pytest.mark.parametrize(
    ("facts", "seconds", "words"),
    [
        ({"device": ["cpu"]}, 0.1, "device must be text"),
        ({"directions": 7}, 0.1, "directions must be a list"),
        ({"directions": [{"recipe": {"seed": float("nan")}}]}, 0.1, "not JSON compliant"),
        ({}, float("nan"), "must take 0 seconds or more, got nan"),
        ({}, float("inf"), "must take 0 seconds or more, got inf"),
        ({}, -1.0, "must take 0 seconds or more, got -1.0"),
    ],
)
def test_odd_facts_and_seconds_are_refused_before_anything_is_stored(
    waiting, facts, seconds, words
):
    """The job fails in a sentence; neither its rows nor its facts nor its seconds are there."""
    supervisor, folder = waiting
    folder.put_piece(Piece(line_rows(LAST), facts, seconds))
    supervisor.step()
    catalog = supervisor.catalog
    job, question = catalog.job("job"), catalog.question(QUESTION.key)
    assert job.status == "failed" and words in job.error
    assert len(catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES
    assert question.seconds == PIECES * 0.5 and not question.facts.keys() & facts.keys()


@pytest.mark.parametrize("content", ["", "null", "[1", "{}"])
def test_an_ending_that_cannot_be_read_takes_no_piece_with_it(waiting, content: str) -> None:
    """The job fails in words; what was computed is stored."""
    supervisor, folder = waiting
    (folder.path / "finished.json").write_text(content)
    supervisor.step()
    job = supervisor.catalog.job("job")
    assert job.status == "failed" and job.error.endswith("compute it anew")
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES


@pytest.mark.parametrize(
    "units", [np.array([np.inf]), np.array([np.nan]), LAST.reshape(1, 1), LAST.reshape(())]
)
def test_pieces_of_units_that_are_no_list_of_whole_numbers_are_put_aside(waiting, units) -> None:
    """Infinite ones, a table of them, a single one: the pieces beside it are stored."""
    supervisor, folder = waiting
    folder.put_piece(Piece({**line_rows(LAST), "unit": units}))
    supervisor.step()
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES
    assert supervisor.catalog.job("job").status != "failed"


def test_pieces_with_words_that_are_none_are_put_aside(waiting) -> None:
    """Facts that are no mapping: its units stay missing, and the other pieces are stored."""
    supervisor, folder = waiting
    folder.put_piece(Piece(line_rows(LAST), None))  # type: ignore[arg-type]
    supervisor.step()
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES
    assert supervisor.catalog.job("job").status != "failed"


@pytest.mark.parametrize(
    "facts", [{"half \ud800": 1}, {"note": "\udfff"}, {"directions": [], "x": "\ud800"}]
)
def test_a_value_that_no_database_holds_takes_no_other_piece_with_it(waiting, facts) -> None:
    """Half a letter in the facts: the job fails in words, and the next one is served."""
    supervisor, folder = waiting
    folder.put_piece(Piece(line_rows(LAST), facts))
    supervisor.step()
    job = supervisor.catalog.job("job")
    assert job.status == "failed" and "a value cannot be stored" in job.error
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES
    assert not list(folder.piece_files())
    supervisor.step()
    assert not supervisor.trouble


def test_a_piece_of_a_version_that_did_not_say_whose_it_is_is_stored(waiting) -> None:
    """The oldest versions wrote no job into a piece."""
    supervisor, folder = waiting
    file = folder.piece_files()[0]
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"job":"job"', b'"old":"job"'))
    assert file.read_bytes() != content
    supervisor.step()
    assert len(supervisor.catalog.done_units(QUESTION.key, LINE.table)) == 2 * PIECES


def test_the_database_is_closed_after_each_step(waiting, monkeypatch):
    """Not some time later, when a watcher gets to it."""
    supervisor, _ = waiting
    lease = supervisor.catalog._lease
    closed: list[bool] = []
    wait = supervisor._stop.wait

    def after_a_step(seconds: float) -> bool:
        closed.append(not lease._file.is_open)
        supervisor._stop.set()
        return wait(0)

    monkeypatch.setattr("store.lease.IDLE_SECONDS", 1000.0)
    monkeypatch.setattr(supervisor._stop, "wait", after_a_step)
    supervisor._run()
    assert closed == [True]


def test_what_the_spool_makes_is_its_owners_alone(waiting):
    """Nobody else looks into what is asked and answered, or puts anything there."""
    supervisor, folder = waiting
    assert supervisor.acquire()
    for place in (folder.path.parent, folder.path.parent / "workers"):
        assert place.stat().st_mode & 0o777 == 0o700
    assert (folder.path.parent / "supervisor.lock").stat().st_mode & 0o777 == 0o600


def test_a_link_in_the_place_of_the_lock_is_not_followed(waiting, tmp_path):
    """What somebody has put into the folder leads nowhere."""
    supervisor, folder = waiting
    lock = folder.path.parent / "supervisor.lock"
    lock.symlink_to(tmp_path / "elsewhere")
    assert supervisor.acquire()
    assert not (tmp_path / "elsewhere").exists() and not lock.is_symlink()
