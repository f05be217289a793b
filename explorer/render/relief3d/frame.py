"""What is written around a relief: numbers and names of its axes, as in the interactive view."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from explorer.render.relief3d.camera import HOME_CAMERA, Camera, picture_fractions
from explorer.render.relief3d.height import HIGHEST, HeightField, Tick

NUMBER, NAME = 7.0, 8.0  # font sizes, in points
SHORTEST_AXIS = 20.0  # points: a shorter axis is seen from its end and has no numbers
Place = Callable[[float], tuple[float, float, float]]


@dataclass(frozen=True)
class PlacedText:
    """A text, its middle in points from the picture's upper left, and how it stands."""

    text: str
    x: float
    y: float
    size: float = NUMBER
    angle: float = 0.0  # degrees, clockwise


@dataclass(frozen=True)
class Frame:
    """All texts around a picture, and the short strokes at its ticks."""

    width: float  # of the picture, in points
    height: float
    words: tuple[PlacedText, ...]
    strokes: tuple[tuple[float, float, float, float], ...]  # x, y, x2, y2

    def crop(self, left: float, top: float, right: float, bottom: float) -> "Frame":
        """The same around the part of the picture between these edges."""
        words = (replace(word, x=word.x - left, y=word.y - top) for word in self.words)
        strokes = ((a - left, b - top, c - left, d - top) for a, b, c, d in self.strokes)
        return Frame(right - left, bottom - top, tuple(words), tuple(strokes))


def axes_frame(field: HeightField, camera: Camera | None, width: float, height: float) -> Frame:
    """The numbers and names that belong around the picture of a relief.

    As in the view: x and y along the two near edges of the floor, z at the leftmost corner.

    Args:
        field: what is shown.
        camera: where it is seen from; its own place unless given.
        width: of the picture, in points.
        height: of the picture.
    """
    camera = camera or HOME_CAMERA
    size = np.array([width, height])

    def at(place: tuple[float, float, float]) -> np.ndarray:
        return picture_fractions(place, camera, width / height) * size

    near_x, near_y = (1.0 if camera["position"][n] >= 0 else -1.0 for n in (0, 1))
    sides = [(near_x, -near_y), (-near_x, near_y)]
    side_x, side_y = min(sides, key=lambda side: float(at((*side, 0.0))[0]))
    ticks = field.ticks
    parts = [
        _axis_texts(
            ticks["x"],
            field.x_label,
            at,
            lambda v: (v, near_y, 0.0),
            lambda v: (v, 1.1 * near_y, 0),
        ),
        _axis_texts(
            ticks["y"],
            field.y_label,
            at,
            lambda v: (near_x, v, 0.0),
            lambda v: (1.1 * near_x, v, 0),
        ),
        _axis_texts(
            ticks["z"], field.z_label, at, lambda v: (side_x, side_y, v), None, (0.0, HIGHEST)
        ),
    ]
    words = [one for texts, _ in parts for one in texts]
    strokes = [one for _, ticks_drawn in parts for one in ticks_drawn]
    return Frame(width, height, tuple(words), tuple(strokes))


def _axis_texts(
    ticks: list[Tick],
    name: str,
    at: Callable[[tuple[float, float, float]], np.ndarray],
    place: Place,
    outside: Place | None,
    ends: tuple[float, float] = (-1.0, 1.0),
) -> tuple[list[PlacedText], list[tuple[float, float, float, float]]]:
    """Numbers along an axis that do not touch, its name beyond them, and a stroke a tick."""
    start, end = (at(place(value)) for value in ends)
    if math.dist(start, end) < SHORTEST_AXIS:
        return [], []

    def away(value: float) -> np.ndarray:
        if outside is None:
            return np.array([-1.0, 0.0])
        step = at(outside(value)) - at(place(value))
        return step / (np.linalg.norm(step) or 1.0)

    words: list[PlacedText] = []
    strokes = []
    widest = 0.0
    for value, text in ticks:
        spot, out = at(place(value)), away(value)
        wide = 0.55 * NUMBER * len(text)
        x, y = spot + out * (5 + abs(out[0]) * wide / 2 + abs(out[1]) * NUMBER / 2)
        strokes.append((*spot.tolist(), *(spot + 3 * out).tolist()))
        last = words[-1] if words else None
        if last and abs(x - last.x) < wide + 3 and abs(y - last.y) < NUMBER + 1:
            continue
        words.append(PlacedText(text, float(x), float(y)))
        widest = max(widest, wide)
    middle = sum(ends) / 2
    spot, out = at(place(middle)), away(middle)
    x, y = spot + out * (10 + NAME / 2 + abs(out[0]) * widest + abs(out[1]) * NUMBER)
    slope = math.degrees(math.atan2(end[1] - start[1], end[0] - start[0]))
    slope = (slope + 90) % 180 - 90 if outside else -90.0
    return [*words, PlacedText(name, float(x), float(y), NAME, slope)], strokes
