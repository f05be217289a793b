"""Colours of optimisers and of basins: each optimiser has its own in every picture."""

import numpy as np

from explorer.playground.basins import DIVERGED, UNDER_WAY
from explorer.playground.optimisers import OPTIMISERS
from explorer.render.marks.colours import SERIES_COLOURS

NOWHERE = {UNDER_WAY: "#c9c7c1", DIVERGED: "#4a4945"}  # of starts that end in no critical point
SHADES = (0.0, 0.45, -0.4)  # of the same colours again: towards white, towards black


def optimiser_colour(name: str) -> str:
    """The colour "#rrggbb" of an optimiser."""
    return SERIES_COLOURS[list(OPTIMISERS).index(name) % len(SERIES_COLOURS)]


def basin_colour(label: int) -> str:
    """The colour "#rrggbb" of a basin: 24 of them differ, then they come again."""
    if label < 0:
        return NOWHERE[label]
    shade = SHADES[label // len(SERIES_COLOURS) % len(SHADES)]
    colour = np.array(list(bytes.fromhex(SERIES_COLOURS[label % len(SERIES_COLOURS)][1:])))
    towards = 255 if shade > 0 else 0
    mixed = np.rint(colour + (towards - colour) * abs(shade)).astype(np.uint8)
    return "#" + mixed.tobytes().hex()
