"""The unseen cells of a plot that feel the mouse: one for each x, and some along each curve."""

from dataclasses import dataclass

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.render.marks.arrow import column_name
from explorer.render.marks.curve import Curve, Row
from explorer.render.marks.scale import is_drawable
from explorer.render.marks.ticks import number_text

REACH = 9  # px above and below a curve within which the mouse is on it
MOST_WIDTH = 16  # px of a cell along a curve, which would else not follow it
LEAST_WIDTH = 4  # px: of narrower cells several are one


@dataclass(frozen=True)
class PlotFrame:
    """What a plot of curves is drawn in."""

    x: alt.X
    y: alt.Y
    span: tuple[float, float]  # ends of the axis of x
    limits: tuple[float, float]  # ends of the axis of values
    width: int  # px
    height: int  # px
    log: bool = False  # of the axis of values

    def scaled(self, values: np.ndarray) -> np.ndarray:
        """Values as their axis has them; NaN where they have no place."""
        drawable = is_drawable(values, self.log)
        safe = np.where(drawable, values, 1.0)
        return np.where(drawable, np.log(safe) if self.log else safe, np.nan)

    def values(self, scaled: np.ndarray) -> np.ndarray:
        """The values of such places, none beyond the axis."""
        low, high = self.scaled(np.array(self.limits))
        inside = np.clip(scaled, low, high)
        return np.clip(np.exp(inside) if self.log else inside, *self.limits)


def x_cells(row: Row, span: tuple[float, float]) -> pa.Table:
    """Of each x of any curve: from where to where it is the nearest, and what is told of it."""
    xs = np.unique(np.concatenate([curve.x for curve in row.curves.values()]))
    middle = (xs[1:] + xs[:-1]) / 2
    beyond = np.nextafter(max(span[1], xs[-1]), np.inf)
    columns: dict[str, np.ndarray | list[str]] = {
        "x": xs,
        "left": np.array([min(span[0], xs[0]), *middle]),
        "right": np.array([*middle, beyond]),
        "x text": [number_text(at) for at in xs],
    }
    for name, curve in row.curves.items():
        texts = np.full(len(xs), "", dtype=object)
        texts[np.searchsorted(xs, curve.x)] = _point_texts(curve)
        columns[column_name(f"value {name}")] = texts.tolist()
    return pa.table(columns)


def curve_cells(row: Row, cells: pa.Table, frame: PlotFrame) -> pa.Table:
    """Cells around each curve, with its name and what is told of their x.

    Args:
        row: the plot's curves.
        cells: of each x.
        frame: what they are drawn in.
    """
    px = max(frame.span[1] - frame.span[0], np.finfo(float).tiny) / frame.width
    cells = _wide_enough(cells, LEAST_WIDTH * px)
    left, right = (cells[name].to_numpy() for name in ("left", "right"))
    parts = np.clip(np.ceil((right - left) / (MOST_WIDTH * px)), 1, frame.width).astype(int)
    of = np.repeat(np.arange(len(parts)), parts)
    number = np.arange(len(of)) - np.repeat(np.cumsum(parts) - parts, parts)
    step = ((right - left) / parts)[of]
    starts, ends = left[of] + number * step, left[of] + (number + 1) * step
    middles = cells["x"].to_numpy()[of]
    tables = []
    for name, curve in row.curves.items():
        low, high = _reach(curve, np.array([starts, np.clip(middles, starts, ends), ends]), frame)
        kept = np.flatnonzero(np.isfinite(low))
        own = {"left": starts[kept], "right": ends[kept], "low": low[kept], "high": high[kept]}
        told = cells.drop_columns(["left", "right"]).take(pa.array(of[kept]))
        for key, values in {**own, "line": [name] * len(kept)}.items():
            told = told.append_column(key, pa.array(values))
        tables.append(told)
    return pa.concat_tables(tables, promote_options="default")


def _wide_enough(cells: pa.Table, width: float) -> pa.Table:
    """The cells, or every n-th with the width of n where they are narrower."""
    left, right = (cells[name].to_numpy() for name in ("left", "right"))
    stride = int(np.clip(width * len(left) / max(right[-1] - left[0], width), 1, len(left)))
    if stride == 1:
        return cells
    firsts = np.arange(0, len(left), stride)
    lasts = np.minimum(firsts + stride, len(left)) - 1
    told = cells.take(pa.array((firsts + lasts) // 2)).drop_columns(["left", "right"])
    told = told.append_column("left", pa.array(left[firsts]))
    return told.append_column("right", pa.array(right[lasts]))


def _reach(curve: Curve, at: np.ndarray, frame: PlotFrame) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value of a curve in cells, and a little more; NaN where it is not drawn.

    Args:
        curve: whose x rise.
        at: places along x within each cell, (3, cells).
        frame: what it is drawn in.
    """
    x, y = curve.x[curve.computed], frame.scaled(curve.y[curve.computed])
    nowhere = np.full(at.shape[1], np.nan)
    if not len(x):
        return nowhere, nowhere
    places = np.array([np.interp(one, x, y, left=np.nan, right=np.nan) for one in at])
    low, high = frame.scaled(np.array(frame.limits))
    margin = (high / frame.height - low / frame.height) * REACH  # the span may overflow
    drawn = np.isfinite(places).any(axis=0)
    lowest = np.where(np.isfinite(places), places, np.inf).min(axis=0)
    highest = np.where(np.isfinite(places), places, -np.inf).max(axis=0)
    with np.errstate(all="ignore"):  # values may be as far apart as floats can be
        ends = frame.values(lowest - margin), frame.values(highest + margin)
    return np.where(drawn, ends[0], np.nan), np.where(drawn, ends[1], np.nan)


def _point_texts(curve: Curve) -> list[str]:
    """Value and band of each point in words."""
    texts = [number_text(y, 6) for y in curve.y.tolist()]
    if curve.band is not None:
        ends = zip(texts, *(end.tolist() for end in curve.band), strict=True)
        texts = [f"{text} ({number_text(a, 4)} to {number_text(b, 4)})" for text, a, b in ends]
    return [
        text if is_computed else "not computed"
        for text, is_computed in zip(texts, curve.computed, strict=True)
    ]
