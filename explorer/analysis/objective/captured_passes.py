"""Points as recorded sequences of operations, run again and again without Python between."""

import warnings

import torch
from torch import Tensor

from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import ExampleValues
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.passes import Place, enter_points


class CudaGraphPoint:
    """One point as a CUDA graph: captured once, then launched as a whole.

    Source: PyTorch documentation, "CUDA Graphs": warm up on a side stream, capture, replay.
    """

    def __init__(self, objective: Objective, place: Place, axes: int) -> None:
        self._step = objective.flat.theta.new_zeros(1, axes)
        self._row = objective.empty_values(1)
        with evaluation_mode():
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    enter_points(objective, place, self._row, self._step)
            torch.cuda.current_stream().wait_stream(side)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                enter_points(objective, place, self._row, self._step)

    def fill(self, example_values: ExampleValues, steps: Tensor) -> None:
        """Enter the values at steps (K, m), or with fewer axes."""
        for point, step in enumerate(steps):
            if len(step) < self._step.shape[1]:
                self._step.zero_()
            self._step[0, : len(step)] = step
            self._graph.replay()
            example_values.take(point, self._row)


class TracedPoints:
    """Several points as one TorchScript graph, which runs outside of Python's lock.

    The operations of a small model are so short that lanes which run them from Python wait for each
    other. Nothing is optimised: they are the same operations in the same order.
    """

    def __init__(
        self, objective: Objective, place: Place, axes: int, example_values: ExampleValues
    ) -> None:
        """Record as many points as the values are made for.

        Raises:
            ValueError: the record does not do what it was made from.
        """
        self._objective, self._place, self._example_values = objective, place, example_values
        self._steps = objective.flat.theta.new_zeros(example_values.points, axes)
        put_back = objective.flat.keep()
        try:
            with evaluation_mode(), warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                self._points()  # makes the room that the record takes in
                # what changes must be an input: a record takes any other tensor for a constant
                self._inputs = (self._steps, *example_values.tensors, *objective.changing_tensors)
                self._trace = torch.jit.trace(self._run_traced, self._inputs, check_trace=False)
                if any(issubclass(w.category, torch.jit.TracerWarning) for w in said):
                    raise ValueError("the model decides by values, which no record repeats")
                self._check()
        finally:
            put_back()

    def fill(self, example_values: ExampleValues, steps: Tensor) -> None:
        """Enter the values at steps (K, m), or with fewer axes, into the values recorded."""
        if steps.shape == self._steps.shape:
            self._steps.copy_(steps)
            with torch.jit.optimized_execution(False):
                self._trace(*self._inputs)
        else:
            enter_points(self._objective, self._place, example_values, steps)

    def _points(self) -> None:
        enter_points(self._objective, self._place, self._example_values, self._steps)

    def _run_traced(self, *inputs: Tensor) -> Tensor:
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
        wanted = [tensor.clone() for tensor in self._example_values.tensors]
        for tensor in self._example_values.tensors:
            tensor.fill_(-1.0)
        self.fill(self._example_values, self._steps.clone())
        for one, other in zip(wanted, self._example_values.tensors, strict=True):
            if not torch.allclose(one, other, rtol=0, atol=0, equal_nan=True):
                raise ValueError("the record of a point gives other values than the point")
