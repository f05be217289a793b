"""Words on a composed page: plain ones as text, those with TeX as glyphs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol, cast
from xml.etree import ElementTree

from explorer.render.export.fonts import BUNDLED_FONTS, SANS, font_families
from explorer.render.export.svg import SVG_NAMESPACE

TEX = re.compile(r"(?<!\\)\$[^$]+(?<!\\)\$")
_NO_TEXT = re.compile("[\\x00-\\x08\\x0b-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")  # XML has none
MOST_LETTERS = 1000  # of words with TeX
MOST_NESTED = 6  # groups within each other: ziamath takes twice as long with each
_BRACKET = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\.|[{}]")
SANS_FILE, SERIF_FILE = "DejaVuSans.ttf", "STIXGeneral.ttf"  # of the text around the formulas
HALIGN = {"start": "left", "middle": "center", "end": "right"}


@dataclass(frozen=True)
class Pen:
    """In which fonts words are written, and whether TeX is drawn or stays as it is written."""

    fonts: Sequence[str] = SANS
    glyphs: bool = True

    def draws(self, words: str) -> bool:
        """Whether words become glyphs."""
        return self.glyphs and has_tex(words)

    @property
    def font_file(self) -> str:
        """Of the words around formulas."""
        serif = BUNDLED_FONTS["serif"] in font_families(self.fonts)
        return SERIF_FILE if serif else SANS_FILE


class Drawable(Protocol):
    """What ziafont and ziamath make of words."""

    def getsize(self) -> tuple[float, float]:
        """Width and height, in points."""

    def drawon(self, svg: ElementTree.Element, x: float, y: float) -> object:
        """Draw it into an element, its line beginning there."""


def has_tex(words: str) -> bool:
    """Whether there is TeX between dollar signs."""
    return bool(TEX.search(words))


def check_tex(words: str) -> None:
    """Refuse TeX that cannot be drawn, and characters that no file of words has.

    Raises:
        ValueError: it does not parse, or has a command that is not known; or a control character.
    """
    if bad := _NO_TEXT.search(words):
        raise ValueError(
            f"words must be written in characters that can be read, got {bad.group()!a} in "
            f"{words[:40]!a}; take it out"
        )
    if has_tex(words):
        _tex_group(words, 9, "black", "left", SANS_FILE)


def place_text(
    parent: ElementTree.Element,
    words: str,
    x: float,
    y: float,
    size: float,
    pen: Pen,
    *,
    anchor: str = "start",
    bold: bool = False,
    halo: bool = False,
) -> None:
    """Write words at a place; what has TeX is drawn.

    Args:
        parent: what they are written into.
        words: with TeX between dollar signs, if any.
        x: of their anchor, in points.
        y: of their line.
        size: of the letters, in points.
        pen: that writes or draws them.
        anchor: "start", "middle" or "end" of them is at x.
        bold: whether they are.
        halo: a white edge, so that they are read on any colour.

    Raises:
        ValueError: TeX that cannot be drawn.
    """
    if pen.draws(words):
        glyphs = _tex_group(words, size, "black", HALIGN[anchor], pen.font_file)
        glyphs.set("transform", f"translate({x:g},{y:g})")
        parent.append(glyphs)
        return
    for edge in (True, False) if halo else (False,):
        text = ElementTree.SubElement(parent, f"{{{SVG_NAMESPACE}}}text")
        text.text = words
        text.set("transform", f"translate({x:g},{y:g})")
        text.set("text-anchor", anchor)
        text.set("font-family", ", ".join(font_families(pen.fonts)))
        text.set("font-size", f"{size:g}px")
        text.set("fill", "white" if edge else "black")
        if edge:
            text.set("stroke", "white")
            text.set("stroke-width", "2.5")
            text.set("stroke-linejoin", "round")
        if bold:
            text.set("font-weight", "bold")


def replace_words(group: ElementTree.Element, words: Mapping[str, str], pen: Pen) -> None:
    """Write other words in the place of those that a drawing has.

    Raises:
        ValueError: TeX that cannot be drawn.
    """
    for parent in list(group.iter()):
        for place, text in enumerate(list(parent)):
            if text.tag != f"{{{SVG_NAMESPACE}}}text":
                continue
            said = "".join(text.itertext())
            new = words.get(said, said)
            if pen.draws(new):
                parent.remove(text)
                parent.insert(place, _glyphs_for(text, new, pen))
            elif new != said:
                for inner in list(text):
                    text.remove(inner)
                text.text = new


def _glyphs_for(text: ElementTree.Element, words: str, pen: Pen) -> ElementTree.Element:
    """Glyphs where a text was: of its size and colour, turned and anchored as it."""
    size = float(text.get("font-size", "8px").removesuffix("px"))
    halign = HALIGN.get(text.get("text-anchor", "start"), "left")
    glyphs = _tex_group(words, size, text.get("fill", "black"), halign, pen.font_file)
    if transform := text.get("transform"):
        glyphs.set("transform", transform)
    return glyphs


def _tex_group(
    words: str, size: float, colour: str, halign: str, font_file: str
) -> ElementTree.Element:
    """The words around the point (0, 0), as paths.

    Raises:
        ValueError: TeX that does not parse, is too large, or has a command that is not known.
    """
    import ziafont
    import ziamath

    _check_size(words)
    # paths, and no names that two formulas could share
    ziafont.config.svg2 = ziamath.config.svg2 = False
    ziafont.config.precision = ziamath.config.precision = 3
    try:
        parts = [_drawable(part, size, colour, font_file) for part in _parts(words)]
    except Exception as error:  # of the parser: of any class, some without a word
        why = f": {error}" if str(error) else ""
        raise ValueError(f"the TeX {words[:80]!r} cannot be read{why}; mend it") from error
    widths = [part.getsize()[0] for part in parts]
    x = -{"left": 0.0, "center": 0.5, "right": 1.0}[halign] * sum(widths)
    holder = ElementTree.Element("g", {"xmlns": SVG_NAMESPACE})
    for part, width in zip(parts, widths, strict=True):
        part.drawon(holder, x, 0)
        x += width
    return ElementTree.fromstring(ElementTree.tostring(holder))  # whose names have a namespace


def _check_size(words: str) -> None:
    """Refuse TeX whose drawing would take minutes.

    Raises:
        ValueError: it is too long, or nested too deeply.
    """
    if len(words) > MOST_LETTERS:
        raise ValueError(
            f"words with TeX must have at most {MOST_LETTERS:,} letters, got {len(words):,}"
        )
    steps = {"{": 1, "\\left": 1, "}": -1, "\\right": -1}
    depths = accumulate(steps.get(bracket, 0) for bracket in _BRACKET.findall(words))
    if max(depths, default=0) > MOST_NESTED:
        raise ValueError(
            f"the TeX {words[:80]!r} has more than {MOST_NESTED} groups within each other; "
            "write it with fewer braces"
        )


def _parts(words: str) -> list[str]:
    """Words and formulas by turns; no empty ones."""
    return [part for part in re.split(f"({TEX.pattern})", words) if part]


def _drawable(part: str, size: float, colour: str, font_file: str) -> "Drawable":
    """Words, or a formula between dollar signs.

    Raises:
        ValueError: a command that is not known.
    """
    from pathlib import Path

    import matplotlib
    import ziafont
    import ziamath
    from latex2mathml.converter import convert

    if not TEX.fullmatch(part):
        font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font_file
        plain = part.replace("\\$", "$")
        return cast(Drawable, ziafont.Text(plain, font=str(font), size=size, color=colour))
    if unknown := re.search(r"\\[A-Za-z]+", convert(part[1:-1])):
        raise ValueError(f"there is no command {unknown[0]}")
    return cast(Drawable, ziamath.Latex(part[1:-1], size=size, color=colour, inline=True))
