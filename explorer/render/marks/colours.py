"""Colours: maps as tables of 256, for charts, stills and the viewer; and those of curves."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from explorer.kinds.look import COLOUR_MAPS, CRAMERI_MAPS
from explorer.kinds.require import one_of

# Of curves, bars and dots: each has a contrast of at least 3 to 1 to a white and a dark page, and
# any two are at least 17 apart in CIELAB, also as the colour-blind see them (Machado et al. 2009).
BLUE, ORANGE, GREEN, SERIES_GREY = "#4a82f8", "#e66d28", "#239658", "#64635d"
SERIES_COLOURS = (BLUE, ORANGE, GREEN, "#9608f4", "#e701a3", SERIES_GREY, "#8187c6", "#a45623")
# What a split is called -> its colour, whatever stands beside it.
SPLIT_COLOURS = {
    **dict.fromkeys(("train", "training"), BLUE),
    **dict.fromkeys(("test", "testing"), ORANGE),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), GREEN),
}


def series_colours(names: Sequence[str]) -> list[str]:
    """A colour for each name: a split's own, else one that hangs on the name, not on its place.

    No two names share one while there are colours left.
    """
    fixed = {name: SPLIT_COLOURS[name.lower()] for name in names if name.lower() in SPLIT_COLOURS}
    uses = dict.fromkeys(fixed.values(), 1)
    for name in sorted(set(names) - fixed.keys()):
        first = int(hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), 16)
        rotated_series = [
            SERIES_COLOURS[(first + n) % len(SERIES_COLOURS)] for n in range(len(SERIES_COLOURS))
        ]
        fixed[name] = min(rotated_series, key=lambda colour: uses.get(colour, 0))
        uses[fixed[name]] = uses.get(fixed[name], 0) + 1
    return [fixed[name] for name in names]


def contrast_ratio(first: str, second: str) -> float:
    """The contrast ratio of two colours "#rrggbb", from 1 to 21.

    Source: WCAG 2.2, definitions of contrast ratio and relative luminance.
    """
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    share = np.array(list(bytes.fromhex(colour.removeprefix("#")))) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ np.array([0.2126, 0.7152, 0.0722]))


@lru_cache
def colour_table(name: str) -> np.ndarray:
    """The colours of a map from low to high, shape (256, 3), uint8, read-only.

    Raises:
        ValueError: no such colour map; the message lists them.
    """
    one_of("colour_map", name, COLOUR_MAPS)
    # here: half a second that the start of the app must not pay
    if name in CRAMERI_MAPS:
        from cmcrameri import cm

        colours = cm.cmaps[name]
    else:
        import matplotlib

        colours = matplotlib.colormaps[name]
    table = colours(np.arange(256), bytes=True)[:, :3]
    table = np.ascontiguousarray(table, dtype=np.uint8)
    table.setflags(write=False)
    return table
