"""The engine: this machine's workers, a cluster of Ray, or what others start on the folder."""

import streamlit as st

from explorer.contracts.devices import ELSEWHERE, OWN_CLUSTER, device_of
from explorer.jobs.engine.address import engine_trouble
from explorer.jobs.engine.choice import choose_engine, chosen_engine, nodes_text
from explorer.pages import _parts as parts
from explorer.pages._running import AppState
from explorer.pages._text import as_message

HERE, RAY, STARTED = "This machine", "Ray", "Started elsewhere"
HELP = (
    "Ray shares long answers among the machines of a cluster, and takes up to half a minute to "
    "begin. Code that you have agreed to run then runs on each of them. An address is HOST:PORT, "
    "or auto for the cluster that runs on this machine. Started elsewhere: the app starts none, "
    "and an engine that you start on the catalog's folder, as by sbatch, computes what waits."
)


def show_engine(app: AppState) -> None:
    """The choice of the engine, and the address of the cluster."""
    now = chosen_engine(app.catalog.folder)
    place = OWN_CLUSTER if now in ("", ELSEWHERE) else now
    if st.session_state.get("engine-was") != now:  # at first, and where another window chose
        st.session_state.update({"engine": _label(now), "engine-address": place})
    st.session_state["engine-was"] = now
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "Engine", (HERE, RAY, STARTED), required=True, help=HELP, key="engine"
        )
        address = ELSEWHERE if kind == STARTED else ""
        if kind == RAY:
            typed = st.text_input(
                "Address of the Ray cluster",
                placeholder=OWN_CLUSTER,
                width=240,
                key="engine-address",
            )
            address = typed.strip() or OWN_CLUSTER
    if address != now:
        _change(app, address)
    if nodes := nodes_text(app.catalog.folder):
        st.caption(as_message(f"Code that you agree to run is run on {nodes}."))


def _label(engine: str) -> str:
    """What the choice of an engine is called."""
    return {"": HERE, ELSEWHERE: STARTED}.get(engine, RAY)


def _change(app: AppState, address: str) -> None:
    """Compute there from now on, if a cluster answers there."""
    try:
        device = device_of(address, app.catalog.recall("device", "auto"))
        if trouble := engine_trouble([device]):
            raise ValueError(trouble)
        choose_engine(app.catalog.folder, address)
    except (ValueError, OSError) as error:
        st.error(parts.sentence(error), icon=":material/error:")
        return
    st.session_state["engine-was"] = address
    app.supervisor.change_engine(device)
    where = "waits for an engine" if device == ELSEWHERE else "goes on there"
    st.toast(f"What is under way {where} after the piece in hand.")
