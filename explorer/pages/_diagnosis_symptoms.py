"""The symptoms of a diagnosis on its page: numbers, pictures, what the landscape says, remedies."""

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from explorer.kinds import kind_named
from explorer.kinds.diagnosis import DiagnosisLook
from explorer.kinds.diagnosis_conditions import Condition, Verdict
from explorer.kinds.diagnosis_result import Diagnosis
from explorer.kinds.diagnosis_symptoms import Finding, findings
from explorer.kinds.look import SubjectName
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages._links import kind_link
from explorer.pages._terms import cited, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text

DIGITS = 3
PICTURE_HEIGHT = 240  # px
EXPANDER_ROOM = 40  # px of its frame
ICONS = {
    Verdict.SHOWN: ":material/warning:",
    Verdict.ABSENT: ":material/check:",
    Verdict.OPEN: ":material/question_mark:",
}
COLOURS = {Verdict.SHOWN: "orange", Verdict.ABSENT: "green", Verdict.OPEN: "gray"}


def show_symptoms(
    diagnosis: Diagnosis, look: DiagnosisLook, names: Sequence[SubjectName], label: str
) -> None:
    """Each symptom in a part of its own, open where it is shown.

    Args:
        diagnosis: as far as it is known.
        look: the training that it is held against, and the width of pictures.
        names: of the run.
        label: of the model, as pages list it.
    """
    st.caption(
        "A symptom is shown where each of its numbers is beyond its threshold. Thresholds are this "
        "program's, but for that of the rate (Cohen et al. 2021): they are to look by, no proof.",
        help=term_help("gradient_ratio", "foretold_fall", "median_condition", "held_out_gap"),
    )
    for finding in findings(diagnosis, look.trained):
        verdict = finding.verdict
        title = f"{finding.symptom.title} · :{COLOURS[verdict]}[{verdict.value}]"
        with st.expander(title, verdict is Verdict.SHOWN, icon=ICONS[verdict]):
            _show_finding(finding, diagnosis, look, names, label)


def _show_finding(
    finding: Finding,
    diagnosis: Diagnosis,
    look: DiagnosisLook,
    names: Sequence[SubjectName],
    label: str,
) -> None:
    """Its numbers, what is seen and what to try, then the picture."""
    symptom = finding.symptom
    st.table([_condition_row(condition) for condition in finding.conditions], hide_index=True)
    for condition in finding.conditions:
        if condition.verdict is Verdict.OPEN:
            st.caption(as_text(condition.missing, 400))
    where = "" if finding.verdict is Verdict.SHOWN else " where it is shown"
    st.markdown(cited(f"**The landscape{where}:** {symptom.says}"))
    st.markdown(cited(f"**To try:** {symptom.remedies}"))
    with st.container(horizontal=True):
        for kind in map(kind_named, symptom.kinds):
            kind_link(kind, kind.title, label)
    _show_picture(finding, diagnosis, look, names)


def _condition_row(condition: Condition) -> dict[str, str]:
    """A number against its threshold, as a row of a table."""
    side = "above" if condition.above else "below"
    is_open = condition.verdict is Verdict.OPEN
    words = condition.words[:1].upper() + condition.words[1:]
    return {
        "Number": as_text(words, 200),
        "Value": "not measured" if is_open else number_text(condition.value, DIGITS),
        "Threshold": f"{side} {number_text(condition.threshold, DIGITS)}",
    }


def _show_picture(
    finding: Finding, diagnosis: Diagnosis, look: DiagnosisLook, names: Sequence[SubjectName]
) -> None:
    """What of the diagnosis shows the symptom: its course, gradients by layer."""
    from explorer.render.diagnosis import draw

    symptom = finding.symptom
    width = charts.plot_width() - EXPANDER_ROOM
    own = replace(
        look, picture=symptom.picture, course=symptom.course, width=width, height=PICTURE_HEIGHT
    )
    if symptom.picture == "course":
        if diagnosis.snapshots > 1:
            words = f"{symptom.title} along the run"
            charts.show_chart(draw(diagnosis, own, names), words, key=f"course-{symptom.name}")
        return
    if symptom.picture == "layers" and diagnosis.facts.layers:
        words = "Norm of the gradient over each layer"
        charts.show_chart(draw(diagnosis, own, names), words, diagnosis.layer_gradients)
        place = _choose_snapshot(diagnosis, names)
        histogram = replace(own, picture="histograms", snapshot=place)
        words = "How the entries of the gradient of each layer are spread over sizes"
        charts.show_chart(draw(diagnosis, histogram, names), words)


def _choose_snapshot(diagnosis: Diagnosis, names: Sequence[SubjectName]) -> int:
    """The place of the snapshot whose histograms are shown: the last unless chosen."""
    steps = names[0].steps if names else ()
    if diagnosis.snapshots < 2 or len(steps) != diagnosis.snapshots:
        return diagnosis.snapshots - 1
    words = [f"{place + 1}: {step}" for place, step in enumerate(steps)][::-1]
    chosen = controls.choose_word("Snapshot: step", words, "histogram", 190)
    return int(chosen.partition(":")[0]) - 1
