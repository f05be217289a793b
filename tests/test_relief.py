"""One scale of the loss for all thumbnails of surfaces."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explorer.kinds.surface import Surface
from explorer.render import relief
from explorer.render.height import HIGHEST, LOWEST, HeightField

AXIS = np.linspace(-1.0, 1.0, 9)
BOWL = 0.01 + np.add.outer(AXIS**2, AXIS**2)


def seen(loss: np.ndarray) -> np.ndarray:
    """The pixels of a flat thumbnail on the shared scale."""
    limits = relief._shared(loss.ravel())
    return np.asarray(Image.open(io.BytesIO(relief.flat(loss, True, limits))))[..., :3].astype(int)


def test_models_of_other_losses_look_different() -> None:
    """A bowl and one a hundred times as high: alike by themselves, apart on the shared scale."""
    alone = [relief.flat(loss, True) for loss in (BOWL, 100 * BOWL)]
    assert alone[0] == alone[1]
    assert np.abs(seen(BOWL) - seen(100 * BOWL)).mean() > 20


def test_what_lies_beyond_widens_its_own_scale() -> None:
    """Losses within the shared decades have that scale; others reach to their own ends."""
    assert relief._shared(BOWL.ravel()) == relief.SHARED
    low, high = relief._shared(np.array([1e-5, 1.0, 1e6]))
    assert (low, high) == pytest.approx((-5, 6))


def test_limits_place_heights_and_survive_json() -> None:
    """Floor and top are the limits; a field made again from its JSON is the same picture."""
    surface = Surface(AXIS, AXIS, {"loss": BOWL}, np.ones(BOWL.shape, dtype=bool))
    field = replace(relief.height_field(surface, log=True), limits=(-3.0, 3.0))
    ends = field.place(0.0, 0.0, [-3.0, 3.0])[:, 2]
    assert ends == pytest.approx([LOWEST, HIGHEST])
    again = HeightField.from_json(field.to_json())
    assert again.range == (-3.0, 3.0)
    assert again.key == field.key
