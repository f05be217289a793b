"""What is being computed, what waits, what failed and why; devices and workers."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Literal

import streamlit as st

from explorer.ask import questions
from explorer.jobs import queue_state
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, settings_from_json, unreadable
from explorer.pages import _links as links
from explorer.pages import _parts as parts
from explorer.pages._engine import show_engine
from explorer.pages._facts import local_time, seconds_text
from explorer.pages._progress import stop_button, waiting_words, worker_stage
from explorer.pages._text import as_message, as_text
from explorer.pages._workers import show_devices, show_workers
from store import Catalog, records

LOOK_SECONDS = 5.0  # while nothing is computed: each run of a part costs Streamlit 0.1 s
MOST_SHOWN = 50
ENDED_COLUMNS = (1.1, 4, 2.2, 1.2)  # state, title, end, way on
STATES: dict[str, tuple[str, Literal["blue", "gray", "green", "red", "orange"]]] = {
    "running": (":material/play_arrow:", "blue"),
    "queued": (":material/schedule:", "gray"),
    "done": (":material/check:", "green"),
    "failed": (":material/error:", "red"),
    "cancelled": (":material/stop:", "orange"),
}


def show_title(job: records.Job, link: links.Link | None) -> None:
    """What the job is about; the way to its analysis, if there is one."""
    words = as_text(job.title, 120)
    if job.task == "import":
        st.page_link("explorer/pages/import.py", label=words, icon=":material/upload_file:")
        return
    if link is None:
        st.markdown(f":small[{words}]")
        return
    links.show_link(link, f"**{words}**", help="Open this analysis")


def questions_of(catalog: Catalog, jobs: Sequence[records.Job]) -> dict[str, records.Question]:
    """The questions that the jobs answer, by key."""
    return catalog.questions_of(job.question_key for job in jobs if job.question_key)


def links_by_key(
    catalog: Catalog, questions_by_key: Mapping[str, records.Question]
) -> dict[str, links.Link]:
    """The ways to those of these analyses that can be shown."""
    present = [question for question in questions_by_key.values() if question.deleted is None]
    return links.links_of(present, links.Subjects(catalog))


def show_badge(state: str) -> None:
    """The state of a job, told apart by word, icon and colour."""
    icon, colour = STATES[state]
    st.badge(state, icon=icon, color=colour)


def show_active(
    catalog: Catalog,
    job: records.Job,
    question: records.Question | None,
    link: links.Link | None,
) -> None:
    """A job that is queued or running: only one that runs has a bar."""
    text, button = st.columns([5, 1], vertical_alignment="center")
    with text:
        with st.container(horizontal=True, vertical_alignment="center"):
            waiting = waiting_words(catalog, job.id) if job.status == "running" else ""
            show_badge("queued" if waiting else job.status)
            show_title(job, link)
        if job.status == "running":
            stage_text = as_text(waiting or worker_stage(catalog, job.id) or "starting")
            if job.units and job.task == "answer":
                stage_text += f" · {job.units_done:,} of {job.units:,} done"
            st.progress(job.units_done / job.units if job.units else 0.0, stage_text)
        else:
            st.caption(as_text(queue_state.job_state(Spool(catalog.jobs_folder), job.id).words))
    with button:
        stop_button(catalog, [job.id], job.id, width="stretch")


def resume_button(catalog: Catalog, job: records.Job, question: records.Question) -> None:
    """The button that goes on where a job stopped."""
    if st.button("Resume", key=f"resume-{job.id}", icon=":material/play_arrow:"):
        with contextlib.suppress(ValueError):  # the job says why
            questions.resume(catalog, question)
        st.rerun()  # what is under way stands above, and was drawn before


def is_current(question: records.Question) -> bool:
    """Whether this version of the program can go on with the answer."""
    if unreadable(question.kind, question.settings):
        return False
    kind = kind_named(question.kind)
    return question.version == kind.version_of(settings_from_json(kind.settings, question.settings))


def show_ended(
    catalog: Catalog,
    job: records.Job,
    question: records.Question | None,
    link: links.Link | None,
    can_resume: bool,
) -> None:
    """A job that is over, in a row whose parts stand below those of the row before."""
    badge, title, end, way_on = st.columns(ENDED_COLUMNS, vertical_alignment="center")
    with badge:
        show_badge(job.status)
    with title:
        show_title(job, link)
    if job.finished:
        end_text = local_time(job.finished, "%Y-%m-%d %H:%M:%S")
        if job.started:  # not so where it ended before the supervisor had seen it run
            took = (job.finished - job.started).total_seconds()
            end_text += f" · {seconds_text(took)}"
        end.caption(end_text)
    is_open = question is not None and question.status == "open"
    if question is not None and is_open and can_resume and is_current(question):
        with way_on:
            resume_button(catalog, job, question)
    if job.error:
        st.error(as_message(f"{job.title}: {job.error}."), icon=":material/error:")


def show_queue(catalog: Catalog, jobs: Sequence[records.Job]) -> None:
    """What is being computed and what waits, live; the page again when a job begins or ends."""
    shown_ids = {job.id for job in jobs}

    @parts.live_fragment(parts.LIST_SECONDS if jobs else None)
    def progress() -> None:
        now = catalog.active_jobs(MOST_SHOWN) if shown_ids else []
        if {job.id for job in now} != shown_ids:
            st.rerun()
        if not now:
            st.caption("Nothing is being computed. Ask for a surface or a line to see it here.")
            return
        questions_by_key = questions_of(catalog, now)
        ways = links_by_key(catalog, questions_by_key)
        for job in sorted(now, key=lambda j: (j.status != "running", j.priority, j.created)):
            key = job.question_key or ""
            show_active(catalog, job, questions_by_key.get(key), ways.get(key))

    progress()


def look_for_jobs(catalog: Catalog, jobs: Sequence[records.Job]) -> None:
    """Run the page anew when the catalog has changed while nothing is computed.

    A look costs a few `stat` calls; the page itself, with fifty jobs, a quarter of a second.
    """
    before = catalog.mark

    @parts.live_fragment(None if jobs else LOOK_SECONDS)
    def check_catalog() -> None:
        if not jobs and catalog.mark != before:
            st.rerun()

    check_catalog()


def show_ended_jobs(catalog: Catalog, active: Sequence[records.Job]) -> None:
    """The jobs that have ended; the latest of a question goes on, unless one is under way."""
    jobs = catalog.jobs(status=records.ENDED, limit=MOST_SHOWN)
    jobs.sort(key=lambda job: str(job.finished or job.created), reverse=True)
    if not jobs:
        st.caption("Nothing has ended yet.")
        return
    questions_by_key = questions_of(catalog, jobs)
    ways = links_by_key(catalog, questions_by_key)
    resumed = {job.question_key for job in active}
    for job in jobs:
        key = job.question_key or ""
        show_ended(catalog, job, questions_by_key.get(key), ways.get(key), key not in resumed)
        resumed.add(key)


app = parts.start_page()
parts.name_tab("Jobs")
st.title("Jobs", anchor=False)
show_devices(app)
show_engine(app)
jobs = app.catalog.active_jobs(MOST_SHOWN)
show_workers(app, bool(jobs))
st.subheader("Under way", anchor=False)
show_queue(app.catalog, jobs)
st.subheader("Ended", anchor=False)
show_ended_jobs(app.catalog, jobs)
look_for_jobs(app.catalog, jobs)
