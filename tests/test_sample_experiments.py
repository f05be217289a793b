"""What the samples' experiments compute by formula, against derivatives, laws and simulations."""

import math

import pytest
import torch

from sample_models import (
    digits_rates,
    digits_sizes,
    noisy_bowl,
    pac_bayes,
    random_field,
    random_matrices,
    spin_glass,
    strict_saddle,
    two_factors,
    two_wells,
)


def test_slopes_on_the_sphere_are_derivatives() -> None:
    """Of the sample's own loss along great circles: first and second derivative, and the energy."""
    problem = spin_glass.problem()
    rows = problem.data["train"]
    torch.manual_seed(0)
    spins, way = torch.randn(2, spin_glass.SPINS, dtype=torch.float64)
    spins = math.sqrt(spin_glass.SPINS) * spins / spins.norm()
    way = way - (way @ spins) / (spins @ spins) * spins
    way = way / way.norm()

    def along(length: torch.Tensor) -> torch.Tensor:
        angle = length / math.sqrt(spin_glass.SPINS)
        turned = angle.cos() * spins + math.sqrt(spin_glass.SPINS) * angle.sin() * way
        outputs = torch.func.functional_call(problem.model, {"direction": turned}, (rows,))
        return outputs.sum()

    couplings = spin_glass.symmetric(spin_glass.couplings())
    energies, gradients, hessians = spin_glass.slopes(spins[None], couplings)
    zero = torch.zeros((), dtype=torch.float64)
    first = torch.func.grad(along)
    assert float(energies[0]) == pytest.approx(float(along(zero)) / spin_glass.SPINS)
    assert float(gradients[0] @ way) == pytest.approx(float(first(zero)))
    assert float(way @ hessians[0] @ way) == pytest.approx(float(torch.func.grad(first)(zero)))


def test_the_index_of_a_spin_glass_goes_from_none_to_half() -> None:
    """0 at the threshold, a half at energy 0, by a law that is odd around it."""
    energies = torch.tensor([spin_glass.THRESHOLD, 0.0, -spin_glass.THRESHOLD, -0.7, 0.7])
    indices = spin_glass.expected_index(energies)
    assert indices[:3].tolist() == pytest.approx([0.0, 0.5, 1.0])
    assert float(indices[3] + indices[4]) == pytest.approx(1.0)


def test_a_wishart_plus_wigner_matrix_turns_negative_at_the_critical_energy() -> None:
    """The critical energy for ratio .25 is .0435; without a Wishart part half would be negative."""
    critical = random_matrices.critical_energy(0.25)
    assert critical == pytest.approx(0.0435, abs=1e-4)
    assert random_matrices.expected_index(0.98 * critical, 0.25) == pytest.approx(0.0, abs=1e-6)
    assert random_matrices.expected_index(1.05 * critical, 0.25) > 1e-4
    assert random_matrices.expected_index(1e4, 0.25) == pytest.approx(0.5, abs=0.01)


def test_waves_have_their_derivatives() -> None:
    """Gradient and Hessian of the random function are autograd's."""
    drawn = random_field.waves(3)
    place = torch.tensor([0.4, 2.0], dtype=torch.float64)

    def value(at: torch.Tensor) -> torch.Tensor:
        periods, phases, heights = drawn
        return (heights * (periods @ at + phases).cos()).mean()

    values, gradients, hessians = random_field.derivatives(place[None], drawn)
    torch.testing.assert_close(values[0], value(place))
    torch.testing.assert_close(gradients[0], torch.func.grad(value)(place))
    torch.testing.assert_close(hessians[0], torch.func.hessian(value)(place))


def test_the_stationary_variance_is_a_fixed_point() -> None:
    """One step of the recursion leaves it as it is; small rates give the temperature over both."""
    for rate, batch, curvature in ((0.3, 1, 4.0), (0.05, 8, 1.0)):
        variance = noisy_bowl.stationary_variance(rate, batch, curvature)
        after = (1 - rate * curvature) ** 2 * variance + rate**2 / batch
        assert after == pytest.approx(variance)
    assert noisy_bowl.stationary_variance(1e-6, 2, 3.0) == pytest.approx(1e-6 / 12, rel=1e-5)


def test_slopes_of_small_functions_are_derivatives() -> None:
    """Of the saddle, and of the product with its implicit regulariser."""

    def regularised(factors: torch.Tensor) -> torch.Tensor:
        def loss(at: torch.Tensor) -> torch.Tensor:
            return (1 - at.prod()) ** 2 / 2

        return loss(factors) + 0.3 / 4 * torch.func.grad(loss)(factors).square().sum()

    place = torch.tensor([1.2, 0.5], dtype=torch.float64)
    expected = torch.func.grad(regularised)(place)
    assert two_factors.slope(1.2, 0.5, 0.3) == pytest.approx(expected.tolist())

    def saddle(at: torch.Tensor) -> torch.Tensor:
        return strict_saddle.Place.forward(_Standing(at), torch.zeros(1, 2, dtype=at.dtype))[0]

    torch.testing.assert_close(strict_saddle.slope(place[None])[0], torch.func.grad(saddle)(place))
    torch.testing.assert_close(
        strict_saddle.curvature(place[None])[0], torch.func.hessian(saddle)(place).diag()
    )


class _Standing:
    """What has a place, as the saddle's model has."""

    def __init__(self, place: torch.Tensor) -> None:
        self.place = place


def test_local_entropy_far_from_the_wells_is_that_of_a_plain() -> None:
    """There the function is 0 and the integral a Gaussian's: ln sqrt(2 pi / gamma)."""
    place = torch.tensor([-4.0], dtype=torch.float64)
    entropy = float(two_wells.local_entropy(place, 50.0))
    assert entropy == pytest.approx(math.log(math.sqrt(2 * math.pi / 50)), abs=1e-9)


def test_few_matrices_have_positive_eigenvalues_as_integration_says() -> None:
    """Probability 1/2, (2 - sqrt 2)/4 and (pi - 2 sqrt 2)/(4 pi) for 1, 2 and 3 rows.

    Within five standard errors of 200,000 draws, which are .0056, .0039 and .0017.
    """
    from explorer.experiment import Part

    torch.manual_seed(0)
    part = Part(0, 0, torch.device("cpu"), lambda: None)
    points = random_matrices.all_positive(random_matrices.problem(), part)
    exact = points["exact"].y
    assert abs(points["random matrices"].y[:3] - exact).max() < 0.005


def test_bounds_are_their_formulas() -> None:
    """KL inverses undo the binary KL; divergences are torch's where the laws are a pair."""
    error, bound = 0.1, pac_bayes.inverse_kl(0.1, 0.05)
    kl = error * math.log(error / bound) + (1 - error) * math.log((1 - error) / (1 - bound))
    assert kl == pytest.approx(0.05) and bound > error
    laws = [torch.distributions.Normal(torch.tensor(mean), 0.3) for mean in (2.0, 0.5)]
    expected = float(torch.distributions.kl_divergence(laws[0], laws[1]))
    assert pac_bayes.divergence(1.5, 0.3**2) == pytest.approx(expected)
    at_one = pac_bayes.divergence_as_written(1.5, 1.0, 10)
    assert at_one == pytest.approx(pac_bayes.divergence(1.5, 1.0))  # the one pair that there is
    assert math.isnan(pac_bayes.dziugaite_roy(0.1, 1.0, 0.2, 1000))  # beyond the prior's grid


def test_networks_at_once_are_networks_one_by_one() -> None:
    """Outputs of a stack of networks are those of the sample's model with each one's weights."""
    torch.manual_seed(0)
    stack, pixels = digits_sizes.fresh(8, 3), torch.randn(5, 64)
    outputs = digits_sizes.logits(stack, pixels)
    names = [name for name, _ in digits_sizes.Net(8).named_parameters()]
    for place in range(3):
        own = [w[place].T if w.shape[1] > 1 else w[place, 0] for w in stack]
        weights = dict(zip(names, own, strict=True))
        alone = torch.func.functional_call(digits_sizes.Net(8), weights, (pixels,))
        torch.testing.assert_close(outputs[place], alone)


def test_masks_keep_the_largest_weights() -> None:
    """Of each layer of each network the share that is asked for, and all biases."""
    torch.manual_seed(0)
    stack = digits_sizes.fresh(64, 2)
    for weight, mask in zip(stack, digits_sizes.masks_of(stack, 0.9), strict=True):
        if weight.shape[1] == 1:
            assert mask.eq(1).all()
            continue
        kept, left = weight.abs()[mask == 1], weight.abs()[mask == 0]
        assert float(mask.mean()) == pytest.approx(0.1, abs=0.01)
        assert mask.sum(dim=(1, 2)).eq(mask[0].sum()).all() and len(kept) < len(left)
        for own, of in zip(weight.abs(), mask, strict=True):
            assert own[of == 1].min() >= own[of == 0].max()


def test_a_growing_batch_keeps_the_ratio_of_a_decaying_rate() -> None:
    """Rate over batch is the same at each time; cycles and cosine have their ends."""
    decaying, growing, cyclical, cosine = (
        digits_rates.SCHEDULES[name]
        for name in ("rate decays", "batch grows instead", "cyclical", "cosine")
    )
    for tenth in range(10):
        done = tenth / 10
        ratios = [each.rate(done) / each.batch(done) for each in (decaying, growing)]
        assert ratios[0] == pytest.approx(ratios[1])
    assert cyclical.rate(0.125) == pytest.approx(digits_rates.PEAK)
    assert cyclical.rate(0.25) == pytest.approx(0.05 * digits_rates.PEAK)
    assert cosine.rate(0.5) == pytest.approx(digits_rates.PEAK / 2)


def test_largest_eigenvalues_are_those_of_hessian_products() -> None:
    """On the last bias of one network, whose Hessian is small: no way there curves more.

    The largest eigenvalue of the whole is at least that of a block of it.
    """
    torch.manual_seed(0)
    layers, rows = digits_rates.fresh(1), digits_rates.digits()["train"]

    def loss(bias: torch.Tensor) -> torch.Tensor:
        return digits_rates.losses([*layers[:-1], bias.view(1, 1, 10)], rows)[0]

    block = torch.linalg.eigvalsh(torch.func.hessian(loss)(layers[-1].flatten()))
    assert float(digits_rates.largest_eigenvalues(layers)[0]) >= 0.99 * float(block[-1])
