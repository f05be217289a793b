"""Colour maps as tables of 256 colours, the same for charts, stills and the browser's viewer."""

from functools import lru_cache

import numpy as np

from explorer.kinds.settings import one_of

# Perceptually uniform and readable by the colour-blind; "coolwarm" diverges (Moreland 2009).
COLOUR_MAPS = ("viridis", "cividis", "magma", "inferno", "plasma", "coolwarm")


@lru_cache
def lut(name: str) -> np.ndarray:
    """The colours of a map from low to high, shape (256, 3), uint8, read-only.

    Raises:
        ValueError: no such colour map; the message lists them.
    """
    one_of("colour_map", name, COLOUR_MAPS)
    import matplotlib  # half a second that the start of the app must not pay

    table = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    table = np.ascontiguousarray(table, dtype=np.uint8)
    table.setflags(write=False)
    return table


def hex_colours(name: str) -> list[str]:
    """The colours of a map as 256 strings "#rrggbb", low to high.

    Raises:
        ValueError: no such colour map.
    """
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in lut(name)]
