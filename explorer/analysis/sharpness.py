"""Answers sharpness: each measure a unit of work, at the point and at a rescaled one."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.gradient import NoGradient
from explorer.analysis.curvature.products import CurvatureError
from explorer.analysis.measures import average_case, norms, spectral, worst_case
from explorer.analysis.measures.noise_scale import noise_scale
from explorer.analysis.measures.point_measures import (
    MeasuredPoint,
    MeasureValue,
    NotApplicable,
    accuracy_of,
)
from explorer.analysis.measures.rescaling import RescaledPoint, rescale_point
from explorer.analysis.measures.sam_gradient import sam_gradient_cosine, sam_gradient_norm
from explorer.analysis.measures.sigma_basin import sigma_basin
from explorer.analysis.measures.sphere import sphere_average, sphere_worst
from explorer.analysis.measures.stable_step import critical_sharpness
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.codec import JsonValue
from explorer.kinds.measures import MEASURE_PLACES, MEASURES
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.kinds.sharpness_result import ALONG, COLUMNS, MeasureRole
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.problem import Problem

REACH = 1.5  # lengths of a direction found to which the loss along it is drawn, both ways
COMPUTED: Mapping[str, Callable[[MeasuredPoint], MeasureValue]] = {
    "keskar": worst_case.keskar,
    "keskar_half": worst_case.keskar_half,
    "sam": worst_case.sam,
    "m_sharpness": worst_case.m_sharpness,
    "asam": worst_case.asam,
    "asam_0": worst_case.asam_0,
    "adaptive_max": worst_case.adaptive_max,
    "adaptive_euclid": worst_case.adaptive_euclid,
    "average": average_case.average,
    "adaptive_average": average_case.adaptive_average,
    "ball_worst": average_case.ball_worst,
    "ball_average": average_case.ball_average,
    "lambda_max": spectral.lambda_max,
    "trace": spectral.trace,
    "frobenius": spectral.frobenius,
    "scaled_lambda_max": spectral.scaled_lambda_max,
    "scaled_trace": spectral.scaled_trace,
    "effective_dimension": spectral.effective_dimension,
    "fisher_rao": norms.fisher_rao,
    "relative_flatness": norms.relative_flatness,
    "normalised_sharpness": norms.normalised_sharpness,
    "pac_bayes": average_case.pac_bayes,
    "pac_bayes_magnitude": average_case.pac_bayes_magnitude,
    "gradient_norm": spectral.gradient_norm,
    "noise_scale": noise_scale,
    "bound_mcallester": average_case.bound_mcallester,
    "bound_dziugaite": average_case.bound_dziugaite,
    "keskar_subspace": worst_case.keskar_subspace,
    "keskar_subspace_half": worst_case.keskar_subspace_half,
    "keskar_plain": worst_case.keskar_plain,
    "sphere_worst": sphere_worst,
    "sphere_average": sphere_average,
    "sam_gradient_norm": sam_gradient_norm,
    "sam_gradient_cosine": sam_gradient_cosine,
    "critical_sharpness": critical_sharpness,
    "sigma_basin": sigma_basin,
}
Row = tuple[int, int, int, int, float, float, float, float]


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: SharpnessSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The measures that are not in `done`, each a piece; the second subject is the start.

    A measure that the model does not have is a row of NaN with the number of its reason.

    Raises:
        ValueError: the objective refuses its settings.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    objective.on_pass = progress.check
    here = MeasuredPoint(objective, settings, _start(objective, subjects))
    other, facts = None, _facts(here)
    if settings.rescaling != "none":
        other = rescale_point(objective, settings)
        facts["rescaling"] = _rescaling_facts(other)
    there: MeasuredPoint | None = None
    for unit in range(settings.units):
        if unit in done:
            continue
        began = time.perf_counter()
        rescales, place = divmod(unit, len(settings.chosen))
        measure = MEASURE_PLACES[settings.chosen[place]]
        progress.report(f"measure {settings.chosen[place].replace('_', ' ')}")
        if not rescales:
            rows = _rows(here, unit, measure, along=True)
        elif other is None:
            rows = [_missing_row(unit, measure, NotApplicable("This model has no pair").why)]
        else:
            there = there or _at_rescaled_point(here, other)
            rows = _rows(there, unit, measure, along=False)
        yield Piece(_columns(rows), facts, seconds=time.perf_counter() - began)
        facts = {}


def _start(objective: Objective, subjects: Sequence[Tensors]) -> Tensor | None:
    """The initial parameters (D,); None where the second subject is the point itself."""
    if len(subjects) < 2:
        return None
    flat = objective.flat.twin()
    flat.load(subjects[1])
    same = torch.equal(flat.theta, objective.flat.theta)
    return None if same else flat.theta.clone()


def _at_rescaled_point(here: MeasuredPoint, other: RescaledPoint) -> MeasuredPoint:
    """Standing on the rescaled point."""
    objective = here.objective.twin()
    with evaluation_mode():
        objective.flat.theta.copy_(other.theta)
    return MeasuredPoint(objective, here.settings, here.start)


def _facts(here: MeasuredPoint) -> dict[str, JsonValue]:
    """What a reader needs beside the values."""
    name = accuracy_of(here.objective)
    facts: dict[str, JsonValue] = {
        **here.objective.facts,
        "loss": here.loss if np.isfinite(here.loss) else None,
        "epsilon": torch.finfo(here.theta.dtype).eps,
        "theta_norm": float(here.theta.double().norm()),
        "evaluated": "double backward and forward passes",
        "started": here.start is not None,
    }
    return facts | ({"accuracy": here.means[name]} if name else {})


def _rescaling_facts(other: RescaledPoint | None) -> dict[str, JsonValue]:
    if other is None:
        return {"pairs": ""}
    return {"pairs": other.words, "gap": other.gap}


def _rows(point: MeasuredPoint, unit: int, measure: int, along: bool) -> list[Row]:
    """A measure's value and, if wanted, the loss along the direction it found."""
    if not np.isfinite(point.loss):
        return [_missing_row(unit, measure, NotApplicable("The loss at this point").why)]
    try:
        measurement = COMPUTED[MEASURES[measure].name](point)
    except NotApplicable as error:
        return [_missing_row(unit, measure, error.why)]
    except (CurvatureError, NoGradient):
        return [_missing_row(unit, measure, NotApplicable("The loss cannot be differentiated").why)]
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return [_missing_row(unit, measure, NotApplicable("The memory of this machine").why)]
    if np.isnan(measurement.value):
        return [_missing_row(unit, measure, NotApplicable("A loss nearby").why)]
    rows: list[Row] = [
        (
            unit,
            MeasureRole.MEASURE,
            measure,
            0,
            np.nan,
            measurement.value,
            measurement.low,
            measurement.high,
        )
    ]
    if measurement.direction is not None and along and float(measurement.direction.norm()):
        rows += _along(point, measurement.direction, unit, measure)
    return rows


def _along(point: MeasuredPoint, direction: Tensor, unit: int, measure: int) -> list[Row]:
    """The loss at shares of the way along a direction (D,), by distance."""
    length = float(direction.double().norm())
    shares = np.linspace(-REACH, REACH, ALONG)
    losses = [point.means_at(point.theta + float(s) * direction)["loss"] for s in shares]
    return [
        (unit, MeasureRole.ALONG, measure, 0, float(share * length), loss, np.nan, np.nan)
        for share, loss in zip(shares, losses, strict=True)
    ]


def _missing_row(unit: int, measure: int, why: int) -> Row:
    return unit, MeasureRole.MEASURE, measure, why, np.nan, np.nan, np.nan, np.nan


def _columns(rows: list[Row]) -> dict[str, np.ndarray]:
    """Rows as columns of the kind's table."""
    kinds = [np.int64] * 4 + [np.float64] * 4
    columns = zip(COLUMNS, zip(*rows, strict=True), kinds, strict=True)
    return {name: np.array(column, dtype=kind) for name, column, kind in columns}
