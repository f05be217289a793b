"""Chains about a point drawn: the learning coefficient so far, their losses, how far they went."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import numpy as np

from explorer.kinds.learning_coefficient import LearningCoefficientLook
from explorer.kinds.learning_coefficient_result import LearningCoefficient
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.colours import SERIES_COLOURS, SERIES_GREY
from explorer.render.marks.curve import Curve, Row

MOST_PLACES = 400  # of a curve: more draws are drawn as means of neighbours
AT_POINT = "at the point"
Curves = dict[str, Curve]


def draw(
    result: LearningCoefficient,
    look: LearningCoefficientLook,
    names: Sequence[SubjectName] = (),
) -> curves.CurvesChart:
    """An Altair chart of the chains so far, one plot below the other.

    Args:
        result: the chains.
        look: how they are drawn.
        names: of the point.
    """
    burn_in, recorded = result.settings.burn_in, result.settings.recorded
    low = look.height // 2
    losses = _chain_curves(result, result.values["loss"], 0)
    ends, level = np.array([0.0, recorded - 1.0]), np.full(2, result.start_loss)
    losses[AT_POINT] = Curve(ends, level, np.isfinite(level))
    distances = _chain_curves(result, result.values["distance"], 0)
    running = _chain_curves(result, result.running, burn_in)
    rows = [
        Row("estimate so far", running, look.height, colours=_colours(running)),
        Row("loss", losses, low, colours=_colours(losses)),
        Row("distance from the point", distances, low, colours=_colours(distances)),
    ]
    # a legend hangs on the first plot's curves: there must be some
    rows = [row for row in rows if any(c.computed.any() for c in row.curves.values())] or rows[:1]
    title = f"Draw; those before {burn_in:,} are burn-in" if burn_in else "Draw"
    return curves.chart(rows, title, look.width, look.title, (0.0, max(1.0, recorded - 1.0)))


def _chain_curves(result: LearningCoefficient, values: np.ndarray, first: int) -> Curves:
    """A curve for each chain that is there, of values (C, T) from a draw on."""
    return {f"chain {n + 1}": _thinned(values[n], first) for n in result.chains} or {
        "": _thinned(np.empty(0), first)
    }


def _thinned(values: np.ndarray, first: int) -> Curve:
    """The finite of the values (T,), as means of so many neighbours that few are left."""
    finite = values[np.isfinite(values)]  # its start: a chain that has diverged stays so
    if not len(finite):
        return Curve(np.array([float(first)]), np.array([np.nan]), np.zeros(1, dtype=bool))
    width = -(-len(finite) // MOST_PLACES)
    starts = np.arange(0, len(finite), width)
    counts = np.minimum(width, len(finite) - starts)
    means = np.add.reduceat(finite, starts) / counts
    return Curve(first + starts + (counts - 1) / 2, means, np.ones(len(means), dtype=bool))


def _colours(drawn: Curves) -> list[str]:
    """A colour for each chain, the same in all plots, and grey for what is none."""
    numbers = {name: int(name.split()[-1]) for name in drawn if name.startswith("chain ")}
    return [
        SERIES_COLOURS[(numbers[name] - 1) % len(SERIES_COLOURS)]
        if name in numbers
        else SERIES_GREY
        for name in drawn
    ]
