"""What a problem file declares: a model, its data, its loss; and ready losses.

A problem file is a Python file with one function, `problem(**arguments) -> Problem`. It is run only
in a worker.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.experiment import Experiment
from explorer.game import Player

PerToken = tuple[Tensor, Tensor]  # sum over what counts, and how much that is
NO_LABEL = -(2**31) + 1  # what no data set has for a label
# A batch: a tensor, or a tuple, named tuple or dict of such, that share a first dimension.
if TYPE_CHECKING:
    Batch = Tensor | Sequence["Batch"] | Mapping[str, "Batch"]
else:  # a name cannot stand for itself while the program runs
    Batch = Tensor | Sequence | Mapping
Outputs = object  # what a model gives: mostly a tensor, else what its loss knows
PerBatch = Callable[..., Tensor | tuple[Tensor, float | Tensor]]  # of outputs and batch


def first_input(model: nn.Module, batch: Batch) -> Outputs:
    """Outputs of the model on the first entry of the batch, or on a batch that is one tensor.

    Raises:
        ValueError: the batch is a dict, whose entries have names and no order to go by.
    """
    if isinstance(batch, Mapping):
        raise ValueError(
            f"a batch that is a dict has no first input, only {', '.join(map(str, batch))}; give "
            "the problem a forward, such as own_forward, or lambda model, batch: model(batch[...])"
        )
    return model(batch if isinstance(batch, Tensor) else batch[0])


def own_forward(model: nn.Module, batch: Batch) -> Outputs:
    """Outputs of a model called with the entries of a dict, as Hugging Face models are.

    Raises:
        TypeError: the batch is none.
    """
    if not isinstance(batch, Mapping):
        raise TypeError(f"the batch must be a dict of the model's arguments, got {type(batch)}")
    return model(**batch)


@contextlib.contextmanager
def derivatives() -> Iterator[None]:
    """A stretch of `forward` or `loss` in which `torch.autograd.grad` works.

    Points are evaluated with nothing recorded. A residual of a differential equation differentiates
    its outputs by its inputs; with `create_graph=True` the parameters can follow.
    `torch.func` needs no such stretch.
    """
    with torch.inference_mode(False), torch.enable_grad():
        yield


@dataclass(frozen=True)
class Problem:
    """A model with the data and the loss that make its loss surface.

    `loss` and each of `metrics` are called as `f(outputs, batch)` and return either one value per
    example, shape (B,), or the pair (sum over the batch, count), so that any batch weighs right.

    A split is a batch of all its examples, or a map-style data set (`__len__` and `__getitem__`)
    whose examples are tensors or numbers, or tuples or dicts of them, always the same at an index.

    Where an example's value depends on the others of its batch (contrastive losses, BatchNorm
    without running statistics, a loss centred by its mean over the batch), `batch_size` says how
    large a batch is. Batches are then consecutive in the split's order (of the examples drawn,
    beside `max_examples`), the last one may be smaller, and losses, gradients and curvature are
    over these batches, never cut or joined: of values (B,) the mean over examples, of pairs
    (sum, count) the sum of the sums over that of the counts.

    Directions, surfaces and curvature are over the parameters that `parameters` names, each by a
    pattern as of file names, for the whole name or what follows any of its dots: "lora_*" is
    `blocks.0.lora_A` too. Unless given, they are over those with `requires_grad`. The others stay
    as the checkpoint has them.
    """

    model: nn.Module  # holds the architecture; its weights come from a checkpoint
    data: Mapping[str, object]  # split name -> tensors with a common first dimension, or a data set
    loss: PerBatch
    metrics: Mapping[str, PerBatch] = field(default_factory=dict)
    forward: Callable[[nn.Module, Batch], Outputs] = first_input
    max_examples: int | None = None  # of a larger split so many are drawn, without replacement
    examples_seed: int = 0  # of that draw
    batch_size: int | None = None  # of the batches that the loss is defined on; any unless given
    # Patterns such as "lora_*" of the parameters that move; those with requires_grad unless given
    parameters: str | Sequence[str] | None = None
    # What it measures itself beside its loss, by name: see `explorer.experiment`
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    # Where several players share the model, by name: see `explorer.game`
    players: Mapping[str, Player] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn; one pattern becomes a tuple.

        Raises:
            ValueError: there would be no examples, the seed is none, or patterns are no texts.
        """
        if isinstance(self.parameters, str):
            object.__setattr__(self, "parameters", (self.parameters,))
        patterns = self.parameters
        if patterns is not None and (not patterns or not all(isinstance(p, str) for p in patterns)):
            raise ValueError(f'parameters must be patterns such as "lora_*", got {patterns!r}')
        if self.max_examples is not None and self.max_examples < 1:
            raise ValueError(f"max_examples must be at least 1 or None, got {self.max_examples}")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, got {self.batch_size}")
        if not 0 <= self.examples_seed < 2**32:
            raise ValueError(f"examples_seed must be from 0 to 2^32 - 1, got {self.examples_seed}")


def cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of each example in nats, (B,), as torch means it, with no label left out.

    Logits (B, C) or (B, C, ...) against labels, `batch["labels"]` of a dict, else `batch[1]`: whole
    numbers from 0 to C - 1, (B,) or (B, ...), or shares of the classes in the logits' shape.
    """
    labels = labels_of(batch)
    if labels.is_floating_point() and labels.dim() == outputs.dim() > 1:
        _require_shape("shares of the classes", labels, outputs.shape)
    else:
        labels = _classes(outputs, labels, 1)
    # -100, which torch leaves out of its mean, would be a 0 in ours
    return functional.cross_entropy(outputs, labels, ignore_index=NO_LABEL, reduction="none")


def accuracy(outputs: Tensor, batch: Batch) -> Tensor:
    """1 where the largest logit is the label, else 0, shape (B,) or (B, ...); logits as above.

    Raises:
        ValueError: there is one logit alone, or labels have another shape.
    """
    if outputs.dim() < 2 or (not torch.jit.is_tracing() and outputs.shape[1] < 2):
        raise ValueError(
            f"accuracy needs one logit per class, (B, C), got shape {tuple(outputs.shape)}; for "
            "one logit write lambda outputs, batch: ((outputs > 0).flatten() == "
            "batch[1].flatten()).float()"
        )
    labels = labels_of(batch)
    _require_shape("labels", labels, _without(outputs.shape, 1))
    return (outputs.argmax(dim=1) == labels).to(torch.float32)


def squared_error(outputs: Tensor, batch: Batch) -> Tensor:
    """Squared error of each example, averaged over its outputs, shape (B,).

    Outputs (B, 1) against targets (B,), or the other way round, are one number each.

    Raises:
        ValueError: the shapes differ otherwise; torch would repeat one to fit the other.
    """
    targets = labels_of(batch)
    if not torch.jit.is_tracing() and not _single(outputs) == _single(targets) == len(targets):
        _require_shape("targets", targets, outputs.shape)
    errors = (outputs - targets.reshape(outputs.shape)).square()
    return errors.flatten(1).mean(dim=1) if errors.dim() > 1 else errors


def token_cross_entropy(outputs: Tensor, batch: Batch, ignored: int = -100) -> PerToken:
    """Sum of the cross-entropy in nats over the tokens that count, and their number.

    Logits (B, T, V) against labels (B, T), each the token to predict there; or (B, V) against (B,)
    where some examples' labels are to be left out. The mean over a split
    is that of torch's `cross_entropy(..., ignore_index=ignored)` over all its tokens at once,
    however they are cut into batches. One value per example, which a standard error needs, could
    not be: a mean over examples weighs the tokens of a short one more.

    Args:
        outputs: logits.
        batch: its labels are `batch["labels"]` of a dict, else `batch[1]`.
        ignored: label of the tokens that do not count.
    """
    labels = _classes(outputs, labels_of(batch), -1)
    return _label_sums(outputs.flatten(0, -2), labels.flatten(), ignored)


def pixel_cross_entropy(outputs: Tensor, batch: Batch, ignored: int = 255) -> PerToken:
    """Sum of the cross-entropy in nats over the pixels that count, and their number.

    Logits (B, C, H, W) against labels (B, H, W); weighed as by `token_cross_entropy`. Another
    label to ignore: `functools.partial(pixel_cross_entropy, ignored=0)`.
    """
    return _label_sums(outputs, _classes(outputs, labels_of(batch), 1), ignored)


def own_loss(outputs: object, batch: Batch, shift: int = 1, ignored: int = -100) -> PerToken:
    """The loss that a Hugging Face model computes itself, as (sum, count); with `own_forward`.

    `outputs.loss` is a mean over the tokens that count in the batch. Times their number it is the
    sum, but for one rounding, so that batches weigh by their tokens and one without any weighs
    nothing. Some models compute their loss in float32 whatever the precision.

    Args:
        outputs: what the model returned, with `loss`.
        batch: a dict with `labels`, (B, T) or (B,).
        shift: how many first labels of each sequence the model leaves out. 1 for a causal language
            model, which predicts each token from those before; 0 for masked, sequence-to-sequence
            and classification models: `functools.partial(own_loss, shift=0)`.
        ignored: label of the tokens that do not count.

    Raises:
        ValueError: the batch has no labels, or the model did not return a single number.
    """
    loss = getattr(outputs, "loss", None)
    labels = batch.get("labels") if isinstance(batch, Mapping) else None
    if not isinstance(labels, Tensor) or not isinstance(loss, Tensor) or loss.dim():
        raise ValueError(
            "the batch must be a dict with labels, of which the model makes one number as "
            "outputs.loss; compute the loss from the logits instead, as token_cross_entropy does"
        )
    count = (labels[:, shift:] if shift else labels).ne(ignored).sum()
    wide = torch.promote_types(loss.dtype, torch.float32)  # bfloat16 cannot count beyond 256
    mean = torch.where(count > 0, loss.to(wide), 0.0)  # the mean of no token is NaN
    return mean * count, count


def _label_sums(logits: Tensor, labels: Tensor, ignored: int) -> PerToken:
    """Sum over the labels that count, and their number; 0 and 0 where there is none."""
    total = functional.cross_entropy(logits, labels, ignore_index=ignored, reduction="sum")
    return total, labels.ne(ignored).sum()


def labels_of(batch: Batch) -> Tensor:
    """The labels or targets of a batch: `batch["labels"]` of a dict, else `batch[1]`.

    Raises:
        ValueError: it has none.
    """
    if isinstance(batch, Mapping) and "labels" in batch:
        return _one_tensor(batch["labels"])
    if isinstance(batch, Tensor | Mapping) or len(batch) < 2:
        named = isinstance(batch, Mapping)
        what = f"a dict of {', '.join(map(str, batch))}" if named else "one tensor"
        raise ValueError(
            'the labels must be batch["labels"] of a dict or batch[1] of a tuple, got '
            f"{what}; name them so, or write the loss yourself"
        )
    return _one_tensor(batch[1])


def _one_tensor(labels: Batch) -> Tensor:
    """The labels, where they are one tensor.

    Raises:
        ValueError: they are several.
    """
    if not isinstance(labels, Tensor):
        raise ValueError(
            f"the labels must be one tensor, got {type(labels).__name__}; write the loss yourself"
        )
    return labels


def _classes(outputs: Tensor, labels: Tensor, axis: int) -> Tensor:
    """Labels that are numbers of classes, as torch's losses take them, in the shape that fits.

    Raises:
        ValueError: they have another shape, or are no whole numbers.
    """
    if outputs.dim() < 2:
        raise ValueError(
            f"the logits must be one per class and example, got shape {tuple(outputs.shape)}; for "
            "one logit per example write the loss by F.binary_cross_entropy_with_logits"
        )
    _require_shape("labels", labels, _without(outputs.shape, axis))
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(
            f"labels must be whole numbers of classes, got {labels.dtype}; make them whole by "
            "labels.long()"
        )
    return labels.long()


def _single(values: Tensor) -> int:
    """The number of examples of values (B,) or (B, 1), -1 for any other shape."""
    return len(values) if values.shape[1:] in ((), (1,)) else -1


def _without(shape: torch.Size, axis: int) -> tuple[int, ...]:
    """A shape without one of its axes."""
    return tuple(size for place, size in enumerate(shape) if place != axis % len(shape))


def _require_shape(what: str, given: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse what torch would repeat to fit, or has no meaning for.

    Raises:
        ValueError: it has another shape.
    """
    if torch.jit.is_tracing():
        return  # a record is made of what has been computed before, and has no numbers for shapes
    if tuple(given.shape) != tuple(expected):
        raise ValueError(
            f"{what} must have shape {tuple(expected)} beside these outputs, got "
            f"{tuple(given.shape)}; reshape one of them in the problem file"
        )
