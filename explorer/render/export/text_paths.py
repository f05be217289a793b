"""Words of a drawing as outlines, which look the same where none of its fonts is."""

import copy
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from xml.etree import ElementTree

from explorer.render.export.fonts import register_fonts
from explorer.render.export.svg import SVG_NAMESPACE, parse_drawing, written_drawing

if TYPE_CHECKING:
    import pikepdf
    from fontTools.ttLib import TTFont

LINE = 400.0  # points between texts on the sheet: more than any text of several lines takes
TEXT, PATH = f"{{{SVG_NAMESPACE}}}text", f"{{{SVG_NAMESPACE}}}path"
# Of a text: how its letters are chosen and set; all else is how they are painted, and stays.
LETTERING = ("font-family", "font-size", "font-weight", "font-style", "text-anchor", "x", "y", "dx",
             "dy", "letter-spacing")  # fmt: skip
Matrix: TypeAlias = "pikepdf.Matrix"


@dataclass(frozen=True)
class PlacedGlyph:
    """A letter of a sheet: its font and number in it, and where it stands."""

    font: str
    number: int
    matrix: Matrix  # from a letter of size 1 to the sheet's points, y upwards


def with_text_as_paths(svg: str) -> str:
    """The drawing with each text as the outlines of its letters; where and how they were painted.

    The program that makes the PDF sets the texts on a sheet, and tells which glyph stands where:
    so the letters are those of the PDF, from the fonts that it would embed.

    Raises:
        ValueError: a text is in a font that has no outlines.
    """
    root = parse_drawing(svg)
    texts = [element for element in root.iter(TEXT) if "".join(element.itertext()).strip()]
    outlines = _outlines(texts) if texts else []
    paths = dict(zip(texts, outlines, strict=True))
    for parent in list(root.iter()):
        for place, child in enumerate(list(parent)):
            if child.tag == TEXT:
                parent[place] = _painted_path(child, paths.get(child, ""))
    return written_drawing(root)


def _painted_path(text: ElementTree.Element, outline: str) -> ElementTree.Element:
    """A path at the text's place, painted as the text."""
    painting = {name: value for name, value in text.attrib.items() if name not in LETTERING}
    path = ElementTree.Element(PATH, {"d": outline, **painting})
    path.tail = text.tail
    return path


def _outlines(texts: Sequence[ElementTree.Element]) -> list[str]:
    """The outlines of the letters of each text, around its own anchor, y downwards."""
    import pikepdf
    from fontTools.pens.svgPathPen import SVGPathPen
    from fontTools.pens.transformPen import TransformPen

    height = LINE * (len(texts) + 1)
    pens = [SVGPathPen(None, ntos=_number_text) for _ in texts]
    with pikepdf.open(io.BytesIO(_sheet(texts, height))) as document:
        page = document.pages[0]
        fonts = {name: _font(font) for name, font in page.resources.Font.items()}
        for glyph in _placed_glyphs(page):
            line = round((height - glyph.matrix.f) / LINE) - 1
            to_anchor = pikepdf.Matrix(1, 0, 0, -1, -LINE / 2, height - LINE * (line + 1))
            font = fonts[glyph.font]
            unit = 1 / font["head"].unitsPerEm
            place = pikepdf.Matrix().scaled(unit, unit) @ glyph.matrix @ to_anchor
            name = font.getGlyphName(glyph.number)
            font.getGlyphSet()[name].draw(TransformPen(pens[line], place.shorthand))
    return [pen.getCommands() for pen in pens]


def _number_text(number: float) -> str:
    """To a thousandth of a point."""
    return f"{number + 0.0:.3f}".rstrip("0").rstrip(".")


def _sheet(texts: Sequence[ElementTree.Element], height: float) -> bytes:
    """A PDF with the texts in black, the anchor of each on a line of its own."""
    import vl_convert

    sheet = ElementTree.Element(
        f"{{{SVG_NAMESPACE}}}svg", {"width": f"{LINE:g}", "height": f"{height:g}"}
    )
    for number, text in enumerate(texts):
        line = copy.deepcopy(text)
        line.attrib = {name: text.attrib[name] for name in LETTERING if name in text.attrib}
        line.set("transform", f"translate({LINE / 2:g},{LINE * (number + 1):g})")
        line.tail = None
        sheet.append(line)
    register_fonts()
    return bytes(vl_convert.svg_to_pdf(ElementTree.tostring(sheet, encoding="unicode")))


def _placed_glyphs(page: "pikepdf.Page") -> Iterator[PlacedGlyph]:
    """The letters that a page shows. Source: ISO 32000-1, 8.4.4 and 9.4 (operators)."""
    import pikepdf

    outer, kept = pikepdf.Matrix(), list[Matrix]()
    font, size, own = "", 1.0, pikepdf.Matrix()
    for instruction in pikepdf.parse_content_stream(page):
        word, operands = str(instruction.operator), instruction.operands
        if word == "q":
            kept.append(outer)
        elif word == "Q":
            outer = kept.pop()
        elif word == "cm":
            outer = pikepdf.Matrix(*map(float, operands)) @ outer
        elif word == "Tm":
            own = pikepdf.Matrix(*map(float, operands))
        elif word == "Tf":
            font, size = str(operands[0]), float(operands[1])
        elif word == "Tj":  # of one letter, which two bytes number in these fonts
            place = pikepdf.Matrix().scaled(size, size) @ own @ outer
            yield PlacedGlyph(font, int.from_bytes(bytes(operands[0]), "big"), place)


def _font(font: "pikepdf.Object") -> "TTFont":
    """The font that is embedded, with the glyphs that are used alone.

    Raises:
        ValueError: it has no outlines.
    """
    from fontTools.ttLib import TTFont, TTLibError

    try:
        descriptor = font.DescendantFonts[0].FontDescriptor
        content = descriptor.get("/FontFile2") or descriptor.FontFile3
        return TTFont(io.BytesIO(content.read_bytes()))
    except (AttributeError, TTLibError) as error:
        name = str(font.get("/BaseFont", "of this machine")).split("+")[-1]
        raise ValueError(
            f"some letters are of the font {name}, which gives no outlines here; write them "
            "otherwise, or take the PDF"
        ) from error
