"""Answers a run's stability: curvature and gradient noise at each snapshot."""

import contextlib
import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.gradient_noise import NoNoise, covariance_trace
from explorer.analysis.curvature.matrices import ScaledMatrix
from explorer.analysis.curvature.products import Curvature, Product, hessian
from explorer.analysis.curvature.random_vectors import random_normal, random_signs
from explorer.analysis.measures.point_measures import LossAndGradient, NotApplicable
from explorer.analysis.measures.stable_step import critical_sharpness_along
from explorer.analysis.model.preconditioner import inverse_root, split_preconditioner
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.analysis.stability_step import Projection, along_step
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.kinds.stability_result import CRITICAL, PROJECTION, STEP_COLUMNS, VALUE_COLUMNS
from explorer.kinds.stability_settings import StabilitySettings
from explorer.problem import Problem

STREAM = {"pairs": 0, "probes": 1}  # of random vectors, beside the seed


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: StabilitySettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The snapshots that are not in `done`, each a piece.

    Every snapshot's search begins with the same random vector and sees the same probes, so that
    what was computed before changes nothing.

    Raises:
        CurvatureError: the model cannot be differentiated twice.
    """
    objective = Objective(problem, settings, device)
    objective.on_pass = progress.check
    facts = {**objective.facts, "tolerance": settings.tolerance}
    projection = Projection(objective, settings, subjects)
    for unit, subject in enumerate(subjects):
        if unit in done:
            continue
        began = time.perf_counter()
        point, diagonal = split_preconditioner(subject)
        objective.load(point)
        snapshot_values = objective.means() | dict.fromkeys(VALUE_COLUMNS, np.nan)
        snapshot_values |= dict.fromkeys(_asked_columns(settings), np.nan)
        if settings.projected:
            snapshot_values[PROJECTION] = projection.of(unit)
        with contextlib.suppress(NotFinite):  # as is the loss, which is stored
            if diagonal or not settings.preconditioned:
                unit_progress = progress.of_unit(unit, f"snapshot {unit + 1}")
                snapshot_values |= snapshot_curvature(objective, settings, diagonal, unit_progress)
            snapshot_values |= snapshot_noise(objective)
            if diagonal or not settings.preconditioned:
                scale = update_scale(objective, diagonal)
                if settings.critical:
                    snapshot_values[CRITICAL] = snapshot_critical_sharpness(objective, scale)
                if settings.step_rate:
                    snapshot_values |= along_step(objective, settings.step_rate, scale)
        columns = {name: np.array([value]) for name, value in snapshot_values.items()}
        columns["unit"] = np.array([unit], dtype=np.int64)
        yield Piece(columns, facts, seconds=time.perf_counter() - began)
        facts = {}


def snapshot_curvature(
    objective: Objective,
    settings: StabilitySettings,
    diagonal: Tensors,
    unit: UnitProgress | None = None,
) -> dict[str, float]:
    """Largest eigenvalue with its residual; trace and sum of squared eigenvalues by probes.

    They are those of the Hessian H, or of P^-1/2 H P^-1/2 for a diagonal P that is not empty.

    Source: Hutchinson 1989 for the trace, with the standard error of its mean; E norm(Hv)^2 for the
    squares.
    """
    matrix: Product = Curvature(objective, hessian)
    if diagonal:
        matrix = ScaledMatrix(matrix, inverse_root(objective, diagonal))
    start = random_normal(matrix, settings.seed, STREAM["pairs"])
    pairs = eigenpairs(
        matrix, start, 1, 0, tolerance=settings.tolerance, most_steps=settings.room, unit=unit
    )
    forms, squares = np.empty(settings.probes), np.empty(settings.probes)
    for number in range(settings.probes):
        probe = random_signs(matrix, settings.seed, STREAM["probes"], number)
        product = matrix(probe).double()
        forms[number] = float(product @ probe.double())
        squares[number] = float(product @ product)
    return {
        "lambda_max": float(pairs.values[0]),
        "residual": float(pairs.residuals[0]),
        "trace": float(forms.mean()),
        "trace_se": float(forms.std(ddof=1) / np.sqrt(settings.probes)),
        "squares": float(squares.mean()),
    }


def snapshot_noise(objective: Objective) -> dict[str, float]:
    """Norm of the gradient, and tr(Sigma), NaN where the loss is not one value per example."""
    slope = gradient(objective)
    try:
        noise = covariance_trace(objective, slope)
    except NoNoise:
        noise = np.nan
    return {"gradient_norm": float(slope.norm()), "noise": noise}


def update_scale(objective: Objective, diagonal: Tensors) -> Tensor | float:
    """What the gradient is multiplied by in an update: P^-1, (D,), as Adam without momentum; or 1.

    A step along it has the learning rate as its length.
    """
    return inverse_root(objective, diagonal).double().square() if diagonal else 1.0


def snapshot_critical_sharpness(objective: Objective, scale: Tensor | float) -> float:
    """That along the update; NaN where there is none, or rounding hides all but a lower end.

    Source: Kalra et al. 2026, arXiv:2601.16979.
    """
    theta = objective.flat.theta.clone()
    try:
        measured = critical_sharpness_along(LossAndGradient(objective), theta, scale)
    except NotApplicable:
        return np.nan
    return measured.value if np.isfinite(measured.high) else np.nan


def _asked_columns(settings: StabilitySettings) -> tuple[str, ...]:
    """The columns that not every answer has."""
    critical = (CRITICAL,) if settings.critical else ()
    return (*critical, *(STEP_COLUMNS if settings.step_rate else ()))
