"""A surface as a closed solid for a printer: the relief on a plate with four walls. NumPy only."""

import numpy as np

from explorer.kinds.grid import finest_complete, level_indices
from explorer.render.relief3d.height import HIGHEST, HeightField

PLATE_THICKNESS = 0.04  # thickness of the plate, in the box whose lowest loss hovers at 0.12


def closed_solid(field: HeightField) -> np.ndarray:
    """Corners (T, 3, 3) float32 of a closed surface, counter-clockwise seen from outside.

    In the coordinates of the 3-D view, standing on its floor. What is open in the view, NaN,
    infinite or not above 0 on a log scale, is a pit down to the plate; what lies above the clip is
    cut off flat at its level. Of a surface that still grows: its finest complete level.

    Raises:
        ValueError: nothing to stand on, or no level is complete.
    """
    rows, columns = _complete_level(field)
    heights = field.heights[np.ix_(rows, columns)]
    if not np.isfinite(heights).any():
        raise ValueError("a solid needs a finite loss, got none")
    x, y, up = np.moveaxis(field.place(field.x[columns], field.y[rows][:, None], heights), -1, 0)
    up = np.where(np.isfinite(up), np.minimum(up, HIGHEST), PLATE_THICKNESS)
    top = np.stack([x, y, up], axis=-1).astype(np.float32)
    rim = _rim_points(top)
    foot = rim * np.array([1, 1, 0], dtype=np.float32)
    middle = np.array([0.0, 0.0, 0.0], dtype=np.float32)
    after, foot_after = np.roll(rim, -1, axis=0), np.roll(foot, -1, axis=0)
    walls = [(rim, foot, foot_after), (rim, foot_after, after)]
    bottom = (np.broadcast_to(middle, foot.shape), foot_after, foot)
    sides = [np.stack(corners, axis=1) for corners in (*walls, bottom)]
    return np.concatenate([_roof_triangles(top), *sides])


def _complete_level(field: HeightField) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the finest level that is computed whole."""
    stride = finest_complete(field.computed)
    if stride is None:
        done, size = int(field.computed.sum()), field.computed.size
        raise ValueError(
            f"a solid needs at least every eighth point of each row and column, got {done:,} of "
            f"{size:,} points; wait for more of them, or take glTF"
        )
    rows, columns = (level_indices(count, stride) for count in field.computed.shape)
    return rows, columns


def _roof_triangles(top: np.ndarray) -> np.ndarray:
    """Two triangles per cell, split along the flatter diagonal, (T, 3, 3)."""
    a, b, c, d = top[:-1, :-1], top[:-1, 1:], top[1:, :-1], top[1:, 1:]
    along = (abs(a - d)[..., 2] <= abs(b - c)[..., 2])[..., None, None]
    first = np.where(along, np.stack([a, b, d], 2), np.stack([a, b, c], 2))
    second = np.where(along, np.stack([a, d, c], 2), np.stack([b, d, c], 2))
    return np.concatenate([part.reshape(-1, 3, 3) for part in (first, second)])


def _rim_points(top: np.ndarray) -> np.ndarray:
    """The border of the roof, once around counter-clockwise seen from above, (B, 3)."""
    return np.concatenate([top[0, :-1], top[:-1, -1], top[-1, :0:-1], top[:0:-1, 0]])
