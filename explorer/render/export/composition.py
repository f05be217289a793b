"""Drawings put together on one page: in columns, each with a heading, at the size they are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

from explorer.render.export.page_text import Pen, place_text, replace_words
from explorer.render.export.svg import SVG_NAMESPACE, XLINK_NAMESPACE, drawing_size

HEADING_LINE = 1.45  # height of a heading's line, in its size
LETTER_WIDTH = 0.48  # of a bold letter or bracket, in its size
MANY_IDS = 1000  # between the numbers of one drawing's gradients and clips and of the next


@dataclass(frozen=True)
class Note:
    """A word on a drawing, perhaps with an arrow from it; places are shares of the drawing's size.

    They count from the drawing's lower left corner.
    """

    text: str
    x: float
    y: float
    tip: tuple[float, ...] = ()  # x and y of the arrow's tip


@dataclass(frozen=True)
class FigureCell:
    """A drawing on the page and what is written on it."""

    svg: str
    heading: str = ""  # above it, in bold up to the letter's end
    letter: str = ""
    notes: tuple[Note, ...] = ()
    span: int = 1  # columns that it takes


@dataclass(frozen=True)
class PageStyle:
    """Sizes of a page, in points."""

    width: float
    columns: int = 1
    gap: float = 12.0
    text_size: float = 9.0
    pen: Pen = field(default_factory=Pen)

    def cell_width(self, span: int) -> float:
        """The width of a cell that takes so many columns."""
        span = min(span, self.columns)
        column = (self.width - self.gap * (self.columns - 1)) / self.columns
        return column * span + self.gap * (span - 1)


def rows_of(cells: Sequence[FigureCell], columns: int) -> list[list[FigureCell]]:
    """The cells in rows: each goes where it still fits."""
    rows: list[list[FigureCell]] = []
    left = 0
    for cell in cells:
        span = min(cell.span, columns)
        if span > left:
            rows.append([])
            left = columns
        rows[-1].append(cell)
        left -= span
    return rows


def compose(cells: Sequence[FigureCell], style: PageStyle, words: dict[str, str]) -> str:
    """The page as SVG, as wide as the style says and as high as it gets.

    Args:
        cells: in reading order.
        style: of the page.
        words: what is written in the place of words of the drawings; TeX between dollar signs.

    Raises:
        ValueError: TeX that cannot be read.
    """
    ElementTree.register_namespace("", SVG_NAMESPACE)
    ElementTree.register_namespace("xlink", XLINK_NAMESPACE)
    page = ElementTree.Element(f"{{{SVG_NAMESPACE}}}g")
    top = 0.0
    for row in rows_of(cells, style.columns):
        left, row_height = 0.0, 0.0
        for cell in row:
            height = _place(page, cell, left, top, style, words)
            row_height = max(row_height, height)
            left += style.cell_width(cell.span) + style.gap
        top += row_height + style.gap
    height = max(top - style.gap, 1.0)
    body = ElementTree.tostring(page, encoding="unicode")
    return f'<svg width="{style.width:g}" height="{height:g}">{_without_namespaces(body)}</svg>'


def _place(
    page: ElementTree.Element,
    cell: FigureCell,
    left: float,
    top: float,
    style: PageStyle,
    words: dict[str, str],
) -> float:
    """Put a cell on the page with its upper left corner there; its height."""
    head = style.text_size * HEADING_LINE if cell.heading or cell.letter else 0.0
    width, height = drawing_size(cell.svg)
    group = ElementTree.SubElement(page, f"{{{SVG_NAMESPACE}}}g")
    group.set("transform", f"translate({left:g},{top + head:g})")
    for part in _inner(cell.svg, len(page)):
        group.append(part)
    replace_words(group, words, style.pen)
    _write_heading(page, cell, left, top + style.text_size, style)
    for note in cell.notes:
        _write_note(group, note, width, height, style)
    return head + height


def _write_heading(
    page: ElementTree.Element, cell: FigureCell, left: float, line: float, style: PageStyle
) -> None:
    if cell.letter:
        place_text(page, cell.letter, left, line, style.text_size, style.pen, bold=True)
    if cell.heading:
        beside = LETTER_WIDTH * style.text_size * len(cell.letter) + 4 if cell.letter else 0.0
        place_text(page, cell.heading, left + beside, line, style.text_size, style.pen)


def _write_note(
    group: ElementTree.Element, note: Note, width: float, height: float, style: PageStyle
) -> None:
    """The words of a note, and its arrow: a line with a head of 4 points."""
    x, y, size = note.x * width, (1 - note.y) * height, style.text_size - 1
    if note.tip:
        tip_x, tip_y = note.tip[0] * width, (1 - note.tip[1]) * height
        _draw_arrow(group, x, y, tip_x, tip_y)
    place_text(group, note.text, x, y - 2, size, style.pen, anchor="middle", halo=True)


def _draw_arrow(group: ElementTree.Element, x: float, y: float, to_x: float, to_y: float) -> None:
    length = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5 or 1.0
    along = ((to_x - x) / length, (to_y - y) / length)
    back = (to_x - 4 * along[0], to_y - 4 * along[1])
    corners = [
        (to_x, to_y),
        (back[0] - 1.6 * along[1], back[1] + 1.6 * along[0]),
        (back[0] + 1.6 * along[1], back[1] - 1.6 * along[0]),
    ]
    line = ElementTree.SubElement(group, f"{{{SVG_NAMESPACE}}}path")
    line.set("d", f"M{x:.3f},{y:.3f}L{back[0]:.3f},{back[1]:.3f}")
    line.set("stroke", "black")
    line.set("stroke-width", "0.7")
    head = ElementTree.SubElement(group, f"{{{SVG_NAMESPACE}}}path")
    head.set("d", "M" + "L".join(f"{a:.3f},{b:.3f}" for a, b in corners) + "Z")
    head.set("fill", "black")


def _inner(svg: str, number: int) -> list[ElementTree.Element]:
    """The elements of a drawing, its gradients and clips with names of their own."""

    def rename(name: re.Match[str]) -> str:
        return f"{name[1]}{int(name[2]) + MANY_IDS * MANY_IDS * number}"

    named = re.sub(r'(?<=id=")(gradient_|clip)(\d+)(?=")', rename, svg)
    named = re.sub(r"(?<=url\(#)(gradient_|clip)(\d+)(?=\))", rename, named)
    return list(ElementTree.fromstring(named))


def _without_namespaces(body: str) -> str:
    """The page's inside, whose namespaces the page itself declares."""
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", body, count=2)
