"""A surface drawn: from above or in relief, with its weight decay, or the shape of its basins."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.kinds.look import SubjectName
from explorer.kinds.penalty import with_penalty
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.kinds.topology import grid_topology
from explorer.render.drawing import Drawing
from explorer.render.marks.given import given_titles
from explorer.render.plane import draw_plane
from explorer.render.surface_basins import basins_chart
from explorer.render.surface_tree import barcode_chart, merge_tree_chart


def draw(surface: Surface, look: SurfaceLook, names: Sequence[SubjectName] = ()) -> Drawing:
    """The picture that the look names, as an Altair chart, or the values in relief.

    Raises:
        ValueError: the surface has no such value, or its topology must wait for all of its points.
    """
    values = with_penalty(surface.values, look.decay)
    surface = replace(surface, values=values)
    if look.picture == "plane":
        return draw_plane(surface, look, names=names)
    topology = grid_topology(values, surface.computed, look.value, look.threshold)
    if look.picture == "basins":
        return basins_chart(surface, look, topology, given_titles(surface.facts, names))
    charts = {"barcode": barcode_chart, "merge tree": merge_tree_chart}
    return charts[look.picture](look, topology)
