"""Points that answers bring, end to end: brought by a search, asked about by other kinds."""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from explorer.ask import questions
from explorer.ask.command_text import compute_command
from explorer.ask.provenance import points_brought
from explorer.ask.questions import result_as
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import point_text
from explorer.commands.subjects import subject_named
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.piece_files import read_arrival
from explorer.kinds.critical import CRITICAL
from explorer.kinds.critical_result import Critical
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.projection import PROJECTION, Projection, ProjectionSettings
from explorer.pages import _running
from explorer.pages._links import Subjects, link_to
from explorer.pages._text import as_text
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, records
from tests.filling import add_tiny, new_catalog, work
from tests.screen import (
    charts,
    fine,
    opened,
)

SETTINGS = CriticalSettings(lengths=(1,), starts=2, steps=5, products=10)
WAITING = CriticalSettings(lengths=(1,), starts=2, steps=6, products=10)
AXIS = {"x_count": 3}


def complete(catalog: Catalog, key: str) -> records.Question:
    """The question once it is answered."""
    work(catalog)
    question = catalog.question(key)
    assert question is not None and question.status == "complete"
    return question


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Catalog, str]]:
    """A catalog with a model and a search for critical points from it."""
    folder = tmp_path_factory.mktemp("searched")
    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "net")
    key = complete(catalog, questions.ask(catalog, CRITICAL, model, SETTINGS)).key
    yield catalog, key
    catalog.close()


def test_a_line_is_asked_about_the_end_of_a_search(searched: tuple[Catalog, str]) -> None:
    """The loss at its centre is that of the search's end; title, key and origin say which point."""
    catalog, key = searched
    (model,) = catalog.models()
    first, second = catalog.answer_points(key=key)
    assert (first.label, second.label) == ("end of search 1", "end of search 2")
    assert catalog.points(model.id)[0].point_id not in (first.point_id, second.point_id)
    subject = subject_named(catalog, f"net@{key[:8]}:2")
    assert subject == (model, second.point_id)
    settings = LineSettings(**AXIS, precision="float64")
    line = complete(catalog, questions.ask(catalog, LINE, model, settings, point=subject[1]))
    assert line.title == "Line of net at end of search 2"
    assert line.point_ids == (second.point_id,)
    assert points_brought(catalog, line) == [f"end of search 2 of Critical points of net ({key})"]
    ends = catalog.values(key, CRITICAL.table)
    centre = catalog.values(line.key, LINE.table)
    middle = np.flatnonzero(centre["x"] == 0)
    assert centre["loss"][middle] == pytest.approx(ends["loss"][1], rel=1e-9)
    assert catalog.check_integrity(contents=True) == []


def test_a_point_stands_alone_in_the_place_of_a_run(searched: tuple[Catalog, str]) -> None:
    """The end of a search is one dot on a plane, beside its model's whole run, by its own name."""
    catalog, key = searched
    (model,) = catalog.models()
    _, end = catalog.answer_points(key=key)
    others = [(model, end.point_id), (model, "")]
    settings = ProjectionSettings(precision="float64")
    answer = complete(catalog, questions.ask(catalog, PROJECTION, model, settings, others=others))
    assert answer.settings["lengths"] == [1, 1]
    assert set(answer.point_ids[1:]) == {end.point_id, model.point_id}
    assert "net at end of search 2" in answer.title
    names = [name.text for name in subject_names(catalog, answer)]
    assert set(names[1:]) == {"net", "net at end of search 2"}
    ends = catalog.values(key, CRITICAL.table)
    losses = result_as(catalog, answer, Projection).loss
    at = answer.point_ids[1:].index(end.point_id)
    assert losses[at] == pytest.approx(ends["loss"][1], rel=1e-9)
    link = link_to(answer, Subjects(catalog))
    assert set(link.parameters["runs"]) == {"net", f"net@{point_text(end)}"}
    command = compute_command(catalog, answer)
    assert f"net@{key[:12]}:2" in command


def test_what_is_no_point_of_an_answer_is_one_sentence(searched: tuple[Catalog, str]) -> None:
    """A name that the answer did not bring says which it has."""
    catalog, key = searched
    with pytest.raises(ValueError, match="no point of net; that analysis brought: 1, 2"):
        subject_named(catalog, f"net@{key[:8]}:7")


def test_more_copies_take_the_points_over(searched: tuple[Catalog, str]) -> None:
    """A search with one more copy has the ends of the first two, under its own numbers."""
    catalog, key = searched
    (model,) = catalog.models()
    settings = CriticalSettings(lengths=(1,), starts=3, steps=5, products=10)
    more = complete(catalog, questions.ask(catalog, CRITICAL, model, settings)).key
    old, new = (catalog.answer_points(key=k) for k in (key, more))
    assert [p.point_id for p in new[:2]] == [p.point_id for p in old] and len(new) == 3
    assert [p.label for p in new] == [f"end of search {n}" for n in (1, 2, 3)]


def piece(unit: int, tensors: dict[str, np.ndarray] | None, finished: bool = False) -> Piece:
    """A search's end, with its point if there are tensors."""
    columns = {name: np.array([1.0]) for name in ("loss", "ended")}
    columns |= {name: np.array([unit]) for name in ("unit", "snapshot", "copy")}
    point = PiecePoint(
        str(unit + 1), f"end of search {unit + 1}", f"{unit:064d}", unit, tensors or {}
    )
    return Piece(columns, {}, 0.1, [point] if tensors else [], finished=finished)


@pytest.fixture
def waiting(
    searched: tuple[Catalog, str], tmp_path: Path
) -> Iterator[tuple[Supervisor, JobFolder, dict[str, np.ndarray]]]:
    """Another catalog with that model, a search that waits there, and the tensors of the model."""
    searched[0].close()
    catalog = Catalog(tmp_path / "catalog")
    catalog.merge(searched[0].folder)
    (model,) = catalog.models()
    (point,) = catalog.points(model.id)
    questions.ask(catalog, CRITICAL, model, WAITING)
    supervisor = Supervisor(catalog, hires=False)
    (folder,) = supervisor._spool.jobs()
    yield supervisor, folder, load_file(catalog.file_path(point.file_hash or ""))
    catalog.close()


def wrong_name(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One more than the model has."""
    return tensors | {"other": np.zeros(3, np.float32)}


def one_less(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One less."""
    return dict(list(tensors.items())[1:])


def weight(tensors: dict[str, np.ndarray]) -> str:
    """The name of a tensor of numbers with a fraction."""
    return next(name for name, value in tensors.items() if value.dtype == np.float32)


def wrong_shape(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One with a row more."""
    name = weight(tensors)
    shape = tensors[name].shape
    return tensors | {name: np.zeros((shape[0] + 1, *shape[1:]), np.float32)}


def wrong_type(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One as whole numbers."""
    name = weight(tensors)
    return tensors | {name: np.zeros(tensors[name].shape, np.int64)}


HARMS = {
    "has no such tensor": (wrong_name, "brings a tensor other, which net does not have"),
    "lacks one": (one_less, "does not fit net: it lacks"),
    "another shape": (wrong_shape, "does not fit net: .* must be float32 of"),
    "another type": (wrong_type, "does not fit net: .* got I64 of"),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_point_that_does_not_fit_fails_the_job_alone(waiting, harm: str) -> None:
    """One sentence; the piece before it is kept, with its point; nothing is damaged."""
    supervisor, folder, tensors = waiting
    change, words = HARMS[harm]
    folder.put_piece(piece(0, tensors))
    folder.put_piece(piece(1, change(tensors)))
    supervisor.step()
    job = supervisor.catalog.job(folder.id)
    assert job.status == "failed"
    assert re.search(words, job.error or ""), job.error
    assert supervisor.catalog.question(job.question_key).units_done == 1
    assert [p.name for p in supervisor.catalog.answer_points(key=job.question_key)] == ["1"]
    assert supervisor.catalog.check_integrity(contents=True) == []


def test_a_point_cut_off_comes_again(waiting) -> None:
    """A tensor file cut short by a power loss: its piece is put aside, its unit stays missing."""
    supervisor, folder, tensors = waiting
    folder.put_piece(piece(0, tensors))
    (file,) = folder.piece_files()
    arrival = read_arrival(file)
    beside = arrival.beside(arrival.note.points[0])
    os.truncate(beside, beside.stat().st_size - 7)
    folder.put_piece(piece(1, tensors))
    supervisor.step()
    catalog, job = supervisor.catalog, supervisor.catalog.job(folder.id)
    assert job.status == "queued"
    assert catalog.done_units(job.question_key, CRITICAL.table).tolist() == [1]


def test_a_point_that_is_no_tensors_takes_no_other_piece_with_it(waiting) -> None:
    """A worker's file of something else: the job fails in a sentence, what came beside it stays."""
    supervisor, folder, tensors = waiting
    folder.put_piece(piece(0, tensors))
    (file,) = folder.piece_files()
    (note,) = read_arrival(file).note.points
    file.with_name(note.file).write_bytes(b"no tensors")
    content, other = file.read_bytes(), hashlib.sha256(b"no tensors").hexdigest()
    file.write_bytes(content.replace(note.digest.encode(), other.encode()))
    folder.put_piece(piece(1, tensors))
    supervisor.step()
    catalog, job = supervisor.catalog, supervisor.catalog.job(folder.id)
    assert job.status == "failed"
    assert "end of search 1 is no file of tensors" in (job.error or "")
    assert catalog.done_units(job.question_key, CRITICAL.table).tolist() == [1]


def test_a_label_that_no_database_holds_ends_its_job_alone(waiting) -> None:
    """Half a letter in what is said of a piece: its job fails in words, the step goes on."""
    supervisor, folder, tensors = waiting
    point = PiecePoint("1", "half \ud800", f"{1:064d}", 0, wrong_name(tensors))
    folder.put_piece(replace(piece(0, tensors), points=[point]))
    supervisor.step()
    job = supervisor.catalog.job(folder.id)
    assert job.status == "failed"
    assert "half \\ud800 brings a tensor other" in (job.error or "")


def test_an_answer_that_ends_early_is_complete(waiting) -> None:
    """One of two searches and its word: the job is done, and asking again queues nothing."""
    supervisor, folder, tensors = waiting
    catalog = supervisor.catalog
    folder.put_piece(piece(0, tensors, finished=True))
    folder.finish("done")
    supervisor.step()
    job = catalog.job(folder.id)
    question = catalog.question(job.question_key)
    assert (job.status, question.status, question.ended_early) == ("done", "complete", True)
    (model,) = catalog.models()
    assert questions.ask(catalog, CRITICAL, model, WAITING) == question.key
    assert catalog.active_jobs() == []


def test_pages_list_the_point_and_lead_to_it(
    searched: tuple[Catalog, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search's page opens; a line's address with its end shows that question after a reload."""
    catalog, key = searched
    (model,) = catalog.models()
    point = catalog.answer_points(key=key)[1]
    line_key = questions.ask(catalog, LINE, model, LineSettings(**AXIS), point=point.point_id)
    complete(catalog, line_key)
    monkeypatch.setenv("EXPLORER_CATALOG", str(catalog.folder))
    try:
        app = fine(opened(CRITICAL.page, model="net", starts="2", steps="5", products="10"))
        assert "Analyse the" in [box.label for box in app.selectbox]
        link = link_to(catalog.question(line_key), Subjects(catalog))
        assert link.parameters["step"] == f"end of search 2 ({key[:8]})"
        app = fine(opened(LINE.page, **link.parameters))
        assert charts(app) >= 1
        assert app.query_params["step"] == link.parameters["step"]
        (menu,) = [box for box in app.selectbox if box.label == "Point"]
        ends = result_as(catalog, catalog.question(key), Critical)
        index, loss = (ends.values[name][1] for name in ("index", "loss"))
        told = f"loss {loss:.4g}, index {index:,.0f}, {ends.classes[1]}"
        assert menu.options[-1] == as_text(f"{told} · end of search 2 ({key[:8]})", 200)
        app = fine(menu.set_value(f"end of search 1 ({key[:8]})").run())
        assert app.query_params["step"] == f"end of search 1 ({key[:8]})"
        (menu,) = [box for box in app.selectbox if box.label == "Point"]
        final = catalog.points(model.id)[0].label
        assert "step" not in fine(menu.set_value(final).run()).query_params
        app = fine(opened(LINE.page, **link.parameters))
        said = " ".join(str(table.value.to_dict()) for table in app.table)
        unescaped = said.replace("\\", "")
        assert "end of search 2 of Critical points of net" in unescaped
    finally:
        _running.stop_apps()
