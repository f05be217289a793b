"""Contour lines of one answer over the picture of another on the same plane."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

import altair as alt

from explorer.kinds.look import PlaneLook, SubjectName
from explorer.kinds.preview import preview
from explorer.kinds.surface import Surface
from explorer.render.drawing import Drawing
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.contours import contour_layers
from explorer.render.marks.layers import plain_layer
from explorer.render.marks.plane import plot_ratio
from explorer.render.marks.scale import colour_scale, require_value
from explorer.render.marks.stroke_legend import stroke_legend
from explorer.render.relief3d.relief import Relief

OVER_COLOURS = (ORANGE, "#e701a3", BLUE, "#64635d")  # of one answer after the other
LEGEND = "over"  # beginning of the names of its legends' layers


def draw_over(
    plane: Drawing, surface: Surface, look: PlaneLook, names: Sequence[SubjectName] = ()
) -> Drawing:
    """The picture with the contour lines of another answer, named by the look's title.

    Args:
        plane: the picture, seen from above.
        surface: the other answer.
        look: which of its values, on which scale, and how many lines.
        names: of its subjects.

    Raises:
        ValueError: the picture is in relief, or the answer has no such value.
    """
    if isinstance(plane, Relief):
        raise ValueError(
            "contour lines are drawn over a plane that is seen from above; choose the view contour"
        )
    require_value(surface, look.value)
    values = surface.values[look.value]
    scale = colour_scale(values[surface.computed], look)
    if scale is None:
        return plane
    earlier = [layer for layer in plane.layer if str(layer.name).startswith(LEGEND)]
    colour = OVER_COLOURS[len(earlier) % len(OVER_COLOURS)]
    words = look.title or (names[0].text if names else look.value)
    lines = contour_layers(
        surface, preview(values, surface.computed), scale, look, plot_ratio(surface), colour
    )
    legend = stroke_legend("over", [words], [colour]).properties(name=f"{LEGEND}-{len(earlier)}")
    chart = plane.copy(deep=False)
    chart.layer = [*plane.layer, *(plain_layer(layer) for layer in (*lines, legend))]
    # Each legend has a scale of its own: one for all would take the colours of the first.
    chart.resolve = alt.Resolve(scale=alt.ScaleResolveMap(stroke="independent"))
    return chart
