"""A vertical rule under the mouse, with the value of every curve there."""

import hashlib
from collections.abc import Iterable, Mapping

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.render.marks.arrow import column_name, tooltip_title
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.ticks import number_text


def hover_rule(row: Row, x: alt.X) -> alt.Chart:
    """The rule at the nearest x of any curve."""
    xs = np.unique(np.concatenate([curve.x for curve in row.curves.values()]))
    columns: dict[str, np.ndarray | list[str]] = {"x": xs, "x text": [number_text(at) for at in xs]}
    for name, curve in row.curves.items():
        texts = np.full(len(xs), "", dtype=object)
        texts[np.searchsorted(xs, curve.x)] = _point_texts(curve)
        columns[column_name(f"value {name}")] = texts.tolist()
    titles = {"x text": "x"}
    titles |= {column_name(f"value {name}"): name or row.words for name in row.curves}
    near = alt.selection_point(
        name=f"near_{_content_hash(columns)}",  # no two alike, whatever stands beside it
        on="pointerover",
        clear="pointerout",
        nearest=True,
        fields=["x"],
        empty=False,
    )
    # Of the channel's own class: altair seeks the class of other values among hundreds.
    shown = alt.OpacityValue(0, condition=[{"param": near.name, "value": 0.8, "empty": False}])
    return (
        alt.Chart(pa.table(columns))
        .mark_rule(style="hover", color=GREY, strokeWidth=1)
        .encode(
            x=x,
            opacity=shown,
            tooltip=[
                alt.Tooltip(field=field, type="nominal", title=tooltip_title(title))
                for field, title in titles.items()
            ],
        )
        .add_params(near)
    )


def _content_hash(columns: Mapping[str, Iterable[object]]) -> str:
    """The beginning of a hash of the columns."""
    content = repr([(name, list(values)) for name, values in columns.items()])
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


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
