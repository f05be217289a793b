"""A relief that turns once around its vertical axis, in a frame that stands still."""

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import altair as alt
import numpy as np
from PIL import Image

from explorer.render.export.animation import animation
from explorer.render.export.composed import ASPECT, OVERSAMPLING, PLOT_SHARE, composed_still
from explorer.render.export.svg import POINTS
from explorer.render.relief3d.camera import HOME_CAMERA, Camera, picture_fractions
from explorer.render.relief3d.client import renderer
from explorer.render.relief3d.frame import Frame, axes_frame
from explorer.render.relief3d.height import HIGHEST, HeightField
from explorer.render.relief3d.relief import Relief

FRAMES = 72  # of one turn: 5 degrees each
TURN_SECONDS = 0.08  # that each is shown: a turn takes 6 seconds
DPI = 150
MARGIN = 4.0  # points around what is seen from anywhere
LETTER = 0.6  # width of a letter, in its size


@dataclass(frozen=True)
class Window:
    """The part of a picture, in its fractions, in which all is that is seen on the way around."""

    left: float
    top: float
    right: float
    bottom: float


def turned(camera: Camera | None, share: float) -> Camera:
    """The camera moved around the scene's vertical axis by a share of a whole turn."""
    angle = 2 * math.pi * share
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    start = camera or HOME_CAMERA
    centre = np.array([start["focal_point"][0], start["focal_point"][1], 0.0])
    moved = {
        name: turn @ (np.array(start[name], dtype=np.float64) - centre) + centre
        for name in ("position", "focal_point")
    }
    moved["up"] = turn @ np.array(start["up"], dtype=np.float64)
    return {name: tuple(numbers.tolist()) for name, numbers in moved.items()}


def turntable(
    relief: Relief,
    format: str,
    width_inches: float,
    *,
    frames: int = FRAMES,
    dpi: int = DPI,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> bytes:
    """The relief turning once around, for ever where the format repeats.

    Args:
        relief: seen first from where it is.
        format: see `animation`.
        width_inches: of the pictures.
        frames: in one turn.
        dpi: dots per inch.
        tell: see `animation`.

    Raises:
        NoOpenGL: this machine cannot draw.
        RenderError: the renderer failed.
        ValueError: another format.
    """
    return animation(
        turning_charts(relief, frames, width_inches, dpi),
        range(frames),
        format,
        width_inches=width_inches,
        dpi=dpi,
        seconds=TURN_SECONDS,
        hold=0.0,
        tell=tell,
    )


def turning_charts(
    relief: Relief, count: int, width_inches: float, dpi: int
) -> Callable[[int], alt.LayerChart]:
    """A function that makes the chart of a frame; after the last one comes the first again.

    Args:
        relief: seen first from where it is.
        count: of frames in one turn.
        width_inches: that the charts are made for.
        dpi: of the rendered pictures.
    """
    field = relief.field
    cameras = [turned(relief.camera, frame / count) for frame in range(count)]
    wide = width_inches * POINTS * PLOT_SHARE  # points of a whole picture
    window = _window(field, cameras, wide, wide / ASPECT)
    side = round(width_inches * PLOT_SHARE * dpi * OVERSAMPLING)
    size = (side, round(side / ASPECT))

    def chart(frame: int) -> alt.LayerChart:
        camera = cameras[frame]
        png = _cut(renderer().still(field, camera, size), window)
        words = axes_frame(field, camera, wide, wide / ASPECT)
        cropped = words.crop(
            window.left * wide,
            window.top * wide / ASPECT,
            window.right * wide,
            window.bottom * wide / ASPECT,
        )
        return composed_still(png, field, width_inches, frame=cropped, bar=relief.bar)

    return chart


def _window(field: HeightField, cameras: Sequence[Camera], wide: float, high: float) -> Window:
    """Where the scene and its words are, from any of the cameras."""
    corners = list(product((-1.0, 1.0), (-1.0, 1.0), (0.0, HIGHEST)))
    places = [picture_fractions(corners, camera, wide / high) for camera in cameras]
    for camera in cameras:
        places.append(np.array(list(_word_ends(axes_frame(field, camera, wide, high)))))
    every = np.concatenate(places)
    low = every.min(axis=0) - np.array([MARGIN / wide, MARGIN / high])
    top = every.max(axis=0) + np.array([MARGIN / wide, MARGIN / high])
    return Window(float(low[0]), float(low[1]), float(top[0]), float(top[1]))


def _word_ends(frame: Frame) -> Iterator[tuple[float, float]]:
    """Both ends of each word, in fractions of the picture."""
    for word in frame.words:
        half, angle = LETTER * word.size * len(word.text) / 2, math.radians(word.angle)
        across = abs(half * math.cos(angle)) + abs(word.size / 2 * math.sin(angle))
        down = abs(half * math.sin(angle)) + abs(word.size / 2 * math.cos(angle))
        for sign in (-1, 1):
            yield (word.x + sign * across) / frame.width, (word.y + sign * down) / frame.height


def _cut(png: bytes, window: Window) -> bytes:
    """The window's part of a picture; white where it looks beyond."""
    with Image.open(io.BytesIO(png)) as picture:
        whole = picture.convert("RGB")
    left, right = (round(edge * whole.width) for edge in (window.left, window.right))
    top, bottom = (round(edge * whole.height) for edge in (window.top, window.bottom))
    part = Image.new("RGB", (right - left, bottom - top), "white")
    part.paste(whole, (-left, -top))
    file = io.BytesIO()
    part.save(file, "PNG", compress_level=1)  # it is drawn at once
    return file.getvalue()
