"""Answers an interpolation: losses on the straight line between two points."""

import math
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.evaluator import Evaluator
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
from explorer.codec import JsonValue
from explorer.kinds.interpolation import InterpolationSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem


class Chord(Evaluator):
    """An evaluator along the straight line to another point, exact at both ends."""

    def __init__(self, objective: Objective, other: Tensor) -> None:
        """From the objective's present point (D,) to the other."""
        super().__init__(objective, (other - objective.flat.theta).unsqueeze(0))
        self.other = other.clone()

    def place(self, theta: Tensor, steps: Tensor) -> None:
        """Put (1 - a) base + a other into `theta`, for a step (1,) or several (K, 1)."""
        if steps.shape[-1]:
            torch.lerp(self.base, self.other, steps, out=theta)
        else:
            theta.copy_(self.base)


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: InterpolationSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the line that are not in `done`, coarse levels first.

    Source: Goodfellow et al. 2015, arXiv:1412.6544, section 2.
    """
    require_same_beside(problem, subjects)
    own = own_losses(problem, subjects, settings, device)
    objective = objective_at(problem, subjects[0], settings, device)
    second = objective.with_first_examples(objective.examples)
    second.load(subjects[1])
    objective.between = batchnorm.differing_buffers(objective.flat, second.flat)
    evaluator = Chord(objective, second.flat.theta)
    facts = tuning_facts(evaluator, settings.units - len(done), choices)
    x, index = settings.axis, settings.places
    facts |= precision_error(evaluator, x[index][:, None])
    facts |= chord_facts(evaluator.base, evaluator.other)
    facts |= {"alone": [facts.pop("stand_alone"), _at_other(evaluator)], "own": own}
    facts["statistics"] = _statistics(objective)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        return {"i": i, "x": x[i]} | evaluator.values(x[i][:, None])

    return answer_pieces(settings.units, done, columns, facts, evaluator)


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


def _at_other(evaluator: Chord) -> dict[str, float]:
    """The values at the other end, as on the line."""
    end_values = evaluator.values(np.ones((1, 1)))
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
