"""A model at a point, to be differentiated twice: its graph, its losses, and what goes wrong."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from explorer.analysis.curvature.convolutions import QuickLayers
from explorer.analysis.curvature.double_backward import differentiable_twice, is_rewritten
from explorer.analysis.objective.batches import channels_last, slice_examples, to_device
from explorer.analysis.objective.dataset import Examples
from explorer.analysis.objective.examples import examples_at
from explorer.analysis.objective.losses import as_value
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.analysis.objective.objective import Objective
from explorer.problem import Batch, Outputs

_NOT_TWICE = (
    "the operation {} of this model cannot be differentiated twice by torch; replace it in the "
    "problem file by one that can"
)
_WEIGHT_NORM = (
    "torch differentiates weight_norm twice wrongly, and it cannot be replaced in this model, "
    "which has no copy that gives its values; write the model without what it keeps of itself "
    "(a lambda over self, an open file), or without weight_norm"
)
Parts = Sequence[Tensor]  # one tensor per parameter, in their order


FEW = 4  # examples that show whether a way of differentiating is right
ROUNDING = 1000  # in units of the last place, between gradients in another order of operations


class CurvatureError(ValueError):
    """A model whose second derivatives cannot be had; the message says why and what to do."""


class NotFinite(CurvatureError):
    """A loss or a product with a vector that is NaN or infinite."""


class DifferentiableModel:
    """A private copy of the model at a point, whose parameters can be differentiated by."""

    def __init__(self, objective: Objective, examples: np.ndarray | None = None) -> None:
        """Copy the model as the objective holds it; over all its examples, or those chosen.

        Raises:
            CurvatureError: a setting or a part of the model allows no second derivative.
        """
        settings = objective.settings
        if settings.precision not in ("float32", "float64"):
            raise CurvatureError(
                f"precision must be float32 or float64 for curvature, got {settings.precision!r}: "
                "reduced products hide a residual of up to 30 times what is reported"
            )
        if settings.batchnorm != "frozen":
            raise CurvatureError(
                "batchnorm must be frozen for curvature, as its statistics would move with the "
                f"parameters, got {settings.batchnorm!r}"
            )
        self.problem, self.settings = objective.problem, settings
        if examples is not None and self.problem.batch_size:
            raise CurvatureError(
                "a matrix of chosen examples needs losses that do not depend on their batch, but "
                f"the problem declares a batch_size of {self.problem.batch_size}: ask for none "
                "of single batches"
            )
        self.data = examples_at(objective.source, examples)
        self.examples = objective.examples if examples is None else len(examples)
        self._numbers = np.arange(self.examples) if examples is None else examples
        self.flat = objective.flat.twin()
        if self.flat.is_copy:
            differentiable_twice(self.flat.module)
        elif is_rewritten(self.flat.module):
            raise CurvatureError(_WEIGHT_NORM)
        self.module, self.parameters = self.flat.module, self.flat.parameters
        self.draws = objective.traits.draws
        self.usual_batch = objective.usual_choice().batch
        self.numbers = self._numbers[:0]  # of the last batch's examples, among all; (B,)
        self._checked = False
        self._quick: QuickLayers | None = None
        self._lay_out: Callable[[Batch], Batch] | None = None
        if self.flat.is_copy and not self.draws:
            self._use_quick_layers()
            self.numbers = self._numbers[:0]

    def _use_quick_layers(self) -> None:
        """Go a quicker way from now on, where it gives the same loss and gradient."""
        quick = QuickLayers(self.module, self.problem.forward, self._few())
        if not quick:
            return
        plain = self._trial_gradient()
        layouts = [channels_last, None] if self.flat.theta.device.type == "cpu" else [None]
        for lay_out in layouts:
            self._quick, self._lay_out = quick, lay_out
            if plain is not None and _agree(plain, self._trial_gradient()):
                return
        self._quick = self._lay_out = None

    def _few(self) -> Batch:
        """The first few examples, or a whole batch of those that the problem declares."""
        return self.batch(0, self.fixed_batch or min(FEW, self.examples))

    def _trial_gradient(self) -> list[Tensor] | None:
        """The gradient over the first few examples; None where there is none."""
        try:
            with self.with_derivatives(), torch.enable_grad():
                batch = self._few()
                return self.gradients(self.loss(self.outputs(batch), batch)[0], kept=False)
        except Exception as error:  # whatever a user's code raises, here or where it is needed
            if is_out_of_memory(error):
                raise
            return None

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.flat.theta.numel()

    @property
    def fixed_batch(self) -> int | None:
        """Examples of each batch where it must not be cut otherwise: as declared, or all."""
        declared = self.problem.batch_size or (self.examples if self.draws else None)
        return declared and min(declared, self.examples)

    def with_derivatives(self) -> AbstractContextManager[object]:
        """A stretch in which the model stands on this point and has derivatives."""
        return self.flat.with_gradients()

    def batch(self, start: int, stop: int) -> Batch:
        """Examples from start to stop, on the device."""
        self.numbers = self._numbers[start:stop]
        if isinstance(self.data, Examples):
            batch = self.data.batch(range(start, stop))
        else:
            batch = slice_examples(self.data, start, stop)
        there = to_device(batch, self.flat.theta.dtype, self.flat.theta.device)
        return there if self._lay_out is None else self._lay_out(there)

    def outputs(self, batch: Batch) -> Outputs:
        """Outputs of the model on a batch, with their graph."""
        quick = self._quick.installed() if self._quick else contextlib.nullcontext()
        with sdpa_kernel(SDPBackend.MATH), quick:  # fused kernels have no second derivative
            return self.problem.forward(self.module, batch)

    def tensor_outputs(self, batch: Batch) -> Tensor:
        """Outputs of the model on a batch, with their graph, as they are needed one by one.

        Raises:
            CurvatureError: they are not one tensor.
        """
        outputs = self.outputs(batch)
        if not isinstance(outputs, Tensor):
            raise CurvatureError(
                f"the outputs must be one tensor here, got {type(outputs).__name__}; let forward "
                "return the logits"
            )
        return outputs

    def loss(self, outputs: Outputs, batch: Batch) -> tuple[Tensor, float]:
        """Sum of the loss over a batch, and what it counts.

        Raises:
            CurvatureError: it is not finite, or does not depend on the outputs.
        """
        value = as_value("loss", self.problem.loss(outputs, batch))
        total, count = value if isinstance(value, tuple) else (value.sum(), value.numel())
        if not bool(torch.isfinite(total)):
            raise NotFinite(
                f"the loss at this point is {float(total.detach())}, so that it has no curvature; "
                "choose another point"
            )
        self._check(total)
        return total, float(count)

    def _check(self, total: Tensor) -> None:
        """Refuse what has no gradient and, once, what differentiates to 0 without a word.

        Raises:
            CurvatureError: the loss does not depend on the parameters; the model uses reentrant
                checkpointing, or an operation marked as differentiable once, whose second
                derivative torch leaves out where derivatives by chosen tensors are asked for.
        """
        if not total.requires_grad:
            raise CurvatureError(
                "the loss must be differentiable by the parameters, but has no gradient; does it "
                "call .detach() or .item(), or count instead of measure?"
            )
        if self._checked:
            return
        seen, todo = set(), [total.grad_fn]
        while todo:
            node = todo.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node.name() == "CheckpointFunctionBackward":
                raise CurvatureError(
                    "reentrant checkpointing of this model gives no derivatives here; build it "
                    "with use_reentrant=False, or without checkpointing"
                )
            if (operation := _only_once(node)) is not None:
                raise CurvatureError(_NOT_TWICE.format(operation))
            todo.extend(inner for inner, _ in node.next_functions)
        self._checked = True

    def per_example(self, batch: Batch) -> Tensor:
        """The loss of each example of a batch, (B,), with its graph.

        Raises:
            CurvatureError: the problem's loss is a sum and a count.
        """
        value = as_value("loss", self.problem.loss(self.outputs(batch), batch))
        if isinstance(value, tuple):
            raise CurvatureError(
                "the loss must give one value per example for an empirical Fisher matrix or a "
                "covariance of gradients, got a sum and a count; ask for neither of them"
            )
        self._check(value)
        return value

    def split(self, vector: Tensor) -> list[Tensor]:
        """Views of a vector (D,) in the shapes of the parameters."""
        return [vector[b.start : b.stop].view(b.shape) for b in self.flat.blocks]

    def flat_vector(self, parts: Parts) -> Tensor:
        """The inverse of `split`, as a new vector."""
        return torch.cat([part.reshape(-1) for part in parts])

    def gradients(self, of: Tensor, kept: bool = True) -> list[Tensor]:
        """Derivatives of a number by the parameters; with their graph if kept."""
        return list(
            torch.autograd.grad(of, self.parameters, create_graph=kept, materialize_grads=True)
        )


def _agree(one: Parts, other: Parts | None) -> bool:
    """Whether two gradients are the same but for rounding."""
    if other is None:
        return False
    pairs = [(a.double(), b.double()) for a, b in zip(one, other, strict=True)]
    size = sum(float(a.square().sum()) for a, _ in pairs) ** 0.5
    apart = sum(float((a - b).square().sum()) for a, b in pairs) ** 0.5
    return apart <= ROUNDING * torch.finfo(one[0].dtype).eps * size


@contextlib.contextmanager
def explain_torch_errors() -> Iterator[None]:
    """Errors of differentiation as sentences.

    Raises:
        CurvatureError: an operation cannot be differentiated twice; it is named.
    """
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        if isinstance(error, CurvatureError) or is_out_of_memory(error):
            raise
        text = str(error)
        named = re.search(r"derivative for '?(?:aten::)?_?(\w+?)(?:_backward)?'? is not impl", text)
        if named:
            raise CurvatureError(_NOT_TWICE.format(named[1])) from error
        raise


def _only_once(node: object) -> str | None:
    """The name of a node's own operation where `once_differentiable` wraps its backward."""
    own = getattr(type(node), "_forward_cls", None)
    code = getattr(getattr(own, "backward", None), "__code__", None)
    marked = code is not None and code.co_filename == torch.autograd.function.__file__
    return own.__name__ if own is not None and marked else None
