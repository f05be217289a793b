"""What the literature found between minima, again in small: splits of a run, a counterexample."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explorer.analysis import interpolation
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.symmetry.matching import matched
from explorer.analysis.symmetry.specification import permute
from explorer.analysis.symmetry.symmetry import symmetry_of
from explorer.analysis.symmetry.tracing import Network
from explorer.analysis.symmetry.weights import WeightLikeness
from explorer.kinds.interpolation import Interpolation, InterpolationSettings
from explorer.problem import Outputs, Problem
from sample_models import digits_mlp
from sample_models.measurement import one_thread

CPU = torch.device("cpu")
STEPS = 800


def between(problem: Problem, first: Tensors, last: Tensors, points: int = 30) -> Interpolation:
    """The straight line between two points."""
    settings = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=points)
    pieces: Iterator = interpolation.answer(problem, [first, last], settings, frozenset(), CPU)
    return Interpolation.from_pieces(settings, pieces)


def snapshot(model: nn.Module) -> Tensors:
    """Copies of all tensors of a model."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def descend(
    model: nn.Module,
    data: tuple[Tensor, Tensor],
    steps: range,
    seed: int,
    rate: float,
    size: int = 16,
    momentum: float = 0.0,
) -> Tensors:
    """Train on batches whose order the seed decides; what the model is then.

    The learning rate falls to 0 over 800 steps as a cosine does; weight decay is 1e-4.
    """
    optimiser = torch.optim.SGD(model.parameters(), rate, momentum, weight_decay=1e-4)
    inputs, labels = data
    each = len(labels) // size
    for step in steps:
        optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / STEPS)) / 2
        epoch, number = divmod(step, each)
        order = np.random.RandomState([seed, epoch]).permutation(len(labels))
        chosen = torch.from_numpy(order[number * size : (number + 1) * size])
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
        optimiser.step()
    return snapshot(model)


def trained_together(
    starts: list[Tensors], data: tuple[Tensor, Tensor], seeds: list[int], split: int, rate: float
) -> list[Tensors]:
    """The runs of perceptrons from these starts, all in one batched loop, each as if alone.

    Until the split their batches are in one order, then in that of each one's seed. The learning
    rate falls to 0 as a cosine does; weight decay is 1e-4.
    """
    stacked = {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
    weights = [value.requires_grad_() for value in stacked.values()]
    optimiser = torch.optim.SGD(weights, rate, weight_decay=1e-4)
    inputs, labels = data
    size, each = 16, len(labels) // 16
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = rate * (1 + math.cos(math.pi * step / STEPS)) / 2
        epoch, number = divmod(step, each)
        orders = {
            seed: np.random.RandomState([seed, epoch]).permutation(len(labels))
            for seed in ({0} if step < split else set(seeds))
        }
        rows = [orders[0 if step < split else seed] for seed in seeds]
        chosen = torch.from_numpy(np.stack(rows)[:, number * size : (number + 1) * size])
        values = inputs[chosen]  # (R, size, features)
        for weight, bias in zip(weights[::2], weights[1::2], strict=True):
            last = weight is weights[-2]
            values = torch.baddbmm(bias.unsqueeze(1), values, weight.mT)
            values = values if last else values.relu()
        optimiser.zero_grad()
        losses = nn.functional.cross_entropy(
            values.flatten(0, 1), labels[chosen].flatten(), reduction="sum"
        )
        (losses / size).backward()
        optimiser.step()
    return [{n: v[run].detach() for n, v in stacked.items()} for run in range(len(starts))]


def rises_between_runs(split: int, count: int) -> list[float]:
    """How far the train error rises between two runs of each start, of one order until a split."""
    problem, starts = digits_mlp.problem((32, 32, 32)), []
    for seed in range(count):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            starts.append(snapshot(digits_mlp.MLP((64, 32, 32, 32, 10))))
    pairs = [start for start in starts for _ in (1, 2)]
    ends = trained_together(pairs, problem.data["train"], [1, 2] * count, split, 0.5)
    return [
        between(problem, first, second).error_rise or 0.0
        for first, second in zip(ends[::2], ends[1::2], strict=True)
    ]


def test_runs_that_split_late_are_linearly_connected() -> None:
    """The train error between two runs rises by far at a split from the start, hardly later.

    Source: Frankle et al. 2020, arXiv:1912.05671, section 3; here a perceptron on digits, learning
    rate 0.5. Such steps are chaotic, and some starts are an exception, more so on another
    processor: the medians of eleven starts are looked at.
    """
    with one_thread():
        rises = {split: np.median(rises_between_runs(split, count=15)) for split in (0, 200)}
    assert rises[0] > 0.03
    assert rises[200] < 0.02


def corner(weights: list[list[list[float]]], biases: list[list[float]]) -> Tensors:
    """Weights of a 2-2-2-1 network whose PReLU has a slope of 0.01."""
    tensors: dict[str, Tensor] = {}
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        tensors[f"{2 * place}.weight"] = torch.tensor(weight, dtype=torch.float64)
        tensors[f"{2 * place}.bias"] = torch.tensor(bias, dtype=torch.float64)
    slopes = {f"{n}.weight": torch.tensor([0.01], dtype=torch.float64) for n in (1, 3)}
    return {**tensors, **slopes}


def wrong(outputs: Outputs, batch: tuple[Tensor, Tensor]) -> Tensor:
    """1 for each example on the wrong side of 0."""
    assert isinstance(outputs, Tensor)
    return ((outputs.squeeze(1) >= 0) != batch[1]).double()


def test_no_permutation_removes_this_barrier() -> None:
    """Both networks tell a quadrant; the error between them is about 1/4 for all four permutations.

    Source: Ainsworth et al. 2023, arXiv:2209.04836, section 6 and public code: a counterexample to
    the conjecture that all solutions are one up to permutation.
    """
    layers = [nn.Linear(2, 2), nn.PReLU(), nn.Linear(2, 2), nn.PReLU(), nn.Linear(2, 1)]
    model = nn.Sequential(*layers).double()
    rows = torch.rand(4096, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    inputs = 2 * rows - 1
    labels = (inputs[:, 0] <= 0) & (inputs[:, 1] >= 0)
    problem = Problem(model, {"train": (inputs, labels)}, wrong)
    first = corner([[[-1, 0], [0, -1]], [[-1, 0], [0, 1]], [[-1, -1]]], [[1, 0], [1, 0], [0]])
    second = corner([[[1, 0], [0, 1]], [[1, 0], [0, -1]], [[-1, -1]]], [[0, 1], [0, 1], [0]])
    model.load_state_dict(second)
    specification = symmetry_of(Network(model), inputs[:8]).specification
    assert round(10**specification.log10_permutations) == 4
    heights = []
    for orders in itertools.product(*[list(itertools.permutations(range(2)))] * 2):
        permutation = specification.identity
        for group, order in zip(specification.groups, orders, strict=True):
            permutation[group.channels] = group.channels[list(order)]
        line = between(problem, first, permute(second, specification, permutation), 61)
        assert max(line.ends()) < 0.01
        heights.append(line.saddle)
    assert len(heights) == 4
    assert min(heights) > 0.2 and max(heights) < 0.3


@pytest.mark.campaign
@pytest.mark.parametrize("width", [16, 64, 256])
def test_aligned_barriers_are_ten_times_smaller(width: int) -> None:
    """Two trained perceptrons of that width: the barrier after matching weights is a tenth at most.

    Source: Entezari et al. 2022, arXiv:2110.06296; Ainsworth et al. 2023, arXiv:2209.04836.
    """
    ends = []
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            problem = digits_mlp.problem((width, width))
        data = problem.data["train"]
        steps = range(STEPS)
        ends.append(descend(problem.model, data, steps, seed, 0.05, size=64, momentum=0.9))
    symmetry = symmetry_of(Network(problem.model), problem.data["train"][0][:8])
    like = WeightLikeness.of(ends[0], ends[1], symmetry.specification)
    best = max(
        (matched(like, symmetry.specification, np.random.default_rng(seed)) for seed in range(3)),
        key=lambda matching: like.value(matching.permutation),
    )
    aligned = permute(ends[1], symmetry.specification, best.permutation)
    barriers = [between(problem, ends[0], end).barrier for end in (ends[1], aligned)]
    print(f"width {width}: barrier {barriers[0]:.3f}, aligned {barriers[1]:.4f}")
    assert barriers[1] < barriers[0] / 10
