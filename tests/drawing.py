"""Drawing in tests: a result with what differs from its usual look."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from explorer.kinds import kind_named
from explorer.kinds.critical import CriticalLook
from explorer.kinds.critical_result import Critical
from explorer.kinds.difference import Difference, DifferenceLook
from explorer.kinds.interpolation import Interpolation, InterpolationLook
from explorer.kinds.line import Line, LineLook
from explorer.kinds.look import SubjectName
from explorer.kinds.sharpness import SharpnessLook
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.spectrum import SpectrumLook
from explorer.kinds.spectrum_result import Spectrum
from explorer.kinds.stability import StabilityLook
from explorer.kinds.stability_result import Stability
from explorer.kinds.surface import Surface, SurfaceLook
from explorer.render import (
    critical,
    difference,
    interpolation,
    line,
    sharpness,
    spectrum,
    stability,
    surface,
)
from explorer.render.drawing import Chart
from explorer.render.export.thumbnail import thumbnail
from explorer.render.export.views import whole_spec

# The loader finds no vendor of EGL, as on a machine without libgl1-mesa-dri: VTK ends by SIGSEGV.
WITHOUT_OPENGL = {
    "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent",
    "VTK_DEFAULT_OPENGL_WINDOW": "vtkEGLRenderWindow",
}


def drawn_line(lines: Line | dict[str, Line], **look: Any) -> Chart:
    return line.draw(lines, LineLook(**look))


def drawn_interpolation(
    lines: Interpolation | dict[str, Interpolation], ends: tuple[str, ...] = (), **look: Any
) -> Chart:
    names = [SubjectName(end) for end in ends]
    return interpolation.draw(lines, InterpolationLook(**look), names)


def drawn_difference(compared: Difference, names: tuple[str, ...] = (), **look: Any) -> Chart:
    return difference.draw(compared, DifferenceLook(**look), [SubjectName(name) for name in names])


def drawn_spectrum(spectra: Spectrum | dict[str, Spectrum], **look: Any) -> Chart:
    return spectrum.draw(spectra, SpectrumLook(**look))


def drawn_surface(plane: Surface, **look: Any) -> alt.LayerChart:
    chart = surface.draw(plane, SurfaceLook(**look))
    assert isinstance(chart, alt.LayerChart)
    return chart


def drawn_stability(along: Stability, names: Sequence[SubjectName] = (), **look: Any) -> Chart:
    return stability.draw(along, StabilityLook(**look), names)


def drawn_critical(searches: Critical, names: Sequence[SubjectName] = (), **look: Any) -> Chart:
    return critical.draw(searches, CriticalLook(**look), names)


def drawn_sharpness(models: Sharpness | dict[str, Sharpness], **look: Any) -> Chart:
    return sharpness.draw(models, SharpnessLook(**look))


def small_picture(kind: str, result: Any) -> bytes:
    return thumbnail(kind_named(kind), result)


def rows(chart: Any, style: str) -> list[dict[str, Any]]:
    """Rows behind the layers of that style."""
    spec = whole_spec(chart)
    views = spec.get("vconcat", [spec])
    names = [
        v["data"]["name"] for view in views for v in view["layer"] if v["mark"]["style"] == style
    ]
    return [row for name in names for row in spec["datasets"][name]]


def side_by_side(charts: Sequence[Chart], columns: int = 2) -> alt.ConcatChart:
    """The charts as panels of one figure, each with its own scales and legends."""
    channels = ("color", "shape", "stroke", "opacity", "strokeWidth", "strokeDash", "fill")
    concatenated = alt.ConcatChart(concat=list(charts), columns=min(columns, len(charts)))
    concatenated.resolve = alt.Resolve(scale=dict.fromkeys(channels, "independent"))
    return concatenated
