"""A plane of values drawn as its look says: from above, or in relief."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.kinds.look import PlaneLook, SubjectName
from explorer.kinds.surface import Surface
from explorer.render.drawing import Drawing
from explorer.render.marks.given import given_titles, named_marks
from explorer.render.marks.plane import plane_chart
from explorer.render.relief3d.relief import CENTRE, draw_relief

MARK_COLOUR = "#2c6fbb"  # of the points that given axes lead through
DIFFERENCE_NAME = "difference"  # of the one value of such a plane


def draw_plane(
    surface: Surface,
    look: PlaneLook,
    axis_titles: Sequence[str] = (),
    names: Sequence[SubjectName] = (),
) -> Drawing:
    """The surface from above, as an Altair chart, or in relief.

    Args:
        surface: what is drawn.
        look: how.
        axis_titles: what the axes are called, where the facts do not say it.
        names: of the subjects: points that given axes lead through are marked.

    Raises:
        ValueError: the surface has no such value.
    """
    marks = named_marks(surface.facts, names)
    titles = axis_titles or given_titles(surface.facts, names)
    if look.view == "relief":
        pins = [(mark.x, mark.y, mark.words, MARK_COLOUR) for mark in marks]
        return draw_relief(surface, look, titles, (CENTRE, *pins))
    return plane_chart(surface, look, titles, marks)


def is_plane_of_losses(result: object) -> bool:
    """Whether a result has a difference to another of its like, point by point."""
    return isinstance(result, Surface)


def difference_of(result: object, baseline: object) -> Surface:
    """The losses of a plane minus another's at the same points; NaN where one is unknown.

    Raises:
        ValueError: they are no planes of losses, of other points, or not computed at the same ones.
    """
    if not isinstance(result, Surface) or not isinstance(baseline, Surface):
        raise ValueError("only planes of losses have a difference point by point")
    if not all(map(np.array_equal, (result.x, result.y), (baseline.x, baseline.y))):
        raise ValueError("the planes are of other points")
    both = result.computed & baseline.computed
    if not both.any():
        raise ValueError("no point is computed in both yet")
    with np.errstate(invalid="ignore"):
        difference = np.where(both, result.loss - baseline.loss, np.nan)
    return replace(result, values={DIFFERENCE_NAME: difference}, computed=both)


def draw_difference_of(result: object, baseline: object, width: int) -> Drawing | None:
    """The picture of a plane of losses minus another, its colours around 0; None where all is 0.

    Raises:
        ValueError: there is no difference, or it is finite nowhere.
    """
    plane = difference_of(result, baseline)
    values = plane.values[DIFFERENCE_NAME][plane.computed]
    if not values.any():
        return None
    finite = np.abs(values[np.isfinite(values)])
    if not finite.size:
        raise ValueError("the difference is finite nowhere")
    most = float(finite.max()) or 1.0
    look = PlaneLook(
        value=DIFFERENCE_NAME, colour_map="coolwarm", limits=(-most, most), width=width
    )
    return draw_plane(plane, look)
