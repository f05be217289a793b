"""Figures for papers: exact width, embedded fonts, one quiet style; SVG, PDF or PNG."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence

from explorer.kinds.provenance import Provenance
from explorer.render.drawing import Chart
from explorer.render.export.figure_width import fit_width
from explorer.render.export.fonts import SANS
from explorer.render.export.metadata import with_provenance
from explorer.render.export.paper_style import paper_spec
from explorer.render.export.svg import POINTS, convert_svg, renumber_ids, with_raised_digits

FORMATS = ("svg", "pdf", "png")


def save_figure(
    chart: Chart,
    format: str,
    width_inches: float,
    *,
    dpi: int = 300,
    fonts: Sequence[str] = SANS,
    provenance: Sequence[Provenance] = (),
) -> bytes:
    """The chart as a figure of exactly that width, all axes, legends and titles included.

    Its height follows. Text stays text (PDF: fonts embedded). It carries the provenance of each
    analysis that it shows.

    Raises:
        ValueError: an unknown format, a width or a resolution that is out of range, or axes and
            legends that leave no room for the plot.
    """
    require_figure(format, width_inches, dpi)
    drawing = with_raised_digits(fit_width(paper_spec(chart, fonts), width_inches * POINTS), fonts)
    drawing = renumber_ids(drawing)
    return with_provenance(convert_svg(drawing, format, width_inches, dpi), format, provenance)


def require_figure(format: str, width_inches: float, dpi: int) -> None:
    """Refuse a figure that cannot be.

    Raises:
        ValueError: an unknown format, or a width or a resolution that is out of range.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    if not 0.5 <= width_inches <= 50:
        raise ValueError(f"width must be from 0.5 to 50 inches, got {width_inches}")
    if not 30 <= dpi <= 2400:
        raise ValueError(f"dpi must be from 30 to 2400, got {dpi}")
