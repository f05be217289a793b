"""One point as a recorded sequence of operations, run again and again without Python between."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from explorer.analysis.objective import Objective
from explorer.analysis.terms import Ledger

Place = Callable[[Tensor, Tensor], None]  # of parameters (D,) at a step (m,)


class Repeated:
    """A point's operations, recorded once: reading a step, entering the values of one point."""

    def __init__(self, objective: Objective, place: Place, axes: int) -> None:
        self._objective = objective
        self._place = place
        self._step = objective.flat.theta.new_zeros(axes)
        self._row = objective.ledger(1)

    def point(self) -> None:
        """Everything that happens at a point."""
        self._place(self._objective.flat.theta, self._step)
        self._objective.moved(self._step)
        self._objective.write(self._row, 0)

    def replay(self) -> None:
        """Run the record."""
        raise NotImplementedError

    def fill(self, ledger: Ledger, steps: Tensor) -> None:
        """Enter the values at these steps (K, m), or at fewer axes."""
        with torch.inference_mode():
            for point, step in enumerate(steps):
                if len(step) < len(self._step):
                    self._step.zero_()
                self._step[: len(step)] = step
                self.replay()
                ledger.take(point, self._row)


class Graph(Repeated):
    """One point as a CUDA graph: captured once, then launched as a whole.

    Source: PyTorch documentation, "CUDA Graphs": warm up on a side stream, capture, replay.
    """

    def __init__(self, objective: Objective, place: Place, axes: int) -> None:
        super().__init__(objective, place, axes)
        with torch.inference_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.point()
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self.point()

    def replay(self) -> None:
        """Launch the graph."""
        self._graph.replay()


class Trace(Repeated):
    """One point as a TorchScript graph, which runs outside of Python's lock.

    The operations of a small model are so short that lanes which run them from Python wait for each
    other. Nothing is optimised: they are the same operations in the same order.
    """

    def __init__(self, objective: Objective, place: Place, axes: int) -> None:
        """Record a point.

        Raises:
            ValueError: the record does not do what it was made from.
        """
        super().__init__(objective, place, axes)
        put_back = objective.flat.keep()
        try:
            with torch.inference_mode(), warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self.point()  # makes the room that the record takes in
                # what changes must be an input: a record takes any other tensor for a constant
                self._inputs = (self._step, *self._row.room, *objective.room)
                self._trace = torch.jit.trace(self._recorded, self._inputs, check_trace=False)
                if any(issubclass(w.category, torch.jit.TracerWarning) for w in said):
                    raise ValueError("the model decides by values, which no record repeats")
                self._check()
        finally:
            put_back()

    def replay(self) -> None:
        """Run the graph."""
        with torch.jit.optimized_execution(False):
            self._trace(*self._inputs)

    def _recorded(self, *inputs: Tensor) -> Tensor:
        """A point, reading and writing its inputs by their own names."""
        self.point()
        return inputs[0]

    def _check(self) -> None:
        """Compare every bit at the base and off it.

        Raises:
            ValueError: there is a difference.
        """
        for size in (0.0, 0.1):
            self._step.fill_(size)
            self.point()
            wanted = [room.clone() for room in self._row.room]
            for room in self._row.room:
                room.fill_(-1.0)
            self.replay()
            for one, other in zip(wanted, self._row.room, strict=True):
                if not torch.allclose(one, other, rtol=0, atol=0, equal_nan=True):
                    raise ValueError("the record of a point gives other values than the point")
