"""The few numbers that a result comes down to: listed, searched, sorted and plotted by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np


@dataclass(frozen=True)
class ResultNumber:
    """A number with the ends of its 95 % interval, or of where it must lie; NaN where unknown."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def within(cls, value: float, error: float) -> "ResultNumber":
        """A number that is off by no more than its error, as an eigenvalue by its residual."""
        return cls(float(value), float(value - error), float(value + error))


@dataclass(frozen=True)
class NumberPair:
    """Two numbers of a model, or of a group of models."""

    name: str
    group: str  # "" where there are no groups
    x: ResultNumber
    y: ResultNumber


# Which end of a number is better, where nobody disputes it. Of sharpness, curvature, barriers and
# distances the field does not agree (Dinh et al. 2017, arXiv:1703.04933; Andriushchenko et al.
# 2023, arXiv:2302.07011), and the ends of a picture are no quality of a model.
BETTER = {"loss": "lower"}

ResultNumbers: TypeAlias = Mapping[str, ResultNumber]  # by names of lower-case letters, digits, _


def largest(values: np.ndarray) -> float:
    """The largest of the finite ones; NaN where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite.max()) if len(finite) else math.nan


def loss_numbers(loss: np.ndarray, stand_alone: float | None) -> dict[str, ResultNumber]:
    """Lowest and highest of the losses, and that of the model by itself.

    Args:
        loss: of any shape; what is not finite is left out.
        stand_alone: where it is known.
    """
    numbers = {}
    finite = loss[np.isfinite(loss)]
    if len(finite):
        numbers["lowest_loss"] = ResultNumber(float(finite.min()))
        numbers["highest_loss"] = ResultNumber(float(finite.max()))
    if stand_alone is not None:
        numbers["loss"] = ResultNumber(stand_alone)
    return numbers
