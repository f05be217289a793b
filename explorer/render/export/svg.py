"""Drawings as SVG, and what becomes of them: pages, PDF and pixels."""

import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from explorer.render.export.fonts import BUNDLED_FONTS, font_families, register_fonts

SVG_NAMESPACE = "http://www.w3.org/2000/svg"
XLINK_NAMESPACE = "http://www.w3.org/1999/xlink"
POINTS = 72  # per inch; one pixel of the chart is one point of the figure


def drawn_svg(spec: dict[str, object]) -> str:
    """The specification drawn; nothing is fetched from anywhere."""
    import vl_convert

    register_fonts()
    return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[], show_warnings=False))


def with_raised_digits(svg: str, fonts: Sequence[str]) -> str:
    """The drawing with texts that hold raised digits in a font that has them all.

    Liberation Sans has only four: for the others the whole text would be in whatever font else is
    on the machine.
    """
    if BUNDLED_FONTS["sans-serif"] not in font_families(fonts):
        return svg
    raised = "(?<=>)[^<>]*[⁰¹²³⁴-⁹⁻][^<>]*(?=</text>)"
    return re.sub(raised, r'<tspan font-family="DejaVu Sans">\g<0></tspan>', svg)


def renumber_ids(svg: str) -> str:
    """The drawing with gradients and clips counted from 0: Vega counts on from picture to picture.

    So the same figure is the same file.
    """
    names = dict.fromkeys(re.findall(r'id="((?:gradient_|clip)\d+)"', svg))
    new_ids = {name: f"{name.rstrip('0123456789')}{n}" for n, name in enumerate(names)}
    return re.sub(
        r'(?<=id=")(?:gradient_|clip)\d+(?=")|(?<=url\(#)(?:gradient_|clip)\d+(?=\))',
        lambda name: new_ids.get(name[0], name[0]),
        svg,
    )


def drawing_size(svg: str) -> tuple[float, float]:
    """Width and height of the drawing, in points."""
    head = re.search(r'width="([\d.]+)" height="([\d.]+)"', svg)
    if head is None:
        raise ValueError("the drawing has no size")
    return float(head[1]), float(head[2])


def parse_drawing(svg: str) -> ElementTree.Element:
    """The drawing, which declares no namespaces, as elements."""
    ElementTree.register_namespace("", SVG_NAMESPACE)
    ElementTree.register_namespace("xlink", XLINK_NAMESPACE)
    declared = f'<svg xmlns="{SVG_NAMESPACE}" xmlns:xlink="{XLINK_NAMESPACE}" '
    return ElementTree.fromstring(svg.replace("<svg ", declared, 1))


def written_drawing(root: ElementTree.Element) -> str:
    """The drawing of these elements, without namespaces; see `parse_drawing`."""
    written = ElementTree.tostring(root, encoding="unicode")
    return re.sub(r' xmlns(:\w+)?="[^"]*"', "", written, count=2)


def convert_svg(svg: str, format: str, width_inches: float, dpi: int) -> bytes:
    """The drawing in its format; the page is widened by the fraction of a point that is missing."""
    import vl_convert

    width, (_, height) = width_inches * POINTS, drawing_size(svg)
    start = svg.index("<g")
    body = f'<rect width="{width:g}" height="{height:g}" fill="white"/>{svg[start:]}'
    sizes = {
        "svg": (f"{width_inches:g}in", f"{height / POINTS:g}in"),
    }.get(format, (f"{width:g}", f"{height:g}"))
    page = (
        f'<svg xmlns="{SVG_NAMESPACE}" xmlns:xlink="{XLINK_NAMESPACE}" '
        f'version="1.1" width="{sizes[0]}" height="{sizes[1]}" '
        f'viewBox="0 0 {width:g} {height:g}">{body}'
    )
    if format == "svg":
        return page.encode()
    if format == "pdf":
        return _settled_pdf(vl_convert.svg_to_pdf(page))
    pixels = round(width_inches * dpi) + 0.01  # vl-convert rounds down
    return bytes(vl_convert.svg_to_png(page, scale=1.0, ppi=pixels / width_inches))


def _settled_pdf(content: bytes) -> bytes:
    """The document written anew, always the same way: vl-convert orders two fonts by chance."""
    import pikepdf

    file = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as document:
        document.save(
            file,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,  # a plain table, as metadata.py
        )  # adds to
    return file.getvalue()
