"""Critical points of the playground's function, and how optimisers escape from a saddle."""

from collections.abc import Sequence

import streamlit as st

from explorer.kinds.setting import Setting, SettingField
from explorer.pages import _forms as forms
from explorer.pages._address import correct_address
from explorer.pages._playground_controls import Chosen
from explorer.pages._playground_export import export_pictures
from explorer.pages._playground_race import (
    choose_plane_look,
    place_text,
    rounded_loss,
    show_curve,
    show_plane,
)
from explorer.playground.critical_points import CriticalPoint, critical_points
from explorer.playground.escape import Escape, escapes, fall
from explorer.playground.functions import ExampleFunction
from explorer.render.marks.ticks import number_text
from explorer.wording import counted

OFFSET = SettingField(
    "offset",
    float,
    False,
    1e-3,
    Setting("Start beside it", "Along the escape direction.", above=0, most=1.0),
)
DISTANCE = SettingField(
    "distance",
    float,
    False,
    0.3,
    Setting("Left beyond", "So far along the escape direction.", above=0, most=100.0),
)
MOST_LISTED = 100  # rows of the table


def show_points(chosen: Chosen) -> None:
    """All critical points in the range, marked and listed; runs from a saddle that is chosen."""
    function = chosen.function
    points = critical_points(function)
    runs: list[Escape] = []
    if function.dimension == 1:
        picture = show_curve(function, (), 0, points)
    else:
        look = choose_plane_look(function)
        place = st.container()
        saddles = [point for point in points if point.sort == "saddle"]
        if saddles:
            saddle, runs = _choose_escape(chosen, saddles)
        with place:
            races = [run.race for run in runs]
            picture = show_plane(function, look, races, chosen.settings.steps, points)
        if saddles:
            _show_escape(function, saddle, runs)
    _explain(function, points)
    st.dataframe(_columns(function, points[:MOST_LISTED]), hide_index=True, width="stretch")
    export_pictures(function, {"Points": picture}, [run.race for run in runs])


def _explain(function: ExampleFunction, points: Sequence[CriticalPoint]) -> None:
    if not points:
        st.info("The gradient is zero nowhere in this range: there is no critical point.")
        return
    sorts = ("minimum", "saddle", "maximum", "degenerate")
    names = {"minimum": "minima", "maximum": "maxima", "degenerate": "degenerate points"}
    counts = {sort: sum(point.sort == sort for point in points) for sort in sorts}
    texts = [counted(count, sort, names.get(sort, "")) for sort, count in counts.items() if count]
    way = (
        "every root of the slope"
        if function.dimension == 1
        else "where Newton's method ends from 41 × 41 starts"
    )
    st.caption(
        f"In this range: {', '.join(texts)}; found as {way}. A class is by the signs of the "
        "Hessian's eigenvalues, where the gradient is zero; an eigenvalue below a millionth of the "
        "usual curvature counts as zero, and the point as degenerate."
    )


def _columns(
    function: ExampleFunction, points: Sequence[CriticalPoint]
) -> dict[str, list[str | float | int]]:
    """The table of the points."""
    columns: dict[str, list[str | float | int]] = {"Class": [point.sort for point in points]}
    for n, name in enumerate(function.names):
        columns[name] = [number_text(point.place[n], 7) for point in points]
    columns["f"] = [number_text(rounded_loss(point), 7) for point in points]
    columns["Slope"] = [number_text(point.gradient_norm, 2) for point in points]
    if function.dimension == 1:
        columns["f\u2033"] = [number_text(point.eigenvalues[0], 5) for point in points]
        return columns
    columns["Eigenvalues"] = [
        ", ".join(number_text(value, 5) for value in point.eigenvalues) for point in points
    ]
    columns["Index"] = [point.index for point in points]
    columns["Condition number"] = [number_text(point.condition, 4) for point in points]
    columns["Escape direction"] = [
        f"({', '.join(number_text(value, 3) for value in point.escape)})" if point.index else ""
        for point in points
    ]
    return columns


def _choose_escape(
    chosen: Chosen, saddles: Sequence[CriticalPoint]
) -> tuple[CriticalPoint, list[Escape]]:
    """The saddle that is chosen, and the runs that begin beside it."""
    st.markdown("**Escape from a saddle**")
    texts = {place_text(saddle): saddle for saddle in saddles}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = list(texts)
        if st.session_state.get("saddle") not in (None, *options):
            del st.session_state["saddle"]
        correct_address("saddle", options)
        name = st.selectbox("Saddle", options, key="saddle", bind="query-params", width=200)
        offset = forms.number_field(OFFSET)
        distance = forms.number_field(DISTANCE)
    saddle = texts[name]
    runs = escapes(chosen.function, saddle, offset, distance, chosen.optimisers, chosen.settings)
    return saddle, runs


def _show_escape(function: ExampleFunction, saddle: CriticalPoint, runs: Sequence[Escape]) -> None:
    """After how many steps each optimiser has left, and how the loss falls along the direction."""
    offset = float(st.session_state.get("offset", OFFSET.default))
    ahead, behind = fall(function, saddle, offset)
    curvature = saddle.eigenvalues[0]
    st.caption(
        f"Along the escape direction, the eigenvector of {number_text(curvature, 4)}, the loss "
        f"changes within {offset:g} by {number_text(ahead, 3)} one way and "
        f"{number_text(behind, 3)} the other; to second order it is "
        f"{number_text(curvature * offset**2 / 2, 3)} both ways."
    )
    st.dataframe(
        {
            "Optimiser": [run.race.optimiser.title for run in runs],
            "Steps to leave": [
                f"{run.step:,}" if run.step is not None else "stays" for run in runs
            ],
            "Ends at": [
                "diverged"
                if run.race.diverged_at is not None
                else f"({', '.join(number_text(float(v), 4) for v in run.race.points[-1])})"
                for run in runs
            ],
        },
        hide_index=True,
        width="stretch",
        key="escapes",
    )
