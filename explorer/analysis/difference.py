"""Answers a difference: two models' losses on the same examples, compared one by one."""

from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.directions.directions import directions_with_facts
from explorer.analysis.interpolation import chord_facts
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import (
    NO_CHOICES,
    EarlierChoices,
    objective_at,
    precision_error,
    tuned_evaluator,
)
from explorer.kinds.difference import DifferenceSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

ROW_BYTES = 64 << 20  # of the losses of all examples at the points compared together


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: DifferenceSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the line that are not in `done`, coarse levels first.

    Raises:
        ValueError: the problem's loss is not one value per example.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    second = objective.with_first_examples(objective.examples)  # shares the data
    second.load(subjects[1])
    vectors, facts = directions_with_facts(objective.flat, settings, 1)
    facts |= chord_facts(objective.flat.theta, second.flat.theta)
    first, evaluator_facts = tuned_evaluator(
        objective, vectors, settings.units - len(done), choices
    )
    other = Evaluator(second, directions_with_facts(second.flat, settings, 1)[0])
    other.use(objective.choice)
    x, index = settings.axis, settings.places
    facts |= evaluator_facts | {"alone": [evaluator_facts.pop("stand_alone"), other.base_values()]}
    facts |= precision_error(first, x[index][:, None])

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        i = index[units]
        parts = [paired_means(first, other, part) for part in _parts(x[i], objective.examples)]
        comparisons = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return {"i": i, "x": x[i]} | comparisons

    return answer_pieces(settings.units, done, columns, facts, first)


def _parts(x: np.ndarray, examples: int) -> list[np.ndarray]:
    """The points in groups whose losses take little memory."""
    size = max(1, ROW_BYTES // (8 * examples))
    return [x[start : start + size] for start in range(0, len(x), size)]


def paired_means(first: Evaluator, other: Evaluator, x: np.ndarray) -> dict[str, np.ndarray]:
    """Means of both models' losses and of their difference, and their standard errors, (K,) each.

    Source: Cochran 1977, Sampling Techniques, section 2.7.
    """
    one, two = first.losses(x[:, None]), other.losses(x[:, None])
    means_and_errors: dict[str, np.ndarray] = {}
    with np.errstate(all="ignore"):  # infinite losses have no error
        rows = {"loss_first": one, "loss_second": two, "difference": one - two}
        for name, values in rows.items():
            error = values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
            means_and_errors |= {name: values.mean(axis=1), f"{name}_se": error}
    return means_and_errors
