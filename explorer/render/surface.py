"""A surface drawn: from above or in relief, with its weight decay where that is asked for."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.kinds.look import SubjectName
from explorer.kinds.penalty import with_penalty
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.render.drawing import Drawing
from explorer.render.plane import draw_plane


def draw(surface: Surface, look: SurfaceLook, names: Sequence[SubjectName] = ()) -> Drawing:
    """The surface as an Altair chart, or in relief.

    Raises:
        ValueError: the surface has no such value.
    """
    values = with_penalty(surface.values, look.decay)
    return draw_plane(replace(surface, values=values), look, names=names)
