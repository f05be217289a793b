"""Paths on the plane of a surface: exact least squares, true losses, one answer after a stop."""

import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
import torch
from PIL import Image

from explorer.analysis import projection as answered
from explorer.analysis import run as fitted
from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.look import PlaneLook, SubjectName
from explorer.kinds.path_shape import BEZIER, CHAIN
from explorer.kinds.projection import PROJECTION, Projection, ProjectionLook, ProjectionSettings
from explorer.kinds.run import RUN, Run, RunLook, RunSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.kinds.trajectory import RunSnapshots, Trajectory
from explorer.pages import _running
from explorer.problem import Problem
from explorer.render.export.views import whole_spec
from explorer.render.projection import draw, draw_curves, outside_count, run_names, tracks_of
from explorer.render.relief3d.relief import Relief, draw_relief
from explorer.render.run import draw as draw_run
from explorer.render.run import tracks_of as run_tracks
from explorer.render.trajectories import (
    chart_until,
    make_tracks,
    moments,
    pins,
    snapshots_until,
)
from tests.drawing import drawn_surface, small_picture
from tests.filling import add_model, new_catalog, work
from tests.networks import flat
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)
from tests.tiny import checkpoint, problem_file

CPU = torch.device("cpu")
Points = list[dict[str, torch.Tensor]]


def runs(points: Points) -> tuple[Points, Points]:
    """Two runs, of 13 and of 8 snapshots; the second goes elsewhere from the third on."""
    second = [
        {n: v + (0.3 * k * torch.sin(17 * v) if k > 1 else 0) for n, v in point.items()}
        for k, point in enumerate(points[:8])
    ]
    return points, second


def projected(
    problem: Problem, centre: dict, own: Points, settings: ProjectionSettings, done=frozenset()
) -> list:
    return list(answered.answer(problem, [centre, *own], settings, done, CPU))


@pytest.mark.parametrize("normalisation", ["filter", "raw"])
def test_coordinates_are_those_of_least_squares(trained, normalisation: str) -> None:
    """Coordinates, distances and shares equal NumPy's on the whole matrices, to 1e-9."""
    problem, points = trained
    first, second = runs(points)
    settings = ProjectionSettings(
        lengths=(13, 8), normalisation=normalisation, precision="float64", seed=4
    )
    paths = Projection.from_pieces(
        settings, projected(problem, points[5], first + second, settings)
    )
    model = FlatModel(problem.model, torch.float64, CPU)
    model.load(points[5])
    vectors = direction_rows(model, settings, 2).numpy()
    assert abs(vectors[0] @ vectors[1]) > 1e-3  # not orthogonal
    matrix = np.stack([flat(point) for point in first + second])
    moved = matrix - flat(points[5])
    exact_coordinates, *_ = np.linalg.lstsq(vectors.T, moved.T, rcond=None)
    assert np.stack([paths.values["x"], paths.values["y"]]) == pytest.approx(
        exact_coordinates, abs=1e-9
    )
    rest = np.linalg.norm(moved - exact_coordinates.T @ vectors, axis=1)
    assert paths.values["out"] == pytest.approx(rest, abs=1e-9)
    assert paths.computed.all() and paths.values["x"][5] == paths.values["y"][5] == 0
    for path, held, own in zip(
        paths.paths, paths.facts.held, (matrix[:13], matrix[13:]), strict=True
    ):
        off = own - own.mean(axis=0)
        along = off @ np.linalg.pinv(vectors) @ vectors
        assert held == pytest.approx((along**2).sum() / (off**2).sum(), rel=1e-9)
        assert path.moved == pytest.approx(np.linalg.norm(own - own[0], axis=1), abs=1e-9)


def test_losses_are_true_ones_and_a_stop_changes_nothing(trained) -> None:
    """Each snapshot has its own loss, not the plane's; what was left out has the same bits."""
    problem, points = trained
    settings = ProjectionSettings(lengths=(13,), precision="float64")
    pieces = projected(problem, points[-1], points, settings)
    whole = Projection.from_pieces(settings, pieces)
    inputs, labels = problem.data["train"]
    for point, loss in zip(points, whole.loss, strict=True):
        outputs = torch.func.functional_call(problem.model, point, (inputs,))
        by_hand = float(torch.nn.functional.cross_entropy(outputs, labels))
        assert loss == pytest.approx(by_hand, rel=1e-12)
    rest = projected(problem, points[-1], points, settings, frozenset(range(4)))
    assert set().union(*(piece.units for piece in rest)) == set(range(4, 13))
    partly = Projection.from_pieces(settings, rest)
    assert np.array_equal(partly.values["x"][4:], whole.values["x"][4:])
    assert np.isnan(partly.loss[:4]).all() and not partly.computed[:4].any()


def test_parallel_directions_give_the_shortest_coordinates() -> None:
    """Where both directions are one, coordinates and distance are finite and those of pinv."""
    one = torch.tensor([1.0, 2.0, 0.0], dtype=torch.float64)
    plane = answered.Plane(torch.zeros(3, dtype=torch.float64), torch.stack([one, 2 * one]))
    place = plane.place(torch.tensor([2.0, 4.0, 3.0], dtype=torch.float64))
    assert [place["x"], place["y"]] == pytest.approx([0.4, 0.8])
    assert place["out"] == pytest.approx(3.0)


@pytest.mark.parametrize("plane", ["together", "first"])
def test_several_runs_on_one_plane(trained, plane: str) -> None:
    """Axes are the SVD's of all snapshots or of the first run's; all are projected, to 1e-9."""
    problem, points = trained
    first, second = runs(points)
    settings = RunSettings(x_count=3, y_count=3, lengths=(13, 8), plane=plane)
    run = Run.from_pieces(
        settings, list(fitted.answer(problem, first + second, settings, set(), CPU))
    )
    matrix = np.stack([flat(point) for point in first + second])
    own = matrix if plane == "together" else matrix[:13]
    _, values, axes = np.linalg.svd(own - own.mean(axis=0), full_matrices=False)
    exact_coordinates = (matrix - matrix[12]) @ axes[:2].T
    assert run.path is not None
    for mine, theirs in (
        (run.path.x, exact_coordinates[:, 0]),
        (run.path.y, exact_coordinates[:, 1]),
    ):
        assert mine * np.sign(mine @ theirs) == pytest.approx(theirs, abs=1e-9)
    assert run.facts.explained[:5] == pytest.approx((values**2 / (values**2).sum())[:5], rel=1e-9)
    assert not run.facts.explained_by_random_walk
    one, other = run.paths
    assert (len(one.x), len(other.x)) == (13, 8)
    for path, part, held in zip(run.paths, (matrix[:13], matrix[13:]), run.facts.held, strict=True):
        assert path.moved == pytest.approx(np.linalg.norm(part - part[0], axis=1), abs=1e-7)
        assert np.isnan(path.turn[:2]).all() and np.isfinite(path.turn[2:]).all()
        off = part - part.mean(axis=0)
        share = ((off @ axes[:2].T) ** 2).sum() / (off**2).sum()
        assert held == pytest.approx(share, rel=1e-9)
    steps = [tuple(range(0, 130, 10)), tuple(range(5, 85, 10))]
    names = [SubjectName("a", steps[0]), SubjectName("b", steps[1])]
    tracks = run_tracks(run, names)
    assert moments(tracks)[:4] == [0, 5, 10, 15]
    assert (
        snapshots_until(tracks, 0),
        snapshots_until(tracks, 1),
        snapshots_until(tracks, 20),
    ) == ([1, 0], [1, 1], [13, 8])
    drawn = whole_spec(draw_run(run, RunLook(until=20), names))
    colours = {layer["mark"].get("color") for layer in drawn["layer"] if "color" in layer["mark"]}
    assert {track.colour for track in tracks} <= colours
    assert whole_spec(draw_run(run, RunLook(picture="course"), names))


def test_paths_drawn_over_a_surface(trained) -> None:
    """Lines of both runs over the contour plot, pins in 3-D, and how many lie outside."""
    problem, points = trained
    first, second = runs(points)
    settings = ProjectionSettings(lengths=(13, 8))
    paths = Projection.from_pieces(
        settings, projected(problem, points[-1], first + second, settings)
    )
    axis = np.linspace(-1, 1, 5)
    loss = np.add.outer(axis**2, axis**2)
    surface = Surface(axis, axis, {"loss": loss}, np.ones((5, 5), dtype=bool))
    tracks = tracks_of(paths, [SubjectName("a"), SubjectName("b")])
    plane = drawn_surface(surface)
    drawn = chart_until(plane, tracks)(12)
    assert len(drawn.layer) == len(plane.layer) + 11  # five each and a legend
    assert len(chart_until(plane, tracks)(0).layer) == len(drawn.layer)
    assert [pin[2] for pin in pins(tracks, 3)] == ["a at 0", "a at 3", "b at 0", "b at 3"]
    inside = (np.abs(paths.values["x"]) <= 1.25) & (np.abs(paths.values["y"]) <= 1.25)
    assert outside_count(tracks, surface) == (~inside).sum()
    assert small_picture("projection", paths).startswith(b"\x89PNG")
    assert whole_spec(draw(paths, ProjectionLook()))


@contextlib.contextmanager
def caught_downloads(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, Callable[[], bytes]]]:
    """What makes the file of each button of a page, by the button's label."""
    downloads: dict[str, Callable[[], bytes]] = {}
    with monkeypatch.context() as patched:
        patched.setattr(
            st, "download_button", lambda label, data, *_, **__: downloads.update({label: data})
        )
        yield downloads


def test_paths_are_asked_on_the_surface_s_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk takes point and runs; a real worker answers; both pages draw two runs by address.

    What the surface's page hands out shows the paths: the figure, and they alone as they grow; they
    are shown alone where the plane's surface is not computed.
    """
    grid = SurfaceSettings(x_count=5, y_count=5)
    catalog = new_catalog(tmp_path / "catalog")
    problem = problem_file(tmp_path / "problem")
    for name, seeds in (("one", range(4)), ("two", range(4, 9))):
        files = [
            Checkpoint(file=checkpoint(tmp_path / f"{name}{k}.safetensors", seed=k), step=k)
            for k in seeds
        ]
        add_model(catalog, problem, files, name)
    one, two = sorted(catalog.models(), key=lambda model: model.name)
    asks = [
        questions.ask(catalog, SURFACE, one, grid),
        questions.ask(
            catalog, PROJECTION, one, ProjectionSettings(), others=[(one, ""), (two, "")]
        ),
        questions.ask(catalog, RUN, one, RunSettings(x_count=5, y_count=5), others=[(two, "")]),
    ]
    work(catalog)
    question = catalog.question(asks[1])
    assert question and question.units == 9 and question.status == "complete"
    stored_answer = questions.result_of(catalog, question)
    assert sorted(stored_answer.lengths) == [4, 5] and stored_answer.computed.all()
    measured = [catalog.measurements(id)["train"]["loss"] for id in question.point_ids[1:]]
    assert stored_answer.loss == pytest.approx(measured, rel=1e-6)
    assert catalog.measurements_by_point(one.id).keys() == {
        p.point_id for p in catalog.points(one.id)
    }
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(SURFACE.page, model="one", x_count="5", y_count="5", runs=["one", "two"]))
    assert "movement; two random directions of" in " ".join(texts(app, "caption"))
    with caught_downloads(monkeypatch) as downloads:
        app = fine(app.select_slider(key="until").set_value(1).run())
    assert downloads["Download PDF"]().startswith(b"%PDF")
    (make,) = [b for b in app.button if str(b.key).startswith("make-projection")]
    app = fine(make.click().run())
    (making,) = app.session_state["kept"]["makings"].values()
    making.thread.join(120)
    assert Image.open(io.BytesIO(making.content)).n_frames == 2
    app = fine(opened(SURFACE.page, model="one", runs=["one", "two"]))  # a card's own address
    assert charts(app) == 1 and len(app.select_slider) == 2  # and "Point"
    app = fine(opened(RUN.page, model="one", x_count="5", y_count="5", runs=["two"]))
    assert "of all snapshots' variance" in " ".join(texts(app, "caption"))
    assert app.select_slider(key="until").options == [str(step) for step in range(9)]
    assert charts(app) == 4  # plane, course, shares, curves
    (said,) = opened(RUN.page, model="one", runs=["three"]).error
    assert "runs in the address must be models of one problem" in said.value
    fine(opened())  # with a card for each
    _running.stop_apps()


def test_a_point_alone_is_told_by_its_name() -> None:
    """In 3-D and in the tooltip it has no step; snapshots of a run have theirs."""
    one = np.zeros(1)
    point = Trajectory(x=one, y=one, out=one, moved=one, values={"loss": one})
    both = np.zeros(2)
    run = Trajectory(x=both, y=both, out=both, moved=both, values={"loss": both})
    names = [SubjectName("net at SLERP"), SubjectName("net", (0, 5))]
    tracks = make_tracks([point, run], names)
    assert [pin[2] for pin in pins(tracks, 1)] == ["net at SLERP", "net at 0", "net at 5"]
    axis = np.linspace(-1, 1, 3)
    surface = Surface(axis, axis, {"loss": np.ones((3, 3))}, np.ones((3, 3), dtype=bool))
    layers = chart_until(drawn_surface(surface), tracks)(1).to_dict()["layer"]
    tips = [layer["encoding"].get("tooltip", []) for layer in layers]
    titles = {tuple(tip["title"] for tip in tip_list) for tip_list in tips if tip_list}
    assert ("point", "true loss", "from the plane") in titles
    assert ("run", "step", "true loss", "from the plane") in titles


def plane_of(points: Points, **changed: object) -> ProjectionSettings:
    """The plane through a first, a last and a middle point, and a path on it."""
    return ProjectionSettings(
        direction="given",
        lengths=(1,) * len(points),
        t_count=9,
        precision="float64",
        **changed,
    )


def test_a_curve_through_three_points_lies_on_their_plane(trained) -> None:
    """A Bezier curve of one bend: coordinates in closed form, no distance, losses of its own."""
    problem, points = trained
    first, bend, last = points[0], points[5], points[12]
    settings = plane_of([first, bend, last], trajectory=BEZIER)
    # x leads from the first point to the last, y to the bend
    subjects = [first, first, last, first, bend, first, bend, last]
    pieces = list(answered.answer(problem, subjects, settings, frozenset(), CPU))
    path = Projection.from_pieces(settings, pieces)
    t = np.linspace(0, 1, 9)
    assert path.values["x"] == pytest.approx(t**2, abs=1e-9)
    assert path.values["y"] == pytest.approx(2 * t * (1 - t), abs=1e-9)
    assert path.values["out"] == pytest.approx(np.zeros(9), abs=1e-9)
    weights = np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)
    inputs, labels = problem.data["train"]
    for row, loss in zip(weights, path.loss, strict=True):
        w = {n: sum(a * p[n] for a, p in zip(row, (first, bend, last), strict=True)) for n in first}
        hidden = torch.tanh(inputs @ w["0.weight"].t() + w["0.bias"])
        outputs = hidden @ w["2.weight"].t() + w["2.bias"]
        expected = torch.nn.functional.cross_entropy(outputs, labels)
        assert loss == pytest.approx(float(expected), rel=1e-9)
    assert path.values["moved"][-1] == pytest.approx(path.facts.arc_length, rel=1e-12)


def test_a_path_of_many_bends_leaves_the_plane_and_is_lifted(trained) -> None:
    """Its distance is told; drawn from above it is one curve, in relief one at its own losses."""
    problem, points = trained
    first, *bends, last = (points[n] for n in (0, 3, 8, 12))
    settings = plane_of([first, *bends, last], trajectory=CHAIN)
    subjects = [first, first, last, first, bends[0], first, *bends, last]
    path = Projection.from_pieces(
        settings, answered.answer(problem, subjects, settings, frozenset(), CPU)
    )
    assert path.values["out"].max() > 0.01 and path.lengths == (9,)
    names = [SubjectName(name) for name in ("a", "b", "c", "d")]
    own = run_names(path, names)
    assert [name.text for name in own] == ["path from a to d"]
    (track,) = tracks_of(path, own)
    assert track.is_curve and track.steps[4] == "t = 0.5"
    axis = np.linspace(-1, 2, 5)
    surface = Surface(axis, axis, {"loss": np.add.outer(axis**2, axis**2)}, np.ones((5, 5), bool))
    assert len(whole_spec(draw_curves(drawn_surface(surface), {"trained": (path, own)}))) > 0
    relief = draw_curves(draw_relief(surface, PlaneLook()), {"trained": (path, own)})
    assert isinstance(relief, Relief)
    curve, chord = relief.field.traces
    assert [z for _, _, z in curve[0]] == pytest.approx(path.loss)
    assert all(np.isnan(z) for _, _, z in chord[0])
    assert chord[0][0][:2] == pytest.approx(curve[0][0][:2])


def test_the_order_of_a_path_s_points_is_another_question() -> None:
    """Runs may be named in any order; the points that a path leads past may not."""
    assert ProjectionSettings(trajectory=BEZIER).keeps_order
    with pytest.raises(ValueError, match="must lead past 2 points or more"):
        ProjectionSettings(trajectory=BEZIER).about([RunSnapshots("one", ("point",), ("",))])
    assert not ProjectionSettings().keeps_order
    assert ProjectionSettings(trajectory=BEZIER, batchnorm="recalibrated").batchnorm != "frozen"
    assert ProjectionSettings(batchnorm="recalibrated").batchnorm == "frozen"
