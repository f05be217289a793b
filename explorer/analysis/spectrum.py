"""Answers a spectrum: extreme pairs, what the point is, quadrature probes, traces."""

import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.matrices import blocks_of, map_maker_of, matrix_of_settings
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Block
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.analysis.spectrum_ends import STREAM, Rows, escape_points, extremes
from explorer.analysis.spectrum_fisher import covariance_rows, gap_rows
from explorer.analysis.spectrum_trace import trace_rows
from explorer.codec import JsonValue
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SpectrumSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
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
    full_matrix = Curvature(objective, map_maker_of(settings))
    matrix = matrix_of_settings(full_matrix, objective, settings)
    facts: dict[str, JsonValue] = {
        "size": matrix.size,
        **objective.facts,
        "layers": [block.name for block in blocks_of(objective, settings)],
        "evaluated": _product_words(full_matrix),
    }
    for unit in range(settings.units):
        if unit in done:
            continue
        began = time.perf_counter()
        before = full_matrix.products
        unit_progress = progress.of_unit(unit, _unit_name(settings, unit))
        if unit == 0:
            rows, pair_facts, last = extremes(
                matrix, full_matrix, objective, settings, unit_progress
            )
            facts |= pair_facts
            points = escape_points(objective, last, rows, subjects[0])
        else:
            points = []
            rows = _unit(matrix, full_matrix, objective, settings, unit, unit_progress)
        facts[f"products_{unit}"] = full_matrix.products - before
        yield Piece(_columns(unit, rows), facts, time.perf_counter() - began, points)
        facts = {}


def _unit_name(settings: SpectrumSettings, unit: int) -> str:
    """What people call a unit of work."""
    if unit == 0:
        return "the extreme eigenvalues"
    if unit <= settings.probes:
        return f"probe {unit}"
    if settings.trace_products and unit == settings.unit_of(MatrixRole.TRACE):
        return "the trace"
    if unit >= settings.unit_of(MatrixRole.GAP):
        return "the comparison with the Fisher matrix"
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


def _unit(
    matrix: Product,
    whole: Curvature,
    objective: Objective,
    settings: SpectrumSettings,
    unit: int,
    unit_progress: UnitProgress,
) -> Rows:
    """A probe, the trace, a mini-batch, or what is set against the Hessian."""
    if unit <= settings.probes:
        return probe(matrix, blocks_of(objective, settings), settings, unit - 1, unit_progress)
    if settings.trace_products and unit == settings.unit_of(MatrixRole.TRACE):
        return trace_rows(matrix, whole, objective, settings, unit_progress)
    if settings.has_gap and unit == settings.unit_of(MatrixRole.GAP):
        return gap_rows(matrix, objective, settings)
    if settings.covariance and unit == settings.unit_of(MatrixRole.COVARIANCE):
        return covariance_rows(matrix, objective, settings)
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
    pairs = eigenpairs(matrix, start, 1, 0, tolerance=settings.tolerance, most_steps=settings.room)
    return [(MatrixRole.BATCH, number, float(pairs.values[0]), float(pairs.residuals[0]))]
