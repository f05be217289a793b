"""Answers an alignment: permuted copies of one model that are most like another."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.alignment_pair import Pair, copy_change, likeness, model_pair
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.pieces import piece_point
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.analysis.symmetry.matching import Likeness, matched
from explorer.analysis.symmetry.repair import Repair
from explorer.analysis.symmetry.specification import Specification, group_numbers, permute
from explorer.codec import JsonValue
from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

MOST_PLACES = 100_000  # numbers of permutations that are kept with an answer, in all


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: AlignmentSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The searches that are not in `done`, each a piece with its permuted copy.

    Raises:
        SymmetryError: the model has no permutation symmetry, or it cannot be told; the message
            names the operation.
    """
    require_same_beside(problem, subjects)
    objective = Objective(problem, settings, device)
    objective.on_pass = progress.check
    own = [_means_at(objective, subject) for subject in subjects]
    generator = np.random.default_rng(settings.seed)
    with objective.flat.at_theta(), torch.no_grad():
        pair, facts = model_pair(
            objective, subjects, generator, watched=settings.method == "activations"
        )
        like = likeness(pair, settings.method)
    midpoint = _means_at(objective, _halfway(*subjects))["loss"]
    facts |= objective.facts | {"own": own, "midpoint": midpoint}
    for unit in sorted(set(range(settings.units)) - done):
        began = time.perf_counter()
        progress.check()
        yield _search(pair, like, settings, unit, facts, began, progress)
        facts = {}


def _means_at(objective: Objective, point: Tensors) -> dict[str, float]:
    """Loss and metrics of a point."""
    objective.load(point)
    return objective.means()


def _search(
    pair: Pair,
    like: Likeness,
    settings: AlignmentSettings,
    unit: int,
    facts: Mapping[str, JsonValue],
    began: float,
    progress: Progress,
) -> Piece:
    """One search: the permutation where it ended, and the copy that it makes."""
    specification, generator = pair.specification, np.random.default_rng([settings.seed, unit])
    start = specification.random(generator) if unit or not settings.matches else None
    sweeps = 0
    permutation = specification.identity if start is None else start
    if settings.matches:
        matching = matched(like, specification, generator, start, progress.check)
        permutation, sweeps = matching.permutation, matching.sweeps
    copy = permute(pair.moved, specification, permutation)
    after = pair.distances(copy)
    change = copy_change(pair, copy)
    columns: dict[str, float] = {
        "similarity": like.value(permutation),
        "distance": float(np.linalg.norm(after)),
        "moved": float((permutation != specification.identity).sum()),
        "sweeps": float(sweeps),
        "midpoint": _means_at(pair.objective, _halfway(pair.fixed, copy))["loss"],
        "repaired": _repaired(pair, copy),
        **_means_at(pair.objective, copy),
        "change": change,
    }
    rows = {name: np.array([value]) for name, value in columns.items()}
    rows |= {"unit": np.array([unit]), "search": np.array([unit + 1])}
    own_facts = _permutation_facts(specification, permutation, unit, settings.units)
    own_facts[f"after_{unit}"] = after
    seconds = time.perf_counter() - began
    return Piece(rows, {**facts, **own_facts}, seconds, [_copy_point(copy, unit)])


def _repaired(pair: Pair, copy: Tensors) -> float:
    """The loss halfway to a copy with its activations repaired; NaN where they cannot be."""
    if pair.no_repair:
        return math.nan
    objective, thetas = pair.objective, []
    for point in (pair.fixed, copy):
        objective.load(point)
        thetas.append(objective.flat.theta.clone())
    halfway = torch.lerp(thetas[0], thetas[1], 0.5)
    Repair(objective, thetas[0], thetas[1]).apply(halfway, 0.5)
    objective.load(_halfway(pair.fixed, copy))
    with torch.no_grad():
        objective.flat.theta.copy_(halfway)
    return objective.means()["loss"]


def _permutation_facts(
    specification: Specification, permutation: np.ndarray, unit: int, units: int
) -> dict[str, JsonValue]:
    """A permutation's hash, and itself unless it is long."""
    facts: dict[str, JsonValue] = {
        f"permutation_{unit}": hashlib.sha256(permutation.astype("<i8").tobytes()).hexdigest()
    }
    if units * specification.channels <= MOST_PLACES:
        facts[f"places_{unit}"] = group_numbers(specification, permutation)
    return facts


def _halfway(first: Tensors, second: Tensors) -> dict[str, Tensor]:
    """The point in the middle between two; what has no fraction is the first one's."""
    return {
        name: torch.lerp(value, second[name].to(value), 0.5) if value.is_floating_point() else value
        for name, value in first.items()
    }


def _copy_point(copy: Tensors, unit: int) -> PiecePoint:
    """The point that a search brings."""
    tensors = {
        name: (value.float() if value.dtype == torch.bfloat16 else value).contiguous()
        for name, value in copy.items()
    }
    return piece_point(*ALIGNMENT.unit_point(unit), tensors, unit, subject=1)
