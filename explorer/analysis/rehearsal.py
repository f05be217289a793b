"""A problem tried out at one point: does it run, give the same values twice, have a gradient?"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from explorer.analysis.batches import part, placed
from explorer.analysis.copies import checked_model, first_model
from explorer.analysis.data import head_of, split_of
from explorer.analysis.draws import Draws
from explorer.analysis.memory import is_out_of_memory
from explorer.analysis.mistakes import ProblemError, told
from explorer.analysis.objective import Objective
from explorer.analysis.parameters import FlatModel, Tensors
from explorer.analysis.problems import LoadedProblem
from explorer.analysis.slopes import NoGradient, gradients
from explorer.analysis.terms import as_value

FEW = 4  # examples that show whether something runs
REPEAT_SECONDS = 1.0  # for evaluating a second time, by as many examples as it takes
ROUNDING = 1e-5  # relative; two sums of float32 in the same order differ by less


def rehearse(loaded: LoadedProblem, point: Tensors, device: torch.device) -> FlatModel:
    """Run forward, loss and metrics on a few examples of each split, in evaluation mode.

    What comes back is the model on that point, as it is to be evaluated.

    Raises:
        ProblemError: one of them fails, returns no loss, or leaves training mode on.
    """
    problem, path = loaded.problem, loaded.path
    flat = first_model(problem, torch.float32, device)
    flat.load(point)
    for split in problem.data:
        batch = placed(part(head_of(split_of(problem, split)), 0, FEW), torch.float32, device)
        where = f"(outputs, batch) of {path} on split {split!r}"
        with flat.borrowed(), torch.inference_mode():
            with told(where.replace("(outputs", "forward(model"), path):
                outputs = problem.forward(flat.module, batch)
            for name, term in {"loss": problem.loss, **problem.metrics}.items():
                with told(f"{name}{where}", path):
                    value = term(outputs, batch)
                _check_value(name, value, f"{path}, split {split!r}")
            _check_mode(flat.module, loaded)
    with told(f"evaluating {path} where weights have moved", path):
        return checked_model(flat, problem, batch)


def _check_value(name: str, value: Any, where: str) -> None:
    """Refuse what is neither one real number per example nor a sum and a count."""
    parts = value if isinstance(value, tuple) else (value,)
    pair = len(parts) == 2 and isinstance(value, tuple)
    good = pair or isinstance(value, Tensor)
    for number, given in enumerate(parts):
        single = isinstance(given, Tensor) and not given.is_complex()
        single = single and not (pair and given.dim())
        good = good and (single or (number == 1 and isinstance(given, int | float)))
    out = "return the value of each example, as reduction='none' gives it"
    if not good:
        kinds = [_described(given) for given in parts]
        got = kinds[0] if len(kinds) == 1 else f"({', '.join(kinds)})"
        raise ProblemError(
            f"{where}: {name} must return one real value per example, or (sum, count), got {got}; "
            f"{out}"
        )
    try:
        as_value(name, value)
    except ValueError as error:
        raise ProblemError(f"{where}: {error}; {out}") from error


def _described(given: Any) -> str:
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


def check_steady(objective: Objective, seconds: float, loaded: LoadedProblem) -> None:
    """Evaluate twice where the objective stands; an evaluation took so many seconds.

    Raises:
        ProblemError: the values differ by more than rounding.
    """
    share = REPEAT_SECONDS / max(seconds, 1e-9)
    few = objective.shortened(max(1, int(objective.examples * min(1.0, share))))
    # within one stretch: a model that remembers is not put back in between
    with told(f"evaluating {loaded.path} again", loaded.path), few.flat.borrowed():
        one, other = few.means(), few.means()
    for name in objective.names:
        first, second = torch.tensor(one[name]), torch.tensor(other[name])
        if torch.isclose(first, second, rtol=ROUNDING, atol=0, equal_nan=True):
            continue
        draws = Draws()
        with draws:
            few.means()
        by = f" ({', '.join(draws.names)})" if draws.names else ""
        raise ProblemError(
            f"{loaded.path}: two evaluations of split {objective.settings.split!r} at one point "
            f"give {name} {float(first):.6g} and {float(second):.6g}: random numbers{by} are drawn "
            "at each call; turn off dropout (F.dropout needs training=self.training), noise and "
            "augmentation, or draw them once in problem() from a seed"
        )


def without_gradient(objective: Objective) -> str:
    """Why the loss has no gradient where the objective stands; nothing where it has one."""
    few = objective.shortened(min(FEW, objective.examples))
    try:
        next(gradients(few))
    except NoGradient as error:
        return str(error)
    except Exception as error:  # whatever autograd or the user's code raises in this mode alone
        if is_out_of_memory(error):
            return ""
        return f"the gradient of the loss cannot be computed ({' '.join(str(error).split())[:200]})"
    return ""
