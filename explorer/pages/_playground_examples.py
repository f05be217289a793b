"""The usual lesson's four landscapes side by side in three dimensions, under one camera."""

from functools import partial

import streamlit as st

from explorer.kinds.look import PlaneLook
from explorer.pages import _charts as charts
from explorer.pages._camera import keep_camera, linked_camera
from explorer.pages._playground_controls import Chosen
from explorer.pages._playground_race import VALUE
from explorer.playground.critical_points import critical_points
from explorer.playground.functions import EXAMPLES, LESSON_EXAMPLES
from explorer.render.relief3d.client import RenderError, renderer

LINES, HEIGHT_SHARE = 12, 0.9  # contour lines of each; height of a view in widths
FIRST_CAMERA = "first camera of examples"


def show_examples(chosen: Chosen) -> None:
    """A bowl, many valleys, a saddle and a bent valley; turning one turns all."""
    st.caption(
        "A bowl, many valleys, a saddle and a bent valley: the four shapes that lessons begin "
        "with. Drag to turn all four; choose one on the left to race on it."
    )
    if FIRST_CAMERA not in st.session_state:
        st.session_state[FIRST_CAMERA] = linked_camera("camera")
    height = int(HEIGHT_SHARE * charts.column_width() / 2)
    for row in (LESSON_EXAMPLES[:2], LESSON_EXAMPLES[2:]):
        for name, column in zip(row, st.columns(2), strict=True):
            with column:
                _show_example(name, height)


def _show_example(name: str, height: int) -> None:
    from explorer.pages._viewer import surface_viewer
    from explorer.render.drawing import as_relief
    from explorer.render.playground.plane import draw_function

    function = EXAMPLES[name]
    st.markdown(f"**{function.title}**", help=f"`{function.text}`")
    look = PlaneLook(view="relief", value=VALUE, log=function.log, levels=LINES)
    key = f"example-{name}"
    points = critical_points(function) if name != "multimodal" else ()
    try:
        scene = renderer().scene(as_relief(draw_function(function, look, points)).field)
    except RenderError as error:
        st.error(str(error), icon=":material/error:")
        return
    surface_viewer(
        scene,
        key=key,
        height=height,
        dark=st.context.theme.type == "dark",
        camera=st.session_state[FIRST_CAMERA],
        link="examples",
        on_camera_change=partial(keep_camera, key, "camera"),
    )
