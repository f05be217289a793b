"""The ends of a spectrum: extreme eigenpairs, and the loss along the last pair's vector."""

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.eigenpairs import Pairs, eigenpairs, true_residuals
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import blocks_of, dense_matrix
from explorer.analysis.curvature.products import Curvature, Product
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.analysis.directions.brought import MOST_BYTES
from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.direction_tensors import direction_tensors
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.flat_model import present_tensors
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import piece_point
from explorer.codec import JsonValue
from explorer.kinds.matrix import ESCAPE_POINTS, MAX_DENSE_PARAMETERS, MatrixRole, SpectrumSettings
from explorer.kinds.piece import PiecePoint
from explorer.kinds.progress import UnitProgress
from explorer.problem import accuracy, cross_entropy

STREAM = {
    "pairs": 0,
    "probes": 1,
    "trace": 2,
    "batches": 3,
    "gap": 4,
}  # of random vectors, beside the seed
# Along the last pair's vector, in shares of how far that goes.
ESCAPE_STEPS = np.linspace(-1.0, 1.0, ESCAPE_POINTS)
SHARE = 0.05  # of the parameters' norm: how far that goes
Rows = list[tuple[MatrixRole, int, float, float]]


def extremes(
    matrix: Product,
    whole: Curvature,
    objective: Objective,
    settings: SpectrumSettings,
    unit: UnitProgress | None = None,
) -> tuple[Rows, dict[str, JsonValue], Tensor]:
    """The extreme pairs, all eigenvalues of a small matrix, the loss along the last pair's vector.

    That vector (D,) is the last that comes back, downhill.

    Raises:
        CurvatureError: the model changes from call to call.
    """
    gap = require_repeatable(matrix, objective, settings.seed)
    pairs, rows = _pairs(matrix, settings, unit)
    values_with_residuals = zip(pairs.values, pairs.residuals, strict=True)
    rows += [
        (MatrixRole.PAIR, n, float(v), float(r)) for n, (v, r) in enumerate(values_with_residuals)
    ]
    slope_of = gradient(objective)
    picked = torch.cat([torch.arange(b.start, b.stop) for b in blocks_of(objective, settings)])
    theta = objective.flat.theta.to("cpu", torch.float64)
    last = _direction(pairs.vectors[-1], picked, theta, settings)
    slope = float(slope_of @ last)
    if slope > 0:
        last, slope = -last, -slope
    rows += _escape(objective, last)
    facts: dict[str, JsonValue] = {
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
    return rows, facts, last


def escape_points(
    objective: Objective, vector: Tensor, rows: Rows, point: Tensors
) -> list[PiecePoint]:
    """The last pair's vector as a direction, and the point of the lowest loss along it.

    There is no such point where the loss is nowhere lower than where the vector begins, and nothing
    where tensors are so large that they are rather computed anew.

    Args:
        objective: at the point.
        vector: (D,) float64 of length 1, downhill.
        rows: the losses along it.
        point: its tensors.
    """
    flat = objective.flat
    if len(vector) * flat.theta.element_size() > MOST_BYTES:
        return []
    along = vector.to(flat.theta)
    tensors = direction_tensors(flat, along, point)
    lowest = min(value for role, _, value, _ in rows if role == MatrixRole.PAIR)
    name = "escape direction" if lowest < 0 else "smallest eigenvector"
    brought = [piece_point("escape", name, tensors, is_direction=True)]
    losses = {step: loss for role, _, step, loss in rows if role == MatrixRole.ESCAPE}
    step, loss = min(losses.items(), key=lambda pair: np.nan_to_num(pair[1], nan=np.inf))
    if loss < losses[min(losses, key=abs)]:
        put_back = flat.keep()
        flat.theta.add_(along, alpha=step)
        tensors = present_tensors(flat, point)
        put_back()
        brought.append(piece_point("escaped", f"lowest along the {name}", tensors))
    return brought


def _pairs(
    matrix: Product, settings: SpectrumSettings, unit: UnitProgress | None
) -> tuple[Pairs, Rows]:
    """The extreme pairs; of a small matrix, whose eigenvalues are all computed, these as rows."""
    if matrix.size <= MAX_DENSE_PARAMETERS:
        every, vectors = np.linalg.eigh(dense_matrix(matrix))
        pairs = _of_dense(matrix, every, vectors, settings)
        return pairs, [(MatrixRole.ALL, n, float(value), 0.0) for n, value in enumerate(every)]
    start = random_normal(matrix, settings.seed, STREAM["pairs"])
    top, bottom = settings.top, settings.bottom
    pairs = eigenpairs(
        matrix,
        start,
        top,
        bottom,
        tolerance=settings.tolerance,
        most_steps=settings.room,
        unit=unit,
    )
    return pairs, []


def _direction(vector: Tensor, picked: Tensor, theta: Tensor, settings: SpectrumSettings) -> Tensor:
    """An eigenvector as a direction among all parameters, (D,) float64, of length 1."""
    direction = torch.zeros_like(theta)
    direction[picked] = vector.to("cpu", torch.float64)
    if settings.matrix == "scaled_hessian":  # back from the scaled coordinates
        direction *= theta.abs()
        direction /= direction.norm().clamp(min=torch.finfo(torch.float64).tiny)
    return direction


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
    with evaluation_mode():
        # a model that couples the examples of a declared batch may take no other
        outputs = objective.outputs(slice_examples(objective.data, 0, problem.batch_size or 1))
    return int(outputs.shape[1]) if isinstance(outputs, Tensor) and outputs.dim() == 2 else 0
