"""One cell of a study's matrix: its picture and number, how far it is, or why it is empty."""

import contextlib
import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import streamlit as st

from explorer.ask.study import StudyQuestion
from explorer.ask.study_cells import UNDER_WAY, Cell
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.queue_state import JobState, job_state
from explorer.jobs.spool import Spool
from explorer.pages._facts import seconds_text
from explorer.pages._links import Subjects, link_to, show_link
from explorer.pages._text import as_message, as_text
from explorer.render.marks.ticks import number_text
from explorer.wording import counted, printable
from store import Catalog, UnknownEntry, records

DIGITS = 4
PICTURE_HEIGHT = 148  # px of a cell with a picture, whether it has come or not
LONG_SENTENCE, SHORT_SENTENCE = 64, 36  # letters of one in a cell; all of it on hover
Numbers = Mapping[str, tuple[float, float, float]]  # value and ends, by name


@dataclass(frozen=True)
class Shown:
    """What cells show beside how far they are."""

    catalog: Catalog
    subjects: Subjects
    images: Mapping[str, bytes]  # by key
    numbers: Mapping[str, Numbers]  # by key
    pictures: bool  # whether cells have room for pictures

    @cached_property
    def spool(self) -> Spool:
        """Where the jobs are."""
        return Spool(self.catalog.jobs_folder)

    @cached_property
    def jobs(self) -> list[JobFolder]:
        """All jobs that are not over, read once for all cells."""
        return self.spool.jobs()


def show_cell(cell: Cell, question: StudyQuestion, shown: Shown) -> None:
    """The cell in its frame; all of a page have one height."""
    height: int | Literal["stretch"] = PICTURE_HEIGHT if shown.pictures else "stretch"
    with st.container(
        border=True,
        gap="xxsmall",
        height=height,
        horizontal_alignment="center",
        vertical_alignment="top" if cell.state == "answered" else "center",
    ):
        if cell.state == "answered":
            _show_answer(cell, question, shown)
        elif cell.state in ("refused", "failed"):
            _show_sentence(cell, shown)
        else:
            _show_progress(cell, shown)


def _show_answer(cell: Cell, question: StudyQuestion, shown: Shown) -> None:
    image = shown.images.get(cell.wish.key)
    title = printable(cell.stored.title if cell.stored else "", 200)
    if image:
        st.image(image, width="stretch", alt=title)
    elif shown.pictures:
        st.skeleton(height=80)
    _show_way(cell, shown, f"**{_number_text(shown.numbers.get(cell.wish.key, {}), question)}**")


def _number_text(numbers: Numbers, question: StudyQuestion) -> str:
    """The number that the column shows; without one the way alone."""
    name = shown_number(question, numbers)
    return number_text(numbers[name][0], DIGITS) if name in numbers else "open"


def shown_number(question: StudyQuestion, numbers: Iterable[str]) -> str:
    """The name of the number that a column shows: the one that was chosen, else the first."""
    return question.number or next(iter(numbers), "")


def _show_sentence(cell: Cell, shown: Shown) -> None:
    failed = cell.state == "failed"
    if failed:
        st.badge("failed", icon=":material/error:", color="red")
    sentence = cell.sentence[:1].upper() + cell.sentence[1:].removesuffix(".") + "."
    letters = LONG_SENTENCE if shown.pictures and not failed else SHORT_SENTENCE
    st.caption(as_text(sentence, letters), help=as_message(sentence))
    if failed:
        _show_way(cell, shown, "open")


def _show_progress(cell: Cell, shown: Shown) -> None:
    """How far an answer is, and how long the rest takes."""
    question = cell.wish.question
    if question is None:
        return
    count = question.kind.count_text(cell.units_done, cell.units)
    left = f"≈ {seconds_text(cell.seconds)}" if math.isfinite(cell.seconds) else "never timed"
    if cell.state in UNDER_WAY and cell.job:
        _show_job(cell, job_state(shown.spool, cell.job.id, shown.jobs), count, left)
        _show_way(cell, shown, "open" if cell.state == "computing" else left)
    elif cell.state == "partly":
        st.badge(f"stopped · {count}", icon=":material/stop:", color="orange")
        _show_way(cell, shown, left)
    else:
        st.caption("not asked", text_alignment="center")
        _show_way(cell, shown, left)


def _show_job(cell: Cell, state: JobState, count: str, left: str) -> None:
    """What the cell's job does or waits for, in short; all of it on hover."""
    words = printable(state.words, 200)
    whole = as_text(words[:1].upper() + words[1:], 200)
    if state.behind:
        paused = cell.state == "computing"
        what, icon = (
            ("paused", ":material/pause:") if paused else ("waiting", ":material/schedule:")
        )
        with st.container(horizontal_alignment="center", gap=None):
            st.badge(f"{what} behind {counted(state.behind, 'job')}", icon=icon, color="gray")
            st.caption(as_text(words, SHORT_SENTENCE), help=whole)
    elif cell.state == "waiting":
        st.badge("waiting", icon=":material/schedule:", color="gray")
        st.caption(as_text(words, SHORT_SENTENCE), help=whole)
    else:
        doing = f"{count} · {left}" if cell.units_done else as_text(words, SHORT_SENTENCE)
        st.progress(cell.units_done / cell.units, doing)


def _show_way(cell: Cell, shown: Shown, label: str) -> None:
    """The way to the analysis, or to where it can be asked."""
    question = cell.stored or _question_as_stored(cell, shown.subjects)
    with contextlib.suppress(UnknownEntry):  # damaged
        link = link_to(question, shown.subjects)
        show_link(link, label, icon=None, help=f"{link.kind.title} of {as_text(link.words, 120)}")


def _question_as_stored(cell: Cell, subjects: Subjects) -> records.Question:
    """The question as it would be stored."""
    wish = cell.wish
    if wish.question is None:
        raise UnknownEntry("question", wish.key)
    models = [model for model, _ in wish.subjects]
    return records.Question(
        key=wish.key,
        kind=wish.question.kind.name,
        version=wish.question.kind.version_of(wish.question.settings),
        title="",
        settings=dataclasses.asdict(wish.question.settings),
        problem_id=models[0].problem_id,
        model_ids=tuple(model.id for model in models),
        point_ids=wish.question.points,
        units=cell.units,
        model_names=tuple(model.name for model in models),
    )
