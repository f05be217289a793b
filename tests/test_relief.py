"""Thumbnails of surfaces: their numbers tell apart what looks alike, and decades show."""

import io

import numpy as np
import pytest
from PIL import Image

from explorer.kinds import kind_named
from explorer.kinds.surface import Surface
from explorer.render.export import thumbnail
from explorer.render.relief3d.client import NoOpenGL

AXIS = np.linspace(-1.0, 1.0, 9)
BOWL = 0.01 + np.add.outer(AXIS**2, AXIS**2)


class _WithoutOpenGL:
    def still(self, *_: object, **__: object) -> bytes:
        raise NoOpenGL("there is none")


@pytest.fixture(autouse=True)
def without_opengl(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flat pictures: the same pixels on every machine."""
    monkeypatch.setattr(thumbnail, "renderer", _WithoutOpenGL)


def pixels(loss: np.ndarray) -> np.ndarray:
    surface = Surface(AXIS, AXIS, {"loss": loss}, np.ones(loss.shape, dtype=bool))
    return np.asarray(
        Image.open(io.BytesIO(thumbnail.thumbnail(kind_named("surface"), surface)))
    ).astype(int)


def test_equal_shapes_of_other_losses_have_other_numbers() -> None:
    """A bowl and one a hundred times as high look alike; the numbers at the bar differ."""
    low, high = pixels(BOWL), pixels(100 * BOWL)
    assert low.shape == high.shape
    differs = (np.abs(low - high) > 32).any(axis=2)  # contour lines may differ by a shade
    columns = np.flatnonzero(differs.any(axis=0))
    assert columns.size
    assert columns.min() > low.shape[1] // 2  # where the bar is


def test_decades_are_drawn_on_a_log_scale() -> None:
    """A loss over six decades fills the colours evenly; linearly all but its top would be one."""
    decades = np.broadcast_to(10.0 ** np.linspace(-3, 3, 9), (9, 9)).copy()
    picture = pixels(decades)
    row = picture[picture.shape[0] // 2, : picture.shape[1] // 2, :3]
    assert len(np.unique(row, axis=0)) > 20
