"""The race of the playground: paths up to a step, where each is then, how the loss went."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.kinds.look import PlaneLook
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _planes as planes
from explorer.pages._address import check_address
from explorer.pages._camera import camera_now
from explorer.pages._playground_controls import Chosen
from explorer.pages._playground_export import export_pictures
from explorer.pages._surface_view import show_drawing
from explorer.playground.critical_points import CriticalPoint, critical_points
from explorer.playground.functions import ExampleFunction
from explorer.playground.outcome import left_at, lowest_minimum, reached_point
from explorer.playground.race import Race, race
from explorer.render.marks.ticks import MINUS, number_text

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

VIEWS = {"Contour": "contour", "3-D": "relief"}  # on screen, and in a look
VALUE = "loss"  # of a function, in pictures
LAST_STEPS = "steps before"  # in the session
MOST_MARKED = 40  # minima: more would hide the picture
CURVE_HEIGHT, LOSS_HEIGHT = 380, 240  # px
DIGITS = 5
ROUNDING = 1e-20  # losses of the examples are some 100


def show_race(chosen: Chosen) -> None:
    """The paths on the function, by a slider as far as a step, and what came of them."""
    function = chosen.function
    races = race(function, chosen.start, chosen.optimisers, chosen.settings)
    points = critical_points(function)
    if function.dimension == 1:
        until = _choose_step(chosen.settings.steps)
        _show_first(function, races, until)
        picture = show_curve(function, races, until, points)
    else:
        look = choose_plane_look(function)
        until = _choose_step(chosen.settings.steps)
        minima = [point for point in points if point.sort == "minimum"]
        picture = show_plane(function, look, races, until, minima[:MOST_MARKED])
    _say_divergence(chosen, races, points)
    st.dataframe(
        _ends(function, races, points, until), hide_index=True, width="stretch", key="ends"
    )
    losses = _show_losses(function, races, lowest_minimum(points), until)
    export_pictures(function, {"Paths": picture, "Losses": losses}, races)


def choose_plane_look(function: ExampleFunction, turns: bool = True) -> PlaneLook:
    """How a plane is drawn: from above, or, where it turns, as a view in three dimensions too."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        view = _choose_view() if turns else "Contour"
        log = controls.choose_scale("scale-f", function.log)
        with st.popover("Style", icon=":material/palette:"):
            style = planes.choose_style(lines=16)
    usual_clip = 0.0 if log else function.clip
    return PlaneLook(
        view=VIEWS[view],
        value=VALUE,
        log=log,
        clip=style.clip or usual_clip,
        colour_map=style.colours,
        levels=style.lines,
        width=charts.plane_width(VALUE),
        camera=camera_now(),
    )


def _choose_view() -> str:
    check_address("view", f"one of {', '.join(VIEWS)}", VIEWS.__contains__)
    return st.segmented_control(
        "View", list(VIEWS), default="Contour", required=True, key="view", bind="query-params"
    )


def show_plane(
    function: ExampleFunction,
    look: PlaneLook,
    races: Sequence[Race],
    until: int,
    points: Sequence[CriticalPoint],
) -> "Drawing":
    """The function with marked points and the paths up to a step; what is shown."""
    from explorer.render.playground.plane import draw_function, draw_races, surface_of

    drawing = draw_races(draw_function(function, look, points), function, races, until)
    names = ", ".join(run.optimiser.title for run in races)
    words = f"Contour plot of {function.text} with the paths of {names}"
    show_drawing(drawing, surface_of(function).values[VALUE], words, "playground")
    if look.ceiling is not None:
        st.caption(f"Heights above {look.ceiling:g} are cut off: **Style** has the level.")
    return drawing


def show_curve(
    function: ExampleFunction, races: Sequence[Race], until: int, points: Sequence[CriticalPoint]
) -> "Drawing":
    """The curve with its stationary points and the steps so far; what is shown."""
    from explorer.render.playground.curve import draw_curve

    chart = draw_curve(function, races, until, points, charts.plot_width(), CURVE_HEIGHT)
    charts.show_chart(chart, f"Curve of {function.text} with the steps of optimisers", key="curve")
    return chart


def _choose_step(steps: int) -> int:
    """The step up to which paths are drawn; all, unless the slider was moved."""
    before = st.session_state.get(LAST_STEPS)
    now = st.session_state.get("until")
    st.session_state[LAST_STEPS] = steps
    if now is not None and (now > steps or now == before):
        st.session_state["until"] = steps
    check_address(
        "until", f"a whole number from 0 to {steps:,}", lambda text: _is_step(text, steps)
    )
    return st.slider("Until step", 0, steps, steps, key="until", bind="query-params")


def _is_step(text: str, steps: int) -> bool:
    return text.isascii() and text.isdigit() and int(text[:9]) <= steps


def _show_first(function: ExampleFunction, races: Sequence[Race], until: int) -> None:
    """x, f(x), f'(x) and the steps of the first optimiser, large."""
    run = races[0]
    step = min(until, len(run.points) - 1)
    place = run.points[step]
    slope = float(function.expression.gradients(place)[0])
    texts = {
        "x": f"{place[0]:.4f}",
        "f(x)": f"{run.losses[step]:.4f}",
        "f\u2032(x)": f"{slope:.4f}",
        "Steps": f"{step:,}",
    }
    st.caption(run.optimiser.title)
    for column, (label, text) in zip(st.columns(4), texts.items(), strict=True):
        column.metric(label, text.replace("-", "\u2212"))


def _say_divergence(chosen: Chosen, races: Sequence[Race], points: Sequence[CriticalPoint]) -> None:
    """One sentence for each optimiser that is on its way to infinity."""
    has_minimum = any(point.sort == "minimum" for point in points)
    for run in races:
        step = left_at(chosen.function, run)
        if step is None:
            continue
        rate = getattr(chosen.settings, run.optimiser.rate) if run.optimiser.rate else None
        advice = "another start may keep it here" if rate is None else "a smaller rate helps"
        if not has_minimum:
            advice = "the function has no minimum here to end in"
        who = f"{run.optimiser.title}{'' if rate is None else f' with rate {rate:g}'}"
        st.warning(f"{who} {_way_out(run, step)}; {advice}.", icon=":material/trending_up:")


def _way_out(run: Race, left: int) -> str:
    """How a path ended that left the picture at that step, as a predicate."""
    last = len(run.points) - 1
    if not np.isfinite(run.losses[last]):
        return f"is at step {last:,} where the function has no value"
    return (
        f"diverges: it leaves the picture at step {left:,}, and at step {run.diverged_at:,} it is "
        "beyond a million or not finite"
    )


def _ends(
    function: ExampleFunction, races: Sequence[Race], points: Sequence[CriticalPoint], until: int
) -> dict[str, list[str]]:
    """Where each optimiser is after the step, as columns."""
    columns: dict[str, list[str]] = {name: [] for name in ("Optimiser", "Step", *function.names)}
    columns |= {name: [] for name in ("f", "Slope", "Is at")}
    for run in races:
        step = min(until, len(run.points) - 1)
        columns["Optimiser"].append(run.optimiser.title)
        columns["Step"].append(f"{step:,}")
        for name, value in zip(function.names, run.points[step], strict=True):
            columns[name].append(number_text(float(value), DIGITS))
        columns["f"].append(number_text(float(run.losses[step]), DIGITS))
        columns["Slope"].append(number_text(float(run.gradient_norms[step]), 3))
        columns["Is at"].append(_place_words(function, run, points, until))
    return columns


def _place_words(
    function: ExampleFunction, run: Race, points: Sequence[CriticalPoint], until: int
) -> str:
    if run.diverged_at is not None and until >= run.diverged_at:
        return "diverged"
    point = reached_point(function, run, points, until)
    if point is None:
        return "under way"
    return f"a {point.sort}"


def place_text(point: CriticalPoint) -> str:
    """The place of a critical point, as (3, 2)."""
    texts = [number_text(value, 4).replace("-", MINUS) for value in point.place]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def rounded_loss(point: CriticalPoint) -> float:
    """The loss of a critical point; 0 where it is nothing but rounding."""
    return point.loss if abs(point.loss) > ROUNDING else 0.0


def _show_losses(
    function: ExampleFunction, races: Sequence[Race], floor: float | None, until: int
) -> "Drawing":
    """The loss of each against its steps; what is shown."""
    from explorer.render.playground.curves import draw_losses

    st.markdown("**Loss against steps**")
    width = charts.plot_width()
    chart = draw_losses(races, floor, until, function.loss_range, width, LOSS_HEIGHT)
    losses = np.concatenate([run.losses[: until + 1] for run in races])
    charts.show_chart(chart, "Loss of each optimiser against its steps", losses, key="losses")
    if floor is not None and not math.isclose(floor, 0.0, abs_tol=1e-12):
        st.caption(f"Above the lowest minimum, {number_text(floor, 7)}, on a log scale.")
    return chart
