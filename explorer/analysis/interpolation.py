"""Answers an interpolation: losses on the straight line between two points."""

import math
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.parameters import STRETCH
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import (
    NO_CHOICES,
    EarlierChoices,
    objective_at,
    precision_error,
    tuning_facts,
)
from explorer.analysis.paths.evaluators import PathEvaluator, path_evaluator
from explorer.codec import JsonValue
from explorer.kinds.interpolation import InterpolationSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: InterpolationSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the path that are not in `done`, coarse levels first.

    Subjects are both ends, then the bends between them. Where statistics are recomputed, both ends
    keep their own: they are the two models by themselves.

    Raises:
        ValueError: a bend is not finite, or its running statistics would have to be frozen.

    Source: Goodfellow et al. 2015, arXiv:1412.6544, section 2, for the straight line; Garipov et
    al. 2018, arXiv:1802.10026, for paths with bends.
    """
    require_same_beside(problem, subjects)
    own = own_losses(problem, subjects[:2], settings, device)
    objective = objective_at(problem, subjects[0], settings, device)
    first, *bends, last = _flat_points(objective, subjects)
    objective.between = _moving_buffers(objective, subjects[1])
    _check_bends(objective, bends)
    evaluator = path_evaluator(objective, settings.shape, (first, *bends, last))
    x, index = settings.axis, settings.places
    facts = tuning_facts(evaluator, settings.units - len(done), choices)
    facts |= precision_error(evaluator, evaluator.coordinates(x[index]))
    facts |= chord_facts(first, last)
    facts |= {"alone": [facts.pop("stand_alone"), _at_other(evaluator)], "own": own}
    facts["statistics"] = _statistics(objective)
    facts["arc_length"] = float(evaluator.lengths(np.ones(1))[0])
    recomputes = settings.batchnorm == "recalibrated" and bool(facts["statistics"])
    if recomputes:
        facts["alone"] = own

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        t = x[i]
        values = evaluator.values(evaluator.coordinates(t))
        if recomputes:
            _put_own(values, t, own)
        return {"i": i, "x": t, "arc_length": evaluator.lengths(t)} | values

    return answer_pieces(settings.units, done, columns, facts, evaluator)


def _flat_points(objective: Objective, subjects: Sequence[Tensors]) -> list[Tensor]:
    """Both ends, and between them the bends that follow them among the subjects; (D,) each.

    The objective is left standing on the first.
    """
    points = []
    for subject in (*subjects[1:], subjects[0]):
        objective.load(subject)
        points.append(objective.flat.theta.clone())
    last, *bends, first = points
    return [first, *bends, last]


def _moving_buffers(objective: Objective, second: Tensors) -> batchnorm.Ends:
    """The buffers that differ between the objective's point and a second one."""
    other = objective.with_first_examples(objective.examples)
    other.load(second)
    return batchnorm.differing_buffers(objective.flat, other.flat)


def _check_bends(objective: Objective, bends: Sequence[Tensor]) -> None:
    """Refuse bends between which nothing is known.

    Raises:
        ValueError: one is not finite, or the statistics between them are to be frozen.
    """
    for number, bend in enumerate(bends, start=1):
        if not bool(torch.isfinite(bend).all()):
            raise ValueError(
                f"bend {number} of the path must have finite parameters, got NaN or infinity: "
                "train the path again with a smaller learning rate"
            )
    if bends and objective.between and objective.settings.batchnorm == "frozen":
        raise ValueError(
            "batchnorm must be recalibrated or batch on a path with bends, whose running "
            "statistics nobody knows, got 'frozen'"
        )


def _put_own(values: dict[str, np.ndarray], t: np.ndarray, own: list[dict[str, float]]) -> None:
    """Give both ends the values of the two models by themselves."""
    for place, end_values in zip((0.0, 1.0), own, strict=True):
        for name, value in end_values.items():
            values[name][t == place] = value


def chord_facts(first: Tensor, second: Tensor) -> dict[str, JsonValue]:
    """Distance and cosine of two points (D,), and their norms."""
    product, lengths = 0.0, []
    for pair in zip(first.split(STRETCH), second.split(STRETCH), strict=True):
        one, other = (point.to("cpu", torch.float64) for point in pair)
        product += float(one @ other)
        lengths.append([float(v.norm()) for v in (one, other, other - one)])
    *norms, distance = (math.hypot(*along) for along in zip(*lengths, strict=True))
    return {
        "distance": distance,
        "points_cosine": product / max(norms[0] * norms[1], torch.finfo(torch.float64).tiny),
        "point_norms": norms,
    }


def _at_other(evaluator: PathEvaluator) -> dict[str, float]:
    """The values at the other end, as on the line."""
    end_values = evaluator.values(evaluator.coordinates(np.ones(1)))
    return {name: float(value[0]) for name, value in end_values.items() if name != "squared_norm"}


def _statistics(objective: Objective) -> str:
    """What normalises between the points, in words; empty for a model without BatchNorm."""
    if not batchnorm.layers(objective.flat.module) and not objective.between:
        return ""
    return {
        "frozen": "interpolated between the two points' own",
        "recalibrated": "recomputed at every point",
        "batch": "each batch's own",
    }[objective.settings.batchnorm]
