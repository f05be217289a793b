"""Pinned answers side by side: on one scale, against a baseline, with what they differ in."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

import streamlit as st

from explorer.ask.comparability import Hindrances, compared_rows, hindrances
from explorer.kinds.numbers import ResultNumber
from explorer.pages import _charts as charts
from explorer.pages import _panels as panels_
from explorer.pages import _parts as parts
from explorer.pages import _pins as pins
from explorer.pages._links import Subjects, link_to
from explorer.pages._panels import Panel
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from store import Catalog, CatalogError

PANEL_PARAMETER = "panel"  # in the address, once for each
VALUE_DIGITS = 4


def chosen_panels(catalog: Catalog) -> list[Panel]:
    """Those that the address names, else the pinned ones, which the address names from then on."""
    named = st.query_params.get_all(PANEL_PARAMETER)
    keys = list(dict.fromkeys(named))[: pins.MOST_PANELS] or pins.pinned_keys(catalog)
    questions = pins.readable_questions(catalog, keys)
    if missing := len(keys) - len(questions):
        st.warning(f"{missing} of {len(keys)} analyses are not in this catalog any more.")
    present = [question.key for question in questions]
    if present != named:
        st.query_params[PANEL_PARAMETER] = present
    return panels_.panels_of(catalog, questions)


def show_list(catalog: Catalog, panels: Sequence[Panel]) -> None:
    """The panels in a row: of each the way to its page, and out of the comparison."""
    subjects = Subjects(catalog)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for panel in panels:
            link = link_to(panel.question, subjects)
            with st.container(
                border=True,
                width="content",
                gap="small",
                horizontal=True,
                vertical_alignment="center",
            ):
                st.page_link(
                    link.kind.page,
                    label=as_text(panel.label, 60),
                    icon=link.kind.icon,
                    query_params=link.parameters,
                )
                if st.button(
                    "",
                    key=f"out-{panel.question.key}",
                    icon=":material/close:",
                    type="tertiary",
                    help="Take it out of the comparison",
                ):
                    take_out(catalog, panels, panel)


def take_out(catalog: Catalog, panels: Sequence[Panel], panel: Panel) -> None:
    """Compare the others; it is pinned no more."""
    with contextlib.suppress(CatalogError):
        pins.unpin(catalog, [panel.question.key])
    st.query_params[PANEL_PARAMETER] = [p.question.key for p in panels if p is not panel]
    st.rerun()


def choose(panels: Sequence[Panel]) -> tuple[Panel, panels_.Choices]:
    """The baseline, and how panels are looked at."""
    labels = [panel.label for panel in panels]
    planes = any(panel.is_plane for panel in panels)
    view, linked = "Contour", False
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        label = st.selectbox("Baseline", labels, key="baseline", width=320)
        if planes:
            view = st.segmented_control(
                "View",
                list(panels_.VIEWS),
                default="Contour",
                required=True,
                key="view",
                bind="query-params",
            )
        shared = st.toggle(
            "One scale",
            True,
            key="shared",
            bind="query-params",
            help="Axes, colours and contour lines mean the same in all panels of a kind",
        )
        if view == "3-D":
            linked = st.toggle(
                "One camera",
                True,
                key="linked",
                bind="query-params",
                help="Turning one 3-D view turns all",
            )
    choices = panels_.Choices(panels_.VIEWS[view], shared, linked)
    return panels[labels.index(label)], choices


def show_hindrances(baseline: Panel, others: Mapping[str, Hindrances]) -> None:
    """Why panels cannot be set against the baseline, or are not like it, a sentence each."""
    for label, reasons in others.items():
        if reasons.of_numbers:
            st.warning(
                f"{as_text(label)} is not comparable with {as_text(baseline.label)}: "
                f"{as_text(', '.join(reasons.of_numbers), 300)}.",
                icon=":material/difference:",
            )
        elif reasons.remarks:
            st.caption(f"{as_text(label)}: {as_text(', '.join(reasons.remarks), 300)}.")


def show_numbers(panels: Sequence[Panel], baseline: Panel, hindered: Collection[str]) -> None:
    """Each number that several answers come down to, with interval, difference and rank."""
    numbers = {panel.label: panel.result.numbers for panel in panels}
    names = dict.fromkeys(name for of in numbers.values() for name in of)
    rows = []
    for name in names:
        of_each = {label: of[name] for label, of in numbers.items() if name in of}
        if len(of_each) > 1:
            rows += _number_rows(name, of_each, baseline.label, hindered)
    if not rows:
        return
    st.subheader("Numbers", anchor=False)
    st.dataframe({name: [row[name] for row in rows] for name in rows[0]}, hide_index=True)
    st.caption(
        "Rank 1 is the lowest of those that are comparable with the baseline. Intervals: 95 %, or "
        "where the number must lie."
    )


def _number_rows(
    name: str, numbers: Mapping[str, ResultNumber], baseline: str, hindered: Collection[str]
) -> list[dict[str, str]]:
    """A row for each answer that has the number."""
    comparable = {label: number.value for label, number in numbers.items() if label not in hindered}
    ranks = {
        label: place
        for place, label in enumerate(sorted(comparable, key=comparable.__getitem__), 1)
    }
    first = numbers.get(baseline)
    rows = []
    for label, number in numbers.items():
        apart = first is not None and label != baseline and label in comparable
        rows.append(
            {
                "Number": name.replace("_", " "),
                "Analysis": label,
                "Value": number_text(number.value, VALUE_DIGITS),
                "Interval": _interval_text(number),
                "Minus baseline": _difference_text(number, first) if apart and first else "",
                "Rank": f"{ranks[label]} of {len(ranks)}" if label in ranks else "not comparable",
            }
        )
    return rows


def _difference_text(number: ResultNumber, first: ResultNumber) -> str:
    return number_text(number.value - first.value, VALUE_DIGITS)


def _interval_text(number: ResultNumber) -> str:
    low, high = (number_text(end, VALUE_DIGITS) for end in (number.low, number.high))
    return "" if low == high == "NaN" else f"{low} to {high}"


def show_differences(
    panels: Sequence[Panel], baseline: Panel, others: Mapping[str, Hindrances]
) -> None:
    """The planes minus the baseline's, or why there is no such plane."""
    planes = [panel for panel in panels if panel.is_plane_of_losses and panel is not baseline]
    if not baseline.is_plane_of_losses or not planes:
        return
    st.subheader(f"Minus {as_text(baseline.label, 120)}", anchor=False)
    across = min(panels_.MOST_ACROSS, len(planes))
    for first in range(0, len(planes), across):
        for column, panel in zip(st.columns(across), planes[first:], strict=False):
            with column:
                _show_difference(panel, baseline, others[panel.label].words, across)


def _show_difference(panel: Panel, baseline: Panel, reasons: str, across: int) -> None:
    st.markdown(f"**{as_text(panel.label, 160)}**")
    if reasons:
        st.caption(f"No difference point by point: {as_text(reasons, 300)}.")
        return
    drawing = panels_.draw_difference(panel, baseline, across)
    if drawing is None:
        st.caption("Equal to the baseline wherever both are computed.")
        return
    words = f"Loss of {panel.label} minus {baseline.label}"
    charts.show_chart(drawing, words, key=f"minus-{panel.question.key}")


def show_origins(catalog: Catalog, panels: Sequence[Panel]) -> None:
    """What each was computed from, a column each; what is equal can be hidden."""
    rows = compared_rows(catalog, [panel.question for panel in panels])
    equal = sum(row.equal for row in rows)
    st.subheader("Settings and provenance", anchor=False)
    hide = st.toggle("Hide what is equal", True, key="hide", bind="query-params")
    shown = [row for row in rows if not (hide and row.equal)]
    if hide and equal:
        st.caption(f"{equal} equal")
    if shown:
        columns = {"": [row.name if row.equal else f"≠ {row.name}" for row in shown]}
        columns |= {
            panel.label: [row.values[place] for row in shown] for place, panel in enumerate(panels)
        }
        st.dataframe(columns, hide_index=True)


def show(catalog: Catalog, panels: Sequence[Panel]) -> None:
    """The whole comparison."""
    baseline, choices = choose(panels)
    others = {
        panel.label: hindrances(catalog, baseline.question, panel.question)
        for panel in panels
        if panel is not baseline
    }
    show_hindrances(baseline, others)
    in_order = sorted(panels, key=lambda panel: panel.kind.title)
    for kind, group in groupby(in_order, key=lambda panel: panel.kind):
        st.subheader(kind.title, anchor=False)
        panels_.show_kind(list(group), choices)
    show_differences(panels, baseline, others)
    hindered = {label for label, reasons in others.items() if reasons.of_numbers}
    show_numbers(panels, baseline, hindered)
    show_origins(catalog, panels)


app = parts.start_page()
parts.name_tab("Compare")
st.title("Compare", anchor=False)
charts.measure_column()
panels = chosen_panels(app.catalog)
if panels:
    show_list(app.catalog, panels)
if len(panels) < pins.FEWEST_PANELS:
    st.info(
        "Pin two to six analyses: the pin beside an answer's star, or **Compare** below the table "
        "of the catalog."
    )
else:
    show(app.catalog, panels)
