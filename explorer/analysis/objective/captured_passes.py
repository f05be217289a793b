"""Points as recorded sequences of operations, run again and again without Python between."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from explorer.analysis.objective.losses import Ledger
from explorer.analysis.objective.objective import Objective

Place = Callable[[Tensor, Tensor], None]  # of parameters (D,) at a step (m,)


def enter(objective: Objective, place: Place, ledger: Ledger, steps: Tensor) -> None:
    """Enter the values at steps (K, m), one after the other.

    Each has a stretch of its own: what a model in place made of its weights, and kept, ends there.
    """
    for point, step in enumerate(steps.unbind()):
        place(objective.flat.theta, step)
        with objective.flat.borrowed():
            objective.moved(step)
            objective.write(ledger, point)


class Graph:
    """One point as a CUDA graph: captured once, then launched as a whole.

    Source: PyTorch documentation, "CUDA Graphs": warm up on a side stream, capture, replay.
    """

    def __init__(self, objective: Objective, place: Place, axes: int) -> None:
        self._step = objective.flat.theta.new_zeros(1, axes)
        self._row = objective.ledger(1)
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    enter(objective, place, self._row, self._step)
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                enter(objective, place, self._row, self._step)

    def fill(self, ledger: Ledger, steps: Tensor) -> None:
        """Enter the values at steps (K, m), or with fewer axes."""
        for point, step in enumerate(steps):
            if len(step) < self._step.shape[1]:
                self._step.zero_()
            self._step[0, : len(step)] = step
            self._graph.replay()
            ledger.take(point, self._row)


class Trace:
    """Several points as one TorchScript graph, which runs outside of Python's lock.

    The operations of a small model are so short that lanes which run them from Python wait for each
    other. Nothing is optimised: they are the same operations in the same order.
    """

    def __init__(self, objective: Objective, place: Place, axes: int, ledger: Ledger) -> None:
        """Record as many points as the ledger holds.

        Raises:
            ValueError: the record does not do what it was made from.
        """
        self._objective, self._place, self._ledger = objective, place, ledger
        self._steps = objective.flat.theta.new_zeros(ledger.points, axes)
        put_back = objective.flat.keep()
        try:
            with torch.inference_mode(), warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self._points()  # makes the room that the record takes in
                # what changes must be an input: a record takes any other tensor for a constant
                self._inputs = (self._steps, *ledger.room, *objective.room)
                self._trace = torch.jit.trace(self._recorded, self._inputs, check_trace=False)
                if any(issubclass(w.category, torch.jit.TracerWarning) for w in said):
                    raise ValueError("the model decides by values, which no record repeats")
                self._check()
        finally:
            put_back()

    def fill(self, ledger: Ledger, steps: Tensor) -> None:
        """Enter the values at steps (K, m), or with fewer axes, into the ledger recorded."""
        if steps.shape == self._steps.shape:
            self._steps.copy_(steps)
            with torch.jit.optimized_execution(False):
                self._trace(*self._inputs)
        else:
            enter(self._objective, self._place, ledger, steps)

    def _points(self) -> None:
        enter(self._objective, self._place, self._ledger, self._steps)

    def _recorded(self, *inputs: Tensor) -> Tensor:
        """The points, reading and writing the inputs by their own names."""
        self._points()
        return inputs[0]

    def _check(self) -> None:
        """Compare every bit at the base and off it.

        Raises:
            ValueError: there is a difference.
        """
        self._steps.fill_(0.1)
        self._steps[0] = 0.0
        self._points()
        wanted = [room.clone() for room in self._ledger.room]
        for room in self._ledger.room:
            room.fill_(-1.0)
        self.fill(self._ledger, self._steps.clone())
        for one, other in zip(wanted, self._ledger.room, strict=True):
            if not torch.allclose(one, other, rtol=0, atol=0, equal_nan=True):
                raise ValueError("the record of a point gives other values than the point")
