"""Small problems whose copies are not the model, or disturb each other; each with right values."""

import threading
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional

from explorer.problem import Problem, cross_entropy
from tests.networks import seeded

kept: dict[str, torch.Tensor] = {}  # what a hook leaves for the loss, for all copies alike


def data() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(30, 4, generator=seeded(1)), torch.randint(0, 3, (30,), generator=seeded(2))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.tanh(self.a(x)))


class Closure(Net):
    """Its block is a lambda over itself, which a copy shares."""

    def __init__(self) -> None:
        super().__init__()
        self.block = lambda x: self.b(torch.tanh(self.a(x)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x)


class Locked(Net):
    """It holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


class Itself(Net):
    """It copies itself in a way of its own: not at all."""

    def __deepcopy__(self, memo: dict) -> "Itself":
        return self


class Noted(Net):
    """It notes its features on itself, where a loss finds them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.features = torch.tanh(self.a(x))
        return self.b(self.features)


class Listed(Net):
    """It keeps its features of all calls, with their graphs, in a list and a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[torch.Tensor] = []
        self.last: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(torch.tanh(self.a(x)))
        self.last["features"] = self.calls[-1]
        return self.b(self.calls[-1])


class Measured(Net):
    """Forward puts a number of its weights, with its graph, into a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("size", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.size = self.a.weight.norm()
        return super().forward(x) / self.size


class Pushed(Net):
    """Its outputs are derivatives by the inputs, in forward mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs, slopes = torch.func.jvp(super().forward, (x,), (torch.ones_like(x),))
        return outputs + slopes


class Complex(Net):
    """A complex buffer, whose imaginary part counts."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turn", torch.polar(torch.ones(6), torch.arange(6.0)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        turned = torch.tanh(self.a(x)) * self.turn
        return self.b(turned.real + turned.imag)


class Seeded(Net):
    """Forward sets torch's seed before it draws."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(self.a(x))
        torch.manual_seed(0)
        return self.b(hidden + torch.randn_like(hidden))


class Frozen(Net):
    """An adapter beside a frozen layer, and a part that is switched off by a size of 0."""

    def __init__(self) -> None:
        super().__init__()
        self.a.requires_grad_(False)
        self.b.requires_grad_(False)
        self.lora_A = nn.Parameter(torch.randn(2, 4) / 4)
        self.lora_B = nn.Parameter(torch.randn(6, 2) / 4)
        self.off = nn.Parameter(torch.zeros(0, 4))
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.a(x) + x @ self.lora_A.t() @ self.lora_B.t() * self.scale.exp()
        return self.b(torch.tanh(hidden)) + (x @ self.off.t()).sum(1, keepdim=True)


def made(model: type[Net]) -> Net:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return model()


def problem_of(kind: str) -> Problem:
    """The problem of that name."""
    classes = {c.__name__.lower(): c for c in Net.__subclasses__()}
    model = made(classes.get(kind, Net))
    losses: dict[str, Callable] = {
        "decay": lambda o, b: cross_entropy(o, b) + 0.1 * norm_of(model.parameters()),
        "decay of a list": _decay(list(model.parameters())),
        "noted": lambda o, b: cross_entropy(o, b) + model.features.square().sum(1),
        "hooked": lambda o, b: cross_entropy(o, b) + kept["hidden"].square().sum(1),
    }
    if kind == "hooked":
        model.a.register_forward_hook(lambda m, i, outputs: kept.update(hidden=outputs))
    if kind == "scaled by a mean":
        model.a.register_forward_hook(lambda m, i, outputs: outputs * 9 * model.b.weight.mean())
    return Problem(model, {"train": data()}, losses.get(kind, cross_entropy))


def norm_of(parameters: Iterable[nn.Parameter]) -> torch.Tensor:
    return torch.stack([p.square().sum() for p in parameters]).sum()


def _decay(held: list[nn.Parameter]) -> Callable:
    def loss(outputs: torch.Tensor, batch: tuple) -> torch.Tensor:
        own = functional.cross_entropy(outputs, batch[1], reduction="none")
        return own + 0.1 * norm_of(held)

    return loss


def plain_losses(kind: str, points: list[dict[str, torch.Tensor]]) -> list[float]:
    """The loss at each point by a plain loop, with weights loaded into the problem's own model."""
    problem, losses = problem_of(kind), []
    for point in points:
        problem.model.eval().load_state_dict(point)
        with torch.no_grad():
            batch = problem.data["train"]
            losses.append(float(problem.loss(problem.forward(problem.model, batch), batch).mean()))
    return losses
