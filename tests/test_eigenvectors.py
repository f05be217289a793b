"""Planes and lines along eigenvectors of the Hessian, against dense eigenvalues."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import convexity, line, projection, surface
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, CurvatureError, hessian
from explorer.analysis.directions.eigenvectors import eigenvectors
from explorer.analysis.objective.plane import objective_at
from explorer.ask import questions
from explorer.kinds.convexity import Convexity, ConvexitySettings
from explorer.kinds.eigenvalues import axes_words
from explorer.kinds.line import LINE, Line, LineSettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.projection import Projection, ProjectionLook, ProjectionSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.pages import _running
from explorer.problem import Problem
from explorer.render import projection as drawn_paths
from explorer.render.export.views import whole_spec
from store import Catalog
from tests.drawing import drawn_surface
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import of_weights
from tests.screen import CATALOG_PAGE, badges, fine, labels, opened, texts
from tests.tiny import end_workers

CPU = torch.device("cpu")
DOUBLE = ObjectiveSettings(precision="float64")
NEAR = SurfaceSettings(
    direction="eigenvector",
    precision="float64",
    **{f"{name}_{end}": value for name in "xy" for end, value in (("min", -1e-3), ("max", 1e-3))},
    x_count=3,
    y_count=3,
)


def every(problem: Problem) -> np.ndarray:
    """All eigenvalues of the Hessian, ascending, by a dense solver."""
    objective = objective_at(problem, problem.model.state_dict(), DOUBLE, CPU)
    return np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))


def answered(problem: Problem, settings: SurfaceSettings) -> Surface:
    subject = problem.model.state_dict()
    pieces = surface.answer(problem, [subject], settings, frozenset(), CPU)
    return Surface.from_pieces(settings, pieces)


@pytest.mark.parametrize(("x", "y"), [(1, 2), (3, 1), (1, -1), (-2, -1), (5, -3)])
def test_a_plane_is_curved_as_its_eigenvalues_say(small: Problem, x: int, y: int) -> None:
    """Second differences at the centre are the eigenvalues of these ranks, the mixed one is 0."""
    eigenvalues = every(small)
    wanted = [eigenvalues[-rank] if rank > 0 else eigenvalues[-rank - 1] for rank in (x, y)]
    surface_answer = answered(small, replace(NEAR, x_rank=x, y_rank=y))
    facts, loss, step = surface_answer.facts, surface_answer.loss, 1e-3
    scale = float(np.abs(eigenvalues).max())
    for value, residual, exact in zip(facts.eigenvalues, facts.residuals, wanted, strict=True):
        assert abs(value - exact) <= residual + 1e-12
        assert residual <= 1e-3 * scale
    along_x = (loss[1, 0] - 2 * loss[1, 1] + loss[1, 2]) / step**2
    along_y = (loss[0, 1] - 2 * loss[1, 1] + loss[2, 1]) / step**2
    mixed = (loss[0, 0] - loss[0, 2] - loss[2, 0] + loss[2, 2]) / (4 * step**2)
    # 1e-16 of a loss of 1 over the squared step, and fourth derivatives times that square
    assert [along_x, along_y] == pytest.approx(facts.eigenvalues, abs=1e-5)
    assert mixed == pytest.approx(0, abs=1e-3 * scale)
    slopes = [(loss[1, 2] - loss[1, 0]) / (2 * step), (loss[2, 1] - loss[0, 1]) / (2 * step)]
    assert slopes == pytest.approx(facts.slopes, abs=1e-5)
    assert max(facts.slopes) <= 0


def test_axes_are_orthonormal_and_the_same_again(small: Problem) -> None:
    """Unit vectors at right angles, as told; the same bits from a second search."""
    objective = objective_at(small, small.model.state_dict(), DOUBLE, CPU)
    vectors, facts = eigenvectors(objective, (1, -1))
    assert (vectors @ vectors.t()).numpy() == pytest.approx(np.eye(2), abs=1e-12)
    assert facts["direction_norms"] == pytest.approx([1, 1], rel=1e-12)
    assert answered(small, NEAR).facts.axes_cosine == pytest.approx(0, abs=1e-12)
    again, _ = eigenvectors(objective, (1, -1))
    assert torch.equal(again, vectors)
    assert objective.means()["loss"] == facts_loss(small)  # the point is as it was


def facts_loss(problem: Problem) -> float:
    return objective_at(problem, problem.model.state_dict(), DOUBLE, CPU).means()["loss"]


def test_a_line_goes_along_any_rank(small: Problem) -> None:
    """Rank -1 has the smallest eigenvalue, 1 the largest, 2 the one below it."""
    eigenvalues = every(small)
    subject = small.model.state_dict()
    for rank, wanted in ((1, eigenvalues[-1]), (2, eigenvalues[-2]), (-1, eigenvalues[0])):
        settings = LineSettings(
            direction="eigenvector",
            rank=rank,
            x_count=3,
            x_min=-1e-3,
            x_max=1e-3,
            precision="float64",
        )
        pieces = line.answer(small, [subject], settings, frozenset(), CPU)
        line_answer = Line.from_pieces(settings, pieces)
        assert abs(line_answer.facts.eigenvalue - wanted) <= line_answer.facts.residual + 1e-12
        low, middle, high = line_answer.loss[0]
        assert (low - 2 * middle + high) / 1e-6 == pytest.approx(
            line_answer.facts.eigenvalue, abs=1e-5
        )


def test_other_kinds_have_the_same_plane(small: Problem) -> None:
    """A convexity map holds the plane's own losses; a snapshot on it is projected to its place."""
    subject = small.model.state_dict()
    plane = answered(small, replace(NEAR, y_rank=-1))
    settings = ConvexitySettings(
        **{**{n: getattr(NEAR, n) for n in NEAR.__dataclass_fields__}, "y_rank": -1}
    )
    pieces = convexity.answer(small, [subject], settings, frozenset(), CPU)
    convexity_map = Convexity.from_pieces(settings, pieces)
    assert convexity_map.loss == pytest.approx(plane.loss, rel=1e-12)
    assert convexity_map.values["lambda_max"][1, 1] == pytest.approx(every(small)[-1], rel=1e-3)
    objective = objective_at(small, subject, DOUBLE, CPU)
    vectors, _ = eigenvectors(objective, (1, -1))
    moved = dict(subject)
    for block in objective.flat.blocks:
        step = 0.25 * vectors[0] - 0.5 * vectors[1]
        moved[block.name] = subject[block.name] + step[block.start : block.stop].view(block.shape)
    projection_settings = ProjectionSettings(
        lengths=(2,), direction="eigenvector", y_rank=-1, precision="float64"
    )
    on_it = projection.answer(
        small, [subject, subject, moved], projection_settings, frozenset(), CPU
    )
    path = Projection.from_pieces(projection_settings, on_it)
    assert path.values["x"] == pytest.approx([0, 0.25], abs=1e-12)
    assert path.values["y"] == pytest.approx([0, -0.5], abs=1e-12)
    assert path.values["out"] == pytest.approx([0, 0], abs=1e-12)
    titles = axes_words(plane.facts)
    assert titles[0].startswith("Distance along eigenvector 1, λ = ")
    assert titles[1].startswith("Distance along eigenvector −1, λ = −")
    for chart in (drawn_surface(plane), drawn_paths.draw(path, ProjectionLook())):
        said = str(whole_spec(chart))
        assert all(title in said for title in titles) and "First direction" not in said


def test_ranks_that_name_nothing_are_refused(small: Problem) -> None:
    """Beyond the parameters, twice the same vector, no different eigenvalues: one sentence each."""
    objective = objective_at(small, small.model.state_dict(), DOUBLE, CPU)
    with pytest.raises(ValueError, match="from -43 to 43, the number of parameters, got 44"):
        eigenvectors(objective, (1, 44))
    product = of_weights([2.0, 0.5], lambda w: (w[:, 0] * w[:, 1] - 1) ** 2 / 2)
    pair = objective_at(product, product.model.state_dict(), DOUBLE, CPU)
    assert eigenvectors(pair, (1, -1))[1]["eigenvalues"] == pytest.approx([4.25, 0], abs=1e-12)
    with pytest.raises(ValueError, match="got ranks 1 and -2, which are the same one of 2"):
        eigenvectors(pair, (1, -2))
    flat = Problem(
        nn.Linear(2, 1).double(),
        {"train": (torch.ones(3, 2, dtype=torch.float64),)},
        lambda outputs, batch: outputs[:, 0],
    )
    alone = objective_at(flat, flat.model.state_dict(), DOUBLE, CPU)
    with pytest.raises(CurvatureError, match="only 1 different eigenvalues here"):
        eigenvectors(alone, (1, 2))


@pytest.mark.parametrize("kind", [SurfaceSettings, ConvexitySettings, ProjectionSettings])
def test_settings_without_effect_take_their_defaults(kind: type) -> None:
    """Ranks count beside eigenvectors alone, seed and normalisation beside random ones alone."""
    assert kind(x_rank=3, y_rank=-2) == kind()
    plain = kind(direction="eigenvector")
    assert kind(direction="eigenvector", seed=4, normalisation="raw", orthogonal=True) == plain
    with pytest.raises(ValueError, match="must be two different ranks, got 2 and 2"):
        kind(direction="eigenvector", x_rank=2)
    with pytest.raises(ValueError, match="x_rank must be from 1 to 200, or from -1 to -200"):
        kind(x_rank=0)
    if kind is SurfaceSettings:
        for values in ({"batchnorm": "batch"}, {"precision": "tf32"}):
            with pytest.raises(ValueError, match="must be one of"):
                kind(direction="eigenvector", **values)


def test_planes_and_lines_are_asked_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worker, store and pages: eigenvalues below the picture, links from the spectrum, cards."""
    plane = SurfaceSettings(direction="eigenvector", y_rank=-1, x_count=5, y_count=5)
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "tiny")
    stored_question = add_answer(catalog, SURFACE, plane, (model, ""))
    stored_answer = questions.result_of(catalog, stored_question)
    line_settings = LineSettings(direction="eigenvector", rank=-1, x_count=5)
    add_answer(catalog, LINE, line_settings, (model, ""))
    add_answer(catalog, SPECTRUM, SpectrumSettings(top=2, bottom=1, probes=0), (model, ""))
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    address = {"model": "tiny", "direction": "eigenvector", "y_rank": "-1"}
    app = fine(opened(SURFACE.page, **address, x_count="5", y_count="5"))
    assert not [label for label in labels(app) if label.startswith("Compute")]
    high, low = stored_answer.facts.eigenvalues
    said = " ".join(texts(app, "caption"))
    assert (
        f"x: rank 1, λ = {high:.4g} ± " in said
        and f"y: rank −1, λ = {low:.4g}".replace("-", "−") in said
    )
    assert "cos(axes) 0.000" in badges(app)
    line_page = opened(LINE.page, model="tiny", direction="eigenvector", rank="-1", x_count="5")
    assert "Eigenvalue of the Hessian: λ = " in " ".join(texts(fine(line_page), "caption"))
    assert "Loss along the bottom eigenvector of tiny" in texts(line_page, "subheader")
    spectrum = fine(opened(SPECTRUM.page, model="tiny", top="2", bottom="1", probes="0"))
    links = {link.proto.label: link.proto.query_string for link in spectrum.get("page_link")}
    led = dict(parse_qsl(links["Plane of the largest and the smallest"]))
    assert led == address  # the rank of x is the usual one
    cards = " ".join(texts(fine(opened(CATALOG_PAGE)), "caption")).replace(
        "\N{NO-BREAK SPACE}", " "
    )
    assert "eigenvector 1 and −1" in cards and "eigenvector −1" in cards
    (wrong,) = opened(SURFACE.page, model="tiny", direction="eigenvector", x_rank="2").error
    assert "X_rank and y_rank must be two different ranks, got 2 and 2" in wrong.value
    _running.stop_apps()
    end_workers(Catalog(tmp_path / "catalog"))
