"""What normalisations, attention, embeddings and layers that deal channels out do to them."""

import numpy as np

from explorer.analysis.symmetry.axes import (
    broadcast,
    expanded,
    mixed,
    reduced,
    squeezed,
    taken,
    transposed,
    unsqueezed,
)
from explorer.analysis.symmetry.channels import Labels
from explorer.analysis.symmetry.operations import matrix_product
from explorer.analysis.symmetry.reshaping import reshaped
from explorer.analysis.symmetry.rules import Call, Outcome, rule


@rule(
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_no_training",
    "cudnn_batch_norm",
    "_batch_norm_no_update",
    "_batch_norm_with_update",
    "_native_batch_norm_legit_functional",
)
def batch_norm(call: Call) -> Outcome:
    """Each channel by its own mean and variance, running or of the batch."""
    inputs, *others = (entry for entry in call.arguments[:5])
    behind = len(inputs.shape) - 2
    met = [entry for entry in others if isinstance(entry, Labels)]
    for _ in range(behind):
        met = [unsqueezed(entry, len(entry.shape)) for entry in met]
    if not met or len(inputs.shape) < 2:
        met = [entry for entry in met if len(inputs.shape) > 1]
    made = broadcast(call.channels, [inputs, *met])
    return [made, *(Labels.fixed(shape, "statistics of a batch") for shape in call.shapes[1:])]


@rule("native_layer_norm", "_fused_rms_norm", "rms_norm")
def layer_norm(call: Call) -> Outcome:
    """Each example by its mean and variance over the last axes."""
    inputs, normalized = call.arguments[:2]
    axes = range(len(inputs.shape) - len(normalized), len(inputs.shape))
    for axis in axes:
        inputs = mixed(call.channels, inputs, axis)
    made = broadcast(call.channels, [inputs, *call.tensors[1:]])
    statistics = reduced(call.channels, inputs, list(axes), keep=True)
    return [made, *(statistics for _ in call.shapes[1:])]


@rule("native_group_norm")
def group_norm(call: Call) -> Outcome:
    """Each group of channels by its mean and variance over space."""
    inputs, weight, bias, batch, count, _, groups = call.arguments[:7]
    blocks = (batch, groups, count // groups, *inputs.shape[2:])
    split = reshaped(call.channels, inputs, blocks)
    statistics = reduced(call.channels, split, range(2, len(blocks)), keep=True)
    made = reshaped(call.channels, broadcast(call.channels, [split, statistics]), inputs.shape)
    parts = [entry for entry in (weight, bias) if isinstance(entry, Labels)]
    for _ in inputs.shape[2:]:
        parts = [unsqueezed(entry, len(entry.shape)) for entry in parts]
    fixed = [Labels.fixed(shape, "statistics of a group") for shape in call.shapes[1:]]
    return [broadcast(call.channels, [made, *parts]), *fixed]


@rule(
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_attention_math",
)
def attention(call: Call) -> Outcome:
    """softmax(q k' / sqrt(d)) v over the last two axes."""
    queries, keys, values, *more = call.tensors
    order = [*range(len(keys.shape) - 2), -1, -2]
    scores = matrix_product(call.channels, queries, transposed(keys, order))
    scores = broadcast(call.channels, [scores, *more])
    made = matrix_product(call.channels, mixed(call.channels, scores, len(order) - 1), values)
    fixed = [Labels.fixed(shape, "inner values of attention") for shape in call.shapes[1:]]
    return [made, *fixed]


@rule("embedding")
def embedding(call: Call) -> Outcome:
    """Rows of the weights, by numbers that data give."""
    weight, numbers = call.arguments[:2]
    call.channels.fix(weight, 0, "an index")
    call.channels.fix_all(numbers, "an index")
    width = squeezed(reduced(call.channels, weight, [0], keep=True), [0])
    wide = expanded(width, (*numbers.shape, *width.shape))
    return [Labels(wide.shape, (*numbers.axes, *wide.axes[len(numbers.axes) :]))]


@rule("glu")
def gated(call: Call) -> Outcome:
    """The first half times the sigmoid of the second."""
    labels = call.tensors[0]
    axis = call.argument(1, "dim", -1) % len(labels.shape)
    half = labels.shape[axis] // 2
    halves = [taken(call.channels, labels, axis, np.arange(half) + start) for start in (0, half)]
    return [broadcast(call.channels, halves)]


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: Call) -> Outcome:
    """Channels dealt out to as many groups as they came from."""
    labels, groups = call.arguments[:2]
    batch, count, *space = labels.shape
    split = reshaped(call.channels, labels, (batch, groups, count // groups, *space))
    order = [0, 2, 1, *range(3, len(space) + 3)]
    return [reshaped(call.channels, transposed(split, order), labels.shape)]


@rule("pixel_shuffle")
def pixel_shuffle(call: Call) -> Outcome:
    """Channels that become positions beside each other."""
    labels, factor = call.arguments[:2]
    batch, count, height, width = labels.shape
    blocks = (batch, count // factor**2, factor, factor, height, width)
    split = transposed(reshaped(call.channels, labels, blocks), [0, 1, 4, 2, 5, 3])
    return [reshaped(call.channels, split, call.shapes[0])]


@rule("_weight_norm_interface", "_weight_norm")
def weight_norm(call: Call) -> Outcome:
    """Directions, each divided by its norm, times lengths."""
    directions, lengths = call.tensors
    for axis in range(len(directions.shape)):
        if axis in directions.channels and lengths.shape[axis] == 1:
            directions = mixed(call.channels, directions, axis)
    made = broadcast(call.channels, [directions, lengths])
    return [made, *(lengths for _ in call.shapes[1:])]
