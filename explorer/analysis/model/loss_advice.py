"""What a problem's loss computes that its author may not have meant, where nobody can be sure."""

import math
from dataclasses import dataclass

from torch.nn import functional
from torch.overrides import TorchFunctionMode

from explorer.analysis.model.batch_coupling import affordable_examples, examples_of
from explorer.analysis.model.broadcasts import broadcasts
from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.model.problem_trial import few_examples
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.batches import count_examples, to_device
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import mean_of
from explorer.analysis.objective.examples import split_of
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.reduced_precision import half_precision
from explorer.analysis.objective.user_errors import run_user_code
from explorer.problem import Batch, Problem

WEIGHED = (functional.cross_entropy, functional.nll_loss)  # whose mean is over weights, not labels
DIFFERENT = 1e-4  # relative; more than rounding


def loss_advice(loaded: LoadedProblem, flat: FlatModel, split: str, most: int) -> list[str]:
    """Sentences on the loss of a split; none where nothing is unusual. `most` examples show it."""
    problem, path = loaded.problem, loaded.path
    with run_user_code(f"evaluating {path} on split {split!r} again", path):
        few = few_examples(problem, split, flat.theta.device)
        said = [f"{b.words}, unless it is meant" for b in broadcasts(problem, flat, few, path)]
        if not problem.batch_size:
            source = split_of(problem, split)
            few = examples_of(source, affordable_examples(problem, flat, source, most))
        few = to_device(few, flat.theta.dtype, flat.theta.device)
        said.append(_why_coarse(half_precision(problem, flat, copy_batch(few))))
        said.append(why_another_mean(problem, flat, few))
    return [f"{path}, split {split!r}: {words}" for words in said if words]


def _why_coarse(half: str) -> str:
    """What it means that a problem computes in this half precision by itself; "" for none."""
    if not half:
        return ""
    return (
        f"forward, loss or a metric computes in {half} by itself, in which small steps of the "
        "weights, sharpness and second derivatives are lost; take autocast or the cast out of it "
        "for them (precision bf16 evaluates any problem so)"
    )


def why_another_mean(problem: Problem, flat: FlatModel, batch: Batch) -> str:
    """How the mean of the loss differs from that of torch's own cross-entropy; "" where it doesn't.

    With reduction="none" torch gives weighted losses, whose plain mean is not the weighted one.

    Args:
        problem: has loss and forward.
        flat: the model at a point.
        batch: some examples, where they lie; they are not changed.
    """
    batch = copy_batch(batch)
    with flat.at_theta(), evaluation_mode(), _MeanWatch() as watch:
        loss = as_value("loss", problem.loss(problem.forward(flat.module, batch), batch))
    mean = mean_of(loss)
    for call in watch.calls:
        if _close(mean, call.plain_mean) and not _close(mean, call.torch_mean):
            return (
                f"loss is {mean:.6g} over {count_examples(batch):,} examples, the plain mean of "
                f"what {call.name} gives with reduction='none'; torch's own mean, {call.way}, is "
                f"{call.torch_mean:.6g}: for that return the pair ({call.name}(..., "
                f"reduction='sum'), {call.divisor})"
            )
    return ""


@dataclass(frozen=True)
class _Call:
    """One call of a loss of torch that weighs labels."""

    name: str
    plain_mean: float
    torch_mean: float
    weighted: bool
    ignores: bool  # some of the labels

    @property
    def way(self) -> str:
        """What torch's mean divides by."""
        return "over the weights of the labels" if self.weighted else "over the labels that count"

    @property
    def divisor(self) -> str:
        """The same as code."""
        if not self.weighted:
            return "labels.ne(ignore_index).sum()"
        labels = "labels[labels != ignore_index]" if self.ignores else "labels"
        return f"weight[{labels}].sum()"


class _MeanWatch(TorchFunctionMode):
    """Takes down both means of each loss that is asked for without a reduction."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in WEIGHED and kwargs.get("reduction") == "none" and result.numel():
            labels = args[1] if len(args) > 1 else kwargs["target"]
            self.calls.append(
                _Call(
                    name=func.__name__,
                    plain_mean=mean_of(result),
                    torch_mean=float(func(*args, **{**kwargs, "reduction": "mean"})),
                    weighted=kwargs.get("weight") is not None,
                    ignores=bool((labels == kwargs.get("ignore_index", -100)).any()),
                )
            )
        return result


def _close(one: float, other: float) -> bool:
    """Whether two means are equal but for rounding; what is not finite says nothing."""
    if not (math.isfinite(one) and math.isfinite(other)):
        return True
    return math.isclose(one, other, rel_tol=DIFFERENT, abs_tol=1e-9)
