"""The learning-rate range test of a diagnosis on its page."""

import math
from dataclasses import replace

import streamlit as st

from explorer.kinds.diagnosis import DiagnosisLook
from explorer.kinds.diagnosis_result import Diagnosis
from explorer.pages import _charts as charts
from explorer.pages._terms import cited, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from explorer.wording import counted

DIGITS = 3


def show_rates(diagnosis: Diagnosis, look: DiagnosisLook) -> None:
    """The loss after some steps against the rate, from where on it rises, where it diverges."""
    from explorer.render.diagnosis import draw

    if not diagnosis.computed[diagnosis.snapshots :].any():
        return
    st.subheader("Learning-rate range test")
    if reason := diagnosis.facts.no_rates:
        st.info(as_text(reason, 400))
        return
    with st.container(horizontal=True, gap="medium"):
        for name in ("best_rate", "rising_rate"):
            if name in diagnosis.numbers:
                value = diagnosis.numbers[name].value
                text = "none" if math.isinf(value) else number_text(value, DIGITS)
                label = name.replace("_", " ").capitalize()
                st.metric(label, text, help=term_help(name), width="content")
    own = replace(look, picture="rates")
    words = "Loss after short trainings against their learning rate"
    charts.show_chart(draw(diagnosis, own), words, diagnosis.rate_losses, key="rates")
    st.caption(cited(_explanation(diagnosis)))


def _explanation(diagnosis: Diagnosis) -> str:
    """What was done, and what is seen."""
    settings = diagnosis.settings
    start = "first" if settings.rate_start == "first" else "final"
    batches = f"batches of {settings.rate_batch:,}" if settings.rate_batch else "all examples"
    if diagnosis.facts.one_order:
        batches = "all examples"
    sentences = [
        f"Each point is a training of its own from the {start} snapshot: "
        f"{counted(settings.rate_steps, 'step')} of SGD without momentum by {batches}; bars are "
        "the range over orders of batches. Smith 2017 raises the rate within one training instead."
    ]
    lost = int((diagnosis.rate_losses == math.inf).any(axis=1).sum())
    if lost:
        sentences.append(
            f"{counted(lost, 'rate')} of {settings.rate_count} diverged: the loss is not "
            "finite, drawn at the upper edge."
        )
    if diagnosis.facts.batch_statistics:
        sentences.append("BatchNorm normalises each batch by its own statistics, as in a training.")
    return " ".join(sentences)
