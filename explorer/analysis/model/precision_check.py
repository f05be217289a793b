"""Whether float64 means float64: the loss there against that in float32, at the same weights."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

from explorer.analysis.model.batch_coupling import affordable_examples, examples_of
from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.objective import model_copies
from explorer.analysis.objective.batches import count_examples, to_device
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import mean_of
from explorer.analysis.objective.examples import head_of, split_of
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.random_draws import RandomOperations, watch_random_draws
from explorer.analysis.objective.reduced_precision import HalfOperations
from explorer.analysis.objective.user_errors import ProblemError
from explorer.problem import Batch, Problem

EXAMPLES = 64  # that show it
RELATIVE, ABSOLUTE = 1e-3, 1e-6  # more than float32 rounds a loss that can be trusted in it
DEVICES = ("cpu", "cuda")  # that have float64


def check_precision(
    problem: Problem, point: Tensors, split: str, device: torch.device, path: Path
) -> None:
    """Refuse float64 for a problem that does not compute in it, or computes something else in it.

    Args:
        problem: its model is evaluated in both precisions, in evaluation mode.
        point: where the model stands.
        split: whose examples are evaluated, some of them.
        device: where.
        path: of the problem's file.

    Raises:
        ProblemError: the sentence says which of them, and the way out.
    """
    if device.type not in DEVICES:
        return
    try:
        single, double = (
            _evaluated(problem, point, split, device, dtype)
            for dtype in (torch.float32, torch.float64)
        )
    except Exception:  # whatever fails here fails in the answer too, which says how
        return
    if why := _why_not_double(single, double):
        raise ProblemError(f"{path}, split {split!r}: {why}")


@dataclass(frozen=True)
class _Evaluation:
    """One evaluation of some examples."""

    examples: int
    loss: float
    half: str  # the half precision that something is computed in
    draws: tuple[str, ...]  # operations that draw random numbers
    drew: bool


def _evaluated(
    problem: Problem, point: Tensors, split: str, device: torch.device, dtype: torch.dtype
) -> _Evaluation:
    """What the model does in a precision."""
    source = split_of(problem, split)
    few = copy_batch(to_device(head_of(source, problem.batch_size), dtype, device))
    flat = model_copies.flat_model(problem, dtype, device, few)
    flat.load(point)
    batch = few
    if not problem.batch_size:
        some = examples_of(source, affordable_examples(problem, flat, source, EXAMPLES))
        batch = to_device(some, dtype, device)
    halves, draws = HalfOperations(), RandomOperations()
    with watch_random_draws(device) as seen, halves, draws:
        loss = _loss_of(problem, flat, copy_batch(batch))
    return _Evaluation(count_examples(batch), loss, halves.name, tuple(draws.names), seen.drew)


def _loss_of(problem: Problem, flat: FlatModel, batch: Batch) -> float:
    """The mean loss of a batch."""
    with flat.at_theta(), evaluation_mode():
        return mean_of(
            LossAndMetrics(problem).values(problem.forward(flat.module, batch), batch)[0]
        )


def _why_not_double(single: _Evaluation, double: _Evaluation) -> str:
    """Why float64 is not what it says; "" where it is."""
    if double.half:
        return (
            f"forward, loss or a metric computes in {double.half} whatever precision is asked for, "
            f"so that float64 would be one in name alone; take the cast to {double.half} out of "
            "it, or choose precision float32 for losses alone"
        )
    one, two = single.loss, double.loss
    if math.isclose(one, two, rel_tol=RELATIVE, abs_tol=ABSOLUTE) or math.isnan(one + two):
        return ""
    what = (
        f"loss depends on the precision: of the same {double.examples:,} examples at the same "
        f"weights it is {one:.6g} in float32"
    )
    if single.half:
        return (
            f"{what}, where forward, loss or a metric computes in {single.half}, and {two:.6g} in "
            "float64, which autocast leaves alone; take autocast out of it (precision bf16 "
            "evaluates any problem so), or choose precision float32 for losses alone"
        )
    if double.drew:
        by = f" ({', '.join(double.draws)})" if double.draws else ""
        return (
            f"{what} and {two:.6g} in float64, as the random numbers that it draws{by} are others "
            "in each; draw them in float32, as by torch.randn(x.shape).to(x), or choose precision "
            "float32"
        )
    return (
        f"{what} and {two:.6g} in float64, by more than rounding; choose precision float32, or "
        "take out what goes by the precision, such as a threshold or torch.finfo"
    )
