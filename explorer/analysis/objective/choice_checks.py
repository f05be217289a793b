"""Ways of evaluating that give the same values, but for rounding, as the plain one."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.batches import tensors_of
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.superposition import MOST_BYTES
from explorer.kinds.execution import Choice
from explorer.problem import first_input

FUSED_BYTES = 1 << 17  # a mean operation's output; below, maps are in the cache anyhow
# Largest relative difference of a way from the plain one that is rounding.
ROUNDING = {"float64": 1e-10, "float32": 1e-5, "tf32": 1e-2, "bf16": 5e-2}


def use_or_fall_back(evaluator: Evaluator, choice: Choice) -> Choice:
    """The choice, where the evaluator can stand on it, else the plain one; it stands there then."""
    try:
        evaluator.use(choice)
    except (ValueError, RuntimeError):  # a record of all examples that is not that of a few
        evaluator.use(plain_choice(evaluator.objective))
    return evaluator.objective.choice


def checked_choice(evaluator: Evaluator) -> Choice:
    """The usual choice with the rewrites that this model allows, each checked at two points.

    They are checked in the precision of the parameters: bfloat16 would hide a difference.
    """
    objective = evaluator.objective
    plain = plain_choice(objective)
    choice = plain
    if objective.choice != plain:
        evaluator.use(plain)  # whatever was tried before
    if objective.traits.one_point_at_a_time:
        return objective.choice
    wished: list[dict[str, Any]] = []
    if any(isinstance(m, torch.nn.Conv2d) for m in objective.flat.module.modules()):
        wished.append({"channels_last": objective.device.type != "mps"})
    if objective.settings.batchnorm != "batch" and batchnorm.layers(objective.flat.module):
        wished.append({"folded": True})
    elif (stacked := objective.usual_choice().stacked) > 1:
        wished.append({"stacked": stacked})
    if is_fusable(objective):
        wished.append({"fused": True})
    if _gains_by_superposition(evaluator):
        wished.append({"superposed": True})
    if plain.lanes > 1 and is_traceable(objective):
        wished.append({"traced": True})
    if not wished:
        return plain
    probe = _probe(evaluator)
    for rewrite in wished:
        better = replace(choice, **rewrite)
        tried = replace(better, stacked=min(better.stacked, 2), lanes=1)
        if agrees_with_plain(probe, tried, replace(plain, lanes=1)):
            choice = better
    return choice


def _gains_by_superposition(evaluator: Evaluator) -> bool:
    """Whether there is a layer to superpose, and room for what it puts out."""
    objective = evaluator.objective
    frozen = objective.settings.batchnorm == "frozen" and not objective.between
    if not frozen or objective.streams or objective.settings.precision == "bf16":
        return False
    kept = objective.superposed_bytes * (1 + len(evaluator.directions))
    return evaluator.places_are_linear and 0 < kept <= MOST_BYTES.get(objective.device.type, 0)


def plain_choice(objective: Objective) -> Choice:
    """What shapes suggest, one point after the other."""
    return replace(objective.usual_choice(), stacked=1)


def _probe(evaluator: Evaluator) -> Evaluator:
    """The same points over a few examples, in the precision of the parameters."""
    objective = evaluator.objective
    full = "float64" if objective.settings.precision == "float64" else "float32"
    return evaluator.with_first_examples(min(32, objective.examples), full)


def works_here(evaluator: Evaluator, choice: Choice) -> bool:
    """Whether a way that was chosen elsewhere is right here; the evaluator then stands on it.

    Otherwise it stands on the plain way, and nothing of the other is left.
    """
    objective = evaluator.objective
    plain = plain_choice(objective)
    evaluator.use(plain)
    if choice.traced and not is_traceable(objective):
        return False
    # what a compiler makes is made for one shape: it is compared as it will be used
    probe = evaluator if choice.compiled else _probe(evaluator)
    good = agrees_with_plain(probe, choice, replace(plain, lanes=1))
    if good and choice.compiled:
        return True
    return use_or_fall_back(evaluator, choice if good else plain) != plain or choice == plain


def is_fusable(objective: Objective) -> bool:
    """Whether kernels that fuse are for this device and precision, gain, and see all there is."""
    if objective.device.type != "cpu" or objective.settings.precision not in ("float32", "bf16"):
        return False
    gains = objective.workload.operation_bytes >= FUSED_BYTES
    images = objective.problem.forward is first_input and tensors_of(objective.data)[0].dim() == 4
    modules = objective.flat.module.modules()
    return gains and images and any(isinstance(m, torch.nn.Conv2d) for m in modules)


def is_traceable(objective: Objective) -> bool:
    """Whether nothing but operations on tensors is lost where Python is not run at each point."""
    problem, settings = objective.problem, objective.settings
    ready_made = problem.forward is first_input and objective.loss_and_metrics.are_ready_made
    without_statistics = not objective.between and not batchnorm.layers(objective.flat.module)
    return ready_made and without_statistics and settings.precision in ("float32", "float64")


def agrees_with_plain(probe: Evaluator, choice: Choice, plain: Choice) -> bool:
    """Whether a way gives the plain way's losses at the base and off it, but for rounding."""
    steps = np.zeros((2, probe.axes))
    steps[1:] = 0.1
    losses: list[np.ndarray] = []
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*performance drop.*")  # vmap as a loop
            for way in (plain, choice):
                probe.use(way)
                losses.append(probe.values(steps)["loss"])
    except (ValueError, RuntimeError, TypeError, AttributeError, UserWarning):
        return False
    within = ROUNDING[probe.objective.settings.precision]
    one, other = losses
    return bool(np.allclose(other, one, rtol=within, atol=within / 10, equal_nan=True))
