"""Curvature along runs drawn: the largest eigenvalue against a threshold, traces, ranks, noise."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from explorer.kinds.stability import Stability
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Curve, Row, visible_band

HEIGHTS = (220, 110)  # of the largest eigenvalue, and of everything else
COLOURS = (BLUE, ORANGE)  # of the eigenvalue and the threshold


def course_chart(
    stability: Stability,
    names: Sequence[str] = (),
    steps: Sequence[Sequence[int | str]] = (),
    *,
    threshold: float | np.ndarray | None = None,
    words: str = "threshold",
    log: bool = False,
    others: Mapping[str, np.ndarray] | None = None,
    width: int = 560,
) -> Any:
    """An Altair chart of the snapshots computed so far, one plot a value.

    Bands are the residual of the largest eigenvalue and the 95 % interval of the trace, where they
    are wide enough to see. Snapshots without steps are counted.

    Args:
        stability: the runs.
        names: of the runs, in their order; needed where there are several.
        steps: names of each run's snapshots.
        threshold: of the optimiser, drawn as a line across; or at each snapshot of the one run.
        words: what the threshold is called.
        log: whether values that are above 0 are drawn on a log scale.
        others: further values (T,) by name, each in a plot of its own.
        width: of the plots, in px.
    """
    counted = bool(steps) and all(isinstance(step, int) for run in steps for step in run)
    places = [np.arange(span.stop - span.start, dtype=np.float64) for span in stability.runs]
    if counted:
        places = [np.array(run, dtype=np.float64) for run in steps]
    top, error = stability.values["lambda_max"], stability.values["residual"]
    values = {
        "largest eigenvalue": (top, (top - error, top + error)),
        "trace": (stability.values["trace"], stability.trace_interval),
        "effective rank": (stability.effective_rank, None),
        "noise scale": (stability.noise_scale, None),
        "gradient norm": (stability.values["gradient_norm"], None),
        **{name: (own, None) for name, own in (others or {}).items()},
        "loss": (stability.loss, None),
    }
    rows = []
    for place, (name, (y, band)) in enumerate(values.items()):
        curves_by_name = {
            _run_name(names, run): _sorted_curve(
                places[run], y[span], band, span, stability.computed[span]
            )
            for run, span in enumerate(stability.runs)
        }
        if not place and threshold is not None:
            line = _threshold_curve(threshold, places)
            curves_by_name = {n or "largest eigenvalue": c for n, c in curves_by_name.items()} | {
                words: line
            }
        scaled = log and _all_positive(y[stability.computed])
        across = words in curves_by_name and len(curves_by_name) == 2
        rows.append(
            Row(
                name,
                curves_by_name,
                HEIGHTS[bool(place)],
                scaled,
                colours=COLOURS if across else (),
            )
        )
    title = "Training step" if counted else "Snapshot"
    return curves.chart(rows, title, width, span=_steps_range(places))


def _threshold_curve(threshold: float | np.ndarray, places: Sequence[np.ndarray]) -> Curve:
    """The threshold across the plot, or from snapshot to snapshot."""
    if isinstance(threshold, np.ndarray):
        order = np.argsort(places[0], kind="stable")
        return Curve(places[0][order], threshold[order], np.ones(len(threshold), dtype=bool))
    ends = np.array(_steps_range(places))
    return Curve(ends, np.full(2, threshold), np.ones(2, dtype=bool))


def _run_name(names: Sequence[str], run: int) -> str:
    return names[run] if len(names) > 1 else ""


def _sorted_curve(
    x: np.ndarray,
    y: np.ndarray,
    band: tuple[np.ndarray, np.ndarray] | None,
    span: slice,
    computed: np.ndarray,
) -> Curve:
    ends = None if band is None else visible_band((band[0][span], band[1][span]), y, computed)
    order = np.argsort(x, kind="stable")
    if ends is not None:
        ends = ends[0][order], ends[1][order]
    return Curve(x[order], y[order], computed[order], ends)


def _steps_range(places: Sequence[np.ndarray]) -> tuple[float, float]:
    low, high = (float(f([f(x) for x in places])) for f in (min, max))
    return low, high if high > low else low + 1


def _all_positive(values: np.ndarray) -> bool:
    finite_values = values[np.isfinite(values)]
    return bool(len(finite_values) and (finite_values > 0).all())


def thumbnail(stability: Stability) -> bytes:
    """A small picture (PNG) of the largest eigenvalue, readable on light and dark pages."""
    x = np.arange(len(stability.computed), dtype=np.float64)
    return curves.thumbnail(Curve(x, stability.values["lambda_max"], stability.computed))
