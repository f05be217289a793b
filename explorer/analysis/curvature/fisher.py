"""Fisher matrices: outer products of gradients, by the data's labels or by the model's own."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from explorer.analysis.curvature.differentiable import CurvatureError, DifferentiableModel
from explorer.analysis.curvature.products import LinearMap, MapMaker, jacobian
from explorer.problem import (
    Batch,
    cross_entropy,
    labels_of,
    pixel_cross_entropy,
    squared_error,
    token_cross_entropy,
)

STREAM = 5  # of the drawn labels, beside the seed
KNOWN = (cross_entropy, pixel_cross_entropy, token_cross_entropy, squared_error)
CLASS_AXIS: Mapping[object, int] = MappingProxyType(
    {cross_entropy: 1, pixel_cross_entropy: 1, token_cross_entropy: -1}
)
GOLDEN, FIRST, SECOND = (  # constants of SplitMix64
    np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def empirical_fisher(model: DifferentiableModel, batch: Batch) -> tuple[LinearMap, float]:
    """Sum of the outer products of each example's own gradient, on a batch."""
    losses = model.per_example(batch)
    forward, backward = jacobian([losses], model.parameters)
    return lambda vectors: backward(forward(vectors)), float(losses.numel())


def monte_carlo_fisher(seed: int, draws: int) -> MapMaker:
    """The Fisher matrix by labels that the model itself draws; its mean is Gauss-Newton.

    Each label that the loss counts, an example's, a token's or a pixel's, is drawn `draws` times
    from what the outputs predict; the outer products of its gradients are averaged. A squared error
    is the log-likelihood of a normal distribution with half as much variance as an example has
    outputs, as it is averaged over them. What is drawn depends on the seed and on an example's
    place among all alone, so that every product and any cut into batches sees the same labels.

    Source: Martens 2020, arXiv:1412.1193, sections 5 and 8; Kunstner et al. 2019,
    arXiv:1905.12558: why labels of the data would give another matrix.
    """

    def batch_map(model: DifferentiableModel, batch: Batch) -> tuple[LinearMap, float]:
        curve_of = _curve_of(model.problem.loss)
        outputs = model.tensor_outputs(batch)
        _, count = model.loss(outputs, batch)
        seeds = [(seed, draw) for draw in range(draws)]
        curve = curve_of(outputs.detach(), batch, model.numbers, seeds)
        forward, backward = jacobian([outputs], model.parameters)
        return lambda vectors: backward([curve(forward(vectors)[0]) / draws]), count

    return batch_map


Bits = TypeVar("Bits", np.uint64, np.ndarray)
Seeds = Sequence[tuple[int, int]]  # one for each draw
Curve = Callable[[Tensor], Tensor]  # of the outputs' shape to the same


def _curve_of(loss: object) -> Callable[[Tensor, Batch, np.ndarray, Seeds], Curve]:
    """How the sum of g g' over drawn labels is made, g being a gradient by the outputs.

    Raises:
        CurvatureError: the loss is not the log-likelihood of a known distribution.
    """
    plain = loss.func if isinstance(loss, partial) else loss
    if plain is squared_error:
        return _normal
    if plain in CLASS_AXIS:
        ignored = loss.keywords.get("ignored") if isinstance(loss, partial) else None
        return partial(_classes, plain, ignored)
    names = ", ".join(loss_function.__name__ for loss_function in KNOWN)
    raise CurvatureError(
        "the Monte-Carlo Fisher matrix needs a loss that says how labels are distributed, one of "
        f"{names}; got {getattr(plain, '__name__', type(plain).__name__)}: choose gauss_newton"
    )


def _normal(outputs: Tensor, batch: Batch, numbers: np.ndarray, seeds: Seeds) -> Curve:
    """By the gradients of each example's squared error from drawn targets."""
    count = outputs.flatten(1).shape[1]
    normal = np.stack([ndtri(uniform_numbers(seed, numbers, count)) for seed in seeds], axis=1)
    slopes = torch.from_numpy(normal).to(outputs) * (2 / count) ** 0.5  # (B, draws, outputs)

    def curve(moved: Tensor) -> Tensor:
        along = slopes @ moved.flatten(1).unsqueeze(-1)
        return (slopes.transpose(1, 2) @ along).view_as(moved)

    return curve


def _classes(
    loss: object,
    ignored: int | None,
    outputs: Tensor,
    batch: Batch,
    numbers: np.ndarray,
    seeds: Seeds,
) -> Curve:
    """By the gradients of each label's cross-entropy with drawn classes; 0 where it is ignored.

    Such a gradient is p - e, the probabilities less 1 at the class drawn. With n, how often each
    class is drawn, the sum of (p - e) (p - e)' u is p (N p'u - n'u) - n (p'u - u), N = sum of n.
    """
    axis = CLASS_AXIS[loss]
    shares = outputs.movedim(axis, -1).softmax(-1)
    often = torch.zeros_like(shares)
    one = often.new_ones(()).expand(*shares.shape[:-1], 1)
    for seed in seeds:
        often.scatter_add_(-1, sample_classes(shares, numbers, seed).unsqueeze(-1), one)
    often *= _counted_labels(loss, ignored, batch, often)

    def curve(moved: Tensor) -> Tensor:
        moved = moved.movedim(axis, -1)
        mean = (shares * moved).sum(-1, keepdim=True)
        along = (often * (mean - moved)).sum(-1, keepdim=True)
        return (shares * along - often * (mean - moved)).movedim(-1, axis)

    return curve


def _counted_labels(loss: object, ignored: int | None, batch: Batch, often: Tensor) -> Tensor:
    """1 for each label that the loss does not ignore, 0 for others, (B, ..., 1)."""
    labels = labels_of(batch)
    if labels.is_floating_point():  # shares of classes, none of which is ignored
        return often.new_ones(())
    usual = 255 if loss is pixel_cross_entropy else -100
    return labels.ne(usual if ignored is None else ignored).unsqueeze(-1).to(often)


def sample_classes(shares: Tensor, numbers: np.ndarray, seed: Sequence[int]) -> Tensor:
    """A class (B, ...) for each row of probabilities (B, ..., C) of the examples numbered, (B,)."""
    places = shares[0, ..., 0].numel()
    uniform = torch.from_numpy(uniform_numbers(seed, numbers, places)).view(shares.shape[:-1])
    below = shares.double().cumsum(-1) <= uniform.to(shares.device).unsqueeze(-1)
    return below.sum(-1).clamp(max=shares.shape[-1] - 1)


def uniform_numbers(seed: Sequence[int], numbers: np.ndarray, count: int) -> np.ndarray:
    """Random numbers within 0 and 1, (n, count) float64: for each example the same for good.

    A hash of seed, example and place, as a generator would have to run up to each example.

    Source: SplitMix64 of Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
    generators".
    """
    start = np.uint64(STREAM)
    with np.errstate(over="ignore"):  # it is meant to wrap around
        for part in seed:
            start = _mix_bits(start + np.uint64(part) * GOLDEN + GOLDEN)
        places = np.arange(count, dtype=np.uint64)
        at = numbers.astype(np.uint64)[:, None] * np.uint64(count) + places + np.uint64(1)
        bits = _mix_bits(start + at * GOLDEN)
    return ((bits >> np.uint64(11)) + 0.5) * 2.0**-53


def _mix_bits(value: Bits) -> Bits:
    value = (value ^ (value >> np.uint64(30))) * FIRST
    value = (value ^ (value >> np.uint64(27))) * SECOND
    return value ^ (value >> np.uint64(31))
