"""A vertical rule under the mouse, with the value of every curve there."""

from typing import Any

import altair as alt
import numpy as np
import pyarrow as pa

from explorer.render.marks.arrow import column, tip_title
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.scale import number


def rule(row: Row, x: alt.X) -> alt.Chart:
    """The rule at the nearest x of any curve."""
    xs = np.unique(np.concatenate([curve.x for curve in row.curves.values()]))
    columns: dict[str, Any] = {"x": xs, "x text": [number(at) for at in xs]}
    for name, curve in row.curves.items():
        texts = np.full(len(xs), "", dtype=object)
        texts[np.searchsorted(xs, curve.x)] = _texts(curve)
        columns[column(f"value {name}")] = texts.tolist()
    titles = {"x text": "x"}
    titles |= {column(f"value {name}"): name or row.words for name in row.curves}
    near = alt.selection_point(
        name=f"near_{row.value.encode('utf-8', 'surrogatepass').hex()}",  # no two alike
        on="pointerover",
        clear="pointerout",
        nearest=True,
        fields=["x"],
        empty=False,
    )
    return (
        alt.Chart(pa.table(columns))
        .mark_rule(style="hover", color=GREY, strokeWidth=1)
        .encode(
            x=x,
            opacity=alt.when(near).then(alt.value(0.8)).otherwise(alt.value(0)),
            tooltip=[
                alt.Tooltip(field=field, type="nominal", title=tip_title(title))
                for field, title in titles.items()
            ],
        )
        .add_params(near)
    )


def _texts(curve: Curve) -> list[str]:
    """Value and band of each point in words."""
    texts = [number(y, 6) for y in curve.y.tolist()]
    if curve.band is not None:
        ends = zip(texts, *(end.tolist() for end in curve.band), strict=True)
        texts = [f"{text} ({number(a, 4)} to {number(b, 4)})" for text, a, b in ends]
    return [
        text if known else "not computed" for text, known in zip(texts, curve.computed, strict=True)
    ]
