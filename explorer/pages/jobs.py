"""What is being computed, what waits, what failed and why; the device."""

from typing import Literal

import streamlit as st

from explorer.jobs import desk, orders
from explorer.kinds import kind_named
from explorer.pages import _parts as parts
from explorer.pages._text import as_message, as_text
from store import records

LIVE_SECONDS = 1.0
SHOWN = 50
COLOURS: dict[str, Literal["green", "red", "gray"]] = {
    "done": "green",
    "failed": "red",
    "cancelled": "gray",
}

running = parts.start()
catalog = running.catalog


def active(job: records.Job) -> None:
    """A job that is queued or running."""
    bar, button = st.columns([5, 1], vertical_alignment="center")
    if job.status == "queued":
        said = f"**{as_text(job.title, 120)}** · waiting"
    else:
        stage = parts.worker_stage(catalog, job.id) or "starting"
        said = f"**{as_text(job.title, 120)}** · {as_text(stage)}"
        if job.units and job.task == "answer":
            said += f" · {job.units_done:,} of {job.units:,} done"
    bar.progress(job.units_done / job.units if job.units else 0.0, said)
    if button.button("Stop", key=f"stop-{job.id}", icon=":material/stop:", width="stretch"):
        orders.cancel(catalog, job.id)


def resume(job: records.Job, asked: records.Question) -> None:
    """The button that goes on where a job stopped."""
    if st.button("Resume", key=f"resume-{job.id}", icon=":material/play_arrow:"):
        desk.resume(catalog, asked)


def ended(job: records.Job) -> None:
    """A job that is over."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(job.status, color=COLOURS[job.status])
        st.markdown(as_text(job.title, 120))
        if job.finished:
            said = f"{job.finished:%H:%M:%S} UTC"
            if job.started:  # not so where it ended before the supervisor had seen it run
                took = (job.finished - job.started).total_seconds()
                said += f" · {parts.seconds_text(took)}"
            st.caption(said)
        asked = catalog.question(job.question_key) if job.question_key else None
        current = asked is not None and asked.version == kind_named(asked.kind).version
        if asked is not None and asked.status == "open" and current:
            resume(job, asked)
    if job.error:
        st.error(as_message(f"{job.title}: {job.error}."), icon=":material/error:")


@parts.live(LIVE_SECONDS)
def queue() -> None:
    """The jobs, as they stand now."""
    under_way = catalog.jobs(status=("running", "queued"), limit=SHOWN)
    st.subheader("Under way", anchor=False)
    if not under_way:
        st.caption("Nothing is being computed. Ask for a surface or a line to see it here.")
    for job in sorted(under_way, key=lambda j: (j.status != "running", j.priority, j.created)):
        active(job)
    over = catalog.jobs(status=("done", "failed", "cancelled"), limit=SHOWN)
    st.subheader("Ended", anchor=False)
    if not over:
        st.caption("Nothing has ended yet.")
    for job in over:
        ended(job)


def machine() -> None:
    """Where workers compute, and who is alive."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    now = catalog.recall("device", "auto")
    devices = ["auto", "cpu", "cuda", "mps"]
    wanted = left.selectbox(
        "Device for new workers",
        devices,
        index=devices.index(now) if now in devices else 0,
        help="auto takes the GPU where there is one. The device is stored with each answer.",
    )
    if wanted != now:
        catalog.remember("device", wanted)
        running.supervisor.device = wanted
        st.toast("New workers compute there; the present one finishes first.")
    workers = running.supervisor.workers
    processes = ", ".join(str(worker.pid) for worker in workers)
    right.caption(f"Worker process {processes} is alive." if workers else "No worker is running.")


st.title("Jobs", anchor=False)
machine()
queue()
