"""Points and state that answers bring: kept with the answer, shared by hash, dropped in time."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from safetensors.numpy import save

from store import Catalog
from store.instance import CONFIG
from store.isolated import connect_isolated
from store.part import Part
from store.rebuilding import _copy_rows
from store.records import AnswerPiece, PointFile, StateFile
from tests.stored import TABLE, ingest, put_model, question

POINTS = {"1": "e" * 64, "2": "f" * 64}  # name -> id of what the answer `q1` brings


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A catalog with a model and a question of three units."""
    catalog = Catalog(tmp_path / "catalog")
    put_model(catalog)
    catalog.ask(question(units=3))
    yield catalog
    catalog.close()


def file_of(catalog: Catalog, name: str) -> Path:
    """A file that a worker left, with a tensor."""
    path = catalog.folder / f"{name}.left"
    path.write_bytes(save({"weight": np.full(3, sum(map(ord, name)), np.float32)}))
    return path


def point_file(catalog: Catalog, name: str) -> PointFile:
    """A point, which came with the unit before its name."""
    label, file = f"end of search {name}", file_of(catalog, f"point {name}")
    return PointFile(
        name=name, point_id=POINTS[name], unit=int(name) - 1, model_id="m1", label=label, file=file
    )


def bring(
    catalog: Catalog,
    units: tuple[int, ...] = (),
    points: tuple[str, ...] = (),
    state: tuple[int, int, str] | None = None,
    finished: bool = False,
) -> int:
    """Store a piece; how many units are answered then."""
    rows = {"unit": np.array(units, dtype=np.int64), "loss": np.array(units) / 2} if units else {}
    unit, part, name = state or (0, 0, "")
    piece = AnswerPiece(
        columns=rows,
        points=[point_file(catalog, name) for name in points],
        state=StateFile(unit=unit, part=part, file=file_of(catalog, name)) if state else None,
        finished=finished,
    )
    return catalog.ingest_together("q1", TABLE, [piece])


def states(catalog: Catalog, key: str = "q1") -> dict[int, list[int]]:
    """The parts of state by unit."""
    return {unit: [p.part for p in parts] for unit, parts in catalog.answer_states(key).items()}


def about(catalog: Catalog, name: str, key: str = "q2") -> None:
    """Ask another question about a point that `q1` brought."""
    catalog.ask(question(key, units=1, point_ids=(POINTS[name],)))
    ingest(catalog, [0], key=key)


def test_a_point_is_stored_once_with_its_rows(catalog: Catalog) -> None:
    """Its tensors lie under their hash, it is found by id, model and answer; twice is once."""
    for _ in range(2):
        bring(catalog, (0, 1), ("1", "2"))
    assert [(p.name, p.unit, p.label) for p in catalog.answer_points(key="q1")] == [
        ("1", 0, "end of search 1"), ("2", 1, "end of search 2"),
    ]  # fmt: skip
    assert [p.point_id for p in catalog.answer_points(model_id="m1")] == list(POINTS.values())
    assert catalog.answer_points(model_id="m2") == []
    point = catalog.point(POINTS["2"])
    assert (point.model_id, point.label, point.step) == ("m1", "end of search 2", None)
    left = file_of(catalog, "point 2").read_bytes()
    assert catalog.file_path(point.file_hash or "").read_bytes() == left
    assert [p.point_id for p in catalog.points("m1")] == ["w1"]  # they are no snapshots of a run
    assert catalog.check_integrity(contents=True) == []


@pytest.mark.parametrize("place", [(10**30, 0), (-1, 0), (99, 0), (1, -1), (1, 10**30)])
def test_state_of_a_unit_or_part_that_cannot_be_is_refused(
    catalog: Catalog, place: tuple[int, int]
) -> None:
    """Before anything of its piece is stored."""
    with pytest.raises(ValueError, match=r"state has part|a piece has units"):
        bring(catalog, (0,), state=(*place, "odd"))
    assert states(catalog) == {} and catalog.done_units("q1", TABLE).tolist() == []


def test_a_point_of_a_stored_unit_is_left_out(catalog: Catalog) -> None:
    """A unit that comes a second time, with another end, changes nothing: rows and point agree."""
    bring(catalog, (0,))
    bring(catalog, (0,), ("1",))
    assert catalog.answer_points(key="q1") == []


def test_state_grows_by_parts_and_goes_with_its_unit(catalog: Catalog) -> None:
    """Parts follow each other; an earlier one again drops those after it; rows drop them all."""
    for part in range(3):
        bring(catalog, state=(1, part, f"part {part}"))
    bring(catalog, state=(2, 0, "other"))
    assert states(catalog) == {1: [0, 1, 2], 2: [0]}
    bring(catalog, state=(1, 1, "again"))
    assert states(catalog) == {1: [0, 1], 2: [0]}
    kept = catalog.answer_states("q1")[1][1].file_hash
    assert catalog.file_path(kept).read_bytes() == file_of(catalog, "again").read_bytes()
    assert catalog.check_integrity(contents=True) == []
    bring(catalog, (1,), state=(2, 1, "more"))
    assert states(catalog) == {2: [0, 1]}
    bring(catalog, state=(1, 0, "late"))  # of a unit that is done
    assert states(catalog) == {2: [0, 1]}
    bring(catalog, (0, 2))
    assert states(catalog) == {} and catalog.question("q1").status == "complete"
    assert catalog.collect(grace=0).count == 7 and catalog.check_integrity() == []


def test_a_lost_part_takes_those_after_it_along(catalog: Catalog) -> None:
    """Without the part between, what follows cannot be gone on from."""
    for part in (0, 2):
        bring(catalog, state=(0, part, f"part {part}"))
    bring(catalog, state=(1, 3, "alone"))
    assert states(catalog) == {0: [0]}


def test_an_answer_that_says_so_is_complete(catalog: Catalog) -> None:
    """Two of three units and its word: complete, its state gone, nothing wrong, asked no more."""
    bring(catalog, (0,), state=(1, 0, "half"))
    assert not catalog.question("q1").ended_early
    bring(catalog, (1,), finished=True)
    stored = catalog.question("q1")
    assert (stored.status, stored.units_done, stored.ended_early) == ("complete", 2, True)
    assert stored.completed is not None and states(catalog) == {}
    assert catalog.ask(question(units=3)) == stored
    assert catalog.check_integrity(contents=True) == []


def test_points_stay_while_an_analysis_is_about_them(catalog: Catalog) -> None:
    """The answer that brought them goes; what nothing is about goes with it, the other stays."""
    bring(catalog, (0, 1, 2), ("1", "2"))
    about(catalog, "1")
    assert catalog.users_of_points("q1") == ["q2"]
    catalog.delete_question("q1")
    assert [p.name for p in catalog.answer_points(model_id="m1")] == ["1"]  # what is in use
    catalog.empty_trash(grace=0)
    assert catalog.question("q1") is None
    assert [p.name for p in catalog.answer_points(key="q1")] == ["1"]
    assert catalog.file_path(catalog.point(POINTS["1"]).file_hash or "").exists()
    assert catalog.check_integrity(contents=True) == []
    catalog.delete_question("q2")
    assert catalog.empty_trash(grace=0).count >= 1
    assert catalog.answer_points(key="q1") == [] and catalog.check_integrity() == []


def test_a_changed_point_is_found(catalog: Catalog) -> None:
    """Its row is sealed with the answer, its file by its name."""
    bring(catalog, (0, 1, 2), ("1",))
    catalog.close()
    with duckdb.connect(catalog.folder / "catalog.duckdb") as plain:
        plain.execute("UPDATE answer_points SET label = 'end of search 7'")
    assert "analysis q1 is not what was stored" in catalog.check_integrity()[0]
    file = catalog.file_path(catalog.point(POINTS["1"]).file_hash or "")
    file.unlink()
    assert any("end of search 7 of analysis q1" in s for s in catalog.check_integrity())


def test_all_of_it_is_merged(catalog: Catalog, tmp_path: Path) -> None:
    """Points, state and the early end come over with their files; twice is once."""
    bring(catalog, (0,), ("1",), state=(1, 0, "half"))
    about(catalog, "1")
    catalog.close()
    other = Catalog(tmp_path / "other")
    other.merge(catalog.folder)
    assert states(other) == {1: [0]}
    assert other.answer_points(key="q1") == catalog.answer_points(key="q1")
    assert other.question("q2").point_ids == (POINTS["1"],)
    assert other.check_integrity(contents=True) == []
    bring(catalog, (1,), ("2",), finished=True)
    catalog.close()
    other.merge(catalog.folder)
    assert states(other) == {} and other.question("q1").ended_early
    assert [p.name for p in other.answer_points(key="q1")] == ["1", "2"]
    assert not any(vars(other.merge(catalog.folder)).values())
    assert other.check_integrity(contents=True) == []


def test_state_of_what_is_begun_here_stays_as_it_is(catalog: Catalog, tmp_path: Path) -> None:
    """A merge brings state only for units that are neither done nor begun here."""
    other = Catalog(tmp_path / "other")
    put_model(other)
    other.ask(question(units=3))
    for unit in (0, 1, 2):
        bring(other, state=(unit, 0, f"theirs {unit}"))
    other.close()
    bring(catalog, (0,), state=(1, 0, "ours"))
    before = catalog.answer_states("q1")[1]
    catalog.merge(other.folder)
    assert states(catalog) == {1: [0], 2: [0]} and catalog.answer_states("q1")[1] == before
    assert catalog.check_integrity(contents=True) == []


def test_a_merge_brings_a_point_whose_answer_is_deleted(catalog: Catalog, tmp_path: Path) -> None:
    """The trash stays behind, but not what an analysis outside of it is about."""
    bring(catalog, (0, 1, 2), ("1", "2"))
    about(catalog, "1")
    catalog.delete_question("q1")
    catalog.close()
    other = Catalog(tmp_path / "other")
    other.merge(catalog.folder)
    assert [p.name for p in other.answer_points(key="q1")] == ["1"]
    assert other.check_integrity(contents=True) == []


def test_a_new_database_takes_it_all_over(catalog: Catalog, tmp_path: Path) -> None:
    """Points, state and early ends are among what a rebuilding saves from an old database."""
    bring(catalog, (0,), ("1",), state=(1, 0, "half"))
    catalog.ask(question("q3", units=5))
    early = AnswerPiece(columns={"unit": np.arange(2)}, finished=True)
    catalog.ingest_together("q3", TABLE, [early])
    catalog.close()
    other = Catalog(tmp_path / "other")
    other.check()
    other.close()
    with (
        duckdb.connect(other.folder / "catalog.duckdb", config=CONFIG) as new,
        connect_isolated(catalog.folder / "catalog.duckdb", 1) as old,
    ):
        assert _copy_rows(new, old)[1] == 0
    assert states(other) == {1: [0]} and other.question("q3").ended_early
    assert other.answer_points(key="q1") == catalog.answer_points(key="q1")


def test_a_part_has_what_it_stands_on(catalog: Catalog, tmp_path: Path) -> None:
    """An answer about a point comes with the one that brought it, and nothing else comes."""
    bring(catalog, units=(0, 1), points=("1", "2"))
    about(catalog, "1")
    catalog.ask(question("q3", units=1))
    put_model(catalog, "other", "other", "v1")
    catalog.close()
    part = Catalog(tmp_path / "part")
    part.merge(catalog.folder, part=Part(keys=frozenset({"q2"})))
    assert {q.key for q in part.questions()[0]} == {"q1", "q2"}
    assert [model.id for model in part.models()] == ["m1"]
    assert {point.point_id for point in part.answer_points()} == {*POINTS.values()}
    assert part.check_integrity(contents=True) == []
    part.close()
