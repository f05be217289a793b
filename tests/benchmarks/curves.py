"""Curves between two minima: trained by us and by the reference implementation, on the same work.

Both train a Bezier curve of one bend between the same two networks by SGD with momentum, on batches
of 64 in memory, one place of the curve a step. The reference (Garipov et al. 2018) is no package:
its repository lies in `.peers/dnn-mode-connectivity`. It has a twin module of each layer with the
weights of all control points, and computes each layer's weights at every pass; its networks are
made here of its own layers, and its training loop is run as it is but for `.cuda()`.
"""

import importlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from explorer.analysis.objective.objective import Objective
from explorer.analysis.paths.batch_gradient import BatchGradient
from explorer.analysis.paths.descent import descent
from explorer.analysis.paths.minibatches import Minibatches
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.path_shape import BEZIER
from explorer.problem import Problem, cross_entropy
from sample_models.measurement import one_thread
from tests.benchmarks.data import ROOT
from tests.benchmarks.memory import memory_taken
from tests.benchmarks.report import Row, interleaved, ratio, spread
from tests.benchmarks.studies import Study, chosen_studies

PEERS = ("scipy",)  # what the reference imports beside torch
REFERENCE = ROOT / ".peers" / "dnn-mode-connectivity"
LIMITS = {"time": "<= 1", "memory": "<= 1"}  # of our seconds and bytes over the reference's
BATCH, MOMENTUM, RATE, DECAY = 64, 0.9, 0.05, 1e-4
EXAMPLES = 4096


class Perceptron(nn.Module):
    """Linear layers of these sizes with ReLU between them."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(one, other) for one, other in pairwise(sizes))

    def forward(self, inputs: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            inputs = layer(inputs).relu()
        return self.layers[-1](inputs)


class Convolutions(nn.Module):
    """Convolutions of that width with BatchNorm and ReLU, the mean over positions, one layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [3, width, 2 * width, 2 * width]
        pairs = list(pairwise(sizes))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        self.head = nn.Linear(2 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = norm(convolution(images)).relu()
        return self.head(images.mean(dim=(2, 3)))


def reference_curve(network: nn.Module, curves: ModuleType) -> Any:
    """The reference's curve of one bend with twins of the network's layers."""

    class Twin(nn.Module):
        def __init__(self, _: int, fix_points: list[bool]) -> None:
            super().__init__()
            self.is_convolutional = isinstance(network, Convolutions)
            layers: list[nn.Module] = []
            for layer in network.modules():
                if isinstance(layer, nn.Linear):
                    size = layer.in_features, layer.out_features
                    layers.append(curves.Linear(*size, fix_points=fix_points))
                elif isinstance(layer, nn.Conv2d):
                    size = layer.in_channels, layer.out_channels
                    layers.append(curves.Conv2d(*size, 3, padding=1, fix_points=fix_points))
                elif isinstance(layer, nn.BatchNorm2d):
                    layers.append(curves.BatchNorm2d(layer.num_features, fix_points=fix_points))
            self.twins = nn.ModuleList(layers)

        def forward(self, inputs: Tensor, coefficients: Tensor) -> Tensor:
            *before, last = self.twins
            if not self.is_convolutional:
                for twin in before:
                    inputs = twin(inputs, coefficients).relu()
                return last(inputs, coefficients)  # type: ignore[no-any-return]
            half = len(before) // 2
            for convolution, norm in zip(before[:half], before[half:], strict=True):
                inputs = norm(convolution(inputs, coefficients), coefficients).relu()
            return last(inputs.mean(dim=(2, 3)), coefficients)  # type: ignore[no-any-return]

    return curves.CurveNet(10, curves.Bezier, Twin, 3)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "perceptron 64-32-32-10": (lambda: Perceptron((64, 32, 32, 10)), (64,), 300),
    "perceptron 784-512-512-10": (lambda: Perceptron((784, 512, 512, 10)), (784,), 60),
    "convolutions with BatchNorm": (lambda: Convolutions(32), (3, 16, 16), 20),
}


class Work:
    """Two networks of one sort, their data, and so many steps."""

    def __init__(self, name: str, device: torch.device) -> None:
        build, shape, self.steps = NETWORKS[name]
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.ends = [build().to(device), build().to(device)]
            inputs, labels = torch.randn(EXAMPLES, *shape), torch.randint(0, 10, (EXAMPLES,))
        self.data = (inputs.to(device), labels.to(device))
        self.device = device

    def ours(self) -> float:
        """The mean loss of the steps that our descent takes."""
        problem = Problem(self.ends[0], {"train": self.data}, cross_entropy)
        settings = ConnectionSettings(
            steps=2 * self.steps,  # the first half of the schedule: a constant rate
            shape=BEZIER,
            batch_examples=BATCH,
            learning_rate=RATE,
            momentum=MOMENTUM,
            weight_decay=DECAY,
        )
        objective = Objective(problem, settings, self.device)
        first, last = (
            nn.utils.parameters_to_vector(end.parameters()).detach() for end in self.ends
        )
        batches = Minibatches(problem, settings, self.device, BATCH, settings.seed)
        walk = descent(settings, first, last, BatchGradient(objective, BATCH))
        return walk.steps(0, self.steps, batches.at, lambda _: None)

    def reference(self) -> float:
        """The mean loss of the steps that the reference's loop takes."""
        curves = reference_module()
        model = reference_curve(self.ends[0], curves).to(self.device)
        for index, end in zip((0, 2), self.ends, strict=True):
            model.import_base_parameters(end, index)
        model.init_linear()
        regularizer = curves.l2_regularizer(DECAY)
        moved = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(moved, lr=RATE, momentum=MOMENTUM)
        model.train()
        loss_sum, taken = 0.0, 0
        while taken < self.steps:
            order = torch.randperm(EXAMPLES, device=self.device)
            for start in range(0, EXAMPLES, BATCH):
                chosen = order[start : start + BATCH]
                loss = nn.functional.cross_entropy(
                    model(self.data[0][chosen]), self.data[1][chosen]
                )
                loss_sum += loss.item()
                loss = loss + regularizer(model)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                taken += 1
                if taken == self.steps:
                    break
        return loss_sum / taken


def reference_module() -> ModuleType:
    """The reference's curves."""
    if str(REFERENCE) not in sys.path:
        sys.path.append(str(REFERENCE))
    return importlib.import_module("curves")


def contestants(with_peers: bool) -> list[str]:
    """Who takes part."""
    return ["ours", *(["reference"] if with_peers and REFERENCE.exists() else [])]


def times(network: str, with_peers: bool) -> Study:
    """Seconds that a training takes, everything made anew."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        work, losses = Work(network, device), {}

        def timed(name: str) -> float:
            began = time.perf_counter()
            losses[name] = getattr(work, name)()
            if device.type == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - began

        names = contestants(with_peers)
        seconds = interleaved({name: partial(timed, name) for name in names}, rounds)
        what = f"{network}: {work.steps} steps of a Bezier curve"
        note = ", ".join(f"{name}: mean loss {loss:.3f}" for name, loss in losses.items())
        yield Row(f"{what}, seconds", measure="seconds", figure=spread(seconds["ours"]), note=note)
        if "reference" in names:
            ours, theirs = seconds["ours"], seconds["reference"]
            yield ratio(what, LIMITS["time"], ours, theirs, against="the reference")
        elif with_peers:
            yield Row(f"{what} against the reference", skipped=f"{REFERENCE} is not there")

    return measured


def memory(network: str, with_peers: bool) -> Study:
    """The most memory that a training takes beside models and data, in a process of its own."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        if device.type != "cpu":
            return
        taken = {}
        for name in contestants(with_peers):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                taken[name] = alone.submit(memory_of, network, name).result()
        own, what = taken["ours"], f"{network}: memory beside models and data"
        yield Row(f"{what}, MB", measure="MB", figure=(own, own, own))
        if "reference" in taken:
            share = own / max(taken["reference"], 1.0)
            note = f"theirs {taken['reference']:.0f} MB"
            target = LIMITS["memory"]
            figure = (share, share, share)
            yield Row(f"{what} against the reference", target, figure=figure, note=note)

    return measured


def memory_of(network: str, name: str) -> float:
    """The MB that a training takes at most, beside what it is given; Linux alone tells."""
    from tests.benchmarks import peers

    peers.are_installed()
    torch.set_num_threads(1)
    work = Work(network, torch.device("cpu"))
    getattr(Work(next(iter(NETWORKS)), torch.device("cpu")), name)()  # what is loaded once
    return memory_taken(getattr(work, name))


def studies(device: torch.device, only: str, with_peers: bool) -> dict[str, Study]:
    """The studies whose name holds the text `only`.

    Raises:
        ValueError: there is none.
    """
    named = {f"{n}: time": times(n, with_peers) for n in NETWORKS}
    named |= {f"{n}: memory": memory(n, with_peers) for n in NETWORKS}
    return chosen_studies(named, only)


def rows(chosen: dict[str, Study], device: torch.device, rounds: int) -> Iterator[Row]:
    """The rows of all studies, as they come."""
    for study in chosen.values():
        with one_thread():
            yield from study(device, rounds)
