"""A training run drawn: its path on the plane of its principal components, and its course."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from explorer.kinds.run import Path, Run
from explorer.render import curves
from explorer.render.curve import Curve, Row
from explorer.render.rows import escaped, table
from explorer.render.scale import ContourStyle, number
from explorer.render.surface import contour

COURSE = {"out": "out of plane", "moved": "from start", "norm": "norm", "turn": "turn, degrees"}


def on_plane(
    run: Run, style: ContourStyle | None = None, *, steps: Sequence[int | str] | None = None
) -> alt.LayerChart:
    """The loss over the plane from above, with the whole path on it; see `growing`."""
    return growing(run, style, steps=steps)(len(run.path.x) - 1 if run.path else 0)


def growing(
    run: Run, style: ContourStyle | None = None, *, steps: Sequence[int | str] | None = None
) -> Callable[[int], alt.LayerChart]:
    """A function that makes the chart with the path up to a snapshot; the plane is drawn once.

    Args:
        run: the plane, and the path once there is a first piece.
        style: of the contour plot.
        steps: names of the snapshots, (T,); their number unless given.
    """
    shares = run.facts.get("explained", [])
    titles = [f"Principal component {n + 1}" for n in range(2)]
    if len(shares) > 1:
        titles = [f"{t} ({s:.1%} of the variance)" for t, s in zip(titles, shares, strict=False)]
    plane = contour(run, style, x_title=titles[0], y_title=titles[1])
    path = run.path

    def until(last: int) -> alt.LayerChart:
        chart = plane.copy(deep=False)
        chart.layer = [*plane.layer, *(_path(path, steps, last) if path else [])]
        return chart

    return until


def _path(path: Path, steps: Sequence[int | str] | None, last: int) -> list[alt.Chart]:
    """The line through the snapshots, a dot for each, the last drawn one larger."""
    names = list(range(len(path.x))) if steps is None else list(steps)
    rows = [_told(path, names, t) for t in range(last + 1)]
    base = alt.Chart(table(rows)).encode(x="x:Q", y="y:Q", order="t:Q")
    tips = [alt.Tooltip(f"{escaped(name)}:N") for name in rows[0] if name not in ("x", "y", "t")]
    end = alt.Chart(table(rows[-1:])).encode(x="x:Q", y="y:Q", tooltip=tips)
    return [
        base.mark_line(color="white", strokeWidth=4, opacity=0.65, strokeJoin="round"),
        base.mark_line(color="black", strokeWidth=1.6, strokeJoin="round"),
        base.mark_circle(color="black", size=18, opacity=1).encode(tooltip=tips),
        end.mark_circle(color="#e4572e", size=110, stroke="white", strokeWidth=1.5, opacity=1),
    ]


def _told(path: Path, names: Sequence[int | str], t: int) -> dict[str, Any]:
    """A snapshot's place, and what its tooltip says."""
    told = {"x": float(path.x[t]), "y": float(path.y[t]), "t": t, "step": str(names[t])}
    told |= {f"true {name}": number(value[t]) for name, value in path.values.items()}
    return told | {"from the plane": number(path.out[t], 4)}


def course(path: Path, steps: Sequence[int | str], log: bool, width: int = 560) -> Any:
    """The run over its steps: true loss and metrics, and how it moved.

    Snapshots without a step are counted.
    """
    known = all(isinstance(step, int) for step in steps)
    x = np.array(steps if known else range(len(steps)), dtype=np.float64)
    values = {**path.values, **{words: getattr(path, n) for n, words in COURSE.items()}}
    rows = []
    for place, (name, y) in enumerate(values.items()):
        drawn = np.isfinite(y) if name == COURSE["turn"] else np.ones(len(y), dtype=bool)
        height = 220 if place == 0 else 90
        rows.append(Row(name, {"": Curve(x, y, drawn)}, height, log and place == 0))
    return curves.chart(rows, "Training step" if known else "Snapshot", width)


def scree(facts: Mapping[str, Any], width: int = 560) -> alt.LayerChart:
    """Share of the variance by component, beside that of a random walk of the same length."""
    rows = [
        {"component": k + 1, "share": share, "of": of}
        for of, name in (("this run", "explained"), ("a random walk", "explained_by_random_walk"))
        for k, share in enumerate(facts[name])
    ]
    return (
        alt.Chart(table(rows))
        .mark_bar()
        .encode(
            x=alt.X("component:O", title="Principal component", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("of:N", sort=["this run", "a random walk"]),
            y=alt.Y("share:Q", title="Share of the variance", axis=alt.Axis(format="%")),
            color=alt.Color("of:N", sort=["this run", "a random walk"]).legend(
                title=None, orient="top"
            ),
            tooltip=[
                alt.Tooltip("of:N", title="variance of"),
                alt.Tooltip("component:O"),
                alt.Tooltip("share:Q", format=".2%"),
            ],
        )
        .properties(
            width=width,
            height=180,
            autosize=alt.AutoSizeParams(type="pad", contains="padding"),
        )
    )
