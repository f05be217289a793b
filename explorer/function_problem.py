"""A function of n numbers as a problem: written with NumPy or torch, without modules or data.

from explorer.function_problem import function_problem

def problem():
    return function_problem(lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2, [-1.2, 1])
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from explorer.problem import Batch, Problem

OfArray = Callable[[np.ndarray], object]  # of a point (n,): a number, or what its name says
SPLIT = "train"  # as every setting expects; it has one example, which says nothing
FIRST_STEP = float(np.finfo(np.float64).eps ** (1 / 3))  # of differences of exact values
MOST_DIFFERENCES = 10_000  # parameters: a gradient takes 2 calls of each
SECOND_STEP = 1e-3  # of differences of gradients that are differences themselves


def function_problem(
    f: Callable[..., object],
    start: Sequence[float] | np.ndarray,
    gradient: OfArray | None = None,
    hessian: OfArray | None = None,
    *,
    of_tensors: bool = False,
) -> Problem:
    """The problem whose loss is f at the parameters.

    Where no gradient is given, slopes are central differences of f (2 n calls), and products with
    the Hessian central differences of gradients; the model's printed form says which.

    Args:
        f: of an array (n,) of float64, a number; with `of_tensors` of a tensor (n,), a tensor of
            no dimension that torch can differentiate.
        start: the parameters (n,) that the model has before a checkpoint is loaded.
        gradient: of an array (n,), the gradient (n,).
        hessian: of an array (n,), the Hessian (n, n).
        of_tensors: f is torch code: all derivatives are its own.

    Raises:
        ValueError: the start is no finite point, or derivatives are given beside torch code.
    """
    if of_tensors and (gradient is not None or hessian is not None):
        raise ValueError("with of_tensors=True torch differentiates f: give no gradient or hessian")
    for name, code in {"f": f, "gradient": gradient, "hessian": hessian}.items():
        if not callable(code) and (code is not None or name == "f"):
            raise ValueError(f"{name} must be a function, got {type(code).__name__}")
    point = _real("start", start)
    if point.ndim != 1 or not point.size or not np.isfinite(point).all():
        raise ValueError(f"start must be one row of finite numbers, got {start!r}")
    if of_tensors:
        model: FunctionModel = FunctionModel(point, f, "by torch", "by torch")
    else:
        numpy_code = NumpyCode(f, gradient, hessian)
        model = FunctionModel(point, numpy_code.at_tensor, *numpy_code.derivative_words)
    return Problem(model, {SPLIT: torch.zeros(1, 1)}, loss=function_value, forward=_forward)


class FunctionModel(nn.Module):
    """The parameters of a function, as one row: a matrix, which random directions can follow."""

    def __init__(
        self, point: np.ndarray, f: Callable[..., object], slopes: str, curved: str
    ) -> None:
        """Begin at a point.

        Args:
            point: (n,).
            f: of a tensor (n,), a tensor of no dimension.
            slopes: how the gradient is made, in words.
            curved: how products with the Hessian are made, in words.
        """
        super().__init__()
        self.point = nn.Parameter(torch.tensor(point)[None])
        self.function = f
        self.words = (slopes, curved)

    def forward(self) -> Tensor:
        """The function's value, of no dimension."""
        value = self.function(self.point[0])
        if not isinstance(value, Tensor) or value.dim():
            sort = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"the function must return a tensor of no dimension, got {sort}")
        return value

    def extra_repr(self) -> str:
        """What torch prints of it: how derivatives are made."""
        slopes, curved = self.words
        return f"{self.point.numel()} parameters, gradient {slopes}, Hessian {curved}"


def _forward(model: nn.Module, batch: Batch) -> Tensor:
    """The value, once for each example: there is one, which says nothing."""
    return model().expand(len(batch))


def function_value(outputs: Tensor, batch: Batch) -> Tensor:
    """The function's value."""
    return outputs


class NumpyCode:
    """A function in NumPy with its derivatives, given or by differences."""

    def __init__(self, f: OfArray, gradient: OfArray | None, hessian: OfArray | None) -> None:
        """Keep what is given."""
        self._f, self._gradient, self._hessian = f, gradient, hessian

    @property
    def derivative_words(self) -> tuple[str, str]:
        """How the gradient and products with the Hessian are made."""
        slopes = "as given" if self._gradient else "by central differences"
        return slopes, "as given" if self._hessian else "by central differences of the gradient"

    def at_tensor(self, point: Tensor) -> Tensor:
        """The value at a tensor (n,), which torch can differentiate twice."""
        return _Value.apply(point, self)

    def value(self, point: np.ndarray) -> np.ndarray:
        """The value, of no dimension."""
        return _shaped("f", self._f(point.copy()), ())

    def gradient(self, point: np.ndarray) -> np.ndarray:
        """The gradient (n,)."""
        if self._gradient is not None:
            return _shaped("gradient", self._gradient(point.copy()), point.shape)
        if len(point) > MOST_DIFFERENCES:
            raise ValueError(
                f"f must have at most {MOST_DIFFERENCES:,} parameters for slopes by differences, "
                f"got {len(point):,}; give function_problem a gradient, or torch code"
            )
        slopes = np.empty(len(point))
        for n, step in enumerate(FIRST_STEP * np.maximum(1.0, np.abs(point))):
            above, below = point.copy(), point.copy()
            above[n] += step
            below[n] -= step
            slopes[n] = (self.value(above) - self.value(below)) / (2 * step)
        return slopes

    def product(self, point: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """The Hessian times a vector, (n,)."""
        if self._hessian is not None:
            size = len(point)
            return _shaped("hessian", self._hessian(point.copy()), (size, size)) @ vector
        length = np.linalg.norm(vector)
        if length == 0 or not np.isfinite(length):
            return vector * 0.0
        usual = FIRST_STEP if self._gradient is not None else SECOND_STEP
        step = usual * max(1.0, float(np.abs(point).max())) * vector / length
        turned = self.gradient(point + step) - self.gradient(point - step)
        return turned * (length / (2 * np.linalg.norm(step)))


def _shaped(name: str, values: object, shape: tuple[int, ...]) -> np.ndarray:
    """What the user's code returned, as an array; of another shape it is refused."""
    array = _real(f"what {name} returns", values)
    if array.size == 1 and not shape:
        return array.reshape(())
    if array.shape != shape:
        wanted = "one number" if not shape else f"shape {shape}"
        raise ValueError(f"{name} must return {wanted}, got shape {array.shape}")
    return array


def _real(what: str, values: object) -> np.ndarray:
    """Values as an array of float64.

    Raises:
        ValueError: they are no real numbers; NumPy would take None for NaN, and of a complex number
            the real part.
    """
    try:
        array = np.asarray(values)
        exact = array.dtype.kind == "O" and not any(value is None for value in array.flat)
        if exact or array.dtype.kind in "biuf":  # fractions and large whole numbers are objects
            return array.astype(np.float64)
        reason = type(values).__name__ if not array.ndim else f"an array of {array.dtype}"
    except (TypeError, ValueError, OverflowError) as error:
        reason = str(error)
    raise ValueError(f"{what} must be real numbers, got {reason}")


@torch.compiler.disable
def _numpy_result(code: Callable[..., np.ndarray], like: Tensor, *tensors: Tensor) -> Tensor:
    """A result of NumPy code on these tensors, in float64 whatever theirs is, as one like this."""
    arrays = (tensor.detach().cpu().double().numpy() for tensor in tensors)
    with np.errstate(all="ignore"):  # what overflows is stored as it is
        result = code(*arrays)
    return torch.as_tensor(result, dtype=like.dtype, device=like.device)


def _each(apply: Callable[..., Tensor], dims: Sequence[int | None], *tensors: Tensor) -> Tensor:
    """The results for each entry of a batch dimension, stacked: for `torch.vmap`."""
    size = next(
        tensor.shape[dim] for tensor, dim in zip(tensors, dims, strict=True) if dim is not None
    )
    rows = [
        [
            tensor if dim is None else tensor.select(dim, n)
            for tensor, dim in zip(tensors, dims, strict=True)
        ]
        for n in range(size)
    ]
    return torch.stack([apply(*row) for row in rows])


class _Value(torch.autograd.Function):
    """f at a point; its slope is `_Gradient`."""

    @staticmethod
    def forward(point: Tensor, code: NumpyCode) -> Tensor:
        return _numpy_result(code.value, point, point)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
        point, ctx.code = inputs
        ctx.save_for_backward(point)

    @staticmethod
    def backward(ctx, slope: Tensor):  # type: ignore[no-untyped-def]
        (point,) = ctx.saved_tensors
        return slope * _Gradient.apply(point, ctx.code), None

    @staticmethod
    def vmap(info, in_dims, point: Tensor, code: NumpyCode):  # type: ignore[no-untyped-def]
        return _each(lambda one: _Value.apply(one, code), in_dims[:1], point), 0


class _Gradient(torch.autograd.Function):
    """The gradient at a point; its derivative along a vector is `_Product`."""

    @staticmethod
    def forward(point: Tensor, code: NumpyCode) -> Tensor:
        return _numpy_result(code.gradient, point, point)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
        point, ctx.code = inputs
        ctx.save_for_backward(point)

    @staticmethod
    def backward(ctx, vector: Tensor):  # type: ignore[no-untyped-def]
        (point,) = ctx.saved_tensors
        return _Product.apply(point, vector, ctx.code), None

    @staticmethod
    def vmap(info, in_dims, point: Tensor, code: NumpyCode):  # type: ignore[no-untyped-def]
        return _each(lambda one: _Gradient.apply(one, code), in_dims[:1], point), 0


class _Product(torch.autograd.Function):
    """The Hessian at a point times a vector, in which it is linear; not differentiated further."""

    @staticmethod
    def forward(point: Tensor, vector: Tensor, code: NumpyCode) -> Tensor:
        return _numpy_result(code.product, point, point, vector)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
        point, _, ctx.code = inputs
        ctx.save_for_backward(point)

    @staticmethod
    def backward(ctx, other: Tensor):  # type: ignore[no-untyped-def]
        (point,) = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            raise NotImplementedError(
                "third derivatives of NumPy code are not known; write the function with torch and "
                "of_tensors=True"
            )
        return None, _Product.apply(point, other, ctx.code), None

    @staticmethod
    def vmap(info, in_dims, point: Tensor, vector: Tensor, code: NumpyCode):  # type: ignore[no-untyped-def]
        return _each(lambda *both: _Product.apply(*both, code), in_dims[:2], point, vector), 0
