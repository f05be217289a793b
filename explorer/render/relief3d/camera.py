"""Where a place of the 3-D scene appears in its picture. NumPy only."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

Camera: TypeAlias = Mapping[str, Sequence[float]]  # the CAMERA_PARTS, three numbers each
# A view in scene coordinates. The angle is VTK's default; in a picture narrower than that aspect
# ratio it widens, so that the whole width stays in view.
HOME_CAMERA: Camera = {
    "position": (2.8, -4.2, 3.55),
    "focal_point": (0.0, 0.0, 0.34),
    "up": (0.0, 0.0, 1.0),
}
VIEW_ANGLE, NARROWEST = 30.0, 4 / 3
CAMERA_PARTS = ("position", "focal_point", "up")  # three numbers each, in this order in a look


def camera_of(numbers: Sequence[float]) -> Camera | None:
    """The camera of a look's nine numbers; None where it has none."""
    parts = enumerate(CAMERA_PARTS)
    return {name: tuple(numbers[3 * n : 3 * n + 3]) for n, name in parts} if numbers else None


def camera_numbers(camera: Camera | None) -> tuple[float, ...]:
    """A camera as the nine numbers of a look; none for none."""
    return tuple(float(n) for name in CAMERA_PARTS for n in camera[name]) if camera else ()


def view_angle(aspect: float) -> float:
    """Vertical angle of view in degrees: constant, but wider in a narrow picture."""
    half = math.tan(math.radians(VIEW_ANGLE / 2)) * max(1.0, NARROWEST / aspect)
    return math.degrees(2 * math.atan(half))


def picture_fractions(places: ArrayLike, camera: Camera, aspect: float) -> np.ndarray:
    """Fractions (..., 2) of the picture's width from the left and of its height from above.

    Args:
        places: (..., 3) in scene coordinates.
        camera: position, focal_point and up.
        aspect: the picture's width over its height.
    """
    eye, target, up = (
        np.array(camera[name], dtype=np.float64) for name in ("position", "focal_point", "up")
    )
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    seen = (np.asarray(places, dtype=np.float64) - eye) @ np.stack(
        [right, np.cross(back, right), back], axis=1
    )
    half = math.tan(math.radians(view_angle(aspect) / 2))
    reach = -seen[..., 2] * half
    return np.stack(
        [0.5 + seen[..., 0] / (2 * reach * aspect), 0.5 - seen[..., 1] / (2 * reach)], axis=-1
    )
