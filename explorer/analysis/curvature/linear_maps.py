"""What a batch contributes to a matrix of second derivatives, as a linear map made once."""

from collections.abc import Callable

import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import DifferentiableModel, Parts
from explorer.problem import Batch, Outputs

LinearMap = Callable[[Parts], Parts]
MapMaker = Callable[
    [DifferentiableModel, Batch], tuple[LinearMap, float]
]  # a batch's linear map, and what it counts


def hessian(model: DifferentiableModel, batch: Batch) -> tuple[LinearMap, float]:
    """The Hessian of a batch's summed loss."""
    total, count = model.loss(model.outputs(batch), batch)
    slopes = model.gradients(total)
    return _derivative(slopes, model.parameters), count


def _derivative(of: Parts, by: Parts) -> LinearMap:
    """The transposed Jacobian of tensors: vectors in their shapes to vectors in those of `by`.

    Of a gradient it is the Hessian.
    """
    moving = [number for number, tensor in enumerate(of) if tensor.requires_grad]
    if not moving:
        return lambda vectors: [torch.zeros_like(tensor) for tensor in by]
    of = [of[number] for number in moving]

    def apply(vectors: Parts) -> Parts:
        if any(tensor.is_complex() for tensor in of):
            chosen_vectors = [vectors[number] for number in moving]
            return torch.autograd.grad(
                of, by, chosen_vectors, retain_graph=True, materialize_grads=True
            )
        # the gradient of a number: to check the shapes of given ones torch loads an algebra system
        pairs = zip(of, (vectors[number] for number in moving), strict=True)
        number = torch.stack([(tensor * vector).sum() for tensor, vector in pairs]).sum()
        return torch.autograd.grad(number, by, retain_graph=True, materialize_grads=True)

    return apply


def gauss_newton(model: DifferentiableModel, batch: Batch) -> tuple[LinearMap, float]:
    """J' (Hessian of the loss by the outputs) J, of a batch's summed loss.

    The Jacobian's own product is the derivative of its transpose's, so that nothing but double
    backward is asked of the model.

    Source: Schraudolph 2002, "Fast curvature matrix-vector products".
    """
    outputs, leaves, rejoined = _cut_at(model.outputs(batch))
    total, count = model.loss(rejoined, batch)
    slopes = torch.autograd.grad(total, leaves, create_graph=True, materialize_grads=True)
    curve = _derivative(slopes, leaves)
    forward, backward = jacobian(outputs, model.parameters)
    return lambda vectors: backward(curve(forward(vectors))), count


def residual(model: DifferentiableModel, batch: Batch) -> tuple[LinearMap, float]:
    """The Hessian less Gauss-Newton, of a batch's summed loss that depends on the outputs alone.

    It is the sum of the outputs' own second derivatives, weighed by the loss's slopes.
    """
    outputs, leaves, rejoined = _cut_at(model.outputs(batch))
    total, count = model.loss(rejoined, batch)
    slopes = torch.autograd.grad(total, leaves, materialize_grads=True)
    pairs = zip(outputs, slopes, strict=True)
    weighed = torch.stack([(output * slope).sum() for output, slope in pairs]).sum()
    return _derivative(model.gradients(weighed), model.parameters), count


def _cut_at(outputs: Outputs) -> tuple[Parts, Parts, Outputs]:
    """The tensors of the outputs that have a graph, leaves in their place, and the outputs so."""
    tensors, spec = torch.utils._pytree.tree_flatten(outputs)
    live = [n for n, t in enumerate(tensors) if isinstance(t, Tensor) and t.requires_grad]
    leaves = [tensors[n].detach().requires_grad_() for n in live]
    replaced = list(tensors)
    for number, leaf in zip(live, leaves, strict=True):
        replaced[number] = leaf
    rejoined = torch.utils._pytree.tree_unflatten(replaced, spec)
    return [tensors[n] for n in live], leaves, rejoined


def jacobian(of: Parts, by: Parts) -> tuple[LinearMap, LinearMap]:
    """Products with the Jacobian of tensors by others, and with its transpose."""
    duals = [torch.zeros_like(tensor).requires_grad_() for tensor in of]
    back = torch.autograd.grad(of, by, duals, create_graph=True, materialize_grads=True)
    return _derivative(back, duals), _derivative(of, by)
