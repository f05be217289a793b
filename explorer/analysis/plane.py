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
    if device.type == "cpu":
        torch.set_num_threads(objective.threads)
    vectors = directions(objective.flat, settings, axes)
    facts = direction_facts(objective.flat, vectors, settings)
    facts |= {
        "stand_alone": objective.means(),
        "examples": objective.examples,
        "parameters": objective.flat.theta.numel(),
        "batch_size": objective.batch_size,
        "threads": torch.get_num_threads(),
        "device": devices.title(device),
    }
    return Evaluator(objective, vectors), facts
