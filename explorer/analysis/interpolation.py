"""Answers an interpolation: losses on the straight line between two points."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import (
    NO_CHOICES,
    EarlierChoices,
    objective_at,
    precision_error,
    tuning_facts,
)
from explorer.analysis.paths.ends import (
    check_statistics,
    chord_facts,
    flat_points,
    moving_buffers,
    put_own_values,
    require_finite_ends,
    statistics_words,
)
from explorer.analysis.paths.evaluators import PathEvaluator, path_evaluator
from explorer.analysis.paths.repaired import RepairedChord
from explorer.kinds.interpolation import InterpolationSettings
from explorer.kinds.path_shape import LAYERS, STRAIGHT
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
        ValueError: a bend is not finite, or an end that weighs in all along the path.

    Source: Goodfellow et al. 2015, arXiv:1412.6544, section 2, for the straight line; Garipov et
    al. 2018, arXiv:1802.10026, for paths with bends.
    """
    require_same_beside(problem, subjects)
    own = own_losses(problem, subjects[:2], settings, device)
    objective = objective_at(problem, subjects[0], settings, device)
    first, *bends, last = flat_points(objective, subjects)
    objective.between = moving_buffers(objective, subjects[1])
    if settings.shape not in (STRAIGHT, LAYERS):
        require_finite_ends(first, last)
    _check_bends(bends)
    if bends:
        check_statistics(objective)
    x, index = settings.axis, settings.places
    if settings.repair:
        evaluator: PathEvaluator = RepairedChord(objective, last)
        facts = {"stand_alone": evaluator.base_values(), **objective.facts}
    else:
        evaluator = path_evaluator(objective, settings.shape, (first, *bends, last))
        facts = tuning_facts(evaluator, settings.units - len(done), choices)
        facts |= precision_error(evaluator, evaluator.coordinates(x[index]))
    facts |= chord_facts(first, last)
    facts |= {"alone": [facts.pop("stand_alone"), _at_other(evaluator)], "own": own}
    facts["statistics"] = statistics_words(objective)
    facts["arc_length"] = float(evaluator.lengths(np.ones(1))[0])
    recomputes = settings.batchnorm == "recalibrated" and bool(facts["statistics"])
    if recomputes:
        facts["alone"] = own

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        t = x[i]
        values = evaluator.values(evaluator.coordinates(t))
        if recomputes:
            put_own_values(values, t, own)
        return {"i": i, "x": t, "arc_length": evaluator.lengths(t)} | values

    return answer_pieces(settings.units, done, columns, facts, evaluator)


def _check_bends(bends: Sequence[Tensor]) -> None:
    """Refuse bends past which no path leads.

    Raises:
        ValueError: one is not finite.
    """
    for number, bend in enumerate(bends, start=1):
        if not bool(torch.isfinite(bend).all()):
            raise ValueError(
                f"bend {number} of the path must have finite parameters, got NaN or infinity: "
                "train the path again with a smaller learning rate"
            )


def _at_other(evaluator: PathEvaluator) -> dict[str, float]:
    """The values at the other end, as on the line."""
    end_values = evaluator.values(evaluator.coordinates(np.ones(1)))
    return {name: float(value[0]) for name, value in end_values.items() if name != "squared_norm"}
