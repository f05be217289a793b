"""Answers an averaging: each ingredient alone, then what they make together."""

import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.merging.averages import angle_between, mean_vector, slerp
from explorer.analysis.merging.greedy import GreedySoup
from explorer.analysis.merging.ingredients import Average, Ingredients
from explorer.analysis.merging.task_vectors import dare_merged, summed, ties_merged
from explorer.analysis.objective.flat_model import present_tensors
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import piece_point
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.codec import JsonValue
from explorer.kinds.averaging_result import Role
from explorer.kinds.averaging_settings import METHOD_WORDS, AveragingSettings
from explorer.kinds.path_shape import control_weights
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

AVERAGE_NAME = "average"  # by which the answer knows the point that it brings


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: AveragingSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The rows that are not in `done`, each a piece; with the last comes the average as a point.

    A greedy soup that goes on measures again what it decides by.

    Raises:
        ValueError: a weight is not finite, or the points differ in what does not move.
    """
    require_same_beside(problem, subjects)
    objective = Objective(problem, replace(settings, batchnorm="frozen"), device)
    objective.on_pass = progress.check
    base = subjects[0] if settings.further_subjects else None
    ingredients = Ingredients(objective, subjects[len(settings.further_subjects) :], base)
    ingredients.check_finite()
    work = _Work(settings, ingredients, Average(ingredients, settings))
    facts = {**objective.facts, "recalibrated": work.average.recalibrates}
    for unit in range(settings.units):
        if unit in done:
            continue
        began = time.perf_counter()
        columns, own_facts, points = work.row(unit)
        facts |= own_facts
        arrays = {name: np.array([value]) for name, value in columns.items()}
        arrays |= {n: np.array([columns[n]], dtype=np.int64) for n in ("unit", "role")}
        yield Piece(arrays, facts, time.perf_counter() - began, points)
        facts = {}


@dataclass(frozen=True)
class _Combined:
    """What points were made into."""

    vector: Tensor  # (D,)
    entered: list[int]  # numbers of the points in it
    facts: dict[str, JsonValue] = field(default_factory=dict)  # of how it came
    weights: Sequence[float] = ()  # of the points in it, where they are not all the same


Row = tuple[dict[str, float], dict[str, JsonValue], list[PiecePoint]]


@dataclass
class _Work:
    """What each unit of work is."""

    settings: AveragingSettings
    ingredients: Ingredients
    average: Average

    def __post_init__(self) -> None:
        self._soup = GreedySoup(self.ingredients, self.average, self._value)

    def row(self, unit: int) -> Row:
        """The columns of a unit, its facts, and the points that it brings."""
        members, singles = self.settings.members, len(self.settings.further_subjects)
        place = {"unit": unit, "tried": np.nan, "kept": np.nan}
        if unit < members:
            return {**self._soup.alone(unit), **place, "role": Role.INGREDIENT}, {}, []
        if unit < members + singles:
            assert self.ingredients.base is not None
            self.ingredients.objective.load(self.ingredients.base)
            means = self.ingredients.objective.means()
            return {**means, **place, "role": Role.BASE}, {}, []
        if unit < self.settings.units - 1:
            trial = self._soup.trial(unit - members)
            place |= {"tried": trial.number, "kept": float(trial.kept)}
            return {**trial.means, **place, "role": Role.TRIAL}, {}, []
        combined = self._combined()
        vector, entered, facts = combined.vector, combined.entered, {**combined.facts}
        facts |= self._distances(vector, entered)
        if len(entered) < self.settings.fewest_members:  # that point itself, nothing new
            return {**self._soup.alone(entered[0]), **place, "role": Role.AVERAGE}, facts, []
        self.average.stand(vector, entered, combined.weights)
        means = self.ingredients.objective.means()
        return {**means, **place, "role": Role.AVERAGE}, facts, self._point(unit)

    def _value(self, means: dict[str, float]) -> float:
        """What a greedy soup wants to be large.

        Raises:
            ValueError: the problem does not measure it.
        """
        if self.settings.criterion == "loss":
            return -means["loss"]
        if "accuracy" not in means:
            raise ValueError(
                "the problem has no metric accuracy to sort by; sort by loss, or add it in the "
                "problem file"
            )
        return means["accuracy"]

    def _combined(self) -> "_Combined":
        """The average."""
        settings, own = self.settings, self.ingredients
        everyone = list(range(settings.members))
        if settings.method == "uniform":
            return _Combined(mean_vector(own.vectors), everyone)
        if settings.method == "greedy":
            entered = self._soup.entered(settings.trials)
            return _Combined(mean_vector(map(own.vector, entered)), entered)
        if settings.method == "path":
            return self._on_path()
        base = own.base_vector
        if settings.method == "slerp":
            first, second = own.task_vectors
            facts: dict[str, JsonValue] = {"angle": angle_between(first, second)}
            if settings.fraction in (0, 1):  # exactly one of the two
                entered = [int(settings.fraction)]
                return _Combined(own.vector(*entered), entered, facts)
            return _Combined(base + slerp(first, second, settings.fraction), everyone, facts)
        if settings.method == "ties":
            change = ties_merged(lambda: own.task_vectors, settings.keep)
        elif settings.method == "dare":
            change = dare_merged(own.task_vectors, settings.drop, settings.seed)
        else:
            change = summed(own.task_vectors)
        return _Combined(base + settings.coefficient * change, everyone)

    def _on_path(self) -> "_Combined":
        """The place on the path past all points, made of those that have a weight there.

        Source: Garipov et al. 2018, arXiv:1802.10026, equations 1 and 2.
        """
        settings, own = self.settings, self.ingredients
        at = np.array([settings.fraction])
        weights = control_weights(settings.shape, settings.members, at)[0].tolist()
        entered = [number for number, weight in enumerate(weights) if weight]
        vector = summed(weights[number] * own.vector(number) for number in entered)
        shares = [weights[number] for number in entered]
        return _Combined(vector, entered, {"weights": weights}, shares)

    def _distances(self, vector: Tensor, entered: list[int]) -> dict[str, JsonValue]:
        """How far the ingredients and the base are from the average, and which are in it."""
        distances = [float((own - vector).norm()) for own in self.ingredients.vectors]
        facts: dict[str, JsonValue] = {"entered": [*entered], "distances": [*distances]}
        if self.ingredients.base is not None:
            facts["base_distance"] = float((self.ingredients.base_vector - vector).norm())
        return facts

    def _point(self, unit: int) -> list[PiecePoint]:
        """The average as a point of the first subject's model; none where it is not finite."""
        flat = self.ingredients.objective.flat
        if not bool(torch.isfinite(flat.theta).all()):
            return []
        tensors = present_tensors(flat, self.ingredients.points[0])
        label = METHOD_WORDS[self.settings.method]
        if self.settings.method == "path":
            label += f" at t = {self.settings.fraction:g}"
        return [piece_point(AVERAGE_NAME, label, tensors, unit)]
