"""Widths of columns and pages of journals and conferences, in inches, each with its source."""

from dataclasses import dataclass

MM = 1 / 25.4  # inches


@dataclass(frozen=True)
class Venue:
    """What a venue's style gives figures: one column and the whole width, in inches."""

    name: str
    column: float
    full: float
    source: str


def _single(name: str, width: float, source: str) -> Venue:
    return Venue(name, width, width, source)


VENUES = (
    Venue("ICML", 3.25, 6.75, "icml2024.sty: columns of 3.25 in, 0.25 in apart"),
    _single("NeurIPS", 5.5, "neurips_2024.sty: text 5.5 in wide"),
    _single("ICLR", 5.5, "iclr2024_conference.sty: text 5.5 in wide"),
    _single("COLM", 5.5, "colm2026_conference.sty: text 5.5 in wide"),
    _single("JMLR", 6.0, "jmlr2e.sty: text 6 in wide"),
    _single("TMLR", 6.5, "tmlr.sty: text 6.5 in wide"),
    Venue("AISTATS", 3.25, 6.75, "aistats2025.sty: columns of 3.25 in, 0.25 in apart"),
    Venue("UAI", 3.25, 6.75, "uai2023.cls: columns of 3.25 in, 0.25 in apart"),
    Venue("CVPR", 3.25, 6.875, "cvpr.sty: text 6.875 in wide in two columns"),
    Venue("AAAI", 3.3, 6.975, "aaai24.sty: text 7 in wide, columns 0.375 in apart"),
    _single("ECCV", 4.8, "llncs.cls: text 122 mm wide"),
    Venue("Nature", 89 * MM, 183 * MM, "Nature's guide to figures: 89 mm and 183 mm"),
    Venue("IEEE", 3.5, 7.16, "IEEE's graphics guide: 3.5 in and 7.16 in"),
    Venue("ACM", 3.33, 7.0, "acmart.cls, sigconf: text 7 in wide in two columns"),
    _single("A4 page", 6.27, "A4, 210 mm wide, with margins of 1 in"),
    _single("Beamer 16:9", 5.04, "beamer, aspectratio=169: 160 mm wide with margins of 16 mm"),
)
