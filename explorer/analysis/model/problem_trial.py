"""A problem tried out at one point: does it run, do batches leave it alone, has it a gradient?"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from explorer.analysis.curvature.gradient import NoGradient, gradients
from explorer.analysis.model import input_changes
from explorer.analysis.model.batch_coupling import (
    EXAMPLES,
    affordable_examples,
    examples_of,
    why_coupled,
)
from explorer.analysis.model.broadcasts import broadcasts
from explorer.analysis.model.input_changes import copy_batch
from explorer.analysis.model.pair_checks import why_mean_in_pair
from explorer.analysis.model.precision_check import check_precision
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.batches import count_examples, slice_examples, to_device
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import Value
from explorer.analysis.objective.examples import head_of, split_of
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.labels import require_classes
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.model_copies import checked_model, first_model
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.user_errors import ProblemError, run_user_code
from explorer.problem import Batch, PerBatch, Problem

FEW = 4  # examples that show whether something runs
MEAN = (
    "return one value per example, as reduction='none' gives it, or, where class weights, "
    "ignore_index or padding weigh the mean, the pair (sum, what your mean divides it by): "
    "reduction='sum' and weight[labels].sum(), or how many labels count"
)


def try_problem(loaded: LoadedProblem, point: Tensors, device: torch.device) -> FlatModel:
    """Run forward, loss and metrics on a few examples of each split, in evaluation mode.

    What comes back is the model on that point, as it is to be evaluated.

    Raises:
        ProblemError: one of them fails, returns no loss, or leaves training mode on.
    """
    problem, path = loaded.problem, loaded.path
    flat = first_model(problem, torch.float32, device)
    flat.load(point)
    for split in problem.data:
        batch = copy_batch(few_examples(problem, split, device))
        where = f"(outputs, batch) of {path} on split {split!r}"
        with flat.at_theta(), evaluation_mode():
            with run_user_code(where.replace("(outputs", "forward(model"), path):
                outputs = problem.forward(flat.module, batch)
            with run_user_code(f"labels{where}", path):
                source = split_of(problem, split)
                labelled = batch if isinstance(source, Examples) else source
                require_classes(problem, outputs, labelled, split)
            for name, term in _terms(problem).items():
                with run_user_code(f"{name}{where}", path):
                    value = term(outputs, batch)
                _check_value(name, value, count_examples(batch), f"{path}, split {split!r}")
            _check_mode(flat.module, loaded)
    with run_user_code(f"evaluating {path} where weights have moved", path):
        return checked_model(flat, problem, batch)


def _terms(problem: Problem) -> dict[str, PerBatch]:
    """All that is called with outputs and batch, by what it is."""
    players = {f"loss of player {name!r}": each.loss for name, each in problem.players.items()}
    return {"loss": problem.loss, **problem.metrics, **players}


def few_examples(problem: Problem, split: str, device: torch.device) -> Batch:
    """The first few examples of a split, or its first batch where the problem declares batches."""
    first = slice_examples(
        head_of(split_of(problem, split), problem.batch_size), 0, problem.batch_size or FEW
    )
    return to_device(first, torch.float32, device)


def protect_splits(
    loaded: LoadedProblem, flat: FlatModel, splits: Iterable[str], device: torch.device
) -> LoadedProblem:
    """The problem, its forward on copies where it changes what it gets.

    See `input_changes.protect_inputs`.

    Raises:
        ProblemError: loss or metrics would see the difference.
    """
    for split in splits:
        few = few_examples(loaded.problem, split, device)
        with run_user_code(f"evaluating {loaded.path} on split {split!r}", loaded.path):
            problem = input_changes.protect_inputs(loaded.problem, flat, few, loaded.path)
        loaded = replace(loaded, problem=problem)
    return loaded


def ready_problem(
    loaded: LoadedProblem,
    point: Tensors,
    split: str,
    device: torch.device,
    precision: str = "float32",
) -> LoadedProblem:
    """The problem as it is evaluated, looked at once more before an answer begins.

    Raises:
        ProblemError: values depend on how batches are cut, a label is no class, or the problem does
            not compute in the precision.
    """
    flat = first_model(loaded.problem, torch.float32, device)
    flat.load(point)
    problem, source = loaded.problem, split_of(loaded.problem, split)
    if not isinstance(source, Examples):
        with run_user_code(f"evaluating {loaded.path} on split {split!r}", loaded.path):
            with flat.at_theta(), evaluation_mode():
                outputs = problem.forward(
                    flat.module, copy_batch(few_examples(problem, split, device))
                )
            require_classes(problem, outputs, source, split)
    loaded = protect_splits(loaded, flat, [split], device)
    check_uncoupled(loaded, flat, split)
    if precision == "float64":
        check_precision(loaded.problem, point, split, device, loaded.path)
    return loaded


def check_uncoupled(
    loaded: LoadedProblem, flat: FlatModel, split: str, most: int = EXAMPLES
) -> None:
    """Refuse values that depend on how batches are cut, unless the problem says how.

    It is tried with at most so many examples.

    Raises:
        ProblemError: the loss or a metric of an example depends on its batch, or shapes that do not
            fit are repeated over it.
    """
    problem, path = loaded.problem, loaded.path
    with run_user_code(f"evaluating {path} on split {split!r} in other batches", path):
        few = few_examples(problem, split, flat.theta.device)
        repeated = broadcasts(problem, flat, few, path)
        if repeated and repeated[0].certain:
            raise ProblemError(f"{path}, split {split!r}: {repeated[0].words}")
        if why := why_mean_in_pair(problem, flat, few):
            raise ProblemError(f"{path}, split {split!r}: {why}")
        if problem.batch_size:
            return
        source = split_of(problem, split)
        many = affordable_examples(problem, flat, source, most)
        why = why_coupled(problem, flat, examples_of(source, many))
    if why:
        first = f"{repeated[0].words}; where that is meant, " if repeated else f"{why}; "
        raise ProblemError(
            f"{path}, split {split!r}: {first}say how large the batches are that the loss is meant "
            "for, by Problem(..., batch_size=64), or of the whole split by its number of examples"
        )


def _check_value(name: str, value: Value, examples: int, where: str) -> None:
    """Refuse what is neither one real number per example nor a sum and a count."""
    parts = value if isinstance(value, tuple) else (value,)
    pair = len(parts) == 2 and isinstance(value, tuple)
    good = pair or isinstance(value, Tensor)
    for number, given in enumerate(parts):
        single = isinstance(given, Tensor) and not given.is_complex() and not (pair and given.dim())
        good = good and (single or (number == 1 and isinstance(given, int | float)))
    if not good:
        kinds = [_part_words(given) for given in parts]
        got = kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})"
        raise ProblemError(
            f"{where}: {name} must return one real value per example, or (sum, count), got {got}; "
            f"{MEAN}"
        )
    try:
        # one row of several examples is their mean, as a single number is
        one_row = isinstance(value, Tensor) and examples > 1 and value.shape[:1] == (1,)
        as_value(name, value.sum() if isinstance(value, Tensor) and one_row else value)
    except ValueError as error:
        raise ProblemError(f"{where}: {error}; {MEAN}") from error


def _part_words(given: object) -> str:
    """What a part of a returned value is."""
    if isinstance(given, Tensor):
        return f"a tensor of {given.dtype} and shape {tuple(given.shape)}"
    return type(given).__name__


def _check_mode(model: nn.Module, loaded: LoadedProblem) -> None:
    """Refuse dropout and BatchNorm that are not in evaluation mode after a forward pass."""
    for name, module in model.named_modules():
        if module.training and isinstance(module, _DropoutNd | _BatchNorm):
            raise ProblemError(
                f"{loaded.path}: {name!r} ({type(module).__name__}) is in training mode though "
                "losses are measured in evaluation mode; take train() out of forward and of the "
                "module"
            )


def without_gradient(objective: Objective) -> str:
    """Why the loss has no gradient where the objective stands; nothing where it has one."""
    few = objective.with_first_examples(min(FEW, objective.examples))
    try:
        next(gradients(few))
    except NoGradient as error:
        return str(error)
    except Exception as error:  # whatever autograd or the user's code raises in this mode alone
        if is_out_of_memory(error):
            return ""
        return f"the gradient of the loss cannot be computed ({' '.join(str(error).split())[:200]})"
    return ""
