"""A plane as a page asks for it: its axes, also of a line, what they are, and how it is drawn."""

from dataclasses import dataclass, replace

import streamlit as st

from explorer.kinds.eigenvalues import MINUS, eigenvalue_words
from explorer.kinds.facts import AxesFacts
from explorer.kinds.given_axes import GIVEN
from explorer.kinds.look import COLOUR_MAPS, PlaneLook
from explorer.kinds.plane_settings import PlaneSettings
from explorer.kinds.setting import Setting, setting_field
from explorer.pages import _forms as forms
from explorer.pages._address import check_address, check_number
from explorer.pages._given_axes import ChosenAxes, choose_given_axes
from explorer.pages._terms import setting_help
from store import Catalog, records

CONTOUR_LINES = replace(setting_field(PlaneLook, "levels"), name="contours")
MARKS_WORDS = (
    "Points that an axis leads through are marked with the loss that they have by themselves, by "
    "their own running statistics, and with how far beside they lie."
)
CLIP = Setting(
    "Clip above",
    "Values above are drawn at this level; what is stored does not change.",
    least=0.0,
)


@dataclass(frozen=True)
class PlaneStyle:
    """How a plane is drawn, whatever its values are."""

    colours: str
    lines: int  # of contour, at most
    clip: float  # the level at which higher values are drawn; 0: nothing is clipped


def choose_style(lines: int) -> PlaneStyle:
    """How a plane is drawn, with so many contour lines at first."""
    check_address("colours", f"one of {', '.join(COLOUR_MAPS)}", COLOUR_MAPS.__contains__)
    help = setting_help(setting_field(PlaneLook, "colour_map"))
    colours = st.selectbox("Colours", COLOUR_MAPS, key="colours", bind="query-params", help=help)
    most_lines = int(forms.number_field(replace(CONTOUR_LINES, default=lines)))
    check_number("clip", CLIP, whole=False)
    clip = st.number_input(
        CLIP.label,
        min_value=CLIP.least,
        value=None,
        key="clip",
        bind="query-params",
        placeholder="nothing clipped",
        help=CLIP.help,
    )
    return PlaneStyle(colours, most_lines, clip or 0.0)


def choose_axes(catalog: Catalog, settings: type[PlaneSettings], own: records.Model) -> ChosenAxes:
    """What a plane's axes are.

    Args:
        catalog: where points and directions are.
        settings: the class of the kind's settings.
        own: the model that is asked about.
    """
    direction = forms.choose(settings, "direction", menu=True)
    if direction == "eigenvector":
        ranks = forms.choose_row(settings, ("x_rank", "y_rank"))
        return ChosenAxes({"direction": direction, **ranks})
    given = ChosenAxes({"direction": direction})
    if direction == GIVEN:
        given = choose_given_axes(catalog, settings, [own], "xy")
    values = dict(given.values)
    if "random" in (direction, values.get("y_axis")):
        values |= choose_directions(settings)
    values["orthogonal"] = forms.choose(settings, "orthogonal")
    return ChosenAxes(values, given.further)


def choose_directions(settings: type) -> forms.Values:
    """How random directions are drawn: normalisation, seed and ignore rule, as settings."""
    names = ("normalisation", "seed", "ignore_1d")
    return {name: forms.choose(settings, name) for name in names}


def given_axes_text(facts: AxesFacts) -> str:
    """How long one unit of each given axis is, and what is marked."""
    lengths = " and one ".join(
        f"along {axis} is a distance of {norm:.4g}"
        for axis, norm in zip("xy", facts.direction_norms, strict=False)
    )
    return " ".join([f"One unit {lengths}.", *([MARKS_WORDS] if facts.marks else [])])


def explain_axes(facts: AxesFacts) -> None:
    """Of eigenvectors the eigenvalues with their residuals; of given axes their lengths."""
    if facts.given:
        st.caption(given_axes_text(facts))
    if not facts.ranks:
        return
    axis_eigenpairs = zip("xy", facts.ranks, facts.eigenvalues, facts.residuals, strict=False)
    axis_texts = [
        f"{axis}: rank {str(rank).replace('-', MINUS)}, {eigenvalue_words(value, residual)}"
        for axis, rank, value, residual in axis_eigenpairs
    ]
    slopes = " and ".join(f"{slope:.3g}".replace("-", MINUS) for slope in facts.slopes)
    st.caption(
        f"Eigenvectors of the Hessian, {'; '.join(axis_texts)} (its residual). One unit is a "
        f"distance of 1; at the centre the loss has slope {slopes} along them and these second "
        "derivatives.",
        help="Ranks count eigenvalues from the largest, 1, or from the smallest, −1, on.",
    )
