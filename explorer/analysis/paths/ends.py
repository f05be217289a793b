"""The ends of a path: their parameters, how far they are apart, what normalises between them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import STRETCH
from explorer.codec import JsonValue


def flat_points(objective: Objective, subjects: Sequence[Tensors]) -> list[Tensor]:
    """Both ends, and between them the bends that follow them among the subjects; (D,) each.

    The objective is left standing on the first.
    """
    points = []
    for subject in (*subjects[1:], subjects[0]):
        objective.load(subject)
        points.append(objective.flat.theta.clone())
    last, *bends, first = points
    return [first, *bends, last]


def require_finite_ends(first: Tensor, last: Tensor) -> None:
    """Refuse ends of which no path can be made.

    Raises:
        ValueError: one is not finite.
    """
    for name, point in (("first", first), ("second", last)):
        if not bool(torch.isfinite(point).all()):
            raise ValueError(
                f"the {name} point must have finite parameters, got NaN or infinity; choose another"
            )


def moving_buffers(objective: Objective, second: Tensors) -> batchnorm.Ends:
    """The buffers that differ between the objective's point and a second one."""
    other = objective.with_first_examples(objective.examples)
    other.load(second)
    return batchnorm.differing_buffers(objective.flat, other.flat)


def check_statistics(objective: Objective) -> None:
    """Refuse to keep statistics frozen along a path past bends, between which nobody knows them.

    Raises:
        ValueError: the model has BatchNorm, and its statistics are to be frozen.
    """
    if batchnorm.layers(objective.flat.module) and objective.settings.batchnorm == "frozen":
        raise ValueError(
            "batchnorm must be recalibrated or batch along a path with bends, between which nobody "
            "knows the running statistics, got 'frozen'; choose recalibrated"
        )


def put_own_values(
    values: Mapping[str, np.ndarray], t: np.ndarray, own: Sequence[Mapping[str, float]]
) -> None:
    """Give both ends, wherever the places are these, the values of the two points by themselves.

    Where running statistics are recomputed, those of a point of the path are not the model's own,
    which both ends keep: they are the two models.

    Args:
        values: by name, (T,) each; changed in place.
        t: the places, (T,): 0 at the first point, 1 at the second.
        own: the values of each end, by name.
    """
    for end, end_values in zip((0.0, 1.0), own, strict=True):
        for name, value in end_values.items():
            values[name][t == end] = value


def chord_facts(first: Tensor, second: Tensor) -> dict[str, JsonValue]:
    """Distance and cosine of two points (D,), and their norms."""
    product, lengths = 0.0, []
    for pair in zip(first.split(STRETCH), second.split(STRETCH), strict=True):
        one, other = (point.to("cpu", torch.float64) for point in pair)
        product += float(one @ other)
        lengths.append([float(v.norm()) for v in (one, other, other - one)])
    *norms, distance = (math.hypot(*along) for along in zip(*lengths, strict=True))
    return {
        "distance": distance,
        "points_cosine": product / max(norms[0] * norms[1], torch.finfo(torch.float64).tiny),
        "point_norms": norms,
    }


def statistics_words(objective: Objective) -> str:
    """What normalises between the points, in words; empty for a model without BatchNorm."""
    if not batchnorm.layers(objective.flat.module) and not objective.between:
        return ""
    return {
        "frozen": "interpolated between the two points' own",
        "recalibrated": "recomputed at every point",
        "batch": "each batch's own",
    }[objective.settings.batchnorm]
