"""Curvature along runs drawn: the largest eigenvalue against a threshold, traces, ranks, noise."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from explorer.kinds.look import SubjectName
from explorer.kinds.stability import StabilityLook
from explorer.kinds.stability_result import CRITICAL, PROJECTION, STEP_COLUMNS, Stability
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Band, Curve, Row, visible_band
from explorer.render.stability_phase import phase_chart

COLOURS = (BLUE, ORANGE)  # of the eigenvalue and the threshold


def draw(
    stability: Stability, look: StabilityLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """An Altair chart of the snapshots computed so far, one plot a value; or their phase plot.

    Bands are the residual of the largest eigenvalue and the 95 % interval of the trace, where they
    are wide enough to see. Snapshots without steps are counted. With learning rates there are the
    optimiser's threshold and the implicit regulariser too.

    Args:
        stability: the runs.
        look: how they are drawn; its rates are one, or one a snapshot.
        names: of the runs, in their order, with their snapshots' steps.

    Raises:
        ValueError: another number of rates.
    """
    rates = _checked_rates(stability, look)
    if look.picture == "phase":
        return phase_chart(stability, look, names)
    places = _step_places(stability, names)
    plots = _plot_values(stability, look, rates)
    rows = [_row(stability, look, names, places, plot) for plot in plots]
    thresholds = look.thresholds(stability.preconditioned)
    if thresholds is not None:
        rows[0] = _with_threshold(rows[0], f"threshold of {look.optimiser}", thresholds, places)
    counted = _has_steps(names)
    title = "Training step" if counted else "Snapshot"
    return curves.chart(rows, title, look.width, look.title, _steps_range(places))


@dataclass(frozen=True)
class _Plot:
    """A value of each snapshot, and the band around it."""

    name: str
    y: np.ndarray  # (T,)
    band: Band | None = None


def _checked_rates(stability: Stability, look: StabilityLook) -> np.ndarray | None:
    """The learning rates, one or (T,); None where none is given."""
    count = len(look.rates)
    if count > 1 and count != len(stability.computed):
        snapshots = len(stability.computed)
        raise ValueError(
            f"rates must be one, or one for each of {snapshots} snapshots, got {count}"
        )
    return np.array(look.rates) if count else None


def _plot_values(
    stability: Stability, look: StabilityLook, rates: np.ndarray | None
) -> list[_Plot]:
    """What is drawn of the snapshots, from above to below."""
    top, error = stability.values["lambda_max"], stability.values["residual"]
    has_critical = CRITICAL in stability.values
    plots = [
        _Plot("largest eigenvalue", top, (top - error, top + error)),
        *([_Plot("critical sharpness", stability.values[CRITICAL])] if has_critical else []),
        _Plot("trace", stability.values["trace"], stability.trace_interval),
        _Plot("effective rank", stability.effective_rank),
        _Plot("noise scale", stability.noise_scale),
        _Plot("gradient norm", stability.values["gradient_norm"]),
        *_asked_plots(stability),
    ]
    if rates is not None:
        batch = look.batch or stability.facts.available
        plots.append(_Plot("implicit regulariser", stability.regulariser(rates, batch)))
    return [*plots, _Plot("loss", stability.loss)]


def _asked_plots(stability: Stability) -> list[_Plot]:
    """What is drawn of those that were asked for it: changes along a step, and a projection."""
    values = stability.values
    plots = []
    if STEP_COLUMNS[0] in values:
        ends = values["step_low"], values["step_high"]
        plots += [
            _Plot("loss along a step", stability.loss, ends),
            _Plot("change of the gradient", values["gradient_change"]),
            _Plot("smoothness", values["smoothness"]),
        ]
    return plots + ([_Plot("projection", values[PROJECTION])] if PROJECTION in values else [])


def _has_steps(names: Sequence[SubjectName]) -> bool:
    """Whether all snapshots have a training step."""
    return bool(names) and all(
        bool(name.steps) and all(isinstance(step, int) for step in name.steps) for name in names
    )


def _step_places(stability: Stability, names: Sequence[SubjectName]) -> list[np.ndarray]:
    """Where each run's snapshots lie along the axis: at their steps, or counted."""
    if _has_steps(names):
        return [np.array(name.steps, dtype=np.float64) for name in names]
    return [np.arange(span.stop - span.start, dtype=np.float64) for span in stability.runs]


def _row(
    stability: Stability,
    look: StabilityLook,
    names: Sequence[SubjectName],
    places: Sequence[np.ndarray],
    plot: _Plot,
) -> Row:
    """The plot of one value; the largest eigenvalue's is the highest."""
    curves_by_name = {
        _run_name(names, run): _sorted_curve(
            places[run],
            plot.y[span],
            plot.band if look.band else None,
            span,
            stability.computed[span],
        )
        for run, span in enumerate(stability.runs)
    }
    scaled = look.log and _all_positive(plot.y[stability.computed])
    height = look.height if plot.name == "largest eigenvalue" else look.height // 2
    return Row(plot.name, curves_by_name, height, scaled)


def _with_threshold(
    row: Row, words: str, thresholds: np.ndarray, places: Sequence[np.ndarray]
) -> Row:
    """The plot with the threshold: one across it, or one from snapshot to snapshot."""
    if (thresholds == thresholds[0]).all():
        ends = np.array(_steps_range(places))
        line = Curve(ends, np.full(2, thresholds[0]), np.ones(2, dtype=bool))
    else:
        order = np.argsort(places[0], kind="stable")
        line = Curve(places[0][order], thresholds[order], np.ones(len(thresholds), dtype=bool))
    named = {name or row.value: curve for name, curve in row.curves.items()}
    alone = len(named) == 1
    return replace(row, curves={**named, words: line}, colours=COLOURS if alone else ())


def _run_name(names: Sequence[SubjectName], run: int) -> str:
    return names[run].text if len(names) > 1 else ""


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
