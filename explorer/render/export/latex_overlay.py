"""A figure without words, and a TeX file that writes them over it in the paper's own font."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from explorer.render.export.page_text import TEX
from explorer.render.export.svg import (
    SVG_NAMESPACE,
    drawing_size,
    parse_drawing,
    written_drawing,
)

TEXT = f"{{{SVG_NAMESPACE}}}text"
ANCHORS = {"start": "l", "middle": "c", "end": "r"}
ESCAPES = {
    "\\": r"\textbackslash{}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": "$-$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "λ": r"$\lambda$",
    "θ": r"$\theta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
}
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-", strict=True))


@dataclass(frozen=True)
class PlacedWords:
    """Words of a figure: where their anchor is, in points from the lower left corner."""

    words: str
    x: float
    y: float
    angle: float  # degrees, counter-clockwise
    anchor: str  # l, c or r
    size: float  # points
    bold: bool
    colour: str


def split_words(svg: str) -> tuple[str, list[PlacedWords]]:
    """The drawing without its words, and the words."""
    _, height = drawing_size(svg)
    root = parse_drawing(svg)
    placed = list(_take_words(root, (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), height))
    return written_drawing(root), placed


Affine = tuple[float, float, float, float, float, float]


def _take_words(parent: ElementTree.Element, outer: Affine, height: float) -> Iterator[PlacedWords]:
    """Take the texts out of an element; those of white edges are dropped."""
    for child in list(parent):
        inner = _times(outer, _affine(child.get("transform", "")))
        if child.tag != TEXT:
            yield from _take_words(child, inner, height)
            continue
        parent.remove(child)
        words = "".join(child.itertext()).strip()
        if words and child.get("fill") != "white":
            yield _placed_words(child, words, inner, height)


def _placed_words(
    text: ElementTree.Element, words: str, place: Affine, height: float
) -> PlacedWords:
    a, b, _, _, x, y = place
    return PlacedWords(
        words,
        x,
        height - y,
        -math.degrees(math.atan2(b, a)),
        ANCHORS.get(text.get("text-anchor", "start"), "l"),
        float(text.get("font-size", "8px").removesuffix("px")),
        text.get("font-weight") == "bold",
        text.get("fill", "black"),
    )


def _affine(transform: str) -> Affine:
    """A transform of SVG as a matrix: moves and turns, which are all that Vega writes."""
    matrix: Affine = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    for name, numbers in re.findall(r"(translate|rotate|scale)\(([^)]*)\)", transform):
        parts = [float(part) for part in re.split(r"[\s,]+", numbers.strip())]
        if name == "translate":
            step: Affine = (1, 0, 0, 1, parts[0], parts[1] if len(parts) > 1 else 0.0)
        elif name == "scale":
            step = (parts[0], 0, 0, parts[-1], 0, 0)
        else:
            turn = math.radians(parts[0])
            step = (math.cos(turn), math.sin(turn), -math.sin(turn), math.cos(turn), 0, 0)
        matrix = _times(matrix, step)
    return matrix


def _times(first: Affine, second: Affine) -> Affine:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = second
    return (
        a * g + c * h,
        b * g + d * h,
        a * i + c * j,
        b * i + d * j,
        a * k + c * m + e,
        b * k + d * m + f,
    )


def overlay_tex(words: list[PlacedWords], svg: str, picture: str) -> str:
    r"""The TeX file: `\input` it where the figure shall be; it needs graphicx and xcolor.

    Args:
        words: of the figure.
        svg: the drawing, for its size.
        picture: name of the file with the drawing without words.
    """
    width, height = drawing_size(svg)
    lines = [
        "% Needs \\usepackage{graphicx} and \\usepackage{xcolor}.",
        "\\begingroup\\setlength{\\unitlength}{1bp}%",
        f"\\begin{{picture}}({width:.3f},{height:.3f})%",
        f"\\put(0,0){{\\includegraphics[width={width:.3f}bp]{{{picture}}}}}%",
        *map(_put, words),
        "\\end{picture}%",
        "\\endgroup",
    ]
    return "\n".join(lines) + "\n"


def _put(placed: PlacedWords) -> str:
    """One text at its place."""
    text = "".join(_tex_parts(placed.words))
    text = f"\\textbf{{{text}}}" if placed.bold else text
    if colour := _html_colour(placed.colour):
        text = f"\\textcolor[HTML]{{{colour}}}{{{text}}}"
    size = f"\\fontsize{{{placed.size:g}}}{{{1.2 * placed.size:g}}}\\selectfont"
    box = f"\\makebox(0,0)[{placed.anchor}b]{{\\smash{{{size} {text}}}}}"
    if placed.anchor == "c":
        box = f"\\makebox(0,0)[b]{{\\smash{{{size} {text}}}}}"
    if abs(placed.angle) > 0.01:
        box = f"\\rotatebox{{{placed.angle:.2f}}}{{{box}}}"
    return f"\\put({placed.x:.3f},{placed.y:.3f}){{{box}}}%"


def _html_colour(colour: str) -> str:
    """RRGGBB of a colour that is not black."""
    if re.fullmatch("#[0-9a-fA-F]{6}", colour) and colour.lower() != "#000000":
        return colour[1:].upper()
    if match := re.fullmatch(r"rgb\((\d+), ?(\d+), ?(\d+)\)", colour):
        value = "".join(f"{int(part):02X}" for part in match.groups())
        return "" if value == "000000" else value
    return ""


def _tex_parts(words: str) -> Iterator[str]:
    """The words as TeX: formulas as they are, the rest escaped, raised digits raised."""
    for part in re.split(f"({TEX.pattern})", words):
        if TEX.fullmatch(part):
            yield part
            continue
        for piece in re.split(f"([{''.join(RAISED)}]+)", part.replace("\\$", "$")):
            if piece and all(letter in RAISED for letter in piece):
                yield f"$^{{{''.join(RAISED[letter] for letter in piece)}}}$"
            else:
                yield "".join(ESCAPES.get(letter, letter) for letter in piece)
