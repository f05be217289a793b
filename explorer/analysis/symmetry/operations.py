"""What arithmetic, sums, products, convolutions and pooling do to channels."""

import numpy as np

from explorer.analysis.symmetry.axes import (
    broadcast,
    concatenated,
    expanded,
    mixed,
    reduced,
    squeezed,
    taken,
    transposed,
    unsqueezed,
)
from explorer.analysis.symmetry.channels import UNIFORM, Channels, Labels
from explorer.analysis.symmetry.reshaping import reshaped
from explorer.analysis.symmetry.rules import Call, Outcome, rule

KERNEL = "positions of a kernel"
SPACE = "positions that a window moves over"


@rule(
    *("abs", "relu", "gelu", "silu", "sigmoid", "tanh", "hardtanh", "leaky_relu", "elu", "celu"),
    *("selu", "softplus", "hardswish", "hardsigmoid", "mish", "neg", "exp", "expm1", "log"),
    *("log1p", "log2", "sqrt", "rsqrt", "square", "sin", "cos", "tan", "atan", "erf", "erfc"),
    *("sign", "reciprocal", "clamp", "clamp_min", "clamp_max", "clone", "detach", "alias"),
    *("contiguous", "_to_copy", "to", "lift_fresh", "lift_fresh_copy", "threshold", "floor"),
    *("ceil", "round", "trunc", "frac", "isnan", "isinf", "logical_not", "bitwise_not"),
    *("nan_to_num", "log_sigmoid_forward", "hardshrink", "softshrink", "relu6", "asinh"),
    *("sinh", "cosh", "acosh", "atanh", "asin", "acos", "logit", "_conj", "positive"),
    *("add", "sub", "rsub", "mul", "div", "pow", "maximum", "minimum", "where", "eq", "ne", "lt"),
    *("le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or"),
    *("atan2", "addcmul", "addcdiv", "lerp", "fmod", "remainder", "masked_fill", "prelu"),
    *("_prelu_kernel", "floor_divide", "xlogy", "true_divide", "hypot", "copy"),
)
def elementwise(call: Call) -> Outcome:
    """Position by position."""
    met = broadcast(call.channels, call.tensors)
    if met.shape != call.shapes[0]:
        met = expanded(met, call.shapes[0])
    return [met, *(Labels.fixed(shape, f"the operation {call.name}") for shape in call.shapes[1:])]


@rule("native_dropout", "dropout", "feature_dropout", "alpha_dropout")
def as_it_is(call: Call) -> Outcome:
    """Nothing changes; a mask is like what it masks."""
    return [call.tensors[0]] * len(call.shapes)


@rule(
    *("zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "new_zeros", "new_ones"),
    *("new_full", "scalar_tensor", "empty", "new_empty", "empty_like", "fill", "zero"),
)
def constant(call: Call) -> Outcome:
    """The same value everywhere."""
    return [Labels(shape, (UNIFORM,) * len(shape)) for shape in call.shapes]


@rule("arange", "linspace", "eye", "tril_indices", "triu_indices")
def numbered(call: Call) -> Outcome:
    """Values that stand in an order."""
    return [Labels.fixed(shape, "a constant") for shape in call.shapes]


@rule(
    "sum",
    "mean",
    "amax",
    "amin",
    "var",
    "std",
    "prod",
    "any",
    "all",
    "logsumexp",
    "var_mean",
    "std_mean",
    "linalg_vector_norm",
    "norm",
    "max",
    "min",
)
def reduction(call: Call) -> Outcome:
    """A value over axes, in whatever order they are."""
    labels = call.tensors[0]
    if call.name in ("max", "min") and len(call.tensors) == 2:
        return elementwise(call)
    place = 2 if call.name in ("linalg_vector_norm", "norm") else 1
    axes = call.argument(place, "dim")
    if axes is None or isinstance(axes, bool) or (isinstance(axes, list) and not axes):
        axes = list(range(len(labels.shape)))
    axes = [axes] if isinstance(axes, int) else list(axes)
    if call.name in ("max", "min") and len(call.shapes) == 2:  # with the place of the largest
        for axis in axes:
            call.channels.fix(labels, axis % len(labels.shape), f"the operation {call.name}")
    dimensions = len(call.shapes[0])
    keep = dimensions == len(labels.shape) and dimensions > 0
    return [reduced(call.channels, labels, axes, keep)] * len(call.shapes)


@rule("_softmax", "_log_softmax", "softmax", "log_softmax", "_safe_softmax")
def softmax(call: Call) -> Outcome:
    """Values divided by their sum along an axis."""
    labels = call.tensors[0]
    return [mixed(call.channels, labels, call.argument(1, "dim") % len(labels.shape))]


@rule("mm", "bmm", "mv", "dot", "matmul")
def product(call: Call) -> Outcome:
    """A product of matrices, or of many."""
    first, second = call.tensors
    return [matrix_product(call.channels, first, second)]


def matrix_product(channels: Channels, first: Labels, second: Labels) -> Labels:
    """A product position by position, summed over the last axis of the first."""
    one = unsqueezed(first, -1) if len(second.shape) > 1 else first
    other = unsqueezed(second, -3) if len(second.shape) > 1 and len(first.shape) > 1 else second
    if len(second.shape) > 1 and len(first.shape) == 1:
        return reduced(channels, broadcast(channels, [one, second]), [-2])
    axis = -2 if len(second.shape) > 1 else -1
    return reduced(channels, broadcast(channels, [one, other]), [axis])


@rule("addmm", "baddbmm", "addmv")
def product_and_sum(call: Call) -> Outcome:
    """A product of matrices to which something is added."""
    added, first, second = call.tensors
    return [broadcast(call.channels, [added, matrix_product(call.channels, first, second)])]


@rule("linear")
def linear(call: Call) -> Outcome:
    """A product with transposed weights, and a bias."""
    inputs, weight, *bias = call.tensors
    made = matrix_product(call.channels, inputs, transposed(weight, [1, 0]))
    return [broadcast(call.channels, [made, *bias])]


@rule("convolution", "_convolution")
def convolution(call: Call) -> Outcome:
    """Sums over input channels and over positions of a kernel."""
    channels, groups = call.channels, call.arguments[8]
    inputs, weight = call.arguments[:2]
    inputs = _window(channels, inputs, 2, SPACE)
    weight = _window(channels, weight, 2, KERNEL)
    if call.arguments[6]:  # transposed: (in, out a group, ...)
        into, out = weight.shape[:2]
        weight = reshaped(channels, weight, (groups, into // groups, out))
        weight = transposed(weight, [0, 2, 1])
    else:
        out, into = weight.shape[:2]
        weight = reshaped(channels, weight, (groups, out // groups, into))
    batch = inputs.shape[0]
    split = reshaped(channels, inputs, (batch, groups, 1, inputs.shape[1] // groups))
    made = reduced(channels, broadcast(channels, [split, weight]), [-1])
    made = reshaped(channels, made, (batch, call.shapes[0][1]))
    if isinstance(call.arguments[2], Labels):
        made = broadcast(channels, [made, call.arguments[2]])
    return [_in_space(made, call.shapes[0])]


def _window(channels: Channels, labels: Labels, start: int, why: str) -> Labels:
    """The first axes alone; the others, which a window moves over, are fixed."""
    for axis in range(start, len(labels.shape)):
        channels.fix(labels, axis, why)
        labels = mixed(channels, labels, axis)
    flat = Labels(
        (*labels.shape[:start], *(1 for _ in labels.shape[start:])),
        (*labels.axes[:start], *(UNIFORM for _ in labels.shape[start:])),
    )
    return squeezed(flat, range(start, len(labels.shape)))


def _in_space(labels: Labels, shape: tuple[int, ...]) -> Labels:
    """The same with positions in space behind."""
    start = len(labels.shape)
    for _ in shape[start:]:
        labels = unsqueezed(labels, len(labels.shape))
    space = Labels.fixed(shape[start:], SPACE)
    return Labels(shape, (*labels.axes[:start], *space.axes))


@rule(
    *("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "avg_pool1d"),
    *("max_pool3d_with_indices", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d"),
    *("adaptive_avg_pool2d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "upsample_nearest1d"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d", "upsample_nearest2d", "upsample_bilinear2d"),
    *("upsample_nearest3d", "upsample_bicubic2d", "upsample_linear1d", "reflection_pad1d"),
    *("reflection_pad2d", "replication_pad1d", "replication_pad2d", "_upsample_bilinear2d_aa"),
)
def over_space(call: Call) -> Outcome:
    """A window that moves over the last axes; all others stay as they are."""
    labels = call.tensors[0]
    digits = [int(letter) for letter in call.name if letter.isdigit()]
    flat = _window(call.channels, labels, len(labels.shape) - digits[0], SPACE)
    return [_in_space(flat, shape) for shape in call.shapes]


@rule("constant_pad_nd")
def pad(call: Call) -> Outcome:
    """One value before and behind, along the last axes."""
    labels, widths = call.arguments[:2]
    for number in range(len(widths) // 2):
        axis = len(labels.shape) - 1 - number
        labels = _padded(call.channels, labels, axis, widths[2 * number], widths[2 * number + 1])
    return [labels]


def _padded(channels: Channels, labels: Labels, axis: int, before: int, behind: int) -> Labels:
    if before < 0 or behind < 0:
        places = np.arange(max(0, -before), labels.shape[axis] - max(0, -behind))
        labels = taken(channels, labels, axis, places)
    if axis not in labels.channels:
        shape = list(labels.shape)
        shape[axis] += max(0, before) + max(0, behind)
        fixed = "a padded axis" if shape[axis] > 1 else UNIFORM
        axes = [fixed if k == axis else entry for k, entry in enumerate(labels.axes)]
        return Labels(tuple(shape), tuple(axes))

    def values(width: int) -> Labels:
        shape = tuple(width if k == axis else 1 for k in range(len(labels.shape)))
        return Labels(shape, (UNIFORM,) * len(shape))

    parts = [values(before)] if before > 0 else []
    parts += [labels, *([values(behind)] if behind > 0 else [])]
    wide = tuple(size for k, size in enumerate(labels.shape) if k != axis)
    parts = [expanded(part, (*wide[:axis], part.shape[axis], *wide[axis:])) for part in parts]
    return concatenated(channels, parts, axis)
