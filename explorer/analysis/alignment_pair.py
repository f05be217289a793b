"""Two models and what can be permuted of them: a verified specification, and their likeness."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.batches import slice_examples
from explorer.analysis.objective.moved_parameters import moved_names
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.symmetry.activations import activation_likeness
from explorer.analysis.symmetry.matching import Likeness
from explorer.analysis.symmetry.repaired_layers import why_no_repair
from explorer.analysis.symmetry.specification import Specification
from explorer.analysis.symmetry.symmetry import Symmetry
from explorer.analysis.symmetry.tracing import Network
from explorer.analysis.symmetry.verification import (
    floats,
    largest,
    largest_change,
    verified_symmetry,
)
from explorer.analysis.symmetry.weights import WeightLikeness
from explorer.codec import JsonValue, to_json
from explorer.kinds.alignment_result import FixedFacts, GroupFacts
from explorer.problem import Batch

FEW_EXAMPLES = 3  # on which operations are told
CHECKED_EXAMPLES = 128  # on which a copy is compared with its model
WATCHED_EXAMPLES = 256  # whose activations are seen at once


@dataclass(frozen=True)
class Pair:
    """The two models, what can be permuted of them, and where their losses are had."""

    objective: Objective
    fixed: Tensors
    moved: Tensors
    symmetry: Symmetry
    parameters: tuple[str, ...]  # whose distance counts
    examples: Batch
    outputs: list[Tensor]  # of the moved model on them
    no_repair: str  # why activations between the two cannot be repaired

    @property
    def specification(self) -> Specification:
        """Which permutations of the moved model leave its function."""
        return self.symmetry.specification

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


def model_pair(
    objective: Objective,
    subjects: Sequence[Tensors],
    generator: np.random.Generator,
    watched: bool,
) -> tuple[Pair, dict[str, JsonValue]]:
    """Both models with a verified specification, and what is stored of it.

    Args:
        objective: of the model.
        subjects: the fixed and the moved one.
        generator: of the permutation that is tried.
        watched: whether activations will be looked at: operations are told on as many examples.

    Raises:
        ValueError: a tensor is not finite.
        SymmetryError: the model has no permutation symmetry, or it cannot be told.
    """
    problem, module = objective.problem, objective.flat.module
    fixed, moved = subjects
    for name, subject in (("fixed", fixed), ("moved", moved)):
        _check_finite(name, subject)
    objective.load(moved)
    network = Network(module, problem.forward)
    few, examples = (
        slice_examples(objective.data, 0, problem.batch_size or min(count, objective.examples))
        for count in (WATCHED_EXAMPLES if watched else FEW_EXAMPLES, CHECKED_EXAMPLES)
    )
    symmetry, _ = verified_symmetry(network, few, examples, generator, _held(objective))
    parameters = tuple(name for name, _ in module.named_parameters() if name in fixed)
    outputs = _outputs(network, examples)
    no_repair = why_no_repair(objective)
    pair = Pair(objective, fixed, moved, symmetry, parameters, examples, outputs, no_repair)
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
            for g in symmetry.specification.groups
        ],
        "fixed": [to_json(FixedFacts(**vars(entry))) for entry in symmetry.specification.fixed],
        "largest_output": largest(outputs),
        "no_repair": no_repair,
        "tensors": list(parameters),
        "before": pair.distances(moved),
    }


def _check_finite(name: str, subject: Tensors) -> None:
    """Refuse a model whose likeness to another cannot be told.

    Raises:
        ValueError: a tensor has values that are not finite.
    """
    for tensor, value in subject.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ValueError(
                f"the {name} model must be finite, got NaN or infinity in {tensor}; choose another"
            )


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


def likeness(pair: Pair, method: str) -> Likeness:
    """What a search increases; of random permutations the inner product is said alone."""
    if method == "activations":
        return _likeness_of_activations(pair)
    fixed, moved = (
        {name: point[name] for name in pair.parameters} for point in (pair.fixed, pair.moved)
    )
    return WeightLikeness.of(fixed, moved, pair.specification)


def _likeness_of_activations(pair: Pair) -> Likeness:
    """Correlations of both models' activations over the examples at hand, in equal batches."""
    objective = pair.objective
    size = objective.problem.batch_size or min(WATCHED_EXAMPLES, objective.examples)
    at_hand = objective.examples if not objective.streams else size
    batches = [
        slice_examples(objective.data, start, start + size)
        for start in range(0, at_hand - size + 1, size)
    ]
    points = []
    for subject in (pair.fixed, pair.moved):
        objective.load(subject)
        points.append({name: t.clone() for name, t in _at_hand(pair.symmetry, objective).items()})
    return activation_likeness(pair.symmetry, points[0], points[1], batches)


def _at_hand(symmetry: Symmetry, objective: Objective) -> dict[str, Tensor]:
    """The tensors that a trace takes, at the objective's present point."""
    module = objective.flat.module
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {name: tensors[name].detach() for name in symmetry.trace.names}


def copy_change(pair: Pair, copy: Tensors) -> float:
    """The largest change of an output from the moved model to a copy, each as it is stored."""
    pair.objective.load(copy)
    with pair.objective.flat.at_theta(), torch.no_grad():
        return largest_change(pair.outputs, _outputs(pair.network, pair.examples))
