"""Products with curvature matrices against dense ones, whatever the model and the batches."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from explorer.analysis.curvature import products
from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.fisher import empirical_fisher
from explorer.analysis.curvature.lanczos import asymmetry
from explorer.analysis.curvature.matrices import MatrixBlock, ScaledMatrix, dense_matrix
from explorer.analysis.curvature.products import Curvature, CurvatureError
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem, cross_entropy, squared_error
from tests.conftest import small_problem
from tests.networks import seeded

CPU = torch.device("cpu")
EXACT = ObjectiveSettings(precision="float64")


def objective_of(problem: Problem, settings: ObjectiveSettings = EXACT) -> Objective:
    return Objective(problem, settings, CPU)


pytestmark = pytest.mark.usefixtures("one_thread")


class Little(nn.Module):
    """A convolution, BatchNorm, a tied pair, smooth and piecewise linear functions; 105 values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.first = nn.Linear(8, 5, bias=False)
        self.second = nn.Linear(5, 5)
        self.third = nn.Linear(5, 5)
        self.third.weight = self.second.weight
        self.last = nn.Linear(5, 3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.norm(self.conv(images))).flatten(1)
        hidden = torch.relu(self.second(torch.tanh(self.first(hidden))))
        return self.last(torch.sigmoid(self.third(hidden)))


def little(examples: int = 101) -> Problem:
    """Random images in three classes."""
    torch.manual_seed(4)
    labels = torch.randint(0, 3, (examples,), generator=seeded(7))
    images = drawn(examples, 1, 4, 4, seed=6)
    model = Little().double()
    model(images)  # moves the running statistics off their defaults
    return Problem(model.eval(), {"train": (images, labels)}, cross_entropy)


def matrix(of: Curvature) -> Tensor:
    return torch.from_numpy(dense_matrix(of))


def loss_of(objective: Objective) -> Callable[[Tensor], Tensor]:
    """The mean loss as a function of the flat parameters (D,)."""
    problem = objective.problem

    def loss(theta: Tensor) -> Tensor:
        outputs = functional_call(objective.functional, named(objective, theta), (objective.data,))
        value: Any = problem.loss(outputs, objective.data)
        return value[0] / value[1] if isinstance(value, tuple) else value.mean()

    return loss


def named(objective: Objective, theta: Tensor) -> dict[str, Tensor]:
    blocks = objective.flat.blocks
    return {f"model.{b.name}": theta[b.start : b.stop].view(b.shape) for b in blocks}


def reference(objective: Objective) -> Tensor:
    """The Hessian by torch's own double Jacobian."""
    return torch.autograd.functional.hessian(loss_of(objective), objective.flat.theta.clone())


def regression(model: nn.Module, inputs: Tensor, targets: Tensor) -> Problem:
    return Problem(model.double(), {"train": (inputs, targets)}, squared_error)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def test_the_hessian_of_a_network() -> None:
    """Convolution, BatchNorm, tied weights: every entry equals torch's own, to rounding."""
    objective = objective_of(little(examples=23))
    hessian_matrix = matrix(Curvature(objective, products.hessian))
    assert torch.allclose(hessian_matrix, reference(objective), rtol=0, atol=1e-15)


def test_linear_regression_in_closed_form() -> None:
    """Mean squared error of a linear map: Hessian 2 X'X / N, whatever the weights, to 1e-14."""
    inputs = drawn(17, 5)
    model = nn.Linear(5, 1, bias=False)
    objective = objective_of(regression(model, inputs, drawn(17, 1, seed=1)))
    hessian_matrix = matrix(Curvature(objective, products.hessian))
    assert torch.allclose(hessian_matrix, 2 * inputs.T @ inputs / 17, rtol=0, atol=1e-14)


def test_softmax_regression_in_closed_form() -> None:
    """Cross-entropy of a linear map: mean of (diag p - p p') x x', to 1e-14; and Gauss-Newton."""
    inputs, labels = drawn(19, 4), torch.randint(0, 3, (19,), generator=seeded(2))
    model = nn.Linear(4, 3, bias=False).double()
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy)
    p = torch.softmax(model(inputs), dim=1).detach()
    inner = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    wanted = torch.einsum("ncd,ni,nj->cidj", inner, inputs, inputs).reshape(12, 12) / 19
    for maker in (products.hessian, products.gauss_newton):
        curvature_matrix = matrix(Curvature(objective_of(problem), maker))
        assert torch.allclose(curvature_matrix, wanted, rtol=0, atol=1e-14)


class Product(nn.Module):
    """The product of two numbers."""

    def __init__(self, one: float, other: float) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor([one, other], dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.w.prod() * inputs


def half_square(outputs: Tensor, batch: Batch) -> Tensor:
    return (outputs - 1).square().flatten(1).sum(1) / 2


@pytest.mark.parametrize(("at", "values"), [((2.0, 0.5), (0.0, 4.25)), ((0.0, 0.0), (-1.0, 1.0))])
def test_a_product_of_two_numbers(at: tuple[float, float], values: tuple[float, float]) -> None:
    """(w1 w2 - 1)^2 / 2: eigenvalues {0, 4.25} at the minimum (2, .5), {-1, 1} at the saddle 0."""
    problem = Problem(Product(*at), {"train": (torch.ones(3, 1).double(),)}, half_square)
    eigenvalues = torch.linalg.eigvalsh(matrix(Curvature(objective_of(problem), products.hessian)))
    assert eigenvalues.tolist() == pytest.approx(values, abs=1e-14)


def test_blocks_of_a_rectifier_network_are_those_of_gauss_newton() -> None:
    """A ReLU net is linear in each tensor by itself: its diagonal blocks agree to 1e-14."""
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    labels = torch.randint(0, 3, (29,), generator=seeded(3))
    objective = objective_of(
        Problem(model.double(), {"train": (drawn(29, 4), labels)}, cross_entropy)
    )
    whole = [Curvature(objective, maker) for maker in (products.hessian, products.gauss_newton)]
    for block in objective.flat.blocks:
        one, other = (torch.from_numpy(dense_matrix(MatrixBlock(m, block))) for m in whole)
        assert torch.allclose(one, other, rtol=0, atol=1e-14)
        assert one.abs().max() > 1e-3
    assert not torch.allclose(matrix(whole[0]), matrix(whole[1]), atol=1e-3)


def test_the_empirical_fisher_matrix() -> None:
    """The mean of the outer products of each example's own gradient."""
    objective = objective_of(little(examples=13))
    fisher_matrix = matrix(Curvature(objective, empirical_fisher))
    rows = []
    for number in range(13):
        problem = little(examples=13)
        example = tuple(t[number : number + 1] for t in problem.data["train"])
        one = objective_of(replace(problem, data={"train": example}), EXACT)
        theta = one.flat.theta.clone().requires_grad_()
        rows.append(torch.autograd.grad(loss_of(one)(theta), theta)[0])
    each = torch.stack(rows)
    assert torch.allclose(fisher_matrix, each.T @ each / 13, rtol=0, atol=1e-15)


def test_a_scaled_matrix() -> None:
    """D H D for a diagonal D."""
    objective = objective_of(little(examples=11))
    whole = Curvature(objective, products.hessian)
    scale = objective.flat.theta.abs()
    scaled_matrix = torch.from_numpy(dense_matrix(ScaledMatrix(whole, scale)))
    assert torch.allclose(scaled_matrix, scale[:, None] * matrix(whole) * scale, rtol=0, atol=1e-15)


@pytest.mark.parametrize("maker", [products.hessian, products.gauss_newton, empirical_fisher])
def test_batches_weigh_by_what_they_count(maker: products.MapMaker) -> None:
    """Batches of 96 + 4 give the product of one batch, kept or made anew, to 1e-12."""
    objective = objective_of(little(examples=100))
    vector = drawn(objective.flat.theta.numel(), seed=4)
    whole = Curvature(objective, maker)
    assert whole.batch == 100
    for kept in (2, 0):
        cut = Curvature(objective, maker)
        cut._cut_into_batches(96)
        cut.kept = kept
        assert [b - a for a, b in cut._spans] == [96, 4]
        for _ in range(2):
            assert torch.allclose(cut(vector), whole(vector), rtol=1e-12, atol=1e-16)
        assert len(cut._maps) == kept


def masked(outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """A sum and a count, as of tokens of which some are ignored."""
    counts = batch[1] != 0
    losses = functional.cross_entropy(outputs, batch[1], reduction="none")
    return (losses * counts).sum(), counts.sum()


def test_a_sum_and_a_count() -> None:
    """Ignored examples weigh nothing, however they are spread over batches."""
    objective = objective_of(replace(little(examples=31), loss=masked, metrics={}))
    cut = Curvature(objective, products.hessian)
    cut._cut_into_batches(7)
    assert torch.allclose(matrix(cut), reference(objective), rtol=0, atol=1e-14)


class Attention(nn.Module):
    """Attention by torch's own modules, whose fused kernels have no second derivative."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = nn.TransformerEncoderLayer(8, 2, 8, dropout=0.1, batch_first=True)
        self.own = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.mixed(inputs)
        hidden = hidden + functional.scaled_dot_product_attention(hidden, hidden, hidden)
        return self.last(self.own(hidden, hidden, hidden)[0].mean(dim=1))


@pytest.mark.parametrize("norm", [nn.utils.parametrizations.weight_norm, nn.utils.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weight_norm_is_written_out(norm: Callable[..., nn.Module]) -> None:
    """As a parametrisation and as a hook: equal to the same model with g v / norm(v) by hand.

    Through torch's own the second derivative is wrong by more than 1 %.
    """
    torch.manual_seed(0)
    layer = norm(nn.Linear(4, 5).double())
    model = nn.Sequential(layer, nn.Tanh(), nn.Linear(5, 1).double())
    inputs, targets = drawn(9, 4), drawn(9, 1, seed=1)
    objective = objective_of(regression(model, inputs, targets))
    hessian_matrix = matrix(Curvature(objective, products.hessian))
    names = [block.name for block in objective.flat.blocks]

    def by_hand(theta: Tensor) -> Tensor:
        blocks = objective.flat.blocks
        parts = {
            n: theta[b.start : b.stop].view(b.shape) for n, b in zip(names, blocks, strict=True)
        }
        size, vector = (
            next(v for n, v in parts.items() if n.endswith(ends))
            for ends in (("weight_g", "original0"), ("weight_v", "original1"))
        )
        weight = size * vector / vector.norm(dim=1, keepdim=True)
        hidden = torch.tanh(inputs @ weight.T + parts["0.bias"])
        outputs = hidden @ parts["2.weight"].T + parts["2.bias"]
        return (outputs - targets).square().mean()

    wanted = torch.autograd.functional.hessian(by_hand, objective.flat.theta.clone())
    assert torch.allclose(hessian_matrix, wanted, rtol=0, atol=1e-13)


def test_attention() -> None:
    """Torch's fused attention is differentiated twice by its plain form."""
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (6,), generator=seeded(3))
    model = Attention().double()
    objective = objective_of(Problem(model, {"train": (drawn(6, 4, 8), labels)}, cross_entropy))
    vector = drawn(objective.flat.theta.numel(), seed=5)
    product = Curvature(objective, products.hessian)(vector)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        theta = objective.flat.theta.clone()
        _, wanted = torch.autograd.functional.hvp(loss_of(objective), theta, vector)
    assert torch.allclose(product, wanted, rtol=1e-10, atol=1e-14)


class Bag(nn.Module):
    """An embedding bag, which torch cannot differentiate twice."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(7, 3)

    def forward(self, words: Tensor) -> Tensor:
        return self.bag(words).tanh()


def test_an_operation_without_second_derivative_is_named() -> None:
    """The sentence says which operation, and what to do."""
    words = torch.randint(0, 7, (5, 4), generator=seeded(1))
    labels = torch.randint(0, 3, (5,), generator=seeded(2))
    objective = objective_of(Problem(Bag().double(), {"train": (words, labels)}, cross_entropy))
    with pytest.raises(CurvatureError, match=r"embedding_bag.* cannot be differentiated twice"):
        Curvature(objective, products.hessian)(drawn(21))


class Reentrant(nn.Module):
    """Checkpointing of the old kind."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs.clone().requires_grad_()
        return torch.utils.checkpoint.checkpoint(self.layer, inputs, use_reentrant=True)


def test_reentrant_checkpointing_is_refused() -> None:
    """Its second derivative would be 0 without a word."""
    labels = torch.randint(0, 3, (5,), generator=seeded(2))
    objective = objective_of(
        Problem(Reentrant().double(), {"train": (drawn(5, 4), labels)}, cross_entropy)
    )
    with pytest.raises(CurvatureError, match="reentrant checkpointing"):
        Curvature(objective, products.hessian)(drawn(15))


def detached(outputs: Tensor, batch: Batch) -> Tensor:
    return cross_entropy(outputs.detach(), batch)


def linear(outputs: Tensor, batch: Batch) -> Tensor:
    return outputs.sum(dim=1)


def undefined(outputs: Tensor, batch: Batch) -> Tensor:
    return cross_entropy(outputs, batch) / 0 * 0


@pytest.mark.parametrize(
    ("loss", "words"), [(detached, "has no gradient"), (undefined, "this point is nan")]
)
def test_losses_that_have_no_curvature(loss: Any, words: str) -> None:
    """No gradient, or no number: a sentence."""
    objective = objective_of(replace(little(examples=5), loss=loss))
    with pytest.raises(CurvatureError, match=words):
        Curvature(objective, products.hessian)


def test_a_zero_hessian() -> None:
    """A loss linear in the parameters: zero products, not an error."""
    model = nn.Linear(4, 2).double()
    objective = objective_of(Problem(model, {"train": (drawn(5, 4),)}, linear))
    curvature = Curvature(objective, products.hessian)
    assert not curvature(drawn(10)).any() and asymmetry(curvature) == 0


@pytest.mark.parametrize(
    "settings",
    [{"precision": "bf16"}, {"precision": "tf32"}, {"batchnorm": "batch"}],
    ids=lambda s: next(iter(s.values())),
)
def test_settings_without_curvature(settings: dict[str, str]) -> None:
    """Reduced precision and moving statistics are refused by name."""
    objective = objective_of(small_problem(dtype=torch.float32), ObjectiveSettings(**settings))
    with pytest.raises(CurvatureError, match=next(iter(settings))):
        Curvature(objective, products.hessian)


def test_the_model_under_study_is_not_touched() -> None:
    """Values, gradients and flags of the problem's model and of the objective's are as before."""
    problem = little(examples=9)
    objective = objective_of(problem)
    before = {n: v.clone() for n, v in problem.model.state_dict().items()}
    flat = objective.flat.theta.clone()
    Curvature(objective, products.hessian)(drawn(flat.numel()))
    assert all(torch.equal(v, before[n]) for n, v in problem.model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in problem.model.parameters())
    assert torch.equal(objective.flat.theta, flat)
    assert not any(p.requires_grad for p in objective.flat.module.parameters())


def test_graphs_stay_within_the_budget() -> None:
    """With less memory fewer graphs are kept and batches are smaller; products are the same."""
    objective = objective_of(little(examples=400))
    vector = drawn(objective.flat.theta.numel(), seed=4)
    whole = Curvature(objective, products.hessian)
    assert whole.kept == 1 and whole.batch == 400
    wanted = whole(vector)
    needed = whole.held_bytes
    for share in (2, 10, 50):
        tight = Curvature(objective, products.hessian, budget=needed // share)
        assert torch.allclose(tight(vector), wanted, rtol=1e-10, atol=1e-15)
        assert tight.held_bytes + 2 * (tight._fixed + tight._each * tight.batch) <= needed // share
        assert tight.batch < 400


def test_too_little_memory_halves_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forced: products go on with smaller batches and say the same."""
    objective = objective_of(little(examples=64))
    vector = drawn(objective.flat.theta.numel(), seed=4)
    curvature = Curvature(objective, products.hessian)
    wanted = curvature(vector)
    inner, left = curvature._product, [2]

    def product(v: Tensor) -> Tensor:
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("forced")
        return inner(v)

    monkeypatch.setattr(curvature, "_product", product)
    assert torch.allclose(curvature(vector), wanted, rtol=1e-10, atol=1e-15)
    assert curvature.batch == 16 and curvature.products == 2


class Noisy(nn.Module):
    """Dropout that does not know of evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(functional.dropout(inputs, 0.5)).tanh()


def test_what_changes_from_call_to_call_is_not_symmetric() -> None:
    """Dropout left on, with graphs made anew: u'Hv and v'Hu differ by far more than 1e-4."""
    labels = torch.randint(0, 3, (50,), generator=seeded(2))
    objective = objective_of(
        Problem(Noisy().double(), {"train": (drawn(50, 4), labels)}, cross_entropy)
    )
    curvature = Curvature(objective, products.hessian)
    curvature.kept = 0
    torch.manual_seed(0)
    assert asymmetry(curvature) > 1e-3


@pytest.mark.parametrize("kept", [True, False])
def test_random_numbers_are_seen_even_in_a_graph_that_is_kept(kept: bool) -> None:
    """A kept graph is symmetric, as its draws stay; the gradients tell."""
    labels = torch.randint(0, 3, (50,), generator=seeded(2))
    objective = objective_of(
        Problem(Noisy().double(), {"train": (drawn(50, 4), labels)}, cross_entropy)
    )
    curvature = Curvature(objective, products.hessian)
    curvature.kept = int(kept)
    torch.manual_seed(0)
    with pytest.raises(CurvatureError, match=r"does the model draw random numbers, as dropout"):
        require_repeatable(curvature, objective, seed=0)
