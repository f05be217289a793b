"""Loss and metrics at many points: the hot loop."""

import copy
import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.captured_passes import CudaGraphPoint, TracedPoints
from explorer.analysis.objective.device import core_count, precision_flags, restore_threads
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import ExampleValues
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import STRETCH
from explorer.analysis.objective.passes import enter_points, enter_points_in_one_pass
from explorer.analysis.objective.random_directions import RedrawnDirections
from explorer.analysis.objective.streaming import VALUES_BYTES
from explorer.kinds.execution import Choice

TRACED = 4  # points recorded together, at most
Read = Callable[[ExampleValues], dict[str, Tensor]]
BLOCK_BYTES = {"cpu": 1 << 17, "cuda": 256 << 20, "mps": 64 << 20}  # of values until reduced


class Evaluator:
    """Values of an objective at base + coordinates @ directions.

    Parameters are one flat vector updated in place; each example's loss stays on the device until a
    block of points is reduced in float64, and all blocks are waited for together. The way follows
    the objective's choice; on a CPU small models are evaluated at several points at once, one core
    each: the same operations in the same order for each point, so that values do not depend on how
    points are shared out, to the last bit. Where several points go into one launch, the kernels of
    the matrix library may order sums by a point's place: they agree within `ROUNDING` of
    `execution_tuning`.
    """

    places_are_linear = True  # base + coordinates @ directions, and not exact elsewhere, too

    def __init__(
        self,
        objective: Objective,
        directions: Tensor | RedrawnDirections,
        axes: int | None = None,
    ) -> None:
        """Stand at the objective's present point.

        Args:
            objective: stands there.
            directions: (m, D).
            axes: coordinates of a place, where they are not one for each direction; at 0 it is the
                base point.
        """
        self.objective = objective
        self.base = objective.flat.theta.clone()
        if isinstance(directions, Tensor):
            directions = directions.to(self.base)
        self.directions = directions
        self._gram = _gram(self.base, self.directions)
        self.axes = len(directions) if axes is None else axes
        self.use(objective.choice)

    def use(self, choice: Choice) -> None:
        """Evaluate in this way from now on."""
        self._lanes: list[_Lane] = []  # frees what the last way held
        if isinstance(self.directions, RedrawnDirections):
            # nothing that repeats a point knows how to draw
            choice = replace(choice, lanes=1, stacked=1, traced=False, graph=False)
        if not self.places_are_linear or not isinstance(self.directions, Tensor):
            choice = replace(choice, superposed=False)
        self.objective.use(choice)
        choice = self.objective.choice  # which may be less than was asked for
        if choice.superposed and isinstance(self.directions, Tensor):
            self.objective.superpose(self.directions)
        twins = (self.objective.twin() for _ in range(choice.lanes - 1))
        self._lanes = [_Lane(copied, self) for copied in (self.objective, *twins)]
        self._pool = ThreadPoolExecutor(choice.lanes, thread_name_prefix="lane")

    def with_first_examples(self, examples: int, precision: str = "") -> "Evaluator":
        """The same points over the first examples, for measuring ways of evaluating."""
        return self.with_objective(self.objective.with_first_examples(examples, precision))

    def with_objective(self, objective: Objective) -> "Evaluator":
        """The same points, evaluated by another objective that stands on the base point."""
        reduced = copy.copy(self)
        reduced.objective = objective
        reduced.use(objective.choice)
        return reduced

    def values(self, coordinates: np.ndarray) -> dict[str, np.ndarray]:
        """Means and standard errors at coordinates (K, m), and "squared_norm"; each (K,).

        The model is put back on its base point, also after an exception. Where memory does not
        suffice, batches are halved, for good, and the points are evaluated again.
        """
        measured = self._read_values(coordinates, ExampleValues.means_and_errors)
        return {**measured, "squared_norm": self._squared_norms(coordinates)}

    def losses(self, coordinates: np.ndarray) -> np.ndarray:
        """The loss of each example at coordinates (K, m), (K, N).

        Raises:
            ValueError: the problem's loss is not one value per example.
        """
        return self._read_values(coordinates, ExampleValues.losses)["losses"]

    def base_values(self) -> dict[str, float]:
        """The values at the base point itself, without a step."""
        values_at_base = self.values(np.zeros((1, 0)))
        return {
            name: float(value[0])
            for name, value in values_at_base.items()
            if name != "squared_norm"
        }

    def _use_less_memory(self) -> bool:
        """Choose what needs less memory; whether there is such a thing.

        Raises:
            ValueError: it would be a smaller batch than the problem declares.
        """
        choice = self.objective.choice
        if choice.superposed:
            choice = replace(choice, superposed=False)
        elif choice.stacked > 1:
            choice = replace(choice, stacked=choice.stacked // 2)
        elif choice.lanes > 1:
            choice = replace(choice, lanes=1)
        elif declared := self.objective.problem.batch_size:
            raise ValueError(
                f"a batch of {declared:,} examples, the problem's batch_size, needs more memory "
                "than there is: choose another device, or declare a smaller one"
            )
        elif choice.batch > 1 and not self.objective.traits.draws:
            choice = replace(choice, batch=choice.batch // 2)
        else:
            return False
        self._lanes = []
        gc.collect()  # the error's traceback held tensors
        if self.base.device.type == "cuda":
            torch.cuda.empty_cache()
        self.use(choice)
        return True

    def _read_values(self, coordinates: np.ndarray, read: Read) -> dict[str, np.ndarray]:
        """What `read` finds in the values of each block of points, (K, ...) each."""
        while True:
            try:
                return self._values_by_lanes(coordinates, read)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._use_less_memory():
                    raise

    def _values_by_lanes(self, coordinates: np.ndarray, read: Read) -> dict[str, np.ndarray]:
        lanes = self._lanes
        steps = torch.as_tensor(
            np.ascontiguousarray(coordinates), dtype=self.base.dtype, device=self.base.device
        )
        shares = [steps[start :: len(lanes)] for start in range(min(len(lanes), len(steps)))]
        with restore_threads(), precision_flags(self.objective.settings.precision):
            pairs = zip(lanes, shares, strict=False)
            walks = [self._pool.submit(_Lane.walk, lane, share, read) for lane, share in pairs]
            wait(walks)  # all of them, also when one has failed: they share the data
            parts = [walk.result() for walk in walks]
        values_by_name = {}
        for name in parts[0]:
            values_by_name[name] = np.empty((len(steps), *parts[0][name].shape[1:]))
            for start, part in enumerate(parts):
                values_by_name[name][start :: len(lanes)] = part[name]
        return values_by_name

    def _squared_norms(self, coordinates: np.ndarray) -> np.ndarray:
        """norm(theta)^2 at each point, from inner products of base and directions in float64."""
        steps = np.zeros((len(coordinates), len(self._gram)))
        steps[:, 0] = 1
        steps[:, 1 : 1 + coordinates.shape[1]] = coordinates
        return np.einsum("km,mn,kn->k", steps, self._gram, steps)

    def place(self, theta: Tensor, steps: Tensor) -> None:
        """Put base + step @ directions into `theta`, one point (D,) or several (K, D)."""
        if isinstance(self.directions, RedrawnDirections):
            self.directions.place(self.base, steps, theta)
            return
        directions = self.directions[: steps.shape[-1]]
        if steps.dim() == 1:
            torch.addmv(self.base, directions.t(), steps, out=theta)
        else:
            theta.copy_(self.base.expand_as(theta))
            for step, direction in zip(steps.t(), directions, strict=True):
                theta.addcmul_(step.unsqueeze(1), direction)  # a matrix product could round to TF32


def _gram(base: Tensor, directions: Tensor | RedrawnDirections) -> np.ndarray:
    """Inner products of the base (D,) and the directions, (1 + m, 1 + m), in float64."""
    gram = torch.zeros(1 + len(directions), 1 + len(directions), dtype=torch.float64)
    everything = slice(0, len(base))
    parts = [(everything, directions)] if isinstance(directions, Tensor) else directions.rows(base)
    for within, rows in parts:
        pairs = zip(base[within].split(STRETCH), rows.split(STRETCH, dim=1), strict=True)
        for point, moved in pairs:
            both = torch.cat([point.unsqueeze(0), moved]).to("cpu", torch.float64)
            gram += both @ both.t()
    return gram.numpy()


class _Lane:
    """One copy of the model, walking through points by itself."""

    def __init__(self, objective: Objective, evaluator: Evaluator) -> None:
        self._objective = objective
        self._evaluator = evaluator
        theta, names = objective.flat.theta, objective.names
        row_bytes = objective.examples * len(names) * theta.element_size()
        block_bytes = VALUES_BYTES if objective.streams else BLOCK_BYTES[theta.device.type]
        block = max(1, min(256, block_bytes // row_bytes))
        self._stacked = objective.choice.stacked
        traced = objective.choice.traced and self._stacked == 1
        block = self._stacked if self._stacked > 1 else min(block, TRACED) if traced else block
        self._example_values = objective.empty_values(block)
        self._repeated: TracedPoints | CudaGraphPoint | None = None
        if traced:
            self._repeated = TracedPoints(
                objective, evaluator.place, evaluator.axes, self._example_values
            )
        elif objective.choice.graph:
            self._repeated = CudaGraphPoint(objective, evaluator.place, evaluator.axes)

    def walk(self, steps: Tensor, read: Read) -> dict[str, np.ndarray]:
        """What `read` finds at each step (K, m); each (K, ...)."""
        self._share_cores()
        put_back = self._objective.flat.keep(self._evaluator.base)
        blocks = []
        try:
            for start in range(0, len(steps), self._example_values.points):
                part = steps[start : start + self._example_values.points]
                self._fill(part)
                blocks.append({n: v[: len(part)] for n, v in read(self._example_values).items()})
        finally:
            put_back()
        return {name: torch.cat([b[name] for b in blocks]).cpu().numpy() for name in blocks[0]}

    def _fill(self, steps: Tensor) -> None:
        """Enter the values at these steps."""
        if self._stacked > 1:
            padded = steps.new_zeros(self._stacked, steps.shape[1])  # one shape, one order of sums
            padded[: len(steps)] = steps
            base = self._evaluator.base
            thetas = base.new_empty(self._stacked, len(base))
            self._evaluator.place(thetas, padded)
            self._objective.stacked_write(self._example_values, thetas, padded)
            return
        with evaluation_mode():
            if self._repeated is not None and not self._objective.streams:
                self._repeated.fill(self._example_values, steps)
                return
            enter = enter_points_in_one_pass if self._objective.streams else enter_points
            enter(self._objective, self._evaluator.place, self._example_values, steps)

    def _share_cores(self) -> None:
        """Give this thread its part of the cores."""
        if self._evaluator.base.device.type == "cpu":
            torch.set_num_threads(max(1, core_count() // self._objective.choice.lanes))
