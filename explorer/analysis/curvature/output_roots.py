"""Square roots of the second derivatives of a loss by the outputs, where these have a known form.

With L such a root, L L', the Gauss-Newton matrix is A A' for A = J' L: a random vector of the
outputs needs one pass backward, where one of the parameters needs a product.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from explorer.analysis.curvature.differentiable import CurvatureError, DifferentiableModel, Parts
from explorer.analysis.objective.batches import to_device
from explorer.analysis.objective.memory import is_out_of_memory
from explorer.problem import Batch

SAME = 1e-6  # relative, of products in float64
TINY = 1e-30  # the least that a probability is divided by

Root = Callable[[Tensor], Tensor]  # of the outputs' shape to the same


class NoRootError(CurvatureError):
    """Second derivatives by the outputs that have none of the known forms."""


class OutputRoot:
    """A = J' L of a batch's summed loss, for vectors in the outputs' shape."""

    def __init__(self, outputs: Tensor, parameters: Parts, root: Root) -> None:
        self.size, self.like = outputs.numel(), outputs.detach().new_empty(0)
        self._outputs, self._parameters, self._root = outputs, parameters, root

    def __call__(self, vectors: Parts) -> Parts:
        """The parts of a gradient that a vector of as many numbers as there are outputs gives."""
        slopes = self._root(vectors[0].view_as(self._outputs)).to(self._outputs)
        return torch.autograd.grad(
            self._outputs, self._parameters, slopes, retain_graph=True, materialize_grads=True
        )


def output_root(model: DifferentiableModel, batch: Batch) -> tuple[OutputRoot, float]:
    """The root for a batch, and what its loss counts.

    Raises:
        NoRootError: as `root_and_count` does.
    """
    outputs = rooted_outputs(model, batch)
    root, count = root_and_count(model, outputs.detach(), batch)
    return OutputRoot(outputs, model.parameters, root), count


def rooted_outputs(model: DifferentiableModel, batch: Batch) -> Tensor:
    """Outputs of the model on a batch, with their graph.

    Raises:
        NoRootError: they are not one real tensor.
    """
    outputs = model.outputs(batch)
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        raise NoRootError("the outputs are not one real tensor")
    return outputs


def root_and_count(model: DifferentiableModel, outputs: Tensor, batch: Batch) -> tuple[Root, float]:
    """L of the second derivatives of a batch's loss by the outputs, and what the loss counts.

    Their form is seen by the derivatives themselves, in float64, whoever wrote the loss.

    Raises:
        NoRootError: it is none of those known, or the loss depends on parameters by itself.
    """
    try:
        curve, count = _curve_and_count(model, outputs.double(), batch)
        return _known_form(curve, outputs.double()).root, count
    except (CurvatureError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise NoRootError(str(error)) from error


def _curve_and_count(
    model: DifferentiableModel, outputs: Tensor, batch: Batch
) -> tuple[Root, float]:
    """Products with the second derivatives by the outputs."""
    leaf = outputs.detach().requires_grad_()
    total, count = model.loss(leaf, to_device(batch, leaf.dtype, leaf.device))
    by_itself = torch.autograd.grad(total, model.parameters, retain_graph=True, allow_unused=True)
    if any(slope is not None for slope in by_itself):
        raise NoRootError("the loss depends on parameters by itself")
    (slopes,) = torch.autograd.grad(total, leaf, create_graph=True)
    if not slopes.requires_grad:
        return torch.zeros_like, count

    def curve(vector: Tensor) -> Tensor:
        (product,) = torch.autograd.grad(
            (slopes * vector).sum(), leaf, retain_graph=True, materialize_grads=True
        )
        return product

    return curve, count


def _known_form(curve: Root, outputs: Tensor) -> "_Diagonal | _Multinomial":
    """The form that products with the second derivatives by the outputs are seen to have."""
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, *outputs.shape, generator=random, dtype=outputs.dtype)
    first, second = first.to(outputs.device), second.to(outputs.device)
    product, wanted = curve(first), curve(second)
    tolerance = SAME * torch.linalg.vector_norm(wanted)
    axes = {1: None, outputs.dim() - 1: None} if outputs.dim() > 1 else {}
    for axis in axes:
        form = _Multinomial.of(product, first, outputs, axis)
        if torch.linalg.vector_norm(form.product(second) - wanted) <= tolerance:
            return form
    diagonal = _Diagonal(curve(torch.ones_like(outputs)).clamp(min=0))
    if torch.linalg.vector_norm(diagonal.product(second) - wanted) <= tolerance:
        return diagonal
    raise NoRootError("the loss is neither one of each output by itself nor a cross-entropy")


@dataclass(frozen=True)
class _Diagonal:
    """Each output has a loss of its own: squared errors, yes or no, counts."""

    entries: Tensor  # in the outputs' shape, not negative

    def product(self, vector: Tensor) -> Tensor:
        """The product with a vector."""
        return self.entries * vector

    def root(self, vector: Tensor) -> Tensor:
        """That of the root."""
        return self.entries.sqrt() * vector


@dataclass(frozen=True)
class _Multinomial:
    """w (diag p - p p') for each label: a cross-entropy of classes, weighed."""

    weights: Tensor  # w, 1 along the axis of the classes; 0 for labels that do not count
    shares: Tensor  # p
    axis: int

    @classmethod
    def of(cls, product: Tensor, vector: Tensor, outputs: Tensor, axis: int) -> "_Multinomial":
        """With the weights that come nearest to a product with a vector."""
        plain = cls(outputs.new_ones(()), outputs.softmax(axis), axis)
        mine = plain.product(vector)
        along = (product * mine).sum(axis, keepdim=True)
        squares = mine.square().sum(axis, keepdim=True)
        weights = torch.where(squares > 0, along / squares, 0.0).clamp(min=0)
        return cls(weights, plain.shares, axis)

    def product(self, vector: Tensor) -> Tensor:
        """The product with a vector."""
        mean = (self.shares * vector).sum(self.axis, keepdim=True)
        return self.weights * self.shares * (vector - mean)

    @property
    def root(self) -> Root:
        """The map of the Cholesky factor, the likely classes first.

        In that order most of a label's curvature is in few columns, and where two classes share the
        probability it is in one, whose sign does not matter to a norm. With q what is left after a
        class, a column has the entry sqrt(p q / (q + p)), and -p_i sqrt(p / (q (q + p))) below.

        Source: Tanabe and Sagae 1992, "An exact Cholesky decomposition and the generalized inverse
        of the variance-covariance matrix of the multinomial distribution".
        """
        shares, order = self.shares.movedim(self.axis, -1).sort(-1, descending=True)
        left = shares.flip(-1).cumsum(-1).flip(-1)  # with the class itself
        rest = pad(left[..., 1:], (0, 1))
        own = (shares * rest / left.clamp(min=TINY)).sqrt()
        below = (shares / (rest * left).clamp(min=TINY)).sqrt() * (rest > 0)
        size = self.weights.movedim(self.axis, -1).sqrt()

        def root(vector: Tensor) -> Tensor:
            signs = vector.movedim(self.axis, -1)
            earlier = pad((below * signs).cumsum(-1)[..., :-1], (1, 0))
            sorted_product = size * (own * signs - shares * earlier)
            return (
                torch.empty_like(sorted_product)
                .scatter_(-1, order, sorted_product)
                .movedim(-1, self.axis)
            )

        return root
