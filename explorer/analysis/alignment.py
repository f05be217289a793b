"""Answers an alignment: permuted copies of one model that are most like another."""

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.moved_parameters import moved_names, require_same_beside
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices
from explorer.analysis.symmetry.activations import activation_likeness
from explorer.analysis.symmetry.matching import Likeness, matched
from explorer.analysis.symmetry.repair import Repair, why_no_repair
from explorer.analysis.symmetry.specification import Specification, group_numbers, permute
from explorer.analysis.symmetry.symmetry import Symmetry, symmetry_of
from explorer.analysis.symmetry.tracing import Network
from explorer.analysis.symmetry.verification import (
    floats,
    largest,
    largest_change,
    verified_symmetry,
)
from explorer.analysis.symmetry.weights import WeightLikeness
from explorer.codec import JsonValue, to_json
from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_result import FixedFacts, GroupFacts
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Batch, Problem

FEW_EXAMPLES = 3  # on which operations are told
CHECKED_EXAMPLES = 128  # on which a copy is compared with its model
WATCHED_EXAMPLES = 256  # whose activations are seen at once
MOST_PLACES = 100_000  # numbers of permutations that are kept with an answer, in all


@dataclass(frozen=True)
class _Pair:
    """The two models, what can be permuted of them, and where their losses are had."""

    objective: Objective
    fixed: Tensors
    moved: Tensors
    specification: Specification
    parameters: tuple[str, ...]  # whose distance counts
    examples: Batch
    outputs: list[Tensor]  # of the moved model on them
    no_repair: str  # why activations between the two cannot be repaired

    @property
    def network(self) -> Network:
        """The model at the objective's present point."""
        return Network(self.objective.flat.module, self.objective.problem.forward)

    def distances(self, copy: Tensors) -> list[float]:
        """Of each parameter of the fixed model and of a copy of the moved one."""
        return [
            float(torch.linalg.vector_norm(self.fixed[name].double() - copy[name].double()))
            for name in self.parameters
        ]


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
        pair, facts = _pair(objective, subjects, generator)
        like = _likeness(pair, settings)
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


def _pair(
    objective: Objective, subjects: Sequence[Tensors], generator: np.random.Generator
) -> tuple[_Pair, dict[str, JsonValue]]:
    """Both models with a verified specification, and what is stored of it."""
    problem, module = objective.problem, objective.flat.module
    fixed, moved = subjects
    objective.load(moved)
    network = Network(module, problem.forward)
    few, examples = (
        slice_examples(objective.data, 0, problem.batch_size or min(count, objective.examples))
        for count in (FEW_EXAMPLES, CHECKED_EXAMPLES)
    )
    symmetry, _ = verified_symmetry(network, few, examples, generator, _held(objective))
    parameters = tuple(name for name, _ in module.named_parameters() if name in fixed)
    outputs = _outputs(network, examples)
    specification = symmetry.specification
    no_repair = why_no_repair(objective)
    pair = _Pair(objective, fixed, moved, specification, parameters, examples, outputs, no_repair)
    return pair, {
        "groups": [
            to_json(
                GroupFacts(
                    name=g.name,
                    count=g.count,
                    inner=tuple(k.shape[1] for k in g.inner),
                    log10=g.log10_permutations,
                )
            )
            for g in specification.groups
        ],
        "fixed": [to_json(FixedFacts(**vars(entry))) for entry in specification.fixed],
        "largest_output": largest(outputs),
        "no_repair": no_repair,
        "tensors": list(parameters),
        "before": pair.distances(moved),
    }


def _held(objective: Objective) -> dict[str, str]:
    """The tensors that cannot be permuted, and why."""
    module, moved = objective.flat.module, moved_names(objective.problem)
    stored = module.state_dict().keys()
    held = {
        name: "a buffer that is not stored"
        for name, _ in module.named_buffers()
        if name not in stored
    }
    if moved is not None:
        still = (name for name, _ in module.named_parameters() if name not in moved)
        held |= dict.fromkeys(still, "a parameter that does not move")
    return held


@torch.no_grad()
def _outputs(network: Network, examples: Batch) -> list[Tensor]:
    """What the network gives at its present parameters."""
    return floats(network.outputs({}, examples))


def _likeness(pair: _Pair, settings: AlignmentSettings) -> Likeness:
    """What a search increases; of random permutations the inner product is said alone."""
    if settings.method == "activations":
        return _likeness_of_activations(pair)
    fixed, moved = (
        {name: point[name] for name in pair.parameters} for point in (pair.fixed, pair.moved)
    )
    return WeightLikeness.of(fixed, moved, pair.specification)


def _likeness_of_activations(pair: _Pair) -> Likeness:
    """Correlations of both models' activations over the examples at hand, in equal batches."""
    objective = pair.objective
    size = objective.problem.batch_size or min(WATCHED_EXAMPLES, objective.examples)
    at_hand = objective.examples if not objective.streams else size
    batches = [
        slice_examples(objective.data, start, start + size)
        for start in range(0, at_hand - size + 1, size)
    ]
    symmetry = symmetry_of(pair.network, batches[0], _held(objective))
    points = []
    for subject in (pair.fixed, pair.moved):
        objective.load(subject)
        points.append({name: t.clone() for name, t in _at_hand(symmetry, objective).items()})
    return activation_likeness(symmetry, points[0], points[1], batches)


def _at_hand(symmetry: Symmetry, objective: Objective) -> dict[str, Tensor]:
    """The tensors that a trace takes, at the objective's present point."""
    module = objective.flat.module
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensors[name].detach() for name in symmetry.trace.names}


def _search(
    pair: _Pair,
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
    change = _change(pair, copy)
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


def _change(pair: _Pair, copy: Tensors) -> float:
    """The largest change of an output from the moved model to a copy, each as it is stored."""
    pair.objective.load(copy)
    with pair.objective.flat.at_theta(), torch.no_grad():
        return largest_change(pair.outputs, _outputs(pair.network, pair.examples))


def _repaired(pair: _Pair, copy: Tensors) -> float:
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
    name, label = ALIGNMENT.unit_point(unit)
    arrays = {name: value.numpy() for name, value in tensors.items()}
    return PiecePoint(name, label, content_hash(tensors), unit, arrays, subject=1)
