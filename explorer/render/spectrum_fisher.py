"""The gradients' covariance beside the Hessian, drawn."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import numpy as np

from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, GREEN, ORANGE, SERIES_GREY
from explorer.render.marks.curve import Curve, Row

X_TITLE = "Number of the eigenvalue, from the top"
LOW_HEIGHT = 150  # px


def covariance_chart(spectrum: Spectrum, look: SpectrumLook) -> curves.CurvesChart:
    """The largest eigenvalues of both, and how far their spaces overlap.

    Raises:
        ValueError: the answer was not asked for the covariance, or has none yet.
    """
    alignment = spectrum.alignment
    if alignment is None:
        raise ValueError("the picture must have the gradients' covariance, got none; ask for it")
    count = len(alignment.values)
    own = spectrum.eigenvalues[0][: min(count, spectrum.settings.top)]
    hessian = {"Hessian": _curve(own)} if len(own) else {}
    positive = all((values > 0).all() for values in (own, alignment.values))
    values = {**hessian, "gradient covariance": _curve(alignment.values)}
    overlaps = {"overlap": _curve(alignment.overlaps), "by chance": _curve(alignment.by_chance)}
    rows = [
        Row(
            "eigenvalue", values, 220, look.log and positive, colours=(ORANGE, BLUE)[-len(values) :]
        ),
        Row("overlap of the spaces", overlaps, LOW_HEIGHT, colours=(GREEN, SERIES_GREY)),
    ]
    span = (1.0, float(max(2, count)))
    return curves.chart(rows, X_TITLE, look.width, look.title, span, whole=True)


def _curve(values: np.ndarray) -> Curve:
    """Values (k,) at 1, 2, ..."""
    return Curve(np.arange(1.0, len(values) + 1), values, np.isfinite(values))
