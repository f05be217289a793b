"""Loss over a plane: choose a model and a plane, watch it grow, look, check, export."""

from dataclasses import replace
from typing import Any

import streamlit as st

from explorer.ask import questions
from explorer.contracts.facts import ModelFacts
from explorer.kinds.look import COLOUR_MAPS, spans_decades
from explorer.kinds.penalty import PENALTY_TERM, WITH_LOSS, with_penalty
from explorer.kinds.piece import measured_names
from explorer.kinds.projection import PROJECTION
from explorer.kinds.surface import SURFACE, Surface, SurfaceLook, SurfaceSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _checks as checks
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages import _parts as parts
from explorer.pages import _planes as planes
from explorer.pages import _trajectories as paths
from explorer.pages._address import check_address, is_finite, is_whole
from explorer.pages._export import export_plane
from explorer.pages._objective import choose_objective
from explorer.render.relief3d.camera import camera_numbers
from explorer.render.relief3d.client import RenderError, renderer
from store import records

VIEWS = {"Contour": "contour", "3-D": "relief"}  # on screen, and in a look

app = parts.start_page()
catalog = app.catalog


def choose() -> tuple[records.Model, str, SurfaceSettings]:
    """The question, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    with st.expander("Objective", expanded=True):
        values = choose_objective(SurfaceSettings, catalog.problem(model.problem_id))
    with st.expander("Plane", expanded=True):
        values |= planes.choose_axes(SurfaceSettings, orthogonal=True)
        for axis in "xy":
            values |= forms.choose_axis(SurfaceSettings, axis)
    return model, point, forms.checked_settings(SurfaceSettings, values)


def choose_view(surface: Surface, decay: float) -> SurfaceLook:
    """How the values are drawn; nothing here changes what is stored."""
    words = {
        "error of loss": "loss_se",
        "weight decay": PENALTY_TERM,
        "loss + weight decay": WITH_LOSS,
    }
    others = {word: name for word, name in words.items() if name in surface.values}
    plain = [name for name in measured_names(surface.values) if name not in words.values()]
    names = {**{name: name for name in plain}, **others}  # by the word on screen
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = st.segmented_control(
            "View",
            list(VIEWS),
            default="Contour",
            required=True,
            key="view",
            bind="query-params",
        )
        check_address("value", f"one of {', '.join(names)}", names.__contains__)
        value_label = st.selectbox(
            "Value",
            list(names),
            key="value",
            bind="query-params",
            width=190,
            help="error of loss: its standard error as an estimate for unseen data of this kind",
        )
        value = names[value_label]
        wide = value != "accuracy" and spans_decades(surface.values[value])
        scale = st.segmented_control(
            "Scale",
            ["Linear", "Log"],
            default="Log" if wide else "Linear",
            required=True,
            key=f"scale-{value}",
        )
        with st.popover("Style", icon=":material/palette:"):
            colours = st.selectbox("Colours", COLOUR_MAPS, key="colours", bind="query-params")
            check_address("contours", "a whole number", is_whole)
            contours = st.number_input(
                "Contour lines", 0, 60, 14, key="contours", bind="query-params"
            )
            clip = st.number_input(
                "Clip above",
                min_value=0.0,
                value=None,
                key="clip",
                bind="query-params",
                placeholder="nothing clipped",
                help="Values above are drawn at this level; what is stored does not change.",
            )
            decay_input(model)
    return SurfaceLook(
        view=VIEWS[view],
        value=value,
        log=scale == "Log",
        clip=clip or 0.0,
        colour_map=colours,
        levels=int(contours),
        width=charts.plane_width(value),
        camera=camera_numbers(st.session_state.get("camera")),
        decay=decay,
    )


def decay_input(model: records.Model) -> float:
    """The weight decay whose term is shown as a value of its own; 0 for none."""
    check_address("decay", "a finite number", is_finite)
    return st.number_input(
        "Weight decay",
        min_value=0.0,
        value=ModelFacts.of(model.facts).weight_decay or 0.0,
        format="%.3g",
        key="decay",
        bind="query-params",
        help="Adds two values: decay/2 times the squared norm of all parameters, and that plus the "
        "loss. The stored loss never contains it.",
    )


def show(drawing: Any, look: SurfaceLook, values: Any, key: str) -> None:
    """The picture, from above or as a view to turn."""
    if look.view == "contour":
        description = f"Contour plot of the {look.value} over a plane around {model.name}"
        charts.show_chart(drawing, description, values, f"contour-{key}")
        return
    from explorer.pages._viewer import surface_viewer

    try:
        scene = renderer().scene(drawing.field)
    except RenderError as error:
        st.error(str(error), icon=":material/error:")
        return
    dark = st.context.theme.type == "dark"
    height = int(min(680, max(320, 0.8 * charts.column_width())))
    camera = surface_viewer(scene, key="relief", height=height, dark=dark)
    if camera:
        st.session_state["camera"] = camera


def refine_button() -> None:
    """The way to a grid of half the spacing, which keeps every point of this one."""
    counts = {name: 2 * getattr(settings, name) - 1 for name in ("x_count", "y_count")}
    try:
        finer = replace(settings, **counts)
    except ValueError:  # as many points as there may be
        return

    def ask() -> None:
        st.session_state.update(counts)
        parts.picture_if_complete(app, questions.ask(catalog, SURFACE, model, finer, point))
        st.rerun()  # of the page: the counts are in its left column

    st.button(
        f"Refine to {counts['x_count']} × {counts['y_count']}",
        icon=":material/grid_on:",
        on_click=ask,
        help=f"Computes {finer.units - settings.units:,} points more; the others are kept.",
    )


def show_answer(question: records.Question, projected: records.Question | None) -> None:
    """A stored answer, whole or so far, and the paths on its plane."""
    from explorer.render.surface import draw

    surface = questions.result_as(catalog, question, Surface)
    if surface.computed.sum() < 4:
        st.caption("The first points are on their way.")
        st.skeleton(height=480)
        return
    decay = float(st.session_state.get("decay", ModelFacts.of(model.facts).weight_decay or 0.0))
    values = with_penalty(surface.values, decay)
    look = choose_view(replace(surface, values=values), decay)
    with st.container():
        drawn_paths = paths.choose_drawn_paths(catalog, projected)

    def draw_view(view: str) -> Any:
        drawing = draw(surface, replace(look, view=view))
        return drawn_paths.over(drawing) if drawn_paths else drawing

    show(draw_view(look.view), look, values[look.value], question.key[:12])
    with st.container():
        planes.explain_axes(surface.facts)
        if drawn_paths:
            paths.explain_paths(drawn_paths, surface)
        if not surface.computed.all():
            from explorer.kinds.preview import preview, summary

            st.caption(summary(preview(values[look.value], surface.computed)))
    checks.show_badges(question, surface)
    with st.container(horizontal=True, gap="small"):
        export_plane(question, surface, draw_view, drawn_paths)
        if question.status == "complete":
            refine_button()
    checks.show_provenance(catalog, question, surface)


def show_stored(stored_questions: dict[str, records.Question]) -> None:
    """What there is of the surface, with the paths once they are all there."""
    if SURFACE.name in stored_questions:
        show_answer(stored_questions[SURFACE.name], stored_questions.get(PROJECTION.name))


sides = parts.sides()
with sides.left:
    model, point, settings = choose()
    wish = asking.WantedQuestion(SURFACE, settings, ((model, point),))
    wishes = {SURFACE.name: wish}
    if paths_wish := paths.paths_wish(catalog, model, point, settings):
        wishes[PROJECTION.name] = paths_wish
    questions_by_name = asking.find_questions(catalog, wishes)
with sides.top:
    missing = asking.ask_button(app, questions_by_name, wishes)
with sides.right:
    parts.show_heading(f"Loss surface of {model.name}")
    st.caption(parts.facts_line(model), help=parts.about_text(model))
    stored_questions = {
        name: question for name, question in questions_by_name.items() if question is not None
    }
    with st.container():
        if SURFACE.name in missing:
            st.info(
                f"This surface has not been computed yet: {asking.PRESS_COMPUTE}; it grows here "
                "from coarse to fine.",
                icon=":material/grid_on:",
            )
            asking.offer_stored(app, {SURFACE.name: wish})
        elif missing:
            st.info(f"These paths are not projected yet: {asking.PRESS_COMPUTE}.")
    if stored_questions:
        asking.show_answers(app, stored_questions, show_stored)
