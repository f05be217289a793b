"""The preview of a growing surface: near the truth, honest about its error, never a result."""

from itertools import pairwise

import numpy as np
import pytest

from explorer.kinds.grid import STRIDES, axis_values, coarse_to_fine, level, level_indices
from explorer.kinds.preview import Preview, preview, preview_words


def axes(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return axis_values(-1, 1, rows)[:, None], axis_values(-1, 1, columns)[None, :]


def like_a_loss(rows: int = 25, columns: int = 25) -> np.ndarray:
    """Mean log-loss of 24 examples whose margins are lopsided bowls: from 0.02 to 50 nats."""
    y, x = axes(rows, columns)
    losses = []
    for k in range(24):
        angle = np.pi * 0.382 * k
        across = np.cos(angle) * x + np.sin(angle) * y
        along = np.cos(angle) * y - np.sin(angle) * x
        steep = 20 + 46 * (7 * k % 24) / 23
        margin = -10 + 8 * k / 23 + steep * across**2 + 10 * along**2 + 4 * along
        losses.append(np.logaddexp(0, margin))
    return np.mean(losses, axis=0)


def at_level(truth: np.ndarray, stride: int) -> Preview:
    computed = np.zeros(truth.shape, dtype=bool)
    computed[level(truth.shape, stride)] = True
    return preview(np.where(computed, truth, np.nan), computed)


def grown(truth: np.ndarray, count: int) -> Preview:
    computed = np.zeros(truth.shape, dtype=bool)
    computed[tuple(coarse_to_fine(truth.shape)[:count].T)] = True
    return preview(np.where(computed, truth, np.nan), computed)


def errors(shown: Preview, truth: np.ndarray) -> np.ndarray:
    """Relative errors of the interpolated cells, (G,)."""
    gap = shown.interpolated
    return np.abs(shown.values[gap] / truth[gap] - 1)


def test_a_quarter_of_a_loss_shows_the_rest() -> None:
    """13 x 13 of 25 x 25 points over three decades: the median within 0.3 %, 95 % within 3 %.

    The bound is that of a ResNet-20 measured on CIFAR-10 (median 0.11 %, 95 % within 2.8 %).
    """
    truth = like_a_loss()
    assert truth.min() < 0.02 and truth.max() > 45
    shown = at_level(truth, 2)
    assert shown.log and shown.stride == 2 and shown.interpolated.sum() == 625 - 169
    assert np.median(errors(shown, truth)) < 0.003
    assert np.quantile(errors(shown, truth), 0.95) < 0.03


@pytest.mark.parametrize("shape", [(25, 25), (40, 17), (5, 9), (3, 30)])
@pytest.mark.parametrize("stride", STRIDES[:-1])
def test_exp_of_a_quadratic_form_is_exact(shape: tuple[int, int], stride: int) -> None:
    """An oracle in closed form: its logarithm is a polynomial of degree 2, which splines hold."""
    y, x = axes(*shape)
    truth = np.exp(1.5 * x**2 + 0.8 * y**2 - 1.1 * x * y + 0.3 * x - 2)
    shown = at_level(truth, stride)
    # Rounding of the spline's linear system, of condition about 10, through an exponential
    assert shown.values == pytest.approx(truth, rel=1e-12)
    if all(len(level_indices(count, 2 * stride)) > 3 for count in shape):
        assert shown.uncertainty == pytest.approx(0 * truth, abs=1e-12)


@pytest.mark.parametrize(("shape", "degree"), [((25, 33), 1), ((3, 33), 3), ((25, 401), 3)])
def test_what_changes_sign_is_exact(shape: tuple[int, int], degree: int) -> None:
    """Where a value is not positive the values themselves are interpolated, not logarithms.

    Through few points runs what holds polynomials of degree 2; where these are in too few rows, or
    the cells too many, the bicubic spline, which holds those of degree 3 along each axis.
    """
    y, x = axes(*shape)
    truth = x + 2 * y + y**degree * x if shape[0] > 3 else x + x**degree * y
    shown = at_level(truth, 4)
    assert not shown.log
    assert shown.values == pytest.approx(truth, abs=1e-12)


def test_a_few_points_beyond_a_level_sharpen_it_wherever_they_are() -> None:
    """Every second point of the level after the last, in no complete row, halves the error."""
    truth = like_a_loss()
    computed = np.zeros(truth.shape, dtype=bool)
    computed[level(truth.shape, 4)] = True
    before = preview(np.where(computed, truth, np.nan), computed)
    computed[2::4, 2::4] = True
    now = preview(np.where(computed, truth, np.nan), computed)
    assert now.computed.sum() == 49 + 36 and now.stride == 4
    both = before.interpolated & now.interpolated
    error = [np.quantile(np.abs(shown.values / truth - 1)[both], 0.95) for shown in (before, now)]
    assert error[1] < error[0] / 2


@pytest.mark.parametrize("stride", STRIDES[:-1])
def test_uncertainty_covers_the_errors_and_points_at_them(stride: int) -> None:
    """It exceeds 95 % of the errors, and where it is below its median they are half as large."""
    truth = like_a_loss(51, 51)
    shown = at_level(truth, stride)
    gap = shown.interpolated
    error, uncertainty = np.abs(shown.values - truth)[gap], shown.uncertainty[gap]
    assert (error <= uncertainty).mean() >= 0.95
    certain = uncertainty <= np.median(uncertainty)
    assert np.median(error[certain]) < np.median(error[~certain]) / 2


def test_each_level_is_more_certain() -> None:
    """Errors and uncertainties fall from level to level, by more than a half in the median."""
    truth = like_a_loss(49, 49)
    levels = [at_level(truth, stride) for stride in STRIDES[:-1]]
    error = [np.median(errors(shown, truth)) for shown in levels]
    stated = [np.median((shown.uncertainty / truth)[shown.interpolated]) for shown in levels]
    for falling in (error, stated):
        assert all(finer < coarser / 2 for coarser, finer in pairwise(falling))


def test_points_beyond_the_level_sharpen_their_surroundings() -> None:
    """Halfway from 7 x 7 to 13 x 13 the finished side has less than half the error it had."""
    truth = like_a_loss()
    before, now = at_level(truth, 4), grown(truth, 49 + 60)
    assert now.stride == 4
    side = now.interpolated & (np.arange(25) < 8)[:, None]
    error = [np.abs(shown.values / truth - 1)[side].mean() for shown in (before, now)]
    assert error[1] < error[0] / 2


@pytest.mark.parametrize("shape", [(25, 25), (12, 9), (2, 3), (4, 3), (2, 2), (7, 30)])
def test_computed_values_stay_and_the_rest_is_never_called_computed(shape: tuple[int, int]) -> None:
    """At every size: computed bit for bit with uncertainty 0; all others with more."""
    truth = like_a_loss(*shape)
    for count in range(1, truth.size + 1, 1 + truth.size // 40):
        shown = grown(truth, count)
        computed = shown.computed
        assert computed.sum() == count
        assert (shown.values[computed] == truth[computed]).all() and (
            shown.uncertainty[computed] == 0
        ).all()
        assert not (shown.interpolated & computed).any()
        assert (shown.uncertainty[~computed] > 0).all()


def test_input_is_not_touched() -> None:
    """What is stored stays NaN where nothing is computed."""
    computed = np.zeros((9, 9), dtype=bool)
    computed[level((9, 9), 2)] = True
    values = np.where(computed, like_a_loss(9, 9), np.nan)
    before = values.copy(), computed.copy()
    preview(values, computed)
    np.testing.assert_array_equal(values, before[0])
    np.testing.assert_array_equal(computed, before[1])


def test_axes_are_treated_alike() -> None:
    """The preview of a transposed level is the transposed preview, up to rounding."""
    truth = like_a_loss(25, 18)
    shown, turned = at_level(truth, 2), at_level(truth.T, 2)
    np.testing.assert_allclose(turned.values.T, shown.values, rtol=1e-12)


def test_before_a_level_the_nearest_computed_value_stands_in() -> None:
    """Without a complete level nothing is interpolated; with nothing computed all is NaN."""
    truth = like_a_loss(9, 9)
    computed = np.zeros((9, 9), dtype=bool)
    assert np.isnan(preview(truth, computed).values).all()
    computed[4, 4] = computed[0, 0] = True
    truth[0, 0] = np.nan
    shown = preview(truth, computed)
    assert shown.stride is None and not shown.interpolated.any()
    assert shown.values[5, 5] == truth[4, 4] and np.isnan(shown.values[1, 0])
    assert np.isinf(shown.uncertainty[~computed]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite_spoils_only_its_surroundings(bad: float) -> None:
    """Up to its neighbours on the level the nearest computed value stands in; the rest holds."""
    truth = like_a_loss()
    truth[8, 12] = bad
    shown = at_level(truth, 2)
    around = np.zeros(truth.shape, dtype=bool)
    around[7:10, 11:14] = True
    assert (~shown.interpolated == (around | shown.computed)).all()
    np.testing.assert_equal(shown.values[8, 12], bad)
    points = {number.hex() for number in truth[6:11:2, 10:15:2].ravel().tolist()}
    assert {number.hex() for number in shown.values[around].tolist()} <= points
    assert np.quantile(errors(shown, truth), 0.95) < 0.03
    healthy = at_level(like_a_loss(), 2).values
    # It goes on through the points around, about as near as a level 4 points apart.
    assert shown.values[shown.interpolated] == pytest.approx(healthy[shown.interpolated], rel=0.02)


def test_a_level_without_a_finite_value_is_shown_as_it_is() -> None:
    """A model that gives NaN everywhere has a preview of NaN."""
    truth = np.full((9, 9), np.nan)
    shown = at_level(truth, 2)
    assert np.isnan(shown.values).all() and not shown.interpolated.any()


@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")  # workers of other tests
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_no_range_is_too_large(sign: float) -> None:
    """From the smallest to the largest floats nothing overflows into view, and nothing warns."""
    truth = 10 ** np.random.default_rng(0).uniform(-307, 308, (25, 25))
    truth[::4, ::2], truth[4, 4] = 1.7e308, sign * 1.7e308
    shown = at_level(truth, 2)
    assert shown.log == (sign > 0)
    assert np.isfinite(shown.values).all()


def test_equal_values_stay_equal() -> None:
    """A flat surface is shown flat and certain."""
    shown = at_level(np.full((25, 25), 3.0), 4)
    assert shown.values == pytest.approx(np.full((25, 25), 3.0), rel=1e-15)
    assert "less than 0.01 %" in preview_words(shown)


def test_summary_counts_and_measures() -> None:
    """The text tells the points, and the change that 95 % of the interpolated cells stay below."""
    truth = like_a_loss()
    shown = at_level(truth, 2)
    text = preview_words(shown)
    assert text.startswith("preview from 169 of 625 points: 95 % of the interpolated cells change")
    stated = float(text.split("less than ")[1].split(" %")[0]) / 100
    gap = shown.interpolated
    # The text has two digits.
    assert ((shown.uncertainty / shown.values)[gap] <= stated * 1.05).mean() >= 0.945
    assert preview_words(at_level(truth - 1, 2)).endswith(" % of the range from the level before")
    assert preview_words(grown(truth, 7)) == (
        "preview from 7 of 625 points: every place shows the nearest computed value"
    )
    assert preview_words(grown(truth, 625)) == ""
