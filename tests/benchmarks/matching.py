"""Matching weights: a planted permutation looked for by us and by public tools, on the same work.

Everybody gets two models, of which one is a permuted copy of the other, and gives the permutation.
Ours is in float64, theirs in float32. The reference (Ainsworth et al. 2023) is JAX and is no
package: its repository lies in `.peers/git-re-basin`. It is given our specification, since it has
none for other networks than its own; the package `rebasin` traces the model itself.
"""

import copy
import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer.analysis.symmetry.matching import matched
from explorer.analysis.symmetry.specification import Specification, inverse, permute
from explorer.analysis.symmetry.symmetry import symmetry_of
from explorer.analysis.symmetry.tracing import Network
from explorer.analysis.symmetry.weights import WeightLikeness
from sample_models.measurement import one_thread
from tests.benchmarks.data import ROOT
from tests.benchmarks.memory import memory_taken
from tests.benchmarks.report import Row, interleaved, ratio, spread
from tests.benchmarks.studies import Study, chosen_studies

PEERS = ("rebasin", "torchview", "graphviz", "jax")
REFERENCE = ROOT / ".peers" / "git-re-basin" / "src"
LIMITS = {"reference": "<= 2", "rebasin": "<= 0.3"}  # of our seconds over theirs, in half the bytes


class Shortcut(nn.Module):
    """Two convolutions and a shortcut, by a convolution where the number of channels changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, images: Tensor) -> Tensor:
        branch = self.second(self.first(images).relu())
        return (branch + (self.shortcut(images) if self.shortcut else images)).relu()


class Residual(nn.Module):
    """The layers of a ResNet-20 of that width, without norms, which the peers treat otherwise."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [width] * 4 + [2 * width] * 3 + [4 * width] * 3
        pairs = pairwise(sizes)
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Shortcut(one, other) for one, other in pairs))
        self.head = nn.Linear(4 * width, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(images).relu()).mean(dim=(2, 3)))


def perceptron(width: int) -> nn.Module:
    """Three hidden layers, as the paper's for MNIST."""
    sizes = [784, width, width, width]
    layers = [
        layer for one, other in pairwise(sizes) for layer in (nn.Linear(one, other), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(width, 10))


class Planted:
    """A model, a permuted copy of it, and the permutation that undoes that."""

    def __init__(self, model: nn.Module, example: Tensor) -> None:
        self.model, self.example = model.eval(), example
        self.specification: Specification = symmetry_of(Network(model), example).specification
        planted = self.specification.random(np.random.default_rng(1))
        self.answer = inverse(planted)
        self.first = {name: value.detach() for name, value in model.named_parameters()}
        self.second = permute(self.first, self.specification, planted)

    def ours(self) -> bool:
        """Whether our matching undoes it."""
        like = WeightLikeness.of(self.first, self.second, self.specification)
        matching = matched(like, self.specification, np.random.default_rng(0))
        return np.array_equal(matching.permutation, self.answer)

    def rebasin(self) -> bool:
        """Whether the package's does; it permutes its second model in place."""
        from rebasin import PermutationCoordinateDescent

        copied = copy.deepcopy(self.model)
        copied.load_state_dict(self.second)
        PermutationCoordinateDescent(self.model, copied, self.example).rebasin()
        return all(torch.equal(v, self.first[n]) for n, v in copied.named_parameters())

    def reference(self) -> bool:
        """Whether the reference's does, told our specification."""
        import jax

        module = reference_module()
        groups = {f"P{place}": group for place, group in enumerate(self.specification.groups)}
        axes = {name: self._names(name, groups) for name in self.first}
        specification = module.permutation_spec_from_axes_to_perm(axes)
        first, second = (
            {name: jax.numpy.asarray(value.numpy()) for name, value in tensors.items()}
            for tensors in (self.first, self.second)
        )
        key = jax.random.PRNGKey(0)
        orders = module.weight_matching(key, specification, first, second, silent=True)
        return all(
            np.array_equal(group.channels[np.asarray(orders[n])], self.answer[group.channels])
            for n, group in groups.items()
        )

    def _names(self, tensor: str, groups: Mapping[str, Any]) -> tuple[str | None, ...]:
        """The group along each axis of a tensor, as the reference wants them."""
        names: list[str | None] = []
        for numbers in self.specification.axes[tensor]:
            same = (n for n, g in groups.items() if np.array_equal(g.channels, numbers))
            names.append(next(same, None) if numbers is not None else None)
        return tuple(names)


def reference_module() -> ModuleType:
    """The reference's matching; of its helpers it gets the one that it calls.

    Those are in a file that loads all of Flax.
    """
    import jax

    if "weight_matching" not in sys.modules:
        # as all others are measured: on one thread; read when jax first computes
        flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        os.environ["XLA_FLAGS"] = flags
        helpers = ModuleType("utils")
        helpers.rngmix = lambda key, data: jax.random.fold_in(key, hash(data))  # type: ignore[attr-defined]
        sys.modules["utils"] = helpers
        sys.path.append(str(REFERENCE))
    return importlib.import_module("weight_matching")


NETWORKS: dict[str, tuple[Callable[[int], nn.Module], int, tuple[int, ...]]] = {
    "perceptron": (perceptron, 512, (2, 784)),
    "ResNet-20": (Residual, 64, (2, 3, 32, 32)),
}


def planted(network: str) -> Planted:
    """The work of a study, the same in every process."""
    build, width, shape = NETWORKS[network]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Planted(build(width), torch.randn(shape))


def contestants(with_peers: bool) -> list[str]:
    """Who takes part."""
    peers = ["rebasin", *(["reference"] if REFERENCE.exists() else [])] if with_peers else []
    return ["ours", *peers]


def times(network: str, with_peers: bool) -> Study:
    """Seconds that each takes, and whether it ends at the planted permutation."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        work, undone = planted(network), {}

        def timed(name: str) -> float:
            began = time.perf_counter()
            undone[name] = getattr(work, name)()
            return time.perf_counter() - began

        names = contestants(with_peers)
        seconds = interleaved({name: partial(timed, name) for name in names}, rounds)
        count = sum(value.numel() for value in work.first.values())
        what = f"{network}, {count:,} parameters: matching"
        note = ", ".join(f"{n} {'undoes' if ok else 'misses'} it" for n, ok in undone.items())
        yield Row(f"{what}, seconds", measure="seconds", figure=spread(seconds["ours"]), note=note)
        for name in names[1:]:
            said = {"against": name, "note": f"{name} {'' if undone[name] else 'not '}recovered"}
            yield ratio(what, LIMITS[name], seconds["ours"], seconds[name], **said)
        if with_peers and not REFERENCE.exists():
            yield Row(f"{what} against the reference", skipped=f"{REFERENCE} is not there")

    return measured


def memory(network: str, with_peers: bool) -> Study:
    """The most memory that each takes beside the two models, in a process of its own."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        taken = {}
        for name in contestants(with_peers):
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                taken[name] = alone.submit(memory_of, network, name).result()
        own = taken["ours"]
        what = f"{network}: memory beside the models"
        yield Row(f"{what}, MB", measure="MB", figure=(own, own, own))
        for name, megabytes in list(taken.items())[1:]:
            share = own / max(megabytes, 1.0)
            note = f"theirs {megabytes:.0f} MB"
            yield Row(f"{what} against {name}", figure=(share, share, share), note=note)

    return measured


def memory_of(network: str, name: str) -> float:
    """The MB that a matching takes at most, beside what it is given; Linux alone tells."""
    from tests.benchmarks import peers

    peers.are_installed()
    torch.set_num_threads(1)
    work = planted(network)
    if name == "reference":
        reference_module()
    getattr(planted("perceptron"), name)()  # what is loaded at the first call is not counted
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
