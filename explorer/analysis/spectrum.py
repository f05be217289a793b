"""Answers a spectrum: extreme pairs, what the point is, quadrature probes, traces."""

import time
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis import curvature, fisher
from explorer.analysis import device as devices
from explorer.analysis.batches import part
from explorer.analysis.curvature import Curvature, CurvatureError, Maker, Product
from explorer.analysis.evaluator import Evaluator
from explorer.analysis.lanczos import (
    Lanczos,
    Pairs,
    asymmetry,
    eigenpairs,
    quadrature,
    random_normal,
    random_signs,
    true_residuals,
)
from explorer.analysis.objective import Objective
from explorer.analysis.parameters import Block, Tensors
from explorer.analysis.plane import NONE, Choices, objective_at
from explorer.analysis.trace import xtrace
from explorer.analysis.whole import gradient
from explorer.kinds.kind import Piece
from explorer.kinds.spectrum import DENSE, ESCAPES, Role, SpectrumSettings
from explorer.problem import Problem, accuracy, cross_entropy

ASYMMETRIC = 1e-4  # what is computed is then no matrix of second derivatives
STREAM = {"pairs": 0, "probes": 1, "trace": 2, "batches": 3}  # of random vectors, beside the seed
ESCAPE_STEPS = np.linspace(-1.0, 1.0, ESCAPES)  # along the last pair's vector, in steps of `_reach`
SHARE = 0.05  # of the parameters' norm: how far that goes
MAKERS: Mapping[str, Maker] = {
    "hessian": curvature.hessian,
    "scaled_hessian": curvature.hessian,
    "gauss_newton": curvature.gauss_newton,
    "empirical_fisher": fisher.empirical,
}
Rows = list[tuple[Role, int, float, float]]


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SpectrumSettings,
    done: Set[int],
    device: torch.device,
    choices: Choices = NONE,
) -> Iterator[Piece]:
    """The units of work that are not in `done`: the pairs, then each probe, each a piece.

    Raises:
        ValueError: the layer is none of the model's, or there are fewer parameters than pairs.
        CurvatureError: the model cannot be differentiated twice, or the loss is not finite.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    whole = Curvature(objective, maker_of(settings))
    matrix = restricted(whole, objective, settings)
    facts: dict[str, Any] = {
        "size": matrix.size,
        "parameters": whole.size,
        "examples": objective.examples,
        "available": objective.available,
        "device": devices.title(device),
        "layers": [block.name for block in _blocks(objective, settings)],
        "evaluated": _said(whole),
    }
    for unit in range(settings.units):
        if unit in done:
            continue
        began = time.perf_counter()
        before = whole.products
        if unit == 0:
            rows, found = extremes(matrix, whole, objective, settings)
            facts |= found
        else:
            rows = _unit(matrix, objective, settings, unit)
        facts[f"products_{unit}"] = whole.products - before
        yield Piece(_columns(unit, rows), facts, seconds=time.perf_counter() - began)
        facts = {}


def maker_of(settings: SpectrumSettings) -> Maker:
    """What makes a batch's part of the matrix."""
    if settings.matrix == "fisher":
        return fisher.monte_carlo(settings.seed, settings.labels)
    return MAKERS[settings.matrix]


def _said(matrix: Curvature) -> str:
    """How products are made, in words."""
    cut = -(-matrix.space.examples // matrix.batch)
    return f"double backward, {matrix.kept} of {cut} graphs kept, batches of {matrix.batch}"


def _columns(unit: int, rows: Rows) -> dict[str, np.ndarray]:
    """Rows as columns of the kind's table."""
    role, index, value, weight = zip(*rows, strict=True)
    return {
        "unit": np.full(len(rows), unit, dtype=np.int64),
        "role": np.array(role, dtype=np.int64),
        "i": np.array(index, dtype=np.int64),
        "value": np.array(value, dtype=np.float64),
        "weight": np.array(weight, dtype=np.float64),
    }


def _blocks(objective: Objective, settings: SpectrumSettings) -> list[Block]:
    """The tensors that the matrix is about.

    Raises:
        ValueError: there is none of that name.
    """
    blocks = objective.flat.blocks
    if not settings.layer:
        return blocks
    chosen = [block for block in blocks if block.name == settings.layer]
    if not chosen:
        names = ", ".join(block.name for block in blocks)
        raise ValueError(f"layer must be one of {names}, got {settings.layer!r}")
    return chosen


def restricted(whole: Curvature, objective: Objective, settings: SpectrumSettings) -> Product:
    """The matrix of the settings: the whole one, scaled, or one block of it."""
    matrix: Product = whole
    if settings.matrix == "scaled_hessian":
        matrix = Scaled(matrix, objective.flat.theta.abs())
    if settings.layer:
        (block,) = _blocks(objective, settings)
        matrix = Restricted(matrix, block)
    return matrix


class Scaled:
    """D A D for a diagonal D (D,): with |w| it does not change under rescalings of the weights."""

    def __init__(self, inner: Product, scale: Tensor) -> None:
        self.inner, self.scale = inner, scale.clone()
        self.size, self.like = inner.size, inner.like

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector (D,), as (D,)."""
        return self.inner(vector * self.scale).mul_(self.scale)


class Restricted:
    """The diagonal block of one parameter tensor."""

    def __init__(self, inner: Product, block: Block) -> None:
        self.inner, self.block = inner, block
        self.size, self.like = block.stop - block.start, inner.like

    def __call__(self, vector: Tensor) -> Tensor:
        """The product with a vector of the block's size."""
        whole = vector.new_zeros(self.inner.size)
        whole[self.block.start : self.block.stop] = vector
        return self.inner(whole)[self.block.start : self.block.stop]


def dense(matrix: Product) -> np.ndarray:
    """The matrix itself (D, D), float64, made symmetric; its products with all unit vectors."""
    rows = []
    for number in range(matrix.size):
        unit = matrix.like.new_zeros(matrix.size)
        unit[number] = 1
        rows.append(matrix(unit).to("cpu", torch.float64))
    made = torch.stack(rows).numpy()
    return np.asarray((made + made.T) / 2)


def extremes(
    matrix: Product, whole: Curvature, objective: Objective, settings: SpectrumSettings
) -> tuple[Rows, dict[str, Any]]:
    """The extreme pairs, all eigenvalues of a small matrix, the loss along the last pair's vector.

    Raises:
        CurvatureError: what is computed is not symmetric.
    """
    gap = asymmetry(matrix, settings.seed)
    if gap > ASYMMETRIC:
        raise CurvatureError(
            f"the matrix must be symmetric, but u'Hv and v'Hu differ by {gap:.1e} of their size; "
            "does the model draw random numbers, as dropout does, or change from call to call?"
        )
    rows: Rows = []
    if matrix.size <= DENSE:
        every, vectors = np.linalg.eigh(dense(matrix))
        pairs = _of_dense(matrix, every, vectors, settings)
        rows += [(Role.ALL, n, float(value), 0.0) for n, value in enumerate(every)]
    else:
        start = random_normal(matrix, settings.seed, STREAM["pairs"])
        top, bottom = settings.top, settings.bottom
        pairs = eigenpairs(matrix, start, top, bottom, settings.tolerance, settings.room)
    found = zip(pairs.values, pairs.residuals, strict=True)
    rows += [(Role.PAIR, n, float(v), float(r)) for n, (v, r) in enumerate(found)]
    slope_of = gradient(objective)
    theta = objective.flat.theta.to("cpu", torch.float64)
    blocks = _blocks(objective, settings)
    picked = torch.cat([torch.arange(b.start, b.stop) for b in blocks])
    last = torch.zeros_like(theta)
    last[picked] = pairs.vectors[-1].to("cpu", torch.float64)
    if settings.matrix == "scaled_hessian":  # back from the scaled coordinates
        last *= theta.abs()
        last /= last.norm().clamp(min=torch.finfo(torch.float64).tiny)
    slope = float(slope_of @ last)
    if slope > 0:
        last, slope = -last, -slope
    rows += _escape(objective, last)
    facts = {
        "asymmetry": gap,
        "converged": pairs.converged,
        "ended": pairs.ended,
        "lanczos_steps": pairs.steps,
        "dense": matrix.size <= DENSE,
        "epsilon": torch.finfo(matrix.like.dtype).eps,
        "gradient_norm": float(slope_of[picked].norm()),
        "theta_norm": float(theta[picked].norm()),
        "escape_slope": slope,
        "loss": objective.means()["loss"],
        "held_bytes": whole.held_bytes,
        "budget_bytes": whole.budget,
    }
    if classes := _classes(objective):
        facts["classes"] = classes
    return rows, facts


def _of_dense(
    matrix: Product, every: np.ndarray, vectors: np.ndarray, settings: SpectrumSettings
) -> Pairs:
    """The wanted ends of all eigenvalues (D,), ascending."""
    count = len(every)
    order = np.arange(count)[::-1]
    if settings.top + settings.bottom < count:
        order = np.concatenate([order[: settings.top], order[count - settings.bottom :]])
    chosen = torch.from_numpy(vectors[:, order].T.copy()).to(matrix.like)
    residuals = true_residuals(matrix, chosen, every[order])
    scale = float(np.abs(every).max())
    return Pairs(every[order], residuals, chosen, 0, True, False, scale)


def _escape(objective: Objective, vector: Tensor) -> Rows:
    """The loss at distances along a unit vector (D,) float64, both ways."""
    reach = SHARE * float(objective.flat.theta.double().norm())
    steps = ESCAPE_STEPS * (reach or 1.0)
    evaluator = Evaluator(objective, vector.unsqueeze(0))
    losses = evaluator.values(steps[:, None])["loss"]
    return [
        (Role.ESCAPE, n, float(step), float(loss))
        for n, (step, loss) in enumerate(zip(steps, losses, strict=True))
    ]


def _classes(objective: Objective) -> int:
    """The number of classes of a classifier, else 0."""
    problem = objective.problem
    if problem.loss is not cross_entropy and accuracy not in problem.metrics.values():
        return 0
    with torch.inference_mode():
        outputs = objective.outputs(part(objective.data, 0, 1))
    return int(outputs.shape[1]) if isinstance(outputs, Tensor) and outputs.dim() == 2 else 0


def _unit(matrix: Product, objective: Objective, settings: SpectrumSettings, unit: int) -> Rows:
    """A probe, the trace or a mini-batch."""
    if unit <= settings.probes:
        return probe(matrix, _blocks(objective, settings), settings, unit - 1)
    if settings.trace_products and unit == settings.unit_of(Role.TRACE):
        return _trace(matrix, settings)
    number = unit - settings.unit_of(Role.BATCH)
    return _batch(objective, settings, number)


def probe(
    matrix: Product, blocks: Sequence[Block], settings: SpectrumSettings, number: int
) -> Rows:
    """One random vector's quadrature, quadratic form, norm, and each tensor's part of the form."""
    signs = random_signs(matrix, settings.seed, STREAM["probes"], number)
    lanczos = Lanczos(matrix, signs, settings.steps)
    while not lanczos.is_over:
        lanczos.step()
    nodes, weights = quadrature(lanczos)
    found = zip(nodes, weights, strict=True)
    rows: Rows = [(Role.NODE, n, float(x), float(w)) for n, (x, w) in enumerate(found)]
    form = lanczos.alphas[0]
    square = float(torch.linalg.vector_norm(lanczos.first, dtype=torch.float64)) ** 2
    rows.append((Role.PROBE, number, form, square))
    products = signs.double() * lanczos.first.double() * float(matrix.size) ** 0.5
    start = blocks[0].start if settings.layer else 0
    for place, block in enumerate(blocks):
        mine = products[block.start - start : block.stop - start]
        rows.append((Role.LAYER, place, float(mine.sum()), float(block.stop - block.start)))
    return rows


def _trace(matrix: Product, settings: SpectrumSettings) -> Rows:
    """The trace by XTrace."""
    count = min(max(2, settings.trace_products // 2), matrix.size)
    seed, stream = settings.seed, STREAM["trace"]
    tests = torch.stack([random_normal(matrix, seed, stream, number) for number in range(count)])
    tests *= matrix.size**0.5 / torch.linalg.vector_norm(tests, dim=1, keepdim=True)
    value, error = xtrace(matrix, tests)
    return [(Role.TRACE, count, value, error)]


def _batch(objective: Objective, settings: SpectrumSettings, number: int) -> Rows:
    """The largest eigenvalue of one mini-batch alone.

    Batches are drawn without replacement within a pass through shuffled examples.
    """
    size = min(settings.batch_examples, objective.examples)
    each = objective.examples // size
    turn, place = divmod(number, each)
    order = np.random.RandomState([settings.seed, STREAM["batches"], turn])
    chosen = np.sort(order.permutation(objective.examples)[place * size : (place + 1) * size])
    alone = Curvature(objective, maker_of(settings), examples=chosen)
    matrix = restricted(alone, objective, settings)
    start = random_normal(matrix, settings.seed, STREAM["batches"])
    pairs = eigenpairs(matrix, start, 1, 0, settings.tolerance, settings.room)
    return [(Role.BATCH, number, float(pairs.values[0]), float(pairs.residuals[0]))]
