"""A plane in relief: the height field of its values, and where it is seen from."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.kinds.look import PlaneLook
from explorer.kinds.surface import Surface
from explorer.render.marks.scale import plane_axes_titles, require_value, value_title
from explorer.render.relief3d.camera import Camera, camera_of
from explorer.render.relief3d.height import HeightField, Marker

CENTRE: Marker = (0.0, 0.0, "centre", "#d03030")


@dataclass(frozen=True)
class Relief:
    """A height field and where it is seen from: what its still, figure and view need."""

    field: HeightField
    camera: Camera | None = None  # the view's own unless given
    bar: bool = True  # whether a figure of it has a colour bar


def draw_relief(
    surface: Surface,
    look: PlaneLook,
    axis_titles: Sequence[str] = (),
    markers: Sequence[Marker] = (CENTRE,),
) -> Relief:
    """The surface in relief, with its centre marked; called as in the picture from above.

    Raises:
        ValueError: the surface has no such value.
    """
    require_value(surface, look.value)
    x_label, y_label = axis_titles or plane_axes_titles(surface.facts)
    field = HeightField(
        surface.x,
        surface.y,
        surface.values[look.value],
        surface.computed,
        log=look.log,
        clip=look.ceiling,
        limits=look.limits,
        colour_map=look.colour_map,
        contours=look.levels,
        x_label=x_label,
        y_label=y_label,
        z_label=value_title(look.value),
        markers=tuple(markers),
    )
    return Relief(field, camera_of(look.camera), look.bar)
