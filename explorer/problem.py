"""What a problem file declares: a model, its data, its loss; and ready losses.

A problem file is a Python file with one function, `problem(**arguments) -> Problem`. It is run only
in a worker.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

PerToken = tuple[Tensor, Tensor]  # sum over what counts, and how much that is
Batch = Any  # tuple, list or dict of tensors that share their first dimension
PerBatch = Callable[[Any, Batch], Tensor | tuple[Tensor, int | Tensor]]


def first_input(model: nn.Module, batch: Batch) -> Any:
    """Outputs of the model on the first tensor of the batch."""
    return model(batch[0])


def own_forward(model: nn.Module, batch: Batch) -> Any:
    """Outputs of a model called with the entries of a dict, as Hugging Face models are."""
    return model(**batch)


@contextlib.contextmanager
def derivatives() -> Iterator[None]:
    """A stretch of `forward` or `loss` in which `torch.autograd.grad` works.

    Points are evaluated in inference mode, which records nothing. A residual of a differential
    equation differentiates its outputs by its inputs; with `create_graph=True` they can be
    differentiated by the parameters as well. `torch.func` needs no such stretch.
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

    Directions, surfaces and curvature are over the parameters that `parameters` names, each by a
    pattern as of file names, for the whole name or what follows any of its dots: "lora_*" is
    `blocks.0.lora_A` too. Unless given, they are over those with `requires_grad`. The others stay
    as the checkpoint has them.
    """

    model: nn.Module  # holds the architecture; its weights come from a checkpoint
    data: Mapping[str, Any]  # split name -> tensors with a common first dimension, or a data set
    loss: PerBatch
    metrics: Mapping[str, PerBatch] = field(default_factory=dict)
    forward: Callable[[nn.Module, Batch], Any] = first_input
    max_examples: int | None = None  # of a larger split so many are drawn, without replacement
    examples_seed: int = 0  # of that draw
    # Patterns such as "lora_*" of the parameters that move; those with requires_grad unless given
    parameters: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn; one pattern becomes a tuple.

        Raises:
            ValueError: there would be no examples, the seed is none, or patterns are no texts.
        """
        if isinstance(self.parameters, str):
            object.__setattr__(self, "parameters", (self.parameters,))
        chosen = self.parameters
        if chosen is not None and (not chosen or not all(isinstance(p, str) for p in chosen)):
            raise ValueError(f'parameters must be patterns such as "lora_*", got {chosen!r}')
        if self.max_examples is not None and self.max_examples < 1:
            raise ValueError(f"max_examples must be at least 1 or None, got {self.max_examples}")
        if not 0 <= self.examples_seed < 2**32:
            raise ValueError(f"examples_seed must be from 0 to 2^32 - 1, got {self.examples_seed}")


def cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy of each example in nats, (B,): logits (B, C) against labels `batch[1]` (B,)."""
    return functional.cross_entropy(outputs, batch[1], reduction="none")


def accuracy(outputs: Tensor, batch: Batch) -> Tensor:
    """1 where the largest logit is the label, else 0, shape (B,)."""
    return (outputs.argmax(dim=1) == batch[1]).to(torch.float32)


def squared_error(outputs: Tensor, batch: Batch) -> Tensor:
    """Squared error of each example, averaged over its outputs, shape (B,)."""
    return (outputs - batch[1]).square().flatten(1).mean(dim=1)


def token_cross_entropy(outputs: Tensor, batch: Batch, ignored: int = -100) -> PerToken:
    """Sum of the cross-entropy in nats over the tokens that count, and their number.

    Logits (B, T, V) against labels (B, T), each the token to predict there. The mean over a split
    is that of torch's `cross_entropy(..., ignore_index=ignored)` over all its tokens at once,
    however they are cut into batches. One value per example, which a standard error needs, could
    not be: a mean over examples weighs the tokens of a short one more.

    Args:
        outputs: logits.
        batch: its labels are `batch["labels"]` of a dict, else `batch[1]`.
        ignored: label of the tokens that do not count.
    """
    return _counted(outputs.flatten(0, 1), _labels(batch).flatten(), ignored)


def pixel_cross_entropy(outputs: Tensor, batch: Batch, ignored: int = 255) -> PerToken:
    """Sum of the cross-entropy in nats over the pixels that count, and their number.

    Logits (B, C, H, W) against labels (B, H, W); weighed as by `token_cross_entropy`. Another
    label to ignore: `functools.partial(pixel_cross_entropy, ignored=0)`.
    """
    return _counted(outputs, _labels(batch), ignored)


def own_loss(outputs: Any, batch: Batch, shift: int = 1, ignored: int = -100) -> PerToken:
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
    if not isinstance(batch, Mapping) or "labels" not in batch or loss is None or loss.dim():
        raise ValueError(
            "the batch must be a dict with labels, of which the model makes one number as "
            "outputs.loss; compute the loss from the logits instead, as token_cross_entropy does"
        )
    labels = batch["labels"]
    count = (labels[:, shift:] if shift else labels).ne(ignored).sum()
    wide = torch.promote_types(loss.dtype, torch.float32)  # bfloat16 cannot count beyond 256
    mean = torch.where(count > 0, loss.to(wide), 0.0)  # the mean of no token is NaN
    return mean * count, count


def _counted(logits: Tensor, labels: Tensor, ignored: int) -> PerToken:
    """Sum over the labels that count, and their number; 0 and 0 where there is none."""
    total = functional.cross_entropy(logits, labels.long(), ignore_index=ignored, reduction="sum")
    return total, labels.ne(ignored).sum()


def _labels(batch: Batch) -> Tensor:
    return batch["labels"] if isinstance(batch, Mapping) else batch[1]
