"""Whether a problem gives the same values twice at one point, and if not, what changes."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.random_draws import RandomOperations, watch_random_draws
from explorer.analysis.objective.user_errors import ProblemError, run_user_code

REPEAT_SECONDS = 1.0  # for evaluating a second time, by as many examples as it takes
ROUNDING = 1e-5  # relative; two sums of float32 in the same order differ by less


def check_repeatable(objective: Objective, seconds: float, loaded: LoadedProblem) -> None:
    """Evaluate twice where the objective stands; an evaluation took so many seconds.

    Raises:
        ProblemError: the values differ by more than rounding.
    """
    share = REPEAT_SECONDS / max(seconds, 1e-9)
    few = objective.with_first_examples(max(1, int(objective.examples * min(1.0, share))))
    # within one stretch: a model that remembers is not put back in between
    with run_user_code(f"evaluating {loaded.path} again", loaded.path), few.flat.at_theta():
        one, other = few.means(), few.means()
    for name in objective.names:
        first, second = torch.tensor(one[name]), torch.tensor(other[name])
        if torch.isclose(first, second, rtol=ROUNDING, atol=0, equal_nan=True):
            continue
        raise ProblemError(
            f"{loaded.path}: two evaluations of split {objective.settings.split!r} at one point "
            f"give {name} {float(first):.6g} and {float(second):.6g}: {_why_not_repeatable(few)}"
        )


def _why_not_repeatable(objective: Objective) -> str:
    """What changes from one evaluation to the next, and what to do."""
    draws, module = RandomOperations(), objective.flat.module
    with objective.flat.at_theta(), watch_random_draws(objective.device) as seen, draws:
        before = _state_copies(module)
        objective.means()
        changed = [
            name
            for name, value in _state_copies(module).items()
            if not _is_unchanged(value, before, name)
        ]
    if seen.drew:
        by = f" ({', '.join(draws.names)})" if draws.names else ""
        return (
            f"random numbers{by} are drawn at each call; turn off dropout (F.dropout needs "
            "training=self.training), noise and augmentation, or draw them once in problem() from "
            "a seed"
        )
    if changed:
        return (
            f"the model keeps {changed[0]!r} from call to call; set it anew at the start of each "
            "forward, as values at a point must not depend on what was evaluated before"
        )
    return (
        "forward, loss or a metric uses what changes from call to call; take out what it counts, "
        "keeps or draws outside of the model, or set it anew at each call"
    )


def _state_copies(module: nn.Module) -> dict[str, Tensor]:
    """Copies of the buffers of a model and of the tensors among its modules' attributes."""
    return {
        f"{place}.{name}".lstrip("."): value.detach().clone()
        for place, inner in module.named_modules()
        for name, value in {**vars(inner), **inner._buffers}.items()
        if isinstance(value, Tensor)
    }


def _is_unchanged(value: Tensor, before: Mapping[str, Tensor], name: str) -> bool:
    """Whether a tensor is as it was."""
    old = before.get(name)
    return old is not None and old.shape == value.shape and torch.equal(old, value)
