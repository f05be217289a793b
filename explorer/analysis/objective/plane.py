"""What surfaces and lines share: an evaluator along directions, and facts to check it by."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import device as devices
from explorer.analysis.objective.choice_checks import checked_choice, works_here
from explorer.analysis.objective.choice_words import choice_reason, choice_words
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.execution_tuning import choice_from_earlier, measured_tuning
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.random_directions import RedrawnDirections
from explorer.codec import JsonValue, to_json
from explorer.kinds.execution import EarlierChoice, Timing
from explorer.kinds.objective_settings import REDUCED_PRECISIONS, ObjectiveSettings
from explorer.problem import Problem

CHECKED_POINTS = 16  # at which the error of a reduced precision is measured, at most
CHECKED_SHARE = 0.05  # of all points, but 4 at least

EarlierChoices = Mapping[str, EarlierChoice]  # device -> what an earlier run chose there
NO_CHOICES: EarlierChoices = MappingProxyType({})


def objective_at(
    problem: Problem, point: Tensors, settings: ObjectiveSettings, device: torch.device
) -> Objective:
    """The objective, standing on a point."""
    objective = Objective(problem, settings, device)
    objective.load(point)
    return objective


def tuned_evaluator(
    objective: Objective,
    directions: Tensor | RedrawnDirections,
    points: int,
    choices: EarlierChoices,
) -> tuple[Evaluator, dict[str, JsonValue]]:
    """An evaluator for so many points, and what is stored of it."""
    evaluator = Evaluator(objective, directions)
    return evaluator, tuning_facts(evaluator, points, choices)


def tuning_facts(
    evaluator: Evaluator, points: int, choices: EarlierChoices
) -> dict[str, JsonValue]:
    """What is stored of an evaluator once it is tuned for so many points, or as it was before."""
    objective = evaluator.objective
    title = devices.device_title(objective.device)
    earlier_choice = choice_from_earlier(choices.get(title), points)
    timing = choices[title].timing if earlier_choice else Timing()
    if earlier_choice is None or not works_here(evaluator, earlier_choice):
        timing = Timing(seconds=measured_tuning(evaluator, points).seconds)
    if objective.choice.compiled:  # each lane by itself: before the clock of the pieces runs
        evaluator.values(np.zeros((objective.choice.lanes, evaluator.axes)))
    return {
        "stand_alone": evaluator.base_values(),
        "choice": to_json(objective.choice),
        "evaluated": choice_words(objective.choice),
        "chosen": choice_reason(evaluator, bool(timing.seconds)),
        "timing": to_json(timing),
        **objective.facts,
    }


def precision_error(evaluator: Evaluator, coordinates: np.ndarray) -> dict[str, JsonValue]:
    """How far a reduced precision is from float32, at a sample of the coordinates (P, m).

    Empty for a precision that is not reduced. The sample is spread evenly over the order in which
    points are computed, so that it covers the plane.
    """
    settings = evaluator.objective.settings
    if settings.precision not in REDUCED_PRECISIONS:
        return {}
    count = min(CHECKED_POINTS, max(4, round(CHECKED_SHARE * len(coordinates))), len(coordinates))
    sample = coordinates[np.linspace(0, len(coordinates) - 1, count).astype(int)]
    reference = evaluator.with_first_examples(evaluator.objective.examples, "float32")
    reference.use(checked_choice(reference))
    exact, reduced = reference.values(sample)["loss"], evaluator.values(sample)["loss"]
    largest = np.abs(reduced - exact).max()
    error_facts = {"points": count, "range": np.ptp(exact), "largest": largest}
    return {"precision_error": {name: _json(value) for name, value in error_facts.items()}}


def _json(value: float) -> float | None:
    """A number as JSON knows it; None for NaN and infinity."""
    return float(value) if np.isfinite(value) else None
