"""A walk along a solution manifold drawn: losses, distance and dimensions along its path."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import numpy as np

from explorer.kinds.look import SubjectName
from explorer.kinds.manifold import ManifoldLook
from explorer.kinds.manifold_result import Manifold
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, GREEN, ORANGE
from explorer.render.marks.curve import Curve, Row

SECOND_HEIGHT = 0.6  # of the first plot's


def draw(
    walk: Manifold, look: ManifoldLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """An Altair chart of the places so far: the loss, how far away, and how many dimensions.

    Args:
        walk: the places.
        look: how they are drawn.
        names: of the point.
    """
    reached = walk.computed
    losses = {"after each correction": "loss", "before": "loss_before"}
    modes = {"of the Jacobian": walk.dimensions, "of the Hessian": walk.values["zero_modes"]}
    low = round(look.height * SECOND_HEIGHT)
    rows = [
        Row(
            "loss",
            {name: _curve(walk, walk.values[value]) for name, value in losses.items()},
            look.height,
            look.log,
            colours=(BLUE, ORANGE),
        ),
        Row("distance from the point", {"": _curve(walk, walk.values["distance"])}, low),
        Row(
            "zero modes",
            {name: _curve(walk, values) for name, values in modes.items()},
            low,
            colours=(BLUE, GREEN),
        ),
    ]
    longest = float(walk.values["path_length"][reached].max()) if reached.any() else 0.0
    where = f" from {names[0].text}" if names else ""
    title = f"Length of the walk{where}"
    return curves.chart(rows, title, look.width, look.title, (0.0, longest or 1.0))


def _curve(walk: Manifold, values: np.ndarray) -> Curve:
    """A value of the places where it is known."""
    there = np.flatnonzero(walk.computed & np.isfinite(values))
    x = walk.values["path_length"][there]
    return Curve(x, values[there], np.ones(len(there), dtype=bool))
