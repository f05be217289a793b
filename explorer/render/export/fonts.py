"""Fonts of figures: bundled ones, so that text is the same on any machine."""

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

# A generic family that the machine lacks would make all text vanish without a word (vl-convert):
# these come with matplotlib and vl-convert.
BUNDLED_FONTS = {
    "serif": "STIXGeneral",
    "sans-serif": "Liberation Sans",
    "monospace": "DejaVu Sans Mono",
}
SANS = ("Liberation Sans", "sans-serif")
SERIF = ("STIXGeneral", "serif")  # like Times
FONTS = {"Sans-serif": SANS, "Serif": SERIF}  # that a page offers, by title


def font_families(fonts: Sequence[str]) -> tuple[str, ...]:
    """The fonts, ending in a bundled one and its generic family.

    Raises:
        ValueError: no font given.
    """
    if not fonts:
        raise ValueError("fonts must name at least one family, got none")
    generic = fonts[-1] if fonts[-1] in BUNDLED_FONTS else "sans-serif"
    named = tuple(font for font in fonts if font not in (generic, BUNDLED_FONTS[generic]))
    return (*named, BUNDLED_FONTS[generic], generic)


@lru_cache
def register_fonts() -> "tempfile.TemporaryDirectory[str]":
    """Make the fonts that come with matplotlib known: STIX and DejaVu, on any machine.

    All but the one whose letters are boxes: it has every letter, so that a text with a single one
    that no other font has would be boxes from end to end. The folder lives as long as what comes
    back, which the process keeps.
    """
    import matplotlib
    import vl_convert

    folder = tempfile.TemporaryDirectory(prefix="fonts-")
    for file in sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("*.ttf")):
        if not file.name.startswith("LastResort"):
            (Path(folder.name) / file.name).symlink_to(file)
    vl_convert.register_font_directory(folder.name)
    return folder
