"""How far the work on a question is, with the way to stop or resume it."""

import contextlib
from collections.abc import Sequence
from typing import Literal

import streamlit as st

from explorer.ask import questions, requests
from explorer.jobs.queue_state import job_state
from explorer.jobs.shares import is_left, latest_progress, workers_at
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named
from explorer.pages._facts import seconds_text
from explorer.pages._running import AppState
from explorer.pages._text import as_message, as_text
from store import Catalog, CatalogError, records


def show_progress(app: AppState, question: records.Question, name: str = "") -> None:
    """How far an open question is, with the way to stop or resume it; `name` tells it apart."""
    job = app.catalog.active_job_for(question.key)
    share, kind = question.share_done, kind_named(question.kind)
    if job is None:
        _show_stopped(app, question, name)
        return
    measured = job.worker.get("units_per_second")
    rate = measured if isinstance(measured, int | float) else 0.0
    progress_text = kind.count_text(question.units_done, question.units)
    if waiting := waiting_words(app.catalog, job.id) if job.status == "running" else "":
        progress_text += f" · {as_text(waiting)}"
    elif rate and question.units_done:
        left = (question.units - question.units_done) / rate
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"
        progress_text += f" · {speed} {kind.unit}/s · {seconds_text(left)} left"
    elif job.status == "queued":
        progress_text = "Waiting for the worker"
    else:
        progress_text = "Loading model and data"
    folder = Spool(app.catalog.jobs_folder).job(job.id)
    progress = latest_progress(folder) if folder and not waiting else None
    if progress and progress.within:
        progress_text += f" · {as_text(progress.within)}"
    bar, button = st.columns([4, 1], vertical_alignment="center")
    bar.progress(share, f"{as_text(name)}: {progress_text}" if name else progress_text)
    with button:
        stop_button(app.catalog, [job.id], job.id, width="stretch")


def stop_button(
    catalog: Catalog,
    job_ids: Sequence[str],
    name: str,
    width: Literal["stretch", "content"] = "content",
) -> None:
    """The way to stop jobs; once all of them are asked to end it says so, until they have.

    Args:
        catalog: where they are.
        job_ids: of the jobs.
        name: tells the button from others of the page.
        width: of the button.
    """
    if all(requests.is_stopping(catalog, id) for id in job_ids):
        st.button(
            "Stopping …",
            key=f"stopping-{name}",
            disabled=True,
            width=width,
            help="It ends after the piece in hand, or after 20 s; what is computed stays.",
        )
        return
    st.button(
        "Stop",
        key=f"stop-{name}",
        icon=":material/stop:",
        width=width,
        on_click=_stop,  # before the page is drawn anew, which so says at once that it stops
        args=(catalog, tuple(job_ids)),
    )


def _stop(catalog: Catalog, job_ids: Sequence[str]) -> None:
    with contextlib.suppress(CatalogError):  # the page, which meets it too, says so
        for id in job_ids:
            requests.cancel(catalog, id)


def _show_stopped(app: AppState, question: records.Question, name: str) -> None:
    """An open question that nobody works on."""
    last = app.catalog.latest_jobs([question.key]).get(question.key)
    if last and last.status == "failed":
        st.error(as_message(f"{question.title} stopped: {last.error}."), icon=":material/error:")
    text, button = st.columns([4, 1], vertical_alignment="center")
    done = kind_named(question.kind).count_text(question.units_done, question.units)
    of = f" of {as_text(name)}" if name else ""
    text.caption(f"{done}{of} are stored.")
    key = f"resume-{question.key}"
    if button.button("Resume", icon=":material/play_arrow:", key=key, width="stretch"):
        with contextlib.suppress(ValueError):  # the job says why
            questions.resume(app.catalog, question)
        st.rerun()


def show_awaited(catalog: Catalog, question: records.Question) -> None:
    """In the place of a picture, for which too little is stored: whether more is under way."""
    if catalog.active_job_for(question.key) is None:
        st.info("Too little is stored for a picture: **Resume** computes the rest.")
        return
    st.caption(f"The first {kind_named(question.kind).unit} are on their way.")
    st.skeleton(height=480)


def worker_stage(catalog: Catalog, job_id: str) -> str:
    """What a job's worker is doing, in its own word."""
    folder = Spool(catalog.jobs_folder).job(job_id)
    progress = latest_progress(folder) if folder else None
    workers = len(workers_at(folder)) if folder else 0
    stage = progress.stage if progress else ""
    return f"{stage} on {workers} workers" if workers > 1 else stage


def waiting_words(catalog: Catalog, job_id: str) -> str:
    """What a job that had begun waits for, since its workers have left; else nothing."""
    spool = Spool(catalog.jobs_folder)
    folder = spool.job(job_id)
    return job_state(spool, job_id).words if folder and is_left(folder) else ""
