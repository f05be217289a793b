"""What has been computed at a point is not computed again by a question with other points."""

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.ask import questions, requests
from explorer.ask.provenance import contributors, provenance_of
from explorer.codec import from_json
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.kinds.execution import EarlierChoice
from explorer.kinds.kind import Kind
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.piece import Piece
from explorer.kinds.reuse import on_grid
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, records
from tests.filling import add_answer, add_tiny, new_catalog
from tests.stored import line_rows, stored_model

PLACES = {"unit", "i", "j", "x", "y"}


class Served:
    """A catalog with a worker that counts the units which it has answered."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog, self.units = catalog, 0

    def model(self, name: str = "first") -> records.Model:
        return next(model for model in self.catalog.models() if model.name == name)

    def answered(self, settings: Any, model: str = "first") -> records.Question:
        """The question about that model once it is complete."""
        kind = LINE if isinstance(settings, LineSettings) else SURFACE
        return add_answer(self.catalog, kind, settings, (self.model(model), ""))

    def computed(self) -> int:
        """How many units the worker has put into pieces since this was last asked."""
        units, self.units = self.units, 0
        return units

    def values(self, asked: records.Question) -> dict[str, np.ndarray]:
        return self.catalog.values(asked.key, f"{asked.kind}_values")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The tiny model in two versions, and the counting worker."""
    folder = tmp_path_factory.mktemp("served")
    catalog = new_catalog(folder / "catalog")
    for seed, name in enumerate(("first", "second")):
        add_tiny(catalog, folder, name, [seed])
    counted, put_piece = Served(catalog), JobFolder.put_piece

    def put_and_count(job: JobFolder, piece: Piece, *provenance: Any) -> None:
        counted.units += len(piece.units)
        put_piece(job, piece, *provenance)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobFolder, "put_piece", put_and_count)
        yield counted
    catalog.close()


def equal_where_both(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> int:
    """How many points both answers have; at each of them every value must agree in every bit."""
    assert old.keys() == new.keys()
    coordinates = [name for name in ("x", "y") if name in old]
    row = {point: n for n, point in enumerate(zip(*(new[c] for c in coordinates), strict=True))}
    points = list(zip(*(old[c] for c in coordinates), strict=True))
    both = [(n, row[point]) for n, point in enumerate(points) if point in row]
    mine, theirs = (np.array(side) for side in zip(*both, strict=True))
    for name in old.keys() - PLACES:
        assert old[name][mine].tobytes() == new[name][theirs].tobytes(), name
    return len(both)


def surface(count: int, **more: Any) -> SurfaceSettings:
    return SurfaceSettings(x_count=count, y_count=count, **more)


def test_a_finer_grid_computes_only_the_points_between(served):
    """11 x 11, then 21 x 21: 320 of 441 points are computed, the other 121 keep every bit."""
    coarse = served.answered(surface(11))
    assert served.computed() == 121
    fine = served.answered(surface(21))
    assert served.computed() == 441 - 121
    assert equal_where_both(served.values(coarse), served.values(fine)) == 121
    result = questions.result_of(served.catalog, fine)
    assert result.computed.all()
    values = served.values(fine)
    assert np.array_equal(result.x[values["i"]], values["x"])
    assert np.array_equal(result.y[values["j"]], values["y"])
    assert fine.facts["taken_over"] == {"points": 121, "from": [coarse.key]}
    assert fine.facts.keys() - {"taken_over"} == coarse.facts.keys()  # the worker brought its own
    assert fine.provenance == coarse.provenance
    assert len(served.catalog.directions(fine.key)) == 2
    assert served.catalog.check_integrity() == []


def test_a_grid_in_two_steps_is_the_one_computed_at_once(served):
    """Taken over and computed points together are the surface that is computed with no relative."""
    coarse = served.answered(surface(5, seed=1))
    fine = served.answered(surface(9, seed=1))
    mixed = served.values(fine)
    for question in (coarse, fine):
        served.catalog.delete_question(question.key)
    served.catalog.empty_trash()
    served.computed()
    alone = served.values(served.answered(surface(9, seed=1)))
    assert served.computed() == 81
    for name in PLACES:
        assert np.array_equal(mixed[name], alone[name])
    # float32 parameters: last bits depend on how many points are evaluated together
    assert mixed["loss"] == pytest.approx(alone["loss"], rel=1e-5)


def test_a_coarser_grid_is_complete_at_once(served):
    """21 x 21, then 11 x 11: complete when asked, without a job, with the same facts and values."""
    fine = served.answered(surface(21, seed=2))
    served.computed()
    jobs = len(served.catalog.jobs(limit=1000))
    key = questions.ask(served.catalog, SURFACE, served.model(), surface(11, seed=2))
    coarse = served.catalog.question(key)
    assert (coarse.status, coarse.units_done) == ("complete", 121)
    assert len(served.catalog.jobs(limit=1000)) == jobs
    assert equal_where_both(served.values(coarse), served.values(fine)) == 121
    taken = {"taken_over": {"points": 121, "from": [fine.key]}}
    assert coarse.facts == {**fine.facts, **taken}
    assert coarse.provenance == fine.provenance != {}
    assert coarse.seconds == 0.0
    assert served.catalog.directions(key) == served.catalog.directions(fine.key) != []
    whole, part = (questions.result_of(served.catalog, question) for question in (fine, coarse))
    assert np.array_equal(part.loss, whole.loss[::2, ::2])
    assert served.catalog.check_integrity() == []
    assert served.computed() == 0


def test_a_line_is_extended(served):
    """A line from -1 to 1 gives its 11 points to one of the same step from -1 to 2."""
    short = served.answered(LineSettings(x_count=11, seed=3))
    served.computed()
    long = served.answered(LineSettings(x_count=16, x_max=2.0, seed=3))
    assert served.computed() == 5
    assert equal_where_both(served.values(short), served.values(long)) == 11
    assert np.isfinite(questions.result_of(served.catalog, long).loss).all()


@pytest.mark.parametrize(
    ("change", "model"),
    [
        ({"seed": 5}, "first"),
        ({"precision": "float64"}, "first"),
        ({"normalisation": "layer"}, "first"),
        ({"ignore_1d": False}, "first"),
        ({"orthogonal": True}, "first"),
        ({"split": "test"}, "first"),
        ({}, "second"),
    ],
    ids=str,
)
def test_any_other_change_takes_nothing_over(served, change, model):
    """With another direction, precision, data or model the same points are other losses."""
    served.answered(surface(3, seed=4))
    served.computed()
    other = served.answered(surface(5, **{"seed": 4, **change}), model)
    assert served.computed() == 25
    assert "taken_over" not in other.facts


def test_a_deleted_relative_is_not_used_until_it_is_restored(served):
    """What is in the trash gives nothing; taken out again it gives what it has."""
    coarse = served.answered(surface(3, seed=7))
    served.catalog.delete_question(coarse.key)
    served.computed()
    served.answered(LineSettings(x_count=3, seed=7))  # a line is no relative of a surface
    assert served.computed() == 3
    served.answered(surface(5, seed=7))
    assert served.computed() == 25
    served.catalog.delete_question(served.answered(surface(5, seed=7)).key)
    served.catalog.restore_question(coarse.key)
    served.answered(surface(9, seed=7))
    assert served.computed() == 81 - 9


def test_what_the_worker_chose_is_remembered(served):
    """The facts of a real answer name its choice; the catalog has it for the same objective."""
    stored_question = served.answered(surface(3, seed=8))
    facts = stored_question.facts
    noted = served.catalog.choices(stored_question.objective)[facts["device"]]
    assert noted["choice"] == facts["choice"] != {}
    assert noted.keys() == {"choice", "timing"}
    again = served.answered(LineSettings(x_count=3, seed=8))
    assert again.facts["choice"] == facts["choice"]


# Without a worker: answers as a worker may leave them.


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog")
    stored_model(catalog, "m", "/here/p.py", {})
    yield catalog
    catalog.close()


def columns(settings: SurfaceSettings) -> dict[str, np.ndarray]:
    """An answer of any bits at the points of a grid."""
    (i, j), (x, y) = settings.places, settings.axes
    bits = np.random.default_rng(settings.units).integers(0, 2**64, len(i), dtype=np.uint64)
    loss = bits.view(np.float64)
    loss[:5] = np.nan, np.inf, -np.inf, -0.0, 0.0
    loss[5:7] = np.array([0x7FF8000000001234, 0xFFF8000000000001], dtype=np.uint64).view(float)
    unit = np.arange(len(i))
    return {"unit": unit, "i": i, "j": j, "x": x[i], "y": y[j], "loss": loss}


def put(
    catalog: Catalog, settings: SurfaceSettings, facts: dict[str, Any], units: Any = slice(None)
) -> str:
    """The key of a question that these units of an answer are stored of."""
    key = questions.ask(catalog, SURFACE, catalog.model("m"), settings)
    given = {name: values[units] for name, values in columns(settings).items()}
    catalog.ingest(key, SURFACE.table, given, facts, 0.1, {"device": facts.get("device", "cpu")})
    return key


def ask(catalog: Catalog, settings: Any, kind: Kind = SURFACE) -> records.Question:
    return catalog.question(questions.ask(catalog, kind, catalog.model("m"), settings))


def test_values_that_are_no_numbers_are_taken_over_as_they_are(catalog):
    """NaN with its payload, Inf and -0.0 come through in every bit; they count as computed."""
    key = put(catalog, surface(11), {"device": "cpu"})
    fine = ask(catalog, surface(21))
    old, new = catalog.values(key, SURFACE.table), catalog.values(fine.key, SURFACE.table)
    assert np.isnan(old["loss"]).sum() >= 3
    assert equal_where_both(old, new) == 121 == fine.units_done
    assert questions.result_of(catalog, fine).computed.sum() == 121
    job = catalog.active_job_for(fine.key)
    assert requests.request_of(catalog, job).done == tuple(sorted(new["unit"]))


def test_an_unfinished_grid_gives_what_it_has(catalog):
    """Of a grid that was stopped after 30 points a finer one takes over those 30."""
    put(catalog, surface(11), {"device": "cpu"}, slice(30))
    fine = ask(catalog, surface(21))
    assert (fine.units_done, fine.status) == (30, "open")
    assert fine.facts == {"taken_over": {"points": 30, "from": fine.facts["taken_over"]["from"]}}
    assert fine.provenance == {}  # the worker's, who answers the rest


def test_several_relatives_give_together(catalog):
    """Points of the first are not taken again from the second; facts say how many and from whom."""
    left = put(catalog, surface(11, x_max=0.0), {"device": "cpu", "examples": 40})
    right = put(catalog, surface(11, x_min=0.0), {"device": "gpu", "examples": 40}, slice(0, 120))
    stored_question = ask(catalog, SurfaceSettings(x_count=21, y_count=11))
    assert stored_question.units_done == 121 + 120 - 11
    assert stored_question.facts == {"taken_over": {"points": 230, "from": [left, right]}}
    assert catalog.check_integrity() == []


def test_rows_taken_over_keep_who_computed_them(catalog):
    """Each giver's rows by its own device; a giver of two devices' rows says either of them."""
    west = SurfaceSettings(x_count=9, x_max=0.0, y_count=11)
    left = put(catalog, west, {"device": "cpu"}, slice(0, 60))
    rest = {name: values[60:] for name, values in columns(west).items()}
    catalog.ingest(left, SURFACE.table, rest, {}, 0.1, {"device": "cuda", "torch": "2.11"})
    put(catalog, SurfaceSettings(x_count=8, x_min=0.125, y_count=11), {"device": "mps"})
    stored_question = ask(catalog, SurfaceSettings(x_count=17, y_count=11))
    told = [(share.units, share.provenance) for share in contributors(catalog, stored_question)]
    assert told == [(99, {"device": "cpu or cuda", "torch": "2.11"}), (88, {"device": "mps"})]
    computed = provenance_of(catalog, stored_question).computed
    assert "device" not in computed and len(computed["shares"]) == 2


def test_rows_that_an_earlier_version_took_over_are_their_givers(catalog):
    """Its pieces do not say whose they are: the givers do, and without them it is unknown."""
    key = put(catalog, surface(21), {"device": "cuda"}, slice(121, None))
    giver = put(catalog, surface(11), {"device": "cpu"})
    rows = {name: values[:121] for name, values in columns(surface(21)).items()}
    taken = {"taken_over": {"points": 121, "from": [giver]}}
    catalog.ingest(key, SURFACE.table, rows, taken, 0.0, {})
    told = [(s.units, s.provenance) for s in contributors(catalog, catalog.question(key))]
    assert told == [(320, {"device": "cuda"}), (121, {"device": "cpu"})]
    catalog.delete_question(giver)
    catalog.empty_trash()
    told = [(s.units, s.provenance) for s in contributors(catalog, catalog.question(key))]
    assert told == [(320, {"device": "cuda"}), (121, {})]


def test_what_several_relatives_complete_has_the_facts_that_they_share(catalog):
    """Where two answers make a third whole, only what both say of themselves is said of it."""
    alone = {"loss": float("nan")}
    for changed in ({"x_max": 0.0}, {"x_min": 0.0}):
        device = "cpu" if "x_max" in changed else "gpu"
        put(catalog, surface(11, **changed), {"device": device, "stand_alone": alone})
    stored_question = ask(catalog, SurfaceSettings(x_count=21, y_count=11))
    assert (stored_question.status, stored_question.units_done) == ("complete", 231)
    assert stored_question.facts.keys() == {"stand_alone", "taken_over"}
    assert stored_question.provenance == {}  # one was computed on a GPU
    assert catalog.active_job_for(stored_question.key) is None


def test_what_has_no_facts_of_its_own_completes_nothing(catalog):
    """An answer of taken over points alone gives none: the facts would be lost with its source."""
    source = put(catalog, surface(11), {"device": "cpu"})
    ask(catalog, surface(21))  # nobody answers the rest
    catalog.delete_question(source)
    assert ask(catalog, surface(6)).units_done == 0
    catalog.restore_question(source)
    assert ask(catalog, surface(6)).status == "complete"


def test_the_same_point_under_another_name_is_a_relative(catalog):
    """Two models with the same weights, by whatever path, share what is known of them."""
    key = put(catalog, surface(11), {"device": "cpu"})
    other = stored_model(catalog, "other", "/there/p.py", {})
    fine = catalog.question(questions.ask(catalog, SURFACE, other, surface(21)))
    assert fine.model_ids == ("other",)
    assert fine.facts == {"taken_over": {"points": 121, "from": [key]}}


def test_what_is_begun_takes_nothing_over(catalog):
    """A question that has points of its own is left to its worker."""
    key = put(catalog, surface(21), {"device": "cpu"}, slice(7))
    put(catalog, surface(11), {"device": "cpu"})
    before = catalog.values(key, SURFACE.table)
    assert ask(catalog, surface(21)).units_done == 7
    assert catalog.values(key, SURFACE.table)["unit"].tolist() == before["unit"].tolist()


def test_only_equal_coordinates_are_the_same_point():
    """One unit in the last place beside a point is another point."""
    settings = surface(11)
    old = columns(settings)
    old["x"] = np.nextafter(old["x"], 2.0)
    assert not len(on_grid(old, settings.axes, settings.places)["unit"])
    old["x"][3] = columns(settings)["x"][3]
    rows_on_grid = on_grid(old, settings.axes, settings.places)
    assert rows_on_grid["unit"].tolist() == [3]
    assert rows_on_grid["loss"].tobytes() == old["loss"][3:4].tobytes()


def test_every_row_finds_its_unit():
    """Rows of a shifted, unequally fine grid get index and unit of the same point in another."""
    old = SurfaceSettings(x_min=-3.0, x_max=1.0, x_count=17, y_min=0.0, y_max=4.0, y_count=5)
    new = SurfaceSettings(x_min=-1.0, x_max=3.0, x_count=33, y_min=-1.0, y_max=2.0, y_count=7)
    given = columns(old)
    shuffled = np.random.default_rng(0).permutation(old.units)
    rows_on_grid = on_grid({n: v[shuffled] for n, v in given.items()}, new.axes, new.places)
    i, j = new.places
    assert np.array_equal(i[rows_on_grid["unit"]], rows_on_grid["i"])
    assert np.array_equal(j[rows_on_grid["unit"]], rows_on_grid["j"])
    assert np.array_equal(new.axes[0][rows_on_grid["i"]], rows_on_grid["x"])
    assert np.array_equal(new.axes[1][rows_on_grid["j"]], rows_on_grid["y"])
    assert (
        equal_where_both(rows_on_grid, given) == len(rows_on_grid["unit"]) == 9 * 3
    )  # x: -1..1, y: 0..2


def test_an_axis_may_be_counted():
    """Lines are told apart by their number alone: the column is index and coordinate at once."""
    unit = np.arange(6)
    old = {"unit": unit, "k": unit % 2, "i": unit // 2, "x": unit // 2 * 0.5, "loss": unit * 1.0}
    axes, order = (np.array([0.5, 1.0]), np.arange(3)), (np.repeat([0, 1], 3), np.tile(range(3), 2))
    rows_on_grid = on_grid(old, axes, order, (("i", "x"), ("k", "k")))
    assert rows_on_grid.keys() == old.keys()
    assert rows_on_grid["loss"].tolist() == [
        2.0,
        3.0,
        4.0,
        5.0,
    ]  # x 0.5, 0.5, 1, 1 of lines 0, 1, 0, 1
    assert rows_on_grid["unit"].tolist() == [0, 1, 3, 4]  # unit 2 and 5 are a third line's
    assert (rows_on_grid["k"].tolist(), rows_on_grid["i"].tolist()) == ([0, 1, 0, 1], [0, 0, 1, 1])


def test_points_that_floats_cannot_tell_apart_are_one_row():
    """On an axis finer than floats several indices are one coordinate; each unit has one row."""
    high = 1.0 + 4 * np.finfo(float).eps
    settings = LineSettings(x_min=1.0, x_max=high, x_count=17)
    assert len(np.unique(settings.axis)) < 17
    i = np.arange(17)
    old = {"unit": i, "i": i, "x": settings.axis, "loss": settings.axis}
    rows_on_grid = on_grid(old, (settings.axis,), (i,))
    assert (
        len(np.unique(rows_on_grid["unit"]))
        == len(rows_on_grid["unit"])
        == len(np.unique(settings.axis))
    )


def test_a_question_with_a_large_relative_takes_all_over(catalog):
    """With 51 x 51 points stored, each finer question about the plane begins with them."""
    put(catalog, surface(51), {"device": "cpu"})
    for x_count, y_count in ((51, 101), (101, 151), (151, 201)):
        settings = SurfaceSettings(x_count=x_count, y_count=y_count)
        key = questions.ask(catalog, SURFACE, catalog.model("m"), settings)
        assert catalog.question(key).units_done == 51 * 51


# Remembered choices.

CHOICE = {
    "choice": {"batch": 20, "lanes": 4},
    "device": "cpu (2 threads)",
    "timing": {"seconds": {"4 lanes": 0.01}},
}
NOTED = {"choice": CHOICE["choice"], "timing": CHOICE["timing"]}
BEGUN = {**NOTED, "begun": True}  # an answer's own choice, which it has to go on with


def arrive(catalog: Catalog, key: str, facts: dict[str, Any]) -> None:
    """A piece with these facts, brought in by a supervisor as if this process were the worker."""
    folder = Spool(catalog.jobs_folder).job(catalog.active_job_for(key).id)
    assert folder.is_queued is (folder.worker is None)
    if folder.worker is None:
        assert folder.claim(ProcessName.of(os.getpid()))
    stored_question = catalog.question(key)
    unit = np.array([stored_question.units_done], dtype=np.int64)
    folder.put_piece(Piece(line_rows(unit), facts, 0.1))
    supervisor = Supervisor(catalog, "cpu")
    assert supervisor.acquire()
    supervisor.step()
    supervisor.stop()
    assert catalog.question(key).units_done == stored_question.units_done + 1


def earlier(noted: dict[str, Any]) -> EarlierChoice:
    """A choice as a worker is told of it."""
    return from_json(EarlierChoice, noted)


def choices_of(catalog: Catalog, asked: records.Question) -> Mapping[str, EarlierChoice]:
    return requests.request_of(catalog, catalog.active_job_for(asked.key)).choices


def test_a_choice_is_remembered_for_the_objective(catalog):
    """What the first piece says is told to other questions about the same loss, and no other."""
    first = ask(catalog, LineSettings(x_count=9), LINE)
    assert choices_of(catalog, first) == {}
    arrive(catalog, first.key, {**CHOICE, "examples": 40})
    assert catalog.choices(first.objective) == {CHOICE["device"]: NOTED}
    same = ask(catalog, surface(5, seed=3))
    assert choices_of(catalog, same) == {CHOICE["device"]: earlier(NOTED)}
    other = ask(catalog, surface(5, precision="float64"))
    assert choices_of(catalog, other) == {}


def test_pieces_without_a_choice_note_none(catalog):
    """Neither later pieces, which have no facts, nor a worker that chooses nothing say anything."""
    stored_question = ask(catalog, LineSettings(x_count=9), LINE)
    arrive(catalog, stored_question.key, {"device": "cpu (2 threads)"})
    arrive(catalog, stored_question.key, {})
    assert catalog.choices(stored_question.objective) == {}


def test_a_resumed_question_goes_on_as_it_began(catalog):
    """A later choice of another question does not change that of an answer in progress."""
    begun = ask(catalog, LineSettings(x_count=9), LINE)
    arrive(catalog, begun.key, CHOICE)
    later = {"choice": {"batch": 20, "lanes": 16}, "timing": {}}
    catalog.note_choice(begun.objective, CHOICE["device"], later)
    catalog.note_choice(begun.objective, "gpu", later)
    assert choices_of(catalog, begun) == {CHOICE["device"]: earlier(BEGUN), "gpu": earlier(later)}
    fresh = ask(catalog, LineSettings(x_count=9, seed=1), LINE)
    assert choices_of(catalog, fresh) == {CHOICE["device"]: earlier(later), "gpu": earlier(later)}


def test_an_old_question_without_an_objective_can_be_resumed(catalog):
    """What was stored before choices were remembered is offered with its own or with none."""
    stored_question = ask(catalog, LineSettings(x_count=9), LINE)
    catalog._write(lambda c: c.execute("UPDATE questions SET objective = NULL, family = NULL"))
    assert choices_of(catalog, stored_question) == {}
    arrive(catalog, stored_question.key, CHOICE)
    assert catalog.choices(stored_question.objective) == {}
    assert choices_of(catalog, stored_question) == {CHOICE["device"]: earlier(BEGUN)}
    again = ask(catalog, LineSettings(x_count=9), LINE)
    assert dataclasses.astuple(again)[:9] == dataclasses.astuple(stored_question)[:9]
    assert (again.objective, again.family) == (stored_question.objective, stored_question.family)
