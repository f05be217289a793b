"""What a surface seen from above tells under the mouse: computed values, or an estimate."""

import math

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.kinds.preview import Preview, nearest_computed
from explorer.kinds.surface import Surface
from explorer.render.marks.arrow import column_name, tooltip_title
from explorer.render.marks.image import cell_extent
from explorer.render.marks.ticks import number_text

HOVER_POINTS = 3600
HOVER_BYTES = 380_000
ESTIMATE_BYTES = 40  # of an estimate, more than of a value
Cells = tuple[slice, slice]  # rows and columns of a surface


def hover_layer(surface: Surface, preview: Preview, value: str) -> list[alt.Chart]:
    """Unseen cells that tell coordinates and values; none before a point is computed.

    A computed cell tells all its values. An interpolated one tells its own coordinates and what is
    expected of the value shown; any other tells of the nearest computed point.
    """
    if not surface.computed.any():
        return []
    cells, stride = _tooltip_cells(surface, len(surface.values))
    columns, field_names = _told_columns(surface, preview, value, cells)
    half = [np.ptp(cell_extent(axis)) / len(axis) * stride / 2 for axis in (surface.x, surface.y)]
    return [
        alt.Chart(pa.table(columns))
        .transform_calculate(
            left=f"datum['cell x'] - {half[0]}",
            right=f"datum['cell x'] + {half[0]}",
            bottom=f"datum['cell y'] - {half[1]}",
            top=f"datum['cell y'] + {half[1]}",
        )
        .mark_rect(style="hover", opacity=0, clip=True)
        .encode(
            x=alt.X("left:Q"),
            x2=alt.X2("right:Q"),
            y=alt.Y("bottom:Q"),
            y2=alt.Y2("top:Q"),
            tooltip=[
                alt.Tooltip(
                    field=field, type="nominal", title=tooltip_title(name.replace("_", " "))
                )
                for name, field in (("x", "x"), ("y", "y"), *field_names.items())
            ],
        )
    ]


def _told_columns(
    surface: Surface, preview: Preview, value: str, cells: Cells
) -> tuple[dict[str, np.ndarray | list[str]], dict[str, str]]:
    """The middle of each cell and what it tells, and the columns' names by those of the values."""
    cell_y, cell_x = (
        a.ravel() for a in np.meshgrid(surface.y[cells[0]], surface.x[cells[1]], indexing="ij")
    )
    j, i = (near[cells].ravel() for near in nearest_computed(surface.computed))
    gap = preview.interpolated[cells].ravel()
    told = {
        "x": [number_text(x) for x in np.where(gap, cell_x, surface.x[i]).tolist()],
        "y": [number_text(y) for y in np.where(gap, cell_y, surface.y[j]).tolist()],
    }
    used_names = {"cell x", "cell y", *told}
    field_names = {
        name: column_name(name if name not in used_names else f"{name} (value)")
        for name in surface.values
    }
    for name, grid in surface.values.items():
        texts = [number_text(v) for v in grid[j, i].tolist()]
        told[field_names[name]] = texts
        for n in np.flatnonzero(gap):
            texts[n] = "not computed"
    likely, give = (grid[cells].ravel() for grid in (preview.values, preview.uncertainty))
    for n in np.flatnonzero(gap):
        estimate = estimate_text(float(likely[n]), float(give[n]))
        told[field_names[value]][n] = f"{estimate} (interpolated)"
    return {"cell x": cell_x.round(9), "cell y": cell_y.round(9), **told}, field_names


def estimate_text(value: float, uncertainty: float) -> str:
    """A value with the digits that its uncertainty leaves: "≈ 1.23 ± 0.02"."""
    digits = 5
    if uncertainty > 0 and value != 0:
        size, place = (math.floor(math.log10(abs(n))) for n in (value, uncertainty))
        digits = min(max(size - place + 1, 1), 5)
    return f"≈ {_rounded_text(value, digits)} ± {_rounded_text(uncertainty, 1)}"


def _rounded_text(value: float, digits: int) -> str:
    """The value to that many digits, without an exponent where it needs none."""
    return number_text(float(f"{value:.{digits - 1}e}"))


def _tooltip_cells(surface: Surface, values: int) -> tuple[Cells, int]:
    """Rows and columns that the tooltips have room for, every `stride`-th, and that stride."""
    bytes_per_cell = 65 + 24 * values + ESTIMATE_BYTES * (not surface.computed.all())
    allowed = min(HOVER_POINTS, HOVER_BYTES // bytes_per_cell)
    stride = 1
    while math.prod(math.ceil(n / stride) for n in surface.computed.shape) > allowed:
        stride += 1
    rows, columns = (slice((n - 1) // 2 % stride, None, stride) for n in surface.computed.shape)
    return (rows, columns), stride
