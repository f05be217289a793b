"""The objective: one model's loss and metrics over fixed examples, resident on a device."""

import copy
import itertools
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call

from explorer.analysis import batchnorm
from explorer.analysis.choice import Choice
from explorer.analysis.cost import forward_cost
from explorer.analysis.data import count_examples, mapped, part, resident
from explorer.analysis.parameters import FlatModel, Tensors
from explorer.analysis.terms import FewClass, Ledger, Terms, as_value
from explorer.kinds.settings import ObjectiveSettings
from explorer.problem import Batch, Problem

DTYPES = {"float64": torch.float64}  # of parameters and data; float32 for every other precision
# Outputs of all operations on one batch: with fewer an operation is too short, with more its
# inputs have left the CPU's cache (measured: 32 to 64 images for a ResNet-20). The size follows
# from shapes alone, so that short work computes the same bits on every run.
BATCH_BYTES = {"cpu": 128 << 20, "cuda": 16 << 30, "mps": 1 << 30}
COPIES_BYTES = 1 << 30  # of parameters at several points at once
LANE_BYTES = 1 << 20  # a mean operation's output; below this cores do better with a point each


class Objective:
    """Loss and metrics of each example of a split, at the parameters in `flat.theta`.

    The batches, the network and the order of operations follow a `Choice`; values do not, but for
    rounding. Nothing here waits for the device.
    """

    between: batchnorm.Ends = MappingProxyType({})  # buffers that change with the parameters

    def __init__(
        self,
        problem: Problem,
        settings: ObjectiveSettings,
        device: torch.device,
        choice: Choice | None = None,
        flat: FlatModel | None = None,
    ) -> None:
        """Copy model and data to the device; or the data alone, beside a model that is there.

        Raises:
            ValueError: no such split, an empty or ragged or too small one; or statistics are to be
                recomputed of a model without BatchNorm.
        """
        self.problem = problem
        self.settings = settings
        self.device = device
        dtype = DTYPES.get(settings.precision, torch.float32)
        self.flat = flat or FlatModel(problem.model, dtype, device)
        self.data = resident(problem, settings, dtype, device)
        self.examples = count_examples(self.data)
        self.available = count_examples(problem.data[settings.split])
        self.terms = Terms(problem)
        if settings.batchnorm != "frozen" and not batchnorm.layers(self.flat.module):
            raise ValueError(
                "batchnorm must be frozen for a model without BatchNorm layers, "
                f"got {settings.batchnorm!r}"
            )
        if settings.batchnorm == "batch":
            batchnorm.use_batch_statistics(self.flat.module)
        self._calibration = self._calibration_batches(dtype)
        self.example_bytes, self.operations = forward_cost(self.flat, problem, self.data)
        self.use(choice or self.usual_choice())

    @property
    def names(self) -> list[str]:
        """What is measured: "loss" first, then the metrics."""
        return self.terms.names

    def usual_choice(self) -> Choice:
        """What shapes alone suggest."""
        room = BATCH_BYTES[self.device.type] // self.example_bytes
        batch = min(self.examples, max(1, room))
        small = self.example_bytes * batch / self.operations < LANE_BYTES
        if self.device.type == "cuda":  # a small operation takes less than its launch
            whole = small and room > self.examples and self.settings.batchnorm == "frozen"
            copies = COPIES_BYTES // (self.flat.theta.numel() * self.flat.theta.element_size())
            stacked = min(1024, room // batch, max(1, copies))
            return Choice(batch=batch, stacked=stacked if whole else 1)
        cpu = self.device.type == "cpu"
        return Choice(batch=batch, lanes=self.most_lanes if cpu and small else 1)

    @property
    def most_lanes(self) -> int:
        """How many copies of the model may be evaluated at once: one a core, where they are small.

        Each has its parameters, and more of them would not be read faster from memory.
        """
        theta = self.flat.theta
        return max(1, min(cores(), COPIES_BYTES // (theta.numel() * theta.element_size())))

    def use(self, choice: Choice) -> None:
        """Evaluate in this way from now on.

        Raises:
            ValueError: BatchNorm is to be folded and cannot be.
        """
        self.choice = replace(choice, stacked=1) if self.between else choice
        spans = self._spans(choice.batch)
        self._batches = [(a, b, self._laid_out(part(self.data, a, b))) for a, b in spans]
        self._quick: list[FewClass | None] = []
        self._folded = None
        if choice.folded:
            if self.settings.batchnorm == "batch":
                raise ValueError("a batch's own statistics cannot be folded")
            example = part(self.data, 0, min(2, self.examples))
            self._folded = batchnorm.Folded(self.flat, self.problem, example)
        self._whole = _Whole(self.problem, self.flat.module)
        self._stacked = torch.vmap(self._values_at, in_dims=(0, None))
        self._compiled: Callable[[Batch], list[Any]] | None = None
        if choice.compiled and choice.stacked > 1:
            self._stacked = torch.compile(self._stacked, dynamic=False)
        elif choice.compiled:
            self._compiled = torch.compile(self._values, dynamic=False)

    def _spans(self, size: int) -> list[tuple[int, int]]:
        """First and last-but-one example of each batch.

        Where a batch is normalised by its own statistics, sizes are equal but for one example, and
        a setting, not a choice.
        """
        count = self.examples
        if self.settings.batchnorm == "batch":
            parts = -(-count // self.settings.batchnorm_batch)
            bounds = [count * n // parts for n in range(parts + 1)]
        else:
            bounds = [*range(0, count, size), count]
        return list(itertools.pairwise(bounds))

    def _laid_out(self, batch: Batch) -> Batch:
        """Images with their channels last, if so chosen."""
        if not self.choice.channels_last:
            return batch

        def placed(tensor: Tensor) -> Tensor:
            images = tensor.dim() == 4
            return tensor.contiguous(memory_format=torch.channels_last) if images else tensor

        return mapped(batch, placed)

    def twin(self) -> "Objective":
        """The same objective with parameters of its own, sharing the data."""
        made = copy.copy(self)
        made.flat = self.flat.twin()
        made.use(self.choice)
        return made

    def _calibration_batches(self, dtype: torch.dtype) -> list[Batch]:
        """What statistics are recomputed on: the split's first examples, also beside a subset."""
        if self.settings.batchnorm != "recalibrated":
            return []
        data = resident(self.problem, replace(self.settings, subset="all"), dtype, self.device)
        seen = min(self.settings.batchnorm_examples, count_examples(data))
        size = self.settings.batchnorm_batch
        # a last batch of one example has no variance
        return [part(data, a, min(a + size, seen)) for a in range(0, seen - 1, size)]

    def shortened(self, examples: int, precision: str = "") -> "Objective":
        """The same objective at the same point over its first examples, for measuring."""
        made = copy.copy(self)
        made.settings = replace(self.settings, precision=precision or self.settings.precision)
        made.data, made.examples = part(self.data, 0, examples), examples
        made.flat = self.flat.twin()
        made.use(self.choice)
        return made

    def load(self, point: Tensors) -> None:
        """Stand on a point: its parameters and its buffers."""
        self.flat.load(point)

    def ledger(self, points: int) -> Ledger:
        """Room for the values at so many points."""
        return Ledger(self.names, points, self.examples, self.flat.theta)

    def moved(self, step: Tensor | None = None) -> None:
        """Follow the parameters: buffers between two points, statistics recomputed, folded anew.

        `step` (1,) says where between the points of `between` the parameters are; without one, or
        with an empty one, they are at the base.
        """
        if self.between and step is not None and len(step):
            batchnorm.interpolate(self.flat.module, self.between, step)
        if self._calibration:
            with self.autocast():
                forward = self.problem.forward
                batchnorm.recalibrate(self.flat.module, forward, self._calibration)
        if self._folded is not None:
            self._folded.refresh()

    @property
    def room(self) -> list[Tensor]:
        """The tensors that change from point to point while buffers stay."""
        quick = (tensor for few in self._quick if few for tensor in few.room)
        return [self.flat.theta, *self.flat.module.parameters(), *quick]

    def write(self, ledger: Ledger, point: int) -> None:
        """Enter the values of all examples at the present parameters."""
        for number, (start, stop, batch) in enumerate(self._batches):
            if self._compiled is not None:
                ledger.put(point, start, stop, self._compiled(batch))
                continue
            outputs = self.outputs(batch)
            if number == len(self._quick):
                self._quick.append(self.terms.few_class(outputs, batch))
            where = (point, start, stop)
            self.terms.write(outputs, batch, self._quick[number], ledger, where)

    def means(self) -> dict[str, float]:
        """Mean of each term, and the loss's standard error, at the parameters as they stand."""
        ledger = self.ledger(1)
        with torch.inference_mode():
            self.moved()
            self.write(ledger, 0)
        return {name: float(value[0]) for name, value in ledger.reduced().items()}

    def outputs(self, batch: Batch) -> Any:
        """The network's outputs on a batch, in float32 at least."""
        module = self._folded.module if self._folded is not None else self.flat.module
        with self.autocast():
            outputs = self.problem.forward(module, batch)
        return widened(outputs) if self.settings.precision == "bf16" else outputs

    def autocast(self) -> Any:
        """bfloat16 where the precision asks for it; parameters stay float32."""
        if self.settings.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def stacked_write(self, ledger: Ledger, thetas: Tensor) -> None:
        """Enter the values at several points, parameters (K, D), with one launch per operation."""
        count = slice(0, len(thetas))
        with torch.no_grad(), self.autocast():
            for start, stop, batch in self._batches:
                ledger.put(count, start, stop, self._stacked(thetas, batch))

    def _values_at(self, theta: Tensor, batch: Batch) -> list[Any]:
        """The value of each term on a batch at parameters (D,)."""
        outputs = functional_call(self._whole, self._named(theta), (batch,))
        return self.terms.fused(outputs, batch)

    def _values(self, batch: Batch) -> list[Any]:
        """The value of each term on a batch at the present parameters."""
        return self.terms.fused(self.outputs(batch), batch)

    def _named(self, theta: Tensor) -> dict[str, Tensor]:
        """Views of a flat vector (D,) by the names that `_Whole` gives parameters."""
        return {
            f"model.{block.name}": theta[block.start : block.stop].view(block.shape)
            for block in self.flat.blocks
        }

    def gradient(self) -> Tensor:
        """Gradient of the mean loss at the present parameters, (D,) float64 on the CPU."""
        named = {name: view.detach() for name, view in self._named(self.flat.theta).items()}
        total = torch.zeros(self.flat.theta.shape, dtype=torch.float64)
        count = 0.0
        for view in named.values():
            view.requires_grad_()  # tensor by tensor: a slice's gradient is as large as the whole
        for _, _, batch in self._batches:
            outputs = functional_call(self._whole, named, (batch,))
            loss = as_value("loss", self.problem.loss(outputs, batch))
            value, size = loss if isinstance(loss, tuple) else (loss.sum(), loss.numel())
            gradients = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
            for block, gradient in zip(self.flat.blocks, gradients, strict=True):
                total[block.start : block.stop] += gradient.reshape(-1).cpu()
            count += float(size)
        return total.div_(count)


class _Whole(nn.Module):
    """A problem's forward pass as a module, so that its parameters can be replaced by name."""

    def __init__(self, problem: Problem, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._forward = problem.forward

    def forward(self, batch: Batch) -> Any:
        """Outputs of the model on a batch."""
        return self._forward(self.model, batch)


def widened(outputs: Any) -> Any:
    """Outputs with reduced floats as float32, whatever they are held in."""
    if isinstance(outputs, Tensor):
        return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
    return torch.utils._pytree.tree_map_only(Tensor, widened, outputs)


def cores() -> int:
    """Cores of this machine, without those that are only threads of another."""
    return psutil.cpu_count(logical=False) or 1
