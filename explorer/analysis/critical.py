"""Answers a search for critical points: where each start leads, and what is there."""

import contextlib
import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.eigenpairs import eigenpairs, true_residuals
from explorer.analysis.curvature.lanczos import Lanczos, quadrature
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.curvature.stationary_points import MovingObjective, run_search
from explorer.analysis.objective.flat_model import present_tensors
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import piece_point
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.kinds.critical import CRITICAL
from explorer.kinds.critical_result import (
    KERNEL_CURVATURE,
    KERNEL_REMAINDER,
    VALUE_COLUMNS,
    EndReason,
)
from explorer.kinds.critical_settings import PROBE_STEPS, CriticalSettings
from explorer.kinds.eigenvalues import CRITICAL_SHARE, point_class
from explorer.kinds.matrix import MAX_DENSE_PARAMETERS
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.kinds.quadrature import Quadrature, correct_probes
from explorer.kinds.spectrum_result import RESOLUTION
from explorer.problem import Problem

STREAM = {"pairs": 0, "probes": 1, "copies": 5}  # of random vectors, beside the seed
SIGN = 1e-6  # of the largest absolute eigenvalue: an end is not exactly critical, nor its zeros 0


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: CriticalSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The searches that are not in `done`, each a piece and independent of all others.

    Raises:
        CurvatureError: the model cannot be differentiated twice, or changes from call to call.
    """
    objective = Objective(problem, settings, device)
    objective.on_pass = progress.check
    facts = objective.facts
    checked = False
    for unit, (snapshot, copy) in enumerate(settings.search_starts):
        if unit in done:
            continue
        began = time.perf_counter()
        objective.load(subjects[snapshot])
        if copy:
            _perturb(objective, settings, copy)
        moving = MovingObjective(objective)
        unit_progress = progress.of_unit(unit, f"search {unit + 1}")
        if not checked:
            with contextlib.suppress(NotFinite):
                require_repeatable(Curvature(objective, hessian), objective, settings.seed)
                checked = True
        end_values = search_from_here(moving, settings, unit_progress)
        columns = {name: np.array([value]) for name, value in end_values.items()}
        place = {"unit": unit, "snapshot": snapshot, "copy": copy}
        columns |= {name: np.array([value], dtype=np.int64) for name, value in place.items()}
        facts[f"products_{unit}"] = moving.products
        points = _end_point(objective, subjects[snapshot], settings, unit)
        yield Piece(columns, facts, time.perf_counter() - began, points)
        facts = {}


def _end_point(
    objective: Objective, subject: Tensors, settings: CriticalSettings, unit: int
) -> list[PiecePoint]:
    """The point where a search ended; none where it is not finite."""
    if not bool(torch.isfinite(objective.flat.theta).all()):
        return []
    tensors = present_tensors(objective.flat, subject)
    return [piece_point(*CRITICAL.unit_point(unit), tensors, unit, settings.run_of(unit))]


def _perturb(objective: Objective, settings: CriticalSettings, copy: int) -> None:
    """Add Gaussian noise to each tensor, in root mean squares of its values."""
    generator = np.random.RandomState([settings.seed, STREAM["copies"], copy])
    theta = objective.flat.theta
    noise = torch.from_numpy(generator.standard_normal(theta.numel())).to(theta)
    for block in objective.flat.blocks:
        own = block.layer(theta)
        rms = float(torch.linalg.vector_norm(own, dtype=torch.float64)) / own.numel() ** 0.5
        own.add_(block.layer(noise), alpha=settings.noise * rms)


def search_from_here(
    moving: MovingObjective, settings: CriticalSettings, unit: UnitProgress
) -> dict[str, float]:
    """Where a search from the objective's present point ends, and what is there."""
    objective, start = moving.objective, moving.theta
    end_values = dict.fromkeys(VALUE_COLUMNS, np.nan)
    end_values |= {"steps": 0.0, "ended": float(EndReason.NOT_FINITE)}
    end_values["start_loss"] = objective.means()["loss"]
    with contextlib.suppress(NotFinite):  # what is known by then is stored
        first = moving.gradient()
        end_values["start_gradient"] = float(np.linalg.norm(first))
        steepness = _steepness(moving, first)
        search = run_search(moving, settings, unit)
        theta = moving.theta
        end_values |= {"steps": float(search.steps), "left": search.left, "ahead": search.ahead}
        end_values["distance"] = float(np.linalg.norm(theta - start))
        end_values["length"] = float(max(np.linalg.norm(start), np.linalg.norm(theta)))
        slope = moving.gradient()
        end_values["gradient"] = float(np.linalg.norm(slope))
        end_values["hessian_gradient"] = _steepness(moving, slope)
        end_values |= curvature_of(moving.matrix, settings)
        end_values["ended"] = float(_end_reason(search.ended, end_values, steepness))
    return end_values | objective.means() | {"products": float(moving.products)}


def _steepness(moving: MovingObjective, slope: np.ndarray) -> float:
    """norm(Hg) / norm(g); 0 without a gradient."""
    size = float(np.linalg.norm(slope))
    return float(np.linalg.norm(moving.hessian_times(slope))) / size if size else 0.0


def _end_reason(ended: EndReason, end_values: dict[str, float], steepness: float) -> EndReason:
    """Why a search ended, once it is known what is there.

    A gradient nearly in the kernel of the Hessian makes the point gradient-flat: norm(g) has a
    stationary point there, or nearly, and the loss has none. A gradient below the target is that of
    a critical point only if it is small beside the Hessian: where a Newton step would still go far,
    the loss merely levels off.

    Source: Frye et al. 2021, arXiv:2003.10397, for gradient-flat regions; all bounds are ours.
    """
    ends = np.array([end_values["lambda_min"], end_values["lambda_max"]])
    if ended == EndReason.CRITICAL:
        kind = point_class(
            ends, end_values["sign_tolerance"], end_values["gradient"], end_values["length"]
        )
        far = end_values["ahead"] > CRITICAL_SHARE * end_values["length"]
        return EndReason.VANISHING if far or kind == "not critical" else ended
    scale = max(float(np.abs(ends).max()), steepness)
    flat = (
        end_values["left"] >= KERNEL_REMAINDER
        or end_values["hessian_gradient"] <= KERNEL_CURVATURE * scale
    )
    return EndReason.GRADIENT_FLAT if flat else ended


def curvature_of(matrix: Curvature, settings: CriticalSettings) -> dict[str, float]:
    """Smallest and largest eigenvalue with residuals, and how many are negative.

    Raises:
        NotFinite: a product is not finite.
    """
    if matrix.size <= MAX_DENSE_PARAMETERS:
        every, vectors = np.linalg.eigh(_finite(dense_matrix(matrix)))
        values, rows = every[[-1, 0]], torch.from_numpy(vectors[:, [-1, 0]].T.copy())
        residuals = true_residuals(matrix, rows.to(matrix.like), values)
        sign = _sign(matrix.like, matrix.size, values, residuals)
        return _curvature_columns(values, residuals, sign, ((every < -sign).sum(),) * 4)
    start = random_normal(matrix, settings.seed, STREAM["pairs"])
    pairs = eigenpairs(
        matrix, start, 1, settings.bottom, tolerance=settings.tolerance, most_steps=settings.room
    )
    sign = _sign(matrix.like, matrix.size, pairs.values, pairs.residuals)
    bound = int((pairs.values < -sign).sum())
    resolution = max(sign, RESOLUTION * pairs.scale)
    probes = [_probe(matrix, settings, number) for number in range(settings.probes)]
    eigenvalue_quadrature = Quadrature(
        matrix.size, correct_probes(probes, pairs.values, pairs.residuals, matrix.size)
    )
    negative_count = eigenvalue_quadrature.sum_of(lambda nodes: (nodes < -resolution).astype(float))
    assert negative_count is not None
    index, low, high = (
        max(float(bound), n)
        for n in (negative_count.value, negative_count.low, negative_count.high)
    )
    return _curvature_columns(pairs.values, pairs.residuals, sign, (index, low, high, bound))


def _finite(matrix: np.ndarray) -> np.ndarray:
    if not np.isfinite(matrix).all():
        raise NotFinite("the Hessian is not finite; choose another start")
    return matrix


def _sign(like: Tensor, size: int, values: np.ndarray, residuals: np.ndarray) -> float:
    """How far from 0 an eigenvalue must be to have a sign."""
    scale = float(np.abs(values).max())
    rounding = 10 * size**0.5 * torch.finfo(like.dtype).eps
    return float(max(residuals.max(), max(rounding, SIGN) * scale))


def _probe(
    matrix: Curvature, settings: CriticalSettings, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a random vector's quadrature."""
    signs = random_signs(matrix, settings.seed, STREAM["probes"], number)
    lanczos = Lanczos(matrix, signs, PROBE_STEPS)
    while not lanczos.is_over:
        lanczos.step()
    return quadrature(lanczos)


def _curvature_columns(
    values: np.ndarray, residuals: np.ndarray, sign: float, index: tuple[float, ...]
) -> dict[str, float]:
    """The columns of what is known; the largest value comes first, the smallest last."""
    end_columns = {
        "lambda_max": values[0],
        "lambda_min": values[-1],
        "residual_max": residuals[0],
        "residual_min": residuals[-1],
        "sign_tolerance": sign,
    }
    end_columns |= zip(("index", "index_low", "index_high", "index_bound"), index, strict=True)
    return {name: float(value) for name, value in end_columns.items()}
