"""Whether code draws random numbers, from torch, NumPy or Python."""

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.torch_operations import TorchOperations


class RandomOperations(TorchOperations):
    """Takes down which operations draw random numbers, and which from a generator of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}
        self.private = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if torch.Tag.nondeterministic_seeded in func.tags:
            self.names[func.overloadpacket.__name__] = None
            arguments = (*args, *(kwargs or {}).values())
            self.private |= any(isinstance(value, torch.Generator) for value in arguments)
        return func(*args, **(kwargs or {}))


class DrawsSeen:
    """What was seen in a stretch of code."""

    drew = False  # random numbers, or set a seed


@contextmanager
def watch_random_draws(device: torch.device) -> Iterator[DrawsSeen]:
    """A stretch of code, and afterwards whether it drew random numbers or seeded a generator.

    Fused attention is marked as if it drew, also where its dropout is 0: so it is the state of the
    generators that tells. It is moved on before, as a seed that is set again ends where it ended,
    and put back after.
    """
    before = _states(device)
    seen, draws = DrawsSeen(), RandomOperations()
    torch.rand(1)
    torch.rand(1, device=device)
    np.random.random_sample()  # noqa: NPY002
    random.random()
    moved = _states(device)
    try:
        with draws:
            yield seen
    finally:
        seen.drew = draws.private or _states(device).comparable != moved.comparable
        _put_back(before, device)


@contextmanager
def fixed_draws() -> Iterator[None]:
    """A stretch of code on the CPU for which torch, NumPy and Python draw from a fixed seed."""
    before = _states(torch.device("cpu"))
    try:
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002 - the user's code may use it
        random.seed(0)
        yield
    finally:
        _put_back(before, torch.device("cpu"))


@dataclass(frozen=True)
class _States:
    """The states of all generators that a user's code may draw from."""

    host: Tensor
    device: Tensor | None  # None for the CPU
    numpy: "dict[str, object] | tuple[str, np.ndarray, int, int, float]"
    python: tuple[object, ...]

    @property
    def comparable(self) -> tuple[bytes, ...]:
        """The states as what can be compared."""
        there = b"" if self.device is None else self.device.numpy().tobytes()
        others = pickle.dumps(self.numpy), pickle.dumps(self.python)
        return (self.host.numpy().tobytes(), there, *others)


def _states(device: torch.device) -> _States:
    there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    global_state = np.random.get_state()  # noqa: NPY002 - the user's code may use it
    return _States(torch.get_rng_state(), there, global_state, random.getstate())


def _put_back(states: _States, device: torch.device) -> None:
    torch.set_rng_state(states.host)
    if states.device is not None:
        torch.cuda.set_rng_state(states.device, device)
    np.random.set_state(states.numpy)  # noqa: NPY002
    random.setstate(states.python)
