"""The engine: this machine's workers, or a cluster of Ray in their place."""

import streamlit as st

from explorer.contracts.devices import OWN_CLUSTER, device_of
from explorer.jobs.engine.address import engine_trouble
from explorer.jobs.engine.choice import choose_engine, chosen_engine
from explorer.pages._running import AppState
from explorer.pages._text import as_message

HERE, RAY = "This machine", "Ray"
HELP = (
    "Ray shares long answers among the machines of a cluster, and takes up to half a minute to "
    "begin. Code that you have agreed to run then runs on each of them. An address is HOST:PORT, "
    "or auto for the cluster that runs on this machine."
)


def show_engine(app: AppState) -> None:
    """The choice of the engine, and the address of the cluster."""
    now = chosen_engine(app.catalog.folder)
    st.session_state.setdefault("engine", RAY if now else HERE)  # no default: that would change
    st.session_state.setdefault("engine-address", now or OWN_CLUSTER)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control("Engine", (HERE, RAY), required=True, help=HELP, key="engine")
        address = ""
        if kind == RAY:
            address = st.text_input("Address of the Ray cluster", width=240, key="engine-address")
    if address.strip() != now:
        _change(app, address.strip())


def _change(app: AppState, address: str) -> None:
    """Compute there from now on, if a cluster answers there."""
    try:
        device = device_of(address, app.catalog.recall("device", "auto"))
        if trouble := engine_trouble([device]):
            raise ValueError(trouble)
        choose_engine(app.catalog.folder, address)
    except (ValueError, OSError) as error:
        st.error(as_message(f"{error}."), icon=":material/error:")
        return
    app.supervisor.change_engine(device)
    st.toast("What is under way goes on there after the piece in hand.")
