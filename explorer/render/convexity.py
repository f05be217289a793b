"""A convexity map drawn: any of its values, under the words that a reader knows."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.kinds.convexity import VALUE_WORDS, Convexity, ConvexityLook
from explorer.kinds.look import SubjectName
from explorer.render.drawing import Drawing
from explorer.render.plane import draw_plane


def draw(plane: Convexity, look: ConvexityLook, names: Sequence[SubjectName] = ()) -> Drawing:
    """The map as an Altair chart, or in relief.

    Raises:
        ValueError: the map has no such value.
    """
    if look.value not in plane.values:
        raise ValueError(f"value must be one of {', '.join(plane.values)}, got {look.value!r}")
    values = {VALUE_WORDS.get(name, name): value for name, value in plane.values.items()}
    words = VALUE_WORDS.get(look.value, look.value)
    return draw_plane(replace(plane, values=values), replace(look, value=words), names=names)
