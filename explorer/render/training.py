"""Training curves: what a script logged and what was measured, over steps, of several runs."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Mapping, Sequence

import numpy as np

from explorer.kinds.look import CurvesLook
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve, Row

HEIGHTS = (220, 90)  # of the loss, and of everything else
# value -> line -> (step, value)
RunCurves = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]


def curves_chart(runs: Mapping[str, RunCurves], look: CurvesLook) -> curves.CurvesChart:
    """One plot a value, the loss first; in it a curve for each run and each source of it.

    A log scale is for what is above 0 everywhere, and not for shares such as the accuracy.

    Raises:
        ValueError: there is no curve at all.
    """
    names = list(dict.fromkeys(name for run_curves in runs.values() for name in run_curves))
    names.sort(key=lambda name: (name != "loss", name != "accuracy"))
    if not names:
        raise ValueError("runs must have a curve, got none; import snapshots with their steps")
    ends = [
        float(s)
        for run_curves in runs.values()
        for c in run_curves.values()
        for line in c.values()
        for s, _ in line
    ]
    rows = []
    for name in names:
        plot_curves = {
            _curve_name(run if len(runs) > 1 else "", source): _step_curve(line)
            for run, run_curves in runs.items()
            for source, line in run_curves.get(name, {}).items()
        }
        if len(plot_curves) == 1:
            plot_curves = {"": next(iter(plot_curves.values()))} if len(runs) == 1 else plot_curves
        rows.append(
            Row(name, plot_curves, HEIGHTS[name != "loss"], look.log and name != "accuracy")
        )
    return curves.chart(rows, "Training step", look.width, look.title, (min(ends), max(ends)))


def _curve_name(run: str, source: str) -> str:
    return f"{run}, {source}" if run else source


def _step_curve(line: Sequence[tuple[int, float]]) -> Curve:
    """A curve by step; of a step that is there twice the later value counts."""
    values_by_step = dict(line)
    steps = sorted(values_by_step)
    y = np.array([values_by_step[step] for step in steps], dtype=np.float64)
    return Curve(np.array(steps, dtype=np.float64), y, np.ones(len(steps), dtype=bool))
