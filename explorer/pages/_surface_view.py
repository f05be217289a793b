"""How a surface is looked at: which value, from above, to turn or by its basins, what decay."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import streamlit as st

from explorer.kinds.look import spans_decades
from explorer.kinds.penalty import PENALTY_TERM, WITH_LOSS
from explorer.kinds.piece import measured_names
from explorer.kinds.setting import setting_field
from explorer.kinds.surface import SurfaceLook
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _planes as planes
from explorer.pages._address import check_address, check_number
from explorer.pages._camera import VIEWER_KEY, camera_now
from explorer.render.relief3d.client import RenderError, renderer

if TYPE_CHECKING:
    import numpy as np

    from explorer.render.drawing import Drawing

TOPOLOGY = "Topology"
VIEWS = {"Contour": "contour", "3-D": "relief", TOPOLOGY: "contour"}  # on screen, and in a look
VALUE_WORDS = {
    "error of loss": "loss_se",
    "weight decay": PENALTY_TERM,
    "loss + weight decay": WITH_LOSS,
}  # on screen, and in an answer
DECAY = setting_field(SurfaceLook, "decay").setting


def choose_look(
    values: Mapping[str, "np.ndarray"], decay: float, usual_decay: float
) -> SurfaceLook:
    """How the values are drawn; nothing here changes what is stored.

    Args:
        values: also those that the weight decay adds.
        decay: the weight decay.
        usual_decay: that of its field at first.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = st.segmented_control(
            "View", list(VIEWS), default="Contour", required=True, key="view", bind="query-params"
        )
        value = choose_value(values)
        wide = value != "accuracy" and spans_decades(values[value])
        log = controls.choose_scale(f"scale-{value}", wide)
        with st.popover("Style", icon=":material/palette:"):
            style = planes.choose_style(lines=14)
            forms.choose(SurfaceLook, "decay", usual=usual_decay)
    return SurfaceLook(
        view=VIEWS[view],
        picture="basins" if view == TOPOLOGY else "plane",
        value=value,
        log=log,
        clip=style.clip,
        colour_map=style.colours,
        levels=style.lines,
        width=charts.plane_width(value),
        camera=camera_now(),
        decay=decay,
    )


def choose_value(values: Mapping[str, "np.ndarray"]) -> str:
    """Which of the values is drawn."""
    plain = [name for name in measured_names(values) if name not in VALUE_WORDS.values()]
    others = {word: name for word, name in VALUE_WORDS.items() if name in values}
    names_by_word = {**{name: name for name in plain}, **others}
    check_address("value", f"one of {', '.join(names_by_word)}", names_by_word.__contains__)
    word = st.selectbox(
        "Value",
        list(names_by_word),
        key="value",
        bind="query-params",
        width=190,
        help="error of loss: its standard error as an estimate for unseen data of this kind",
    )
    return names_by_word[word]


def decay_of(usual: float) -> float:
    """The weight decay that is chosen: what its field, which comes later on the page, will say."""
    check_number("decay", DECAY, whole=False)
    in_address = st.query_params.get("decay", usual)
    return float(st.session_state.get("decay", in_address))


def show_drawing(drawing: "Drawing", values: "np.ndarray", description: str, key: str) -> None:
    """The picture, from above or as a view to turn.

    Args:
        drawing: the chart or the relief.
        values: what is drawn.
        description: of a chart, in words.
        key: what tells a chart from others.
    """
    from explorer.render.relief3d.relief import Relief

    if not isinstance(drawing, Relief):
        charts.show_chart(drawing, description, values, key)
        return
    from explorer.pages._viewer import surface_viewer

    try:
        scene = renderer().scene(drawing.field)
    except RenderError as error:
        st.error(str(error), icon=":material/error:")
        return
    dark = st.context.theme.type == "dark"
    height = int(min(680, max(320, 0.8 * charts.column_width())))
    # Only where it stands at first: a scene that is sent with each move would be slow.
    camera = st.session_state.setdefault("first camera", drawing.camera)
    surface_viewer(scene, key=VIEWER_KEY, height=height, dark=dark, camera=camera)
