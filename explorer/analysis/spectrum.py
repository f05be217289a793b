"""Answers a spectrum: extreme pairs, what the point is, quadrature probes, traces."""

import time
from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.lanczos import (
    Lanczos,
    Pairs,
    eigenpairs,
    quadrature,
    random_normal,
    random_signs,
    true_residuals,
)
from explorer.analysis.curvature.matrices import (
    blocks_of,
    dense_matrix,
    map_maker_of,
    matrix_of_settings,
)
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.trace import xtrace
from explorer.analysis.objective import device as devices
from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Block
from explorer.analysis.objective.plane import NONE, Choices, objective_at
from explorer.codec import JsonValue
from explorer.kinds.matrix import ESCAPE_POINTS, MAX_DENSE_PARAMETERS, MatrixRole, SpectrumSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.problem import Problem, accuracy, cross_entropy

STREAM = {"pairs": 0, "probes": 1, "trace": 2, "batches": 3}  # of random vectors, beside the seed
ESCAPE_STEPS = np.linspace(
    -1.0, 1.0, ESCAPE_POINTS
)  # along the last pair's vector, in steps of `_reach`
SHARE = 0.05  # of the parameters' norm: how far that goes

Rows = list[tuple[MatrixRole, int, float, float]]


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SpectrumSettings,
    done: Set[int],
    device: torch.device,
    choices: Choices = NONE,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The units of work that are not in `done`: the pairs, then each probe, each a piece.

    A unit half done goes on from the steps that were kept of it.

    Raises:
        ValueError: the layer is none of the model's, or there are fewer parameters than pairs.
        CurvatureError: the model cannot be differentiated twice, or the loss is not finite.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    objective.on_pass = progress.check
    whole = Curvature(objective, map_maker_of(settings))
    matrix = matrix_of_settings(whole, objective, settings)
    facts: dict[str, JsonValue] = {
        "size": matrix.size,
        "parameters": whole.size,
        "examples": objective.examples,
        "available": objective.available,
        "device": devices.device_title(device),
        **objective.moved_facts,
        "layers": [block.name for block in blocks_of(objective, settings)],
        "evaluated": _product_words(whole),
    }
    for unit in range(settings.units):
        if unit in done:
            continue
        began = time.perf_counter()
        before = whole.products
        half = progress.of_unit(unit, _unit_name(settings, unit))
        if unit == 0:
            rows, pair_facts = extremes(matrix, whole, objective, settings, half)
            facts |= pair_facts
        else:
            rows = _unit(matrix, objective, settings, unit, half)
        facts[f"products_{unit}"] = whole.products - before
        yield Piece(_columns(unit, rows), facts, seconds=time.perf_counter() - began)
        facts = {}


def _unit_name(settings: SpectrumSettings, unit: int) -> str:
    """What people call a unit of work."""
    if unit == 0:
        return "the extreme eigenvalues"
    if unit <= settings.probes:
        return f"probe {unit}"
    if settings.trace_products and unit == settings.unit_of(MatrixRole.TRACE):
        return "the trace"
    return f"batch {unit - settings.unit_of(MatrixRole.BATCH) + 1}"


def _product_words(matrix: Curvature) -> str:
    """How products are made, in words."""
    cut = -(-matrix.model.examples // matrix.batch)
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


def extremes(
    matrix: Product,
    whole: Curvature,
    objective: Objective,
    settings: SpectrumSettings,
    unit: UnitProgress | None = None,
) -> tuple[Rows, dict[str, Any]]:
    """The extreme pairs, all eigenvalues of a small matrix, the loss along the last pair's vector.

    Raises:
        CurvatureError: the model changes from call to call.
    """
    gap = require_repeatable(matrix, objective, settings.seed)
    rows: Rows = []
    if matrix.size <= MAX_DENSE_PARAMETERS:
        every, vectors = np.linalg.eigh(dense_matrix(matrix))
        pairs = _of_dense(matrix, every, vectors, settings)
        rows += [(MatrixRole.ALL, n, float(value), 0.0) for n, value in enumerate(every)]
    else:
        start = random_normal(matrix, settings.seed, STREAM["pairs"])
        top, bottom = settings.top, settings.bottom
        pairs = eigenpairs(matrix, start, top, bottom, settings.tolerance, settings.room, unit=unit)
    values_with_residuals = zip(pairs.values, pairs.residuals, strict=True)
    rows += [
        (MatrixRole.PAIR, n, float(v), float(r)) for n, (v, r) in enumerate(values_with_residuals)
    ]
    slope_of = gradient(objective)
    theta = objective.flat.theta.to("cpu", torch.float64)
    blocks = blocks_of(objective, settings)
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
        "dense": matrix.size <= MAX_DENSE_PARAMETERS,
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
        (MatrixRole.ESCAPE, n, float(step), float(loss))
        for n, (step, loss) in enumerate(zip(steps, losses, strict=True))
    ]


def _classes(objective: Objective) -> int:
    """The number of classes of a classifier, else 0."""
    problem = objective.problem
    if problem.loss is not cross_entropy and accuracy not in problem.metrics.values():
        return 0
    with torch.inference_mode():
        outputs = objective.outputs(slice_examples(objective.data, 0, 1))
    return int(outputs.shape[1]) if isinstance(outputs, Tensor) and outputs.dim() == 2 else 0


def _unit(
    matrix: Product,
    objective: Objective,
    settings: SpectrumSettings,
    unit: int,
    half: UnitProgress,
) -> Rows:
    """A probe, the trace or a mini-batch."""
    if unit <= settings.probes:
        return probe(matrix, blocks_of(objective, settings), settings, unit - 1, half)
    if settings.trace_products and unit == settings.unit_of(MatrixRole.TRACE):
        return _trace(matrix, settings)
    number = unit - settings.unit_of(MatrixRole.BATCH)
    return _batch(objective, settings, number)


def probe(
    matrix: Product,
    blocks: Sequence[Block],
    settings: SpectrumSettings,
    number: int,
    unit: UnitProgress | None = None,
) -> Rows:
    """One random vector's quadrature, quadratic form, norm, and each tensor's part of the form."""
    signs = random_signs(matrix, settings.seed, STREAM["probes"], number)
    lanczos = Lanczos(matrix, signs, settings.steps, unit)
    while not lanczos.is_over:
        lanczos.step()
    nodes, weights = quadrature(lanczos)
    nodes_with_weights = zip(nodes, weights, strict=True)
    rows: Rows = [
        (MatrixRole.NODE, n, float(x), float(w)) for n, (x, w) in enumerate(nodes_with_weights)
    ]
    form = lanczos.alphas[0]
    square = float(torch.linalg.vector_norm(lanczos.first, dtype=torch.float64)) ** 2
    rows.append((MatrixRole.PROBE, number, form, square))
    products = signs.double() * lanczos.first.double() * float(matrix.size) ** 0.5
    start = blocks[0].start if settings.layer else 0
    for place, block in enumerate(blocks):
        mine = products[block.start - start : block.stop - start]
        rows.append((MatrixRole.LAYER, place, float(mine.sum()), float(block.stop - block.start)))
    return rows


def _trace(matrix: Product, settings: SpectrumSettings) -> Rows:
    """The trace by XTrace."""
    count = min(max(2, settings.trace_products // 2), matrix.size)
    seed, stream = settings.seed, STREAM["trace"]
    tests = torch.stack([random_normal(matrix, seed, stream, number) for number in range(count)])
    tests *= matrix.size**0.5 / torch.linalg.vector_norm(tests, dim=1, keepdim=True)
    value, error = xtrace(matrix, tests)
    return [(MatrixRole.TRACE, count, value, error)]


def _batch(objective: Objective, settings: SpectrumSettings, number: int) -> Rows:
    """The largest eigenvalue of one mini-batch alone.

    Batches are drawn without replacement within a pass through shuffled examples.
    """
    size = min(settings.batch_examples, objective.examples)
    each = objective.examples // size
    turn, place = divmod(number, each)
    order = np.random.RandomState([settings.seed, STREAM["batches"], turn])
    chosen = np.sort(order.permutation(objective.examples)[place * size : (place + 1) * size])
    alone = Curvature(objective, map_maker_of(settings), examples=chosen)
    matrix = matrix_of_settings(alone, objective, settings)
    start = random_normal(matrix, settings.seed, STREAM["batches"])
    pairs = eigenpairs(matrix, start, 1, 0, settings.tolerance, settings.room)
    return [(MatrixRole.BATCH, number, float(pairs.values[0]), float(pairs.residuals[0]))]
