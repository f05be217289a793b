"""What start and learning rate decide: basins of one optimiser, final losses over rates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.kinds.setting import Setting, SettingField
from explorer.pages import _charts as charts
from explorer.pages import _forms as forms
from explorer.pages._address import check_address
from explorer.pages._playground_controls import Chosen
from explorer.pages._playground_export import export_pictures
from explorer.pages._playground_race import (
    CURVE_HEIGHT,
    choose_plane_look,
    place_text,
    rounded_loss,
)
from explorer.pages._stopping import stop_page
from explorer.playground.basins import DIVERGED, UNDER_WAY, BasinMap, basin_map
from explorer.playground.critical_points import critical_points
from explorer.playground.optimisers import OPTIMISERS
from explorer.playground.outcome import lowest_minimum
from explorer.playground.sensitivity import RateCurve, rate_curves
from explorer.render.marks.ticks import number_text

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

STARTS = SettingField(
    "starts",
    int,
    False,
    81,
    Setting("Starts along each axis", "One run from each.", least=11, most=161),
)
MOST_WORK = 60_000_000  # starts times steps: seconds
RATES_HEIGHT = 380  # px


def show_basins(chosen: Chosen) -> None:
    """Which critical point each start ends in, under one optimiser."""
    function = chosen.function
    titles = [optimiser.title for optimiser in OPTIMISERS.values()]
    check_address("basins_of", f"one of {', '.join(titles)}", titles.__contains__)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox("Optimiser", titles, key="basins_of", bind="query-params", width=220)
        count = int(forms.number_field(STARTS))
    name = next(name for name, optimiser in OPTIMISERS.items() if optimiser.title == title)
    starts = count**function.dimension
    most_steps = MOST_WORK // (starts * OPTIMISERS[name].cost)
    if chosen.settings.steps > most_steps:
        stop_page(
            f"{starts:,} starts of {chosen.settings.steps:,} steps take too long to show at once; "
            f"choose fewer starts, or at most {most_steps:,} steps."
        )
    with st.spinner("Running all starts"):
        basins = basin_map(function, name, chosen.settings, count)
    show = _show_bands if function.dimension == 1 else _show_map
    picture = show(chosen, basins)
    st.caption(
        f"The colour of a place is the critical point that {title} is at after "
        f"{chosen.settings.steps:,} steps from there, within a hundredth of the range. What is "
        "called a basin of attraction is one of a rule with its rate, not of the function alone."
    )
    st.dataframe(_shares(basins), hide_index=True, width="stretch", key="shares")
    export_pictures(function, {"Basins": picture})


def _show_map(chosen: Chosen, basins: BasinMap) -> "Drawing":
    from explorer.render.playground.basins import draw_basins

    look = choose_plane_look(chosen.function, turns=False)
    chart = draw_basins(chosen.function, basins, look)
    charts.show_chart(chart, "Map of the critical point that each start ends in", key="basins")
    return chart


def _show_bands(chosen: Chosen, basins: BasinMap) -> "Drawing":
    from explorer.render.playground.curve import draw_curve

    points, width = critical_points(chosen.function), charts.plot_width()
    chart = draw_curve(chosen.function, (), 0, points, width, CURVE_HEIGHT, basins)
    charts.show_chart(chart, "Curve with bands of the starts that end in one place", key="basins")
    return chart


def _shares(basins: BasinMap) -> dict[str, list[str]]:
    """The share of the starts that ends in each critical point, the largest first."""
    rows = [
        (
            basins.share(label),
            f"{point.sort} {place_text(point)}",
            number_text(rounded_loss(point), 5),
        )
        for label, point in enumerate(basins.points)
    ]
    rows.sort(reverse=True)
    rows += [
        (basins.share(label), words, "")
        for label, words in ((UNDER_WAY, "under way still"), (DIVERGED, "diverged"))
        if basins.share(label)
    ]
    return {
        "Ends in": [row[1] for row in rows],
        "Of the starts": [f"{row[0]:.1%}" for row in rows],
        "f": [row[2] for row in rows],
    }


def show_rates(chosen: Chosen) -> None:
    """The final loss of each optimiser against its learning rate."""
    from explorer.render.playground.curves import draw_rates

    function = chosen.function
    with st.spinner("Running all rates"):
        curves = rate_curves(function, chosen.start, chosen.optimisers, chosen.settings)
    if not curves:
        stop_page("BFGS finds its own step: choose an optimiser that has a rate.", error=False)
    floor = lowest_minimum(critical_points(function))
    if all(curve.best is None for curve in curves):
        stop_page("Every optimiser diverges from here with every rate: choose another start.")
    chart = draw_rates(curves, floor, function.loss_range, charts.plot_width(), RATES_HEIGHT)
    charts.show_chart(chart, "Final loss of each optimiser against its learning rate", key="rates")
    st.caption(
        f"After {chosen.settings.steps:,} steps from the start, with 101 rates from 0.0001 to 10; "
        "a line ends where the optimiser diverges."
        + (
            ""
            if floor is not None
            else " There is no minimum here: a low loss is one on its way down."
        )
    )
    if sharpest := _sharpest(chosen):
        st.caption(
            f"Gradient descent near the lowest minimum is stable below 2 / λ = "
            f"{number_text(2 / sharpest, 4)}, λ = {number_text(sharpest, 5)} being the largest "
            "eigenvalue there; momentum m moves that to (2 + 2 m) / λ. On the way to it other "
            "curvatures count."
        )
    st.dataframe(_rate_columns(curves, floor), hide_index=True, width="stretch", key="stable")
    export_pictures(function, {"Rates": chart})


def _sharpest(chosen: Chosen) -> float | None:
    """The largest eigenvalue at the lowest minimum; None where there is no minimum."""
    minima = [p for p in critical_points(chosen.function) if p.sort == "minimum"]
    return max(minima[0].eigenvalues) if minima else None


def _rate_columns(curves: Sequence[RateCurve], floor: float | None) -> dict[str, list[str]]:
    def text(value: float | None) -> str:
        return "none" if value is None else number_text(value, 3)

    title = "Lowest loss above the minimum" if floor else "Lowest loss"
    lowest = [
        float(np.nanmin(curve.losses)) - (floor or 0.0) if curve.best is not None else None
        for curve in curves
    ]
    return {
        "Optimiser": [curve.optimiser.title for curve in curves],
        "Best rate": [text(curve.best) for curve in curves],
        title: [text(value) for value in lowest],
        "Stable up to": [
            "beyond 10" if curve.largest_stable == curve.rates[-1] else text(curve.largest_stable)
            for curve in curves
        ],
    }
