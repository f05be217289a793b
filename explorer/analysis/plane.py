"""What surfaces and lines share: an evaluator along random directions, and facts to check it."""

from typing import Any

import torch

from explorer.analysis import device as devices
from explorer.analysis.directions import direction_facts, directions
from explorer.analysis.evaluator import Evaluator
from explorer.analysis.objective import Objective
from explorer.analysis.parameters import Tensors
from explorer.kinds.settings import DirectionSettings
from explorer.problem import Problem


def evaluator_around(
    problem: Problem,
    point: Tensors,
    settings: DirectionSettings,
    axes: int,
    device: torch.device,
) -> tuple[Evaluator, dict[str, Any]]:
    """An evaluator at point + coordinates @ directions, and the facts stored beside its values."""
    objective = Objective(problem, settings.split, settings.precision, device)
    objective.load(point)
    vectors = directions(objective.flat, settings, axes)
    facts = direction_facts(objective.flat, vectors, settings)
    evaluator = Evaluator(objective, vectors)
    recipe = {"seed": settings.seed, "normalisation": settings.normalisation}
    recipe |= {
        "ignore_1d": settings.ignore_1d,
        "draw": "numpy.random.RandomState([seed, axis, tensor])",
    }
    recipe |= {"orthogonal": getattr(settings, "orthogonal", False)}
    facts |= {
        "directions": [
            {"recipe": {**recipe, "axis": axis}, "norm": norm}
            for axis, norm in enumerate(facts["direction_norms"])
        ],
        "stand_alone": evaluator.stand_alone(),
        "examples": objective.examples,
        "parameters": objective.flat.theta.numel(),
        "batch_size": objective.batch_size,
        "lanes": objective.lanes,
        "device": devices.title(device),
    }
    return evaluator, facts
