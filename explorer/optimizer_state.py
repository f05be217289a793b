"""What a recorded snapshot keeps of an optimiser: its tensors by parameter, and how it steps."""

import json

from torch import Tensor
from torch.nn import Module as Model
from torch.optim import Optimizer


def optimizer_tensors(model: Model, optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors by "parameter/entry", such as "layer.weight/exp_avg_sq"."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{entry}": value
        for parameter, state in optimizer.state.items()
        if id(parameter) in names
        for entry, value in state.items()
        if isinstance(value, Tensor)
    }


def optimizer_facts(optimizer: Optimizer) -> dict[str, object]:
    """Which class of torch the optimiser is, and its numbers where all groups have the same."""
    groups = optimizer.param_groups
    facts: dict[str, object] = {"class": _class_of(optimizer)}
    for name, kind in (("momentum", float), ("nesterov", bool)):
        values = {kind(group[name]) for group in groups if name in group}
        if len(values) == 1:
            facts[name] = values.pop()
    first = {float(group["betas"][0]) for group in groups if group.get("betas")}
    return facts | ({"beta1": first.pop()} if len(first) == 1 else {})


def _class_of(optimizer: Optimizer) -> str:
    """The class in torch that the optimiser is or descends from."""
    kinds = (k.__name__ for k in type(optimizer).__mro__ if k.__module__.startswith("torch.optim"))
    return next((kind for kind in kinds if kind != "Optimizer"), type(optimizer).__name__)


def optimizer_note(model: Model, optimizer: Optimizer) -> dict[str, str]:
    """Which class of torch the optimiser is, and its groups' numbers: what its tensors mean."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [
        {
            "names": [names[id(p)] for p in group["params"] if id(p) in names],
            "betas": [float(beta) for beta in group.get("betas", ())],
            "eps": float(group.get("eps", 0.0)),
            "amsgrad": bool(group.get("amsgrad", False)),
        }
        for group in optimizer.param_groups
    ]
    return {"class": _class_of(optimizer), "groups": json.dumps(groups)}
