"""A plane of values drawn as its look says: from above, or in relief."""

from collections.abc import Sequence

from explorer.kinds.look import PlaneLook
from explorer.kinds.surface import Surface
from explorer.render.drawing import Drawing
from explorer.render.marks.plane import plane_chart
from explorer.render.relief3d.height import Marker
from explorer.render.relief3d.relief import CENTRE, draw_relief


def draw_plane(
    surface: Surface,
    look: PlaneLook,
    axis_titles: Sequence[str] = (),
    markers: Sequence[Marker] = (CENTRE,),
) -> Drawing:
    """The surface from above, as an Altair chart, or in relief with these markers.

    Raises:
        ValueError: the surface has no such value.
    """
    if look.view == "relief":
        return draw_relief(surface, look, axis_titles, markers)
    return plane_chart(surface, look, axis_titles)
