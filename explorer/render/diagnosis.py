"""A diagnosis drawn: symptoms over their thresholds, the run's course, layers, learning rates."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.diagnosis import DiagnosisLook
from explorer.kinds.diagnosis_conditions import Verdict
from explorer.kinds.diagnosis_result import Diagnosis, DiagnosisRole
from explorer.kinds.diagnosis_symptoms import Finding, findings
from explorer.kinds.look import SubjectName
from explorer.render.diagnosis_layers import (
    NAME_AXIS,
    beside_names,
    histogram_chart,
    layers_chart,
)
from explorer.render.diagnosis_rates import rates_chart
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, ORANGE, SERIES_GREY
from explorer.render.marks.curve import GREY, Curve, Row
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression

VERDICT_COLOURS = {Verdict.SHOWN: ORANGE, Verdict.ABSENT: BLUE, Verdict.OPEN: SERIES_GREY}
FARTHEST = 1e6  # times a threshold, or a threshold over it; what is beyond stands at the edge
DIGITS = 3
DiagnosisChart = alt.LayerChart | alt.VConcatChart


def draw(
    diagnosis: Diagnosis, look: DiagnosisLook, names: Sequence[SubjectName] = ()
) -> DiagnosisChart:
    """The picture that the look names, as an Altair chart.

    Args:
        diagnosis: as far as it is known.
        look: how it is drawn.
        names: of the run, with its snapshots' steps.
    """
    if look.picture == "course":
        return course_chart(diagnosis, look, names)
    if look.picture == "layers":
        return layers_chart(diagnosis, look, names)
    if look.picture == "histograms":
        return histogram_chart(diagnosis, look)
    if look.picture == "rates":
        return rates_chart(diagnosis, look)
    return symptoms_chart(diagnosis, look)


def symptoms_chart(diagnosis: Diagnosis, look: DiagnosisLook) -> alt.LayerChart:
    """Each symptom's number over its threshold: right of 1 it is shown."""
    own = findings(diagnosis, look.trained)
    rows = [_symptom_row(finding) for finding in own]
    base = alt.Chart(arrow_table(rows))
    titles = [finding.symptom.title for finding in own]
    y = alt.Y("title:N", sort=titles, title=None, axis=NAME_AXIS)
    places = [10.0**power for power in range(-6, 7, 3)]
    axis = {
        "title": "Number over its threshold: right of 1 the symptom is shown",
        "values": places,
        "labelExpr": tick_label_expression(places),
        "gridOpacity": 0.22,
    }
    domain = [1 / (3 * FARTHEST), 3 * FARTHEST]
    x = alt.X("place:Q", scale={"type": "log", "domain": domain, "nice": False}, axis=axis)
    verdicts = [verdict for verdict in VERDICT_COLOURS if verdict.value in _verdicts(rows)]
    colours = [VERDICT_COLOURS[verdict] for verdict in verdicts]
    colour = alt.Color(
        "verdict:N",
        scale={"domain": [verdict.value for verdict in verdicts], "range": colours},
        legend={"orient": "top", "title": None},
    )
    measured = base.transform_filter("datum.measured")
    words = base.transform_filter("!datum.measured").mark_text(
        text="not measured", color=GREY, align="left", dx=8, fontSize=11
    )
    words = words.encode(x=x, y=y)
    tooltip = [alt.Tooltip("title:N"), alt.Tooltip("words:N", title="number")]
    dots = measured.mark_point(size=90, filled=True, opacity=1).encode(
        x=x, y=y, color=colour, tooltip=tooltip
    )
    threshold = alt.Chart(arrow_table([{"place": 1.0}])).mark_rule(color=GREY, strokeDash=[5, 4])
    bars = measured.mark_rule(strokeWidth=3, opacity=0.5).encode(
        x=x, x2=alt.datum(1), y=y, color=colour
    )
    return layered_chart(
        [threshold.encode(x=x), bars, dots, words],
        beside_names(look.width),
        max(look.height - 60, 60),
        look.title,
    )


def _verdicts(rows: Sequence[dict[str, object]]) -> set[object]:
    """Those that are drawn."""
    return {row["verdict"] for row in rows if row["measured"]}


def _symptom_row(finding: Finding) -> dict[str, object]:
    is_open = finding.verdict is Verdict.OPEN
    place = 1.0 if is_open else min(max(finding.excess, 1 / FARTHEST), FARTHEST)
    numbers = [
        f"{condition.words}: {number_text(condition.value, DIGITS)}"
        for condition in finding.conditions
        if condition.verdict is not Verdict.OPEN
    ]
    return {
        "title": finding.symptom.title,
        "verdict": finding.verdict.value,
        "place": place,
        "measured": not is_open,
        "words": "; ".join(numbers) or "not measured",
    }


def course_chart(
    diagnosis: Diagnosis, look: DiagnosisLook, names: Sequence[SubjectName] = ()
) -> DiagnosisChart:
    """Losses, gradient and curvature at each snapshot, with the rate's threshold if it is known."""
    steps = names[0].steps if names else ()
    counted = len(steps) == diagnosis.snapshots and all(isinstance(step, int) for step in steps)
    x = np.array(steps if counted else range(1, diagnosis.snapshots + 1), dtype=np.float64)
    computed = diagnosis.computed[: diagnosis.snapshots]
    height = max(60, look.height // 2)

    def row(words: str, values: dict[str, np.ndarray], colours: tuple[str, ...] = (BLUE,)) -> Row:
        drawn = {name: Curve(x, own, computed) for name, own in values.items()}
        finite = np.concatenate([own[np.isfinite(own)] for own in values.values()])
        log = bool(len(finite) and (finite > 0).all())
        return Row(words, drawn, height, log, colours=colours)

    by_name = {
        "loss": row("loss", _losses(diagnosis), (BLUE, ORANGE)),
        "gradient norm": row("gradient norm", {"": diagnosis.along(DiagnosisRole.GRADIENT)}),
        "fall": row("fall by a step, share", {"": diagnosis.foretold_falls}),
        "highest": row("largest eigenvalue", _tops(diagnosis, look), (BLUE, ORANGE)),
        "lowest": row("lowest eigenvalue", {"": diagnosis.along(DiagnosisRole.LOWEST)}),
        "condition": row("over the median", {"": diagnosis.conditions}),
    }
    rows = [drawn for name, drawn in by_name.items() if name in (look.course or by_name)]
    low, high = (float(x.min()), float(x.max())) if len(x) else (0.0, 1.0)
    span = (low, high if high > low else low + 1)
    title = "Training step" if counted else "Snapshot"
    return curves.chart(rows, title, look.width, look.title, span)


def _losses(diagnosis: Diagnosis) -> dict[str, np.ndarray]:
    """The loss over the data and, where there are any, the held-out data, by split."""
    settings = diagnosis.settings
    losses = {settings.split: diagnosis.along(DiagnosisRole.LOSS)}
    if not diagnosis.facts.no_held_out:
        losses[settings.held_out] = diagnosis.along(DiagnosisRole.HELD_OUT_LOSS)
    return losses


def _tops(diagnosis: Diagnosis, look: DiagnosisLook) -> dict[str, np.ndarray]:
    """The largest eigenvalue, and the rate's threshold where that is known."""
    tops, limit = diagnosis.along(DiagnosisRole.HIGHEST), look.trained.limit
    if math.isnan(limit):
        return {"": tops}
    threshold = np.full(diagnosis.snapshots, limit)
    return {"largest eigenvalue": tops, f"threshold of {look.optimiser}": threshold}
