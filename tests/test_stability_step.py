"""What a step meets, where snapshots lie along an eigenvector, and rises: closed forms."""

import numpy as np
import pytest
import torch
import vl_convert
from torch import nn

from explorer.analysis import stability
from explorer.kinds.look import SubjectName
from explorer.kinds.stability import StabilityLook
from explorer.kinds.stability_result import PROJECTION, STEP_COLUMNS, Stability
from explorer.kinds.stability_settings import StabilitySettings
from explorer.problem import Problem, squared_error
from explorer.render.stability import draw
from tests.networks import Snapshots, seeded

CPU = torch.device("cpu")
INPUTS = torch.randn(20, 3, generator=seeded(1), dtype=torch.float64) * torch.tensor([1, 2, 4])
WANTED = torch.randn(20, 1, generator=seeded(2), dtype=torch.float64)
MATRIX = (2 * INPUTS.T @ INPUTS / 20).numpy()


def quadratic() -> Problem:
    """A linear model with a squared error: its Hessian is MATRIX everywhere."""
    model = nn.Linear(3, 1, bias=False).double()
    return Problem(model, {"train": (INPUTS, WANTED)}, squared_error)


def points(*weights: list[float]) -> Snapshots:
    """Snapshots at these weights."""
    return [{"weight": torch.tensor([row], dtype=torch.float64)} for row in weights]


def answered(snapshots: Snapshots, **settings: object) -> Stability:
    """The whole answer."""
    usual = {"precision": "float64", "probes": 2, "tolerance": 1e-9}
    chosen = StabilitySettings(lengths=(len(snapshots),), **(usual | settings))  # type: ignore[arg-type]
    pieces = stability.answer(quadratic(), snapshots, chosen, frozenset(), CPU)
    return Stability.from_pieces(chosen, pieces)


def slope_at(weight: np.ndarray) -> np.ndarray:
    """The gradient."""
    return MATRIX @ weight - (2 * INPUTS.T @ WANTED / 20).numpy().ravel()


def test_along_a_step_a_quadratic_is_its_closed_form() -> None:
    """L - eta g'u + eta^2 u'Hu / 2 on the way; eta norm(Hu) at its end; norm(Hu) / norm(u)."""
    weight, rate = np.array([0.5, -1.0, 2.0]), 0.11
    result = answered(points(weight.tolist()), step_rate=rate)
    slope = slope_at(weight)
    shares = rate * np.arange(9) / 8
    losses = result.loss[0] - shares * (slope @ slope) + shares**2 / 2 * (slope @ MATRIX @ slope)
    low, high, change, smoothness = (float(result.values[name][0]) for name in STEP_COLUMNS)
    assert (low, high) == pytest.approx((losses.min(), losses.max()), rel=1e-9)
    assert low < result.loss[0] < high  # the step falls first and then rises above
    assert change == pytest.approx(rate * np.linalg.norm(MATRIX @ slope), rel=1e-9)
    ratio = np.linalg.norm(MATRIX @ slope) / np.linalg.norm(slope)
    assert smoothness == pytest.approx(ratio, rel=1e-9)
    assert smoothness <= result.values["lambda_max"][0] * (1 + 1e-9)
    assert result.numbers["smoothness"].value == smoothness


def test_what_is_not_asked_is_no_column() -> None:
    """Answers without them are as they were before there were such settings."""
    result = answered(points([0.5, -1.0, 2.0]))
    assert not {*STEP_COLUMNS, PROJECTION} & result.values.keys()
    assert not {"smoothness", "gradient_change"} & result.numbers.keys()


def test_a_step_of_no_finite_loss_is_none() -> None:
    """A rate that leads beyond all numbers gives NaN, and leaves the snapshot's own values."""
    result = answered(points([0.5, -1.0, 2.0]), step_rate=1e200)
    assert all(not np.isfinite(result.values[name][0]) for name in STEP_COLUMNS[1:])
    assert np.isfinite(result.values["lambda_max"]).all()


def test_projection_is_the_coordinate_along_the_top_eigenvector() -> None:
    """Of gradient descent at a rate above the edge it grows, and changes sign, at each step."""
    values, vectors = np.linalg.eigh(MATRIX)
    top = vectors[:, -1] * np.sign(vectors[np.abs(vectors[:, -1]).argmax(), -1])
    rate, weight, way = 2.1 / values[-1], np.array([0.3, 0.2, 0.1]), []
    for _ in range(5):
        way.append(weight.tolist())
        weight = weight - rate * slope_at(weight)
    result = answered(points(*way), projected=True)
    expected = (np.array(way) - way[-1]) @ top
    assert result.values[PROJECTION] == pytest.approx(expected, abs=1e-7)
    steps = np.diff(result.values[PROJECTION])
    assert (steps[1:] * steps[:-1] < 0).all() and (np.abs(steps[1:]) > np.abs(steps[:-1])).all()
    look = StabilityLook(picture="phase", rates=(rate,))
    chart = draw(result, look, [SubjectName("run", (0, 1, 2, 3, 4))])
    svg = vl_convert.vegalite_to_svg(chart.to_dict(validate=True))
    assert "Coordinate along the last top eigenvector" in svg


def test_each_run_has_a_vector_of_its_own_end() -> None:
    """The last snapshot of each run is at 0."""
    ways = points([0.3, 0.2, 0.1], [0.2, 0.2, 0.2], [5.0, 4.0, 3.0], [1.0, 1.0, 1.0])
    chosen = StabilitySettings(lengths=(2, 2), precision="float64", probes=2, projected=True)
    whole = list(stability.answer(quadratic(), ways, chosen, frozenset(), CPU))
    result = Stability.from_pieces(chosen, whole)
    assert result.values[PROJECTION][[1, 3]] == pytest.approx([0, 0], abs=1e-12)
    assert abs(result.values[PROJECTION][2]) > 2
    rest = list(stability.answer(quadratic(), ways, chosen, frozenset({0, 1, 3}), CPU))
    again = float(rest[0].columns[PROJECTION][0])
    assert again == float(whole[2].columns[PROJECTION][0])  # resumed: the same bits


def test_rises_are_counted_from_snapshot_to_snapshot() -> None:
    """Not from one run to the next; at the edge only those that begin above 0.9 of a threshold."""
    values = {
        "loss": np.array([3.0, 2.0, 2.5, 1.0, 9.0, 9.5, np.nan]),
        "lambda_max": np.array([1.0, 9.5, 5.0, 9.5, 9.2, 1.0, 1.0]),
    }
    result = Stability((4, 3), 2, values, np.ones(7, dtype=bool))
    assert result.rising_share() == pytest.approx(2 / 4)
    assert result.rising_share(np.array([10.0])) == pytest.approx(2 / 2)
    assert np.isnan(result.rising_share(np.array([100.0])))


def test_a_phase_plot_of_what_was_not_asked_is_refused() -> None:
    """In one sentence."""
    with pytest.raises(ValueError, match="must have projections, got none"):
        draw(answered(points([0.5, -1.0, 2.0])), StabilityLook(picture="phase"))
