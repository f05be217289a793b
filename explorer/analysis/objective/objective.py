"""The objective: one model's loss and metrics over fixed examples."""

import copy
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from explorer.analysis.objective import batchnorm, model_copies
from explorer.analysis.objective.batches import (
    channels_last,
    count_examples,
    slice_examples,
    to_device,
)
from explorer.analysis.objective.dataset import Span
from explorer.analysis.objective.device import core_count
from explorer.analysis.objective.example_values import ExampleValues, Where
from explorer.analysis.objective.examples import (
    Source,
    batch_spans,
    calibration_batches,
    examples_of_settings,
    fits_on_device,
    head_of,
    require_declared,
    resident_examples,
    size_of,
    split_of,
    subset_indices,
)
from explorer.analysis.objective.few_class_loss import FewClassLoss
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.forward_cost import forward_cost
from explorer.analysis.objective.functional_model import (
    FunctionalModel,
    named_views,
    widen_reduced_floats,
)
from explorer.analysis.objective.labels import require_classes
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.moved_parameters import moved_words
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.streaming import Stream
from explorer.kinds.execution import Choice
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Problem

DTYPES = {"float64": torch.float64}  # of parameters and data; float32 for every other precision
# Outputs of all operations on one batch: with fewer an operation is too short, with more its
# inputs have left the CPU's cache (measured: 32 to 64 images for a ResNet-20). The size follows
# from shapes alone, so that short work computes the same bits on every run.
BATCH_BYTES = {"cpu": 128 << 20, "cuda": 16 << 30, "mps": 1 << 30}
COPIES_BYTES = 512 << 20  # of parameters at several points at once
LANE_BYTES = 1 << 20  # a mean operation's output; below this cores do better with a point each


def _do_nothing() -> None:
    """Nothing is watched."""


class Objective:
    """Loss and metrics of each example of a split, at the parameters in `flat.theta`.

    The batches, the network and the order of operations follow a `Choice`; values do not, but for
    rounding. Nothing here waits for the device. Examples stay on the device where they fit;
    otherwise they are streamed at every pass, and `data` are the first few.
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
        self._dtype = dtype
        source = examples_of_settings(problem, settings)
        self.examples = size_of(source)
        self.available = size_of(split_of(problem, settings.split))
        self._streamed = None if fits_on_device(source, dtype, device) else source
        if self._streamed is None:
            self.data = resident_examples(source, dtype, device)
        else:
            self.data = to_device(head_of(source, problem.batch_size), dtype, device)
        self.loss_and_metrics = LossAndMetrics(problem)
        few = self._few
        self.flat = flat or model_copies.flat_model(problem, dtype, device, few)
        self.draws = model_copies.draws_random_numbers(self.flat, problem, few)
        self._undisturbed: bool | None = None  # not known until there are lanes
        self._check_draws()
        if settings.batchnorm != "frozen" and not batchnorm.layers(self.flat.module):
            raise ValueError(
                "batchnorm must be frozen for a model without BatchNorm layers, "
                f"got {settings.batchnorm!r}"
            )
        if settings.batchnorm != "frozen" and not self.flat.is_copy:
            raise ValueError(
                "batchnorm must be frozen for a model that cannot be copied, or whose copy gives "
                f"other values, got {settings.batchnorm!r}"
            )
        if settings.batchnorm != "frozen" and problem.batch_size:
            require_declared("batchnorm_batch", settings.batchnorm_batch, problem.batch_size)
        if settings.batchnorm == "batch":
            batchnorm.use_batch_statistics(self.flat.module)
        self._looked_at: set[Span] = set()  # batches whose labels are classes of the model
        self._calibration = calibration_batches(problem, settings, dtype, device)
        self.example_bytes, self.operations = forward_cost(self.flat, problem, self.data)
        self.use(choice or self.usual_choice())
        self.on_pass: Callable[[], None] = _do_nothing  # called before each pass over the data

    @property
    def names(self) -> list[str]:
        """What is measured: "loss" first, then the metrics."""
        return self.loss_and_metrics.names

    @property
    def source(self) -> Source:
        """All examples, where they lie: `data`, or else what is streamed."""
        return self.data if self._streamed is None else self._streamed

    @property
    def streams(self) -> bool:
        """Whether the examples are brought to the device anew at every pass."""
        return self._streamed is not None

    def _check_draws(self) -> None:
        """Refuse what cannot be one batch though it must be.

        Raises:
            ValueError: random numbers are drawn, and the examples are streamed.
        """
        if self.draws and self.streams:
            raise ValueError(
                "forward, loss or a metric draws random numbers from a seed that it sets, so that "
                f"values depend on the batch, and split {self.settings.split!r} is too large to be "
                "one: draw them once in problem(), or set max_examples"
            )

    @property
    def _few(self) -> Batch:
        """The first few examples, or the first batch that the problem declares."""
        many = self.problem.batch_size or model_copies.FEW
        return slice_examples(self.data, 0, min(many, count_examples(self.data)))

    @property
    def moved_facts(self) -> dict[str, Any]:
        """As "moved" which parameters move, in words, where it is not all."""
        moved = self.flat.moved
        return {} if moved is None else {"moved": moved_words(self.problem.model, moved)}

    @property
    def one_point_at_a_time(self) -> bool:
        """Whether points must be evaluated one at a time, by the model as it is written.

        So they must where it is the user's own object, or where random numbers are drawn.
        """
        return self.draws or not self.flat.is_copy

    @property
    def copies_are_independent(self) -> bool:
        """Whether copies of the model at several points do not disturb each other."""
        if self.one_point_at_a_time:
            return False
        if self._undisturbed is None:
            self._undisturbed = model_copies.copies_are_independent(
                self.flat, self.problem, self._few
            )
        return self._undisturbed

    def usual_choice(self) -> Choice:
        """What shapes alone suggest."""
        if self.draws:
            return Choice(batch=self.problem.batch_size or self.examples)
        most_examples = BATCH_BYTES[self.device.type] // self.example_bytes
        batch = min(self.examples, self.problem.batch_size or max(1, most_examples))
        small = self.example_bytes * batch / self.operations < LANE_BYTES
        if self.device.type == "cuda":  # a small operation takes less than its launch
            whole = (
                small
                and not self.streams
                and most_examples > self.examples
                and self.settings.batchnorm == "frozen"
            )
            model_copies = COPIES_BYTES // (
                self.flat.theta.numel() * self.flat.theta.element_size()
            )
            stacked = min(1024, most_examples // batch, max(1, model_copies))
            return Choice(batch=batch, stacked=stacked if whole else 1)
        cpu = self.device.type == "cpu" and not self.streams
        return Choice(batch=batch, lanes=self.most_lanes if cpu and small else 1)

    @property
    def most_lanes(self) -> int:
        """How many copies of the model may be evaluated at once: one a core, where they are small.

        Each has its parameters, and more of them would not be read faster from memory.
        """
        theta = self.flat.theta
        return max(1, min(core_count(), COPIES_BYTES // (theta.numel() * theta.element_size())))

    def use(self, choice: Choice) -> None:
        """Evaluate in this way from now on.

        Raises:
            ValueError: BatchNorm is to be folded and cannot be.
        """
        if self.between or self.streams or self.one_point_at_a_time:
            choice = replace(choice, stacked=1)
        if self.one_point_at_a_time:
            plain = self.examples if self.draws else choice.batch
            choice = Choice(batch=plain)
        if choice.lanes > 1 and not self.copies_are_independent:
            choice = replace(choice, lanes=1)
        if self.streams:  # several models would each load the data
            choice = replace(choice, lanes=1, traced=False, compiled=False, graph=False)
        if declared := self.problem.batch_size:
            choice = replace(choice, batch=min(declared, self.examples))
        self.choice = replace(choice, streamed=self.streams)
        wanted = batch_spans(self.examples, choice.batch, self.settings, self.problem.batch_size)
        self.batches = self._batches_of(wanted)
        self._quick: list[FewClassLoss | None] = []
        self._folded = None
        if choice.folded:
            if self.settings.batchnorm == "batch":
                raise ValueError("a batch's own statistics cannot be folded")
            example = slice_examples(self.data, 0, min(self.problem.batch_size or 2, self.examples))
            self._folded = batchnorm.FoldedNetwork(self.flat, self.problem, example)
        self.whole = FunctionalModel(self.problem, self.flat.module)
        self._stacked = torch.vmap(self._values_at, in_dims=(0, None))
        self._compiled: Callable[[Batch], list[Any]] | None = None
        if choice.compiled and choice.stacked > 1:
            self._stacked = torch.compile(self._stacked, dynamic=False)
        elif choice.compiled:
            self._compiled = torch.compile(self._values, dynamic=False)

    def _batches_of(self, wanted: list[Span]) -> Iterable[tuple[int, int, Batch]]:
        """The batches with their first example and that after the last, laid out as chosen."""
        laid_out = channels_last if self.choice.channels_last else lambda batch: batch
        if self._streamed is None:
            return [(a, b, laid_out(slice_examples(self.data, a, b))) for a, b in wanted]
        dtype, device = self._dtype, self.device  # not the objective, which would hold itself

        def ready(batch: Batch) -> Batch:
            return laid_out(to_device(batch, dtype, device))

        return Stream(self._streamed, wanted, ready, device.type == "cuda")

    def twin(self) -> "Objective":
        """The same objective with parameters of its own, sharing the data."""
        made = copy.copy(self)
        made.flat = self.flat.twin()
        made.use(self.choice)
        return made

    def with_first_examples(self, examples: int, precision: str = "") -> "Objective":
        """The same objective at the same point over its first examples, for measuring.

        Where examples are streamed, they are no more than those at hand. Batches that the problem
        declares stay whole.
        """
        if declared := self.problem.batch_size:
            examples = -(-examples // declared) * declared
        made = copy.copy(self)
        made.settings = replace(self.settings, precision=precision or self.settings.precision)
        if examples < self.examples:
            made._streamed, made.data = None, slice_examples(self.data, 0, examples)
            made.examples = count_examples(made.data)
        made.flat = self.flat.twin()
        made.use(self.choice)
        return made

    def load(self, point: Tensors) -> None:
        """Stand on a point: its parameters and its buffers."""
        self.flat.load(point)

    def empty_values(self, points: int) -> ExampleValues:
        """Room for the values at so many points."""
        return ExampleValues(self.names, points, self.examples, self.flat.theta)

    def follow_parameters(self, step: Tensor | None = None) -> None:
        """Follow the parameters: buffers between two points, statistics recomputed, folded anew.

        `step` (1,) says where between the points of `between` the parameters are; without one, or
        with an empty one, they are at the base.
        """
        with self.flat.at_theta():
            self._follow(step)

    def _follow(self, step: Tensor | None) -> None:
        if self.between and step is not None and len(step):
            batchnorm.interpolate(self.flat.module, self.between, step)
        if self._calibration:
            with self.autocast():
                forward = self.problem.forward
                batchnorm.recalibrate(self.flat.module, forward, self._calibration)
        if self._folded is not None:
            self._folded.refresh()

    @property
    def changing_tensors(self) -> list[Tensor]:
        """The tensors that change from point to point while buffers stay."""
        quick = (tensor for few in self._quick if few for tensor in few.intermediates)
        return [self.flat.theta, *self.flat.module.parameters(), *quick]

    def write(self, example_values: ExampleValues, point: int) -> None:
        """Enter the values of all examples at the present parameters."""
        for number, (start, stop, batch) in enumerate(self.batches):
            few = self._quick[number] if number < len(self._quick) else None
            few = self.enter(example_values, (point, start, stop), batch, few)
            if number == len(self._quick) and not self.streams:
                self._quick.append(few)

    def enter(
        self, example_values: ExampleValues, where: Where, batch: Batch, few: FewClassLoss | None
    ) -> FewClassLoss | None:
        """Enter the values of a batch at the present parameters; the quick way for it, if any."""
        if self._compiled is not None:
            example_values.put(*where, self._compiled(batch))
            return None
        outputs = self.outputs(batch)
        if where[1:] not in self._looked_at:
            self._require_classes(outputs, batch, where[1])
            self._looked_at.add(where[1:])
        few = few or self.loss_and_metrics.few_class(outputs, batch)
        self.loss_and_metrics.write(outputs, batch, few, example_values, where)
        return few

    def _require_classes(self, outputs: Any, batch: Batch, start: int) -> None:
        """Refuse a label that is none of the model's classes; `start` is the first example's place.

        Raises:
            DataError: there is one; it names the split and the example.
        """
        chosen = subset_indices(self.available, self.settings, self.problem.batch_size)

        def number(place: int) -> int:
            return start + place if chosen is None else int(chosen[start + place])

        require_classes(self.problem, outputs, batch, self.settings.split, number)

    def statistics(self) -> list[Tensor]:
        """Copies of the buffers that `moved` makes anew at every point."""
        if not self.between and not self._calibration:
            return []
        return [buffer.clone() for buffer in self.flat.buffers.values()]

    def take_statistics(self, kept: list[Tensor]) -> None:
        """Take buffers over from `statistics`, at the same parameters."""
        if kept:
            for buffer, value in zip(self.flat.buffers.values(), kept, strict=True):
                buffer.copy_(value)
        if self._folded is not None:
            self._folded.refresh()

    def means(self) -> dict[str, float]:
        """Mean of each term, and the loss's standard error, at the parameters as they stand."""
        example_values = self.empty_values(1)
        self.on_pass()
        with self.flat.at_theta(), torch.inference_mode():
            self.follow_parameters()
            self.write(example_values, 0)
        return {name: float(value[0]) for name, value in example_values.means_and_errors().items()}

    def outputs(self, batch: Batch) -> Any:
        """The network's outputs on a batch, in float32 at least."""
        module = self._folded.module if self._folded is not None else self.flat.module
        with self.flat.at_theta(), self.autocast():
            outputs = self.problem.forward(module, batch)
        return widen_reduced_floats(outputs) if self.settings.precision == "bf16" else outputs

    def autocast(self) -> Any:
        """bfloat16 where the precision asks for it; parameters stay float32."""
        if self.settings.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def stacked_write(self, example_values: ExampleValues, thetas: Tensor) -> None:
        """Enter the values at several points, parameters (K, D), with one launch per operation."""
        count = slice(0, len(thetas))
        with torch.no_grad(), self.autocast():
            for start, stop, batch in self.batches:
                example_values.put(count, start, stop, self._stacked(thetas, batch))

    def _values_at(self, theta: Tensor, batch: Batch) -> list[Any]:
        """The value of each term on a batch at parameters (D,)."""
        outputs = functional_call(self.whole, named_views(self.flat, theta), (batch,))
        return self.loss_and_metrics.fused_values(outputs, batch)

    def _values(self, batch: Batch) -> list[Any]:
        """The value of each term on a batch at the present parameters."""
        return self.loss_and_metrics.fused_values(self.outputs(batch), batch)
