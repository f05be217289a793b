"""Where is computed: the devices that have workers, and what each worker does."""

import streamlit as st

from explorer.contracts.devices import ELSEWHERE, check_devices, device_of
from explorer.jobs.engine.choice import chosen_engine
from explorer.jobs.process import this_host
from explorer.jobs.worker_states import WorkerState
from explorer.pages import _parts as parts
from explorer.pages._running import AppState
from explorer.pages._text import as_message, as_text

DEVICES = ("auto", "cpu", "cuda", "mps")
WORKER_COLUMNS = (5, 1)  # as those of the jobs below
LOOK_SECONDS = 2.0  # between two looks at what workers do
GIGABYTE = 1e9
HELP = (
    "auto: one worker on each CUDA device, or on the best device there is. A list names devices, "
    "as in cuda:0,cuda:2; cpu,cpu are two workers with half of the cores each. Workers that have "
    "nothing to do take a share of what takes long. The device is stored with each answer."
)


def show_devices(app: AppState) -> None:
    """The choice of devices, and those that were stopped."""
    now = str(app.catalog.recall("device", "auto"))
    options = list(dict.fromkeys([*DEVICES, now]))
    wanted = st.selectbox(
        "Devices for workers",
        options,
        index=options.index(now),
        accept_new_options=True,
        help=HELP,
        width=360,
    )
    if wanted != now:
        try:
            check_devices(wanted)
        except ValueError as error:
            st.error(as_message(f"{error}."), icon=":material/error:")
            return
        app.catalog.remember("device", wanted)
        app.supervisor.change_devices(device_of(chosen_engine(app.catalog.folder), wanted))
        st.toast("New workers compute there; those at work finish first.")
    if paused := app.supervisor.paused:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"You stopped the worker on {as_text(', on '.join(paused))}.")
            st.button("Start again", icon=":material/play_arrow:", on_click=paused.clear)


def show_workers(app: AppState, is_busy: bool) -> None:
    """A row for each worker, live while there is one or may soon be one.

    Each look costs the browser as much as a page of fifty jobs takes to be gone through.

    Args:
        app: whose workers.
        is_busy: whether there is something to compute.
    """
    is_live = is_busy or bool(app.supervisor.worker_states)
    paused = list(app.supervisor.paused)

    @parts.live_fragment(LOOK_SECONDS if is_live else None)
    def rows() -> None:
        states = app.supervisor.worker_states
        if app.supervisor.paused != paused:
            st.rerun()  # the way to start it again stands above
        if is_live and not is_busy and not states:
            st.rerun()  # the last one has left
        if not states:
            st.caption(as_message(_nobody_text(app)))
            return
        for state in states:
            _show_worker(app, state)

    rows()


def _show_worker(app: AppState, state: WorkerState) -> None:
    """One worker: where it is, what it does, how fast, and the way to stop it."""
    text, stop = st.columns(WORKER_COLUMNS, vertical_alignment="center")
    with text:
        st.markdown(f"**{as_text(_place_text(state), 60)}** · {as_text(_doing_text(state), 90)}")
        st.caption(as_text(_measures_text(state)))
    with stop:
        st.button(
            "Leaves …" if state.leaves else "Stop worker",
            key=f"worker-{state.worker}",
            disabled=state.leaves,
            help="It ends after the piece in hand; others go on with what is left of its job.",
            on_click=app.supervisor.stop_worker,
            args=(state,),
            width="stretch",
        )


def _nobody_text(app: AppState) -> str:
    """What is said while nothing computes."""
    if app.supervisor.device == ELSEWHERE:
        return f"No engine is at work on {app.catalog.jobs_folder}; what waits begins with one."
    return "No worker is running; one starts when there is something to compute."


def _doing_text(state: WorkerState) -> str:
    """What a worker does, in words."""
    if state.jobs:
        first, *more = state.jobs
        return first + (f", and {len(more)} paused" if more else "")
    return "waits for something to do" if state.has_begun else "starts"


def _place_text(state: WorkerState) -> str:
    """The device of a worker, with what that calls itself where this says more."""
    place = state.place.name or state.place.wanted
    return place if not state.place.device or place == "cpu" else f"{place}: {state.place.device}"


def _measures_text(state: WorkerState) -> str:
    """How fast a worker is, how much memory it has, and which process it is."""
    host = state.worker.host
    where = "this machine" if host == this_host() else host
    rate = state.speed.units_per_second if state.jobs else None
    parts = [f"{_rate_text(rate)} per second"] if rate else []
    return " · ".join(
        [*parts, *filter(None, [_memory_text(state)]), f"process {state.worker.pid} on {where}"]
    )


def _rate_text(rate: float) -> str:
    """Three digits, and never an exponent: how many is what it says."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _memory_text(state: WorkerState) -> str:
    """Memory of its machine, and of its device where that has its own."""
    if not state.memory:
        return ""
    text = f"{state.memory / GIGABYTE:.1f} GB"
    own = state.speed.device_bytes
    return f"{text}, {own / GIGABYTE:.1f} GB on the device" if own else text
