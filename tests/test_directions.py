import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis.directions.directions import (
    direction_facts,
    direction_rows,
    directions_with_facts,
)
from explorer.analysis.objective.flat_model import FlatModel
from explorer.kinds.direction_settings import NORMALISATIONS
from explorer.kinds.surface import SurfaceSettings
from tests.conftest import small_problem

# Products of a norm and its inverse in float64 round in the last bits of numbers near 1.
ROUNDING = 1e-14


@pytest.fixture(scope="module")
def flat() -> FlatModel:
    return FlatModel(small_problem().model, torch.float64, torch.device("cpu"))


def filters(flat: FlatModel, vector: torch.Tensor) -> dict[str, torch.Tensor]:
    return {block.name: block.filters(vector) for block in flat.blocks}


def test_filter_normalisation(flat: FlatModel) -> None:
    """Law 2: per filter norm(d) = norm(theta); 1-D tensors are exactly 0."""
    vectors = direction_rows(flat, SurfaceSettings(), 2)
    for vector in vectors:
        for name, rows in filters(flat, vector).items():
            wanted = filters(flat, flat.theta)[name]
            if "bias" in name or "norm" in name:
                assert (rows == 0).all(), name
            else:
                ratio = rows.flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
                assert (ratio - 1).abs().max() < ROUNDING, name


def test_directions_in_which_nothing_moves_are_refused() -> None:
    """With one-dimensional parameters alone, unless they are to move too."""
    layer = torch.nn.LayerNorm(3)
    flat = FlatModel(layer, torch.float64, torch.device("cpu"))
    with pytest.raises(ValueError, match=r"no parameter would move.*one dimension.*set it off"):
        direction_rows(flat, SurfaceSettings(), 2)
    rows = direction_rows(flat, SurfaceSettings(ignore_1d=False), 1)
    assert float(rows[:, :3].norm()) == pytest.approx(3**0.5, rel=ROUNDING)


@pytest.mark.parametrize("normalisation", ["filter", "layer"])
def test_directions_scaled_by_zeros_are_refused(normalisation: str) -> None:
    """A model of zeros would be flat along them: that is said; unscaled ones it has."""
    zeros = FlatModel(nn.Linear(3, 2), torch.float32, torch.device("cpu"))
    zeros.theta.zero_()
    with pytest.raises(ValueError, match=r"would be zero, as all weights .*raw or unit"):
        directions_with_facts(zeros, SurfaceSettings(normalisation=normalisation), 2)
    _, facts = directions_with_facts(zeros, SurfaceSettings(normalisation="unit"), 2)
    assert facts["direction_norms"] == pytest.approx([1.0, 1.0])


def test_zero_filter_gives_zero_direction() -> None:
    """Law 2: a zero filter gives a zero direction, not a NaN; the other filters are as before."""
    problem = small_problem()
    with torch.no_grad():
        problem.model.conv.weight[1].zero_()
    flat = FlatModel(problem.model, torch.float64, torch.device("cpu"))
    rows = filters(flat, direction_rows(flat, SurfaceSettings(), 1)[0])["conv.weight"]
    assert (rows[1] == 0).all()
    assert rows.isfinite().all() and (rows[0] != 0).all()


def test_layer_and_raw(flat: FlatModel) -> None:
    """Layer-normalised directions have each tensor's norm; raw ones are standard normal."""
    layer = direction_rows(flat, SurfaceSettings(normalisation="layer", ignore_1d=False), 1)[0]
    for block in flat.blocks:
        wanted = block.layer(flat.theta).norm()
        assert abs(block.layer(layer).norm() - wanted) <= ROUNDING * wanted, block.name
    raw = direction_rows(flat, SurfaceSettings(normalisation="raw", ignore_1d=False), 1)[0]
    assert abs(float(raw.mean())) < 4 / len(raw) ** 0.5  # four standard errors
    assert abs(float(raw.std()) - 1) < 4 / (2 * len(raw)) ** 0.5


def test_unit_directions_are_raw_ones_of_length_one(flat: FlatModel) -> None:
    """Each axis has a norm of 1 and the way of the raw one of its seed."""
    raw = direction_rows(flat, SurfaceSettings(normalisation="raw"), 2)
    unit = direction_rows(flat, SurfaceSettings(normalisation="unit"), 2)
    assert unit.norm(dim=1).tolist() == pytest.approx([1.0, 1.0])
    assert torch.allclose(unit, raw / raw.norm(dim=1, keepdim=True), atol=1e-12)


def test_directions_are_pinned(flat: FlatModel) -> None:
    """Law 9: seed 0 means this very direction, on every device and under every version."""
    raw = direction_rows(flat, SurfaceSettings(normalisation="raw", ignore_1d=False), 2)
    first = np.random.RandomState([0, 0, 0]).standard_normal(3)
    second = np.random.RandomState([0, 1, 0]).standard_normal(3)
    assert raw[0][:3].tolist() == first.tolist() and raw[1][:3].tolist() == second.tolist()
    assert raw[0][:2].tolist() == [-0.5897631018781304, 0.9339673605431736]


def test_seeds_differ_and_repeat(flat: FlatModel) -> None:
    """Law 9: a seed repeats its direction; two seeds and two axes are nearly orthogonal."""
    one = direction_rows(flat, SurfaceSettings(seed=1), 2)
    again = direction_rows(flat, SurfaceSettings(seed=1), 2)
    other = direction_rows(flat, SurfaceSettings(seed=2), 2)
    assert torch.equal(one, again)
    for a, b in ((one[0], other[0]), (one[0], one[1])):
        cosine = float(a @ b / (a.norm() * b.norm()))
        assert abs(cosine) < 5 / len(a) ** 0.5  # random vectors: sd 1/sqrt(D)


@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_orthogonal_axes_stay_scaled(flat: FlatModel, normalisation: str) -> None:
    """Orthogonalising within each scaled group gives orthogonal axes whose norms still match."""
    settings = SurfaceSettings(normalisation=normalisation, orthogonal=True)
    vectors = direction_rows(flat, settings, 2)
    facts = direction_facts(flat, vectors, settings)
    one, other = vectors
    assert abs(float(one @ other / (one.norm() * other.norm()))) < ROUNDING
    assert facts.get("norm_error", 0.0) < ROUNDING
    plain = direction_rows(flat, SurfaceSettings(normalisation=normalisation), 2)
    assert torch.equal(vectors[0], plain[0]) and not torch.equal(vectors[1], plain[1])


def test_line_uses_the_surface_s_first_axis(flat: FlatModel) -> None:
    """A line of a seed is the first axis of that seed's surface."""
    assert torch.equal(
        direction_rows(flat, SurfaceSettings(), 1)[0], direction_rows(flat, SurfaceSettings(), 2)[0]
    )
