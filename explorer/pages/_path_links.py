"""Where a path that is trained leads on to: its profiles, and planes through its ends and bends."""

from collections.abc import Iterable

import streamlit as st

from explorer.ask.stored_paths import curve_label, path_of
from explorer.kinds import KINDS, Kind
from explorer.kinds.given_axes import DIFFERENCE, GIVEN
from explorer.kinds.path_shape import STRAIGHT
from explorer.kinds.setting import setting_field
from explorer.pages._address import CURVES_KEY, PATHS_KEY
from explorer.pages._links import Link, Subjects, parameter_names, show_link
from explorer.pages._pairs import ChosenPoint
from store import Catalog, records

PLANE_RANGE = ("-0.25", "1.25")  # of both axes: ends and bend at 0 and 1, with room around them


def show_path_links(
    catalog: Catalog,
    question: records.Question,
    pair: tuple[ChosenPoint, ChosenPoint],
    bends: Iterable[str],
) -> None:
    """Links to the losses along the path on any data, and to the plane of its ends and a bend.

    Args:
        catalog: where it is.
        question: of the path.
        pair: its ends.
        bends: as pages list them.
    """
    subjects = Subjects(catalog)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox("With the bend", list(bends), key="bend", width=220)
        for kind in KINDS:
            if kind.settings.subject_sequence():
                parameters = _ends(kind, pair, subjects)
                if path := path_of(catalog, question, pair[0].point):
                    parameters[PATHS_KEY] = [STRAIGHT, path.label]
                show_link(Link(kind, "", parameters), f"{kind.title} along it")
            elif kind.own_page and "y_end" in kind.settings.possible_subjects():
                label = f"{kind.title} through both ends and the bend"
                parameters = _plane(kind, pair, chosen, subjects)
                if any(other.page == kind.page and other is not kind for other in KINDS):
                    parameters |= _curve(catalog, question, pair)
                show_link(Link(kind, "", parameters), label)


def _ends(
    kind: Kind, pair: tuple[ChosenPoint, ChosenPoint], subjects: Subjects
) -> dict[str, str | list[str]]:
    """Both ends in an address of that kind's page."""
    parameters: dict[str, str | list[str]] = {}
    names = parameter_names(kind, kind.settings())
    for (name, step_name), point in zip(names, pair, strict=True):
        parameters |= {name: point.label, step_name: _step(point, subjects)}
    return parameters


def _count_through_ends(kind: Kind, name: str) -> int:
    """About as many points as are usual, with both ends among them: range and ends share sixths."""
    usual = int(str(setting_field(kind.settings, name).default))
    return 6 * round((usual - 1) / 6) + 1


def _plane(
    kind: Kind, pair: tuple[ChosenPoint, ChosenPoint], bend: str | None, subjects: Subjects
) -> dict[str, str | list[str]]:
    """The plane through both ends and a bend: x to the other end, y to the bend."""
    first, second = pair
    parameters: dict[str, str | list[str]] = {"model": first.label, "direction": GIVEN}
    if first.point != first.model.point_id:
        parameters["step"] = _step(first, subjects)
    parameters |= {"x_axis": DIFFERENCE, "x_start": first.label, "x_end": second.label}
    parameters |= {"x_start_step": _step(first, subjects), "x_end_step": _step(second, subjects)}
    parameters |= {"y_axis": DIFFERENCE, "y_start": first.label, "y_end": first.label}
    parameters |= {"y_start_step": _step(first, subjects), "y_end_step": bend or ""}
    for axis in "xy":
        parameters |= dict(zip((f"{axis}_min", f"{axis}_max"), PLANE_RANGE, strict=True))
        parameters[f"{axis}_count"] = str(_count_through_ends(kind, f"{axis}_count"))
    return parameters | {"scaling": "raw", "orthogonal": "true"}


def _curve(
    catalog: Catalog, question: records.Question, pair: tuple[ChosenPoint, ChosenPoint]
) -> dict[str, str | list[str]]:
    """The path itself over that plane, where it is drawn over it."""
    first, second = pair
    path = path_of(catalog, question, first.point)
    return {CURVES_KEY: curve_label(first.model, second.model, path)} if path else {}


def _step(point: ChosenPoint, subjects: Subjects) -> str:
    return str(subjects.step(point.model.id, point.point))
