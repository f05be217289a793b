"""The objective: one model's loss and metrics over fixed examples."""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor, nn

from explorer.analysis.objective import batchnorm, model_copies
from explorer.analysis.objective.batch_values import BatchValues
from explorer.analysis.objective.batches import (
    channels_last,
    count_examples,
    slice_examples,
    tensors_of,
)
from explorer.analysis.objective.device import device_title
from explorer.analysis.objective.device_examples import DeviceExamples, calibration_batches
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.example_values import ExampleValues, Where
from explorer.analysis.objective.examples import Source, batch_spans
from explorer.analysis.objective.few_class_loss import FewClassLoss
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.forward_cost import forward_cost
from explorer.analysis.objective.functional_model import FunctionalModel
from explorer.analysis.objective.fused_convolutions import fused_network
from explorer.analysis.objective.labels import LabelCheck
from explorer.analysis.objective.losses import LossAndMetrics
from explorer.analysis.objective.model_traits import ModelTraits
from explorer.analysis.objective.moved_parameters import moved_words
from explorer.analysis.objective.moving_buffers import MovingBuffers
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.superposition import BatchOutputs, batch_outputs, superposable
from explorer.analysis.objective.usual_choice import Workload
from explorer.codec import JsonValue
from explorer.kinds.execution import Choice
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Batch, Outputs, Problem

DTYPES = {"float64": torch.float64}  # of parameters and data; float32 for every other precision


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
        *,
        flat: FlatModel | None = None,
    ) -> None:
        """Copy model and data to the device; or the data alone, beside a model that is there.

        Raises:
            ValueError: no such split, an empty or ragged or too small one; or the model does not
                allow the settings.
        """
        self.problem = problem
        self.settings = settings
        self.device = device
        dtype = DTYPES.get(settings.precision, torch.float32)
        self._split = DeviceExamples(problem, settings, dtype, device)
        self.loss_and_metrics = LossAndMetrics(problem)
        first_count = min(problem.batch_size or model_copies.FEW, count_examples(self.data))
        few = slice_examples(self.data, 0, first_count)
        self.flat = flat or model_copies.flat_model(problem, dtype, device, few)
        self.traits = ModelTraits(self.flat, problem, few)
        self.traits.check(settings, self.streams)
        if settings.batchnorm == "batch":
            batchnorm.use_batch_statistics(self.flat.module)
        self._calibration = calibration_batches(problem, settings, dtype, device)
        self._check_labels = LabelCheck(problem, settings, self.available)
        self.example_bytes, self.operations = forward_cost(self.flat, problem, self.data)
        self.use(choice or self.usual_choice())
        self.on_pass: Callable[[], None] = _do_nothing  # called before each pass over the data

    @property
    def names(self) -> list[str]:
        """What is measured: "loss" first, then the metrics."""
        return self.loss_and_metrics.names

    @property
    def examples(self) -> int:
        """How many examples the objective is over."""
        return self._split.count

    @property
    def available(self) -> int:
        """How many examples the split has."""
        return self._split.available

    @property
    def data(self) -> Batch:
        """All examples on the device; where they are streamed, the first few."""
        return self._split.data

    @property
    def source(self) -> Source:
        """All examples, where they lie: `data`, or else what is streamed."""
        return self._split.source

    @property
    def streams(self) -> bool:
        """Whether the examples are brought to the device anew at every pass."""
        return self._split.streams

    @property
    def facts(self) -> dict[str, JsonValue]:
        """What every answer says of its objective: its examples, parameters, device.

        As "moved" stands which parameters move, in words, where it is not all.
        """
        moved = self.flat.moved
        return {
            "examples": self.examples,
            "available": self.available,
            "parameters": self.flat.theta.numel(),
            "device": device_title(self.device),
            **({} if moved is None else {"moved": moved_words(self.problem.model, moved)}),
        }

    @property
    def workload(self) -> Workload:
        """What the evaluation of one point takes."""
        theta = self.flat.theta
        narrower = 2 if self.settings.precision == "bf16" else 1  # than it was counted in
        return Workload(
            device=self.device.type,
            examples=self.examples,
            declared_batch=self.problem.batch_size,
            example_bytes=max(1, self.example_bytes // narrower),
            operations=self.operations,
            parameter_bytes=theta.numel() * theta.element_size(),
            streams=self.streams,
            frozen=self.settings.batchnorm == "frozen",
        )

    def usual_choice(self) -> Choice:
        """What shapes alone suggest."""
        if self.traits.draws:
            return Choice(batch=self.problem.batch_size or self.examples)
        return self.workload.usual_choice

    def use(self, choice: Choice) -> None:
        """Evaluate in this way from now on, as far as model and data allow it.

        Raises:
            ValueError: BatchNorm is to be folded, or convolutions fused, and they cannot be.
        """
        self.choice = self.traits.allowed_choice(
            choice,
            examples=self.examples,
            streams=self.streams,
            interpolates=bool(self.between),
        )
        declared = self.problem.batch_size
        spans = batch_spans(self.examples, self.choice.batch, self.settings, declared)
        lay_out = channels_last if self.choice.channels_last else _as_it_is
        self.batches: Iterable[tuple[int, int, Batch]] = self._split.batches(spans, lay_out)
        self._quick: list[FewClassLoss | None] = []
        self.superposed: Mapping[int, BatchOutputs] = {}  # by a batch's first example
        self._step: Tensor | None = None
        self._folded = self._folded_network() if self.choice.folded else None
        self._values = BatchValues(
            self.problem, self.settings.precision, self.flat, self.choice, self._network()
        )

    @property
    def superposed_bytes(self) -> int:
        """What a superposition keeps for each direction; 0 where there is nothing to superpose."""
        few = self._few(2)
        values = sum(superposable(self.flat, self.problem, few).values())
        return values * self.examples // count_examples(few) * self.flat.theta.element_size()

    def superpose(self, directions: Tensor) -> None:
        """Keep what layers put out that see the data alone, along directions (m, D) from here.

        Raises:
            ValueError: there is no such layer, in some batch at least.
        """
        names = superposable(self.flat, self.problem, self._few(2))
        if not names:
            raise ValueError("the model must have a linear layer that sees the data alone")
        self.superposed = {
            start: batch_outputs(self.flat, self.problem, batch, names, directions)
            for start, _, batch in self.batches
        }

    def _few(self, count: int) -> Batch:
        """The first few examples, or a whole batch of those that the problem declares."""
        return slice_examples(self.data, 0, min(self.problem.batch_size or count, self.examples))

    def _network(self) -> nn.Module:
        """What is evaluated in the model's place."""
        network = self._folded.module if self._folded is not None else self.flat.module
        if not self.choice.fused:
            return network
        example = tensors_of(channels_last(self._few(2)))[0]
        return fused_network(network, example, narrow=self.settings.precision == "bf16")

    def _folded_network(self) -> batchnorm.FoldedNetwork:
        policy = self.settings.batchnorm
        return batchnorm.folded_network(self.flat, self.problem, self._few(2), policy)

    @property
    def functional(self) -> FunctionalModel:
        """The forward pass as a function of named parameters."""
        return self._values.functional

    def twin(self) -> "Objective":
        """The same objective with parameters of its own, sharing the data."""
        twin = copy.copy(self)
        twin.flat = self.flat.twin()
        twin.use(self.choice)
        twin.superposed = self.superposed
        return twin

    def with_first_examples(self, examples: int, precision: str = "") -> "Objective":
        """The same objective at the same point over its first examples, for measuring.

        Where examples are streamed, they are no more than those at hand. Batches that the problem
        declares stay whole.
        """
        if declared := self.problem.batch_size:
            examples = -(-examples // declared) * declared
        part = copy.copy(self)
        part.settings = replace(self.settings, precision=precision or self.settings.precision)
        part._split = self._split.first(examples)
        part.flat = self.flat.twin()
        part.use(self.choice)
        return part

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
        self._step = step
        with self.flat.at_theta():
            self.moving_buffers.follow(step)

    @property
    def moving_buffers(self) -> MovingBuffers:
        """The buffers that `follow_parameters` makes anew at every point."""
        return MovingBuffers(
            self.flat,
            self.problem,
            self._values.autocast,
            self.between,
            self._calibration,
            self._folded,
        )

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
        if self._values.compiled is not None:
            example_values.put(*where, self._values.compiled(batch))
            return None
        outputs = self._outputs_at_step(batch, where[1])
        self._check_labels(outputs, batch, where[1:])
        few = few or self.loss_and_metrics.few_class(outputs, batch)
        self.loss_and_metrics.write(outputs, batch, few, example_values, where)
        return few

    def means(self) -> dict[str, float]:
        """Mean of each term, and the loss's standard error, at the parameters as they stand."""
        example_values = self.empty_values(1)
        self.on_pass()
        with self.flat.at_theta(), evaluation_mode():
            self.follow_parameters()
            self.write(example_values, 0)
        return {name: float(value[0]) for name, value in example_values.means_and_errors().items()}

    def outputs(self, batch: Batch) -> Outputs:
        """The network's outputs on a batch, in float32 at least."""
        return self._values.outputs(batch)

    def _outputs_at_step(self, batch: Batch, start: int) -> Outputs:
        """The outputs on the batch that starts there, where the parameters were followed to."""
        if not self.superposed or self._step is None:
            return self.outputs(batch)
        return self._values.superposed_outputs(batch, self.superposed[start], self._step)

    def stacked_write(self, example_values: ExampleValues, thetas: Tensor, steps: Tensor) -> None:
        """Enter the values at several points, with one launch per operation.

        Args:
            example_values: take them.
            thetas: parameters, (K, D).
            steps: along the directions, (K, m).
        """
        count = slice(0, len(thetas))
        for start, stop, batch in self.batches:
            kept = self.superposed.get(start, {})
            values = self._values.stacked(thetas, batch, kept, steps)
            example_values.put(count, start, stop, values)


def _as_it_is(batch: Batch) -> Batch:
    """The batch."""
    return batch
