"""Pinned answers side by side: on one scale, against a baseline, with what they differ in."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import streamlit as st

from explorer.ask.comparability import Hindrances, compared_rows, hindrances
from explorer.pages import _charts as charts
from explorer.pages import _panels as panels_
from explorer.pages import _parts as parts
from explorer.pages import _pins as pins
from explorer.pages._address import correct_address
from explorer.pages._compare_choice import choose_recent
from explorer.pages._compared_numbers import show_numbers
from explorer.pages._groups import choose_grouping
from explorer.pages._links import Subjects, link_to, show_link
from explorer.pages._overlaid_planes import show_overlaid_planes
from explorer.pages._panel import LABEL_LETTERS, Panel, panels_of
from explorer.pages._text import as_text
from explorer.wording import counted
from store import Catalog

NO_PANEL = [""]  # in the address: none, not even those that are pinned
BASELINE_KEY = "baseline"
ON_OR_OFF = ("true", "false")  # of a toggle in the address


def chosen_panels(catalog: Catalog) -> list[Panel]:
    """Those that the address names, else the pinned ones, which it names from then on."""
    named = list(dict.fromkeys(st.query_params.get_all(pins.PANEL_PARAMETER)))
    if not named:
        named = pins.pinned_keys(catalog)
        st.query_params[pins.PANEL_PARAMETER] = named
    wanted = [key for key in named if key][: pins.MOST_PANELS]
    if len(named) > pins.MOST_PANELS:
        st.warning(f"The address names {len(named)} analyses: the first {len(wanted)} are shown.")
    panels = panels_of(catalog, pins.readable_questions(catalog, wanted))
    say_missing(catalog, wanted, panels)
    return panels


def say_missing(catalog: Catalog, wanted: Sequence[str], panels: Sequence[Panel]) -> None:
    """Which of the analyses are not shown, and why: in the trash by their names, others counted."""
    missing = {*wanted} - {panel.question.key for panel in panels}
    deleted = [q for q in catalog.questions_of(missing).values() if q.deleted]
    for question in deleted:
        st.warning(
            f"{as_text(question.title, LABEL_LETTERS)} is in the trash: restore it in the catalog, "
            "or go on without it."
        )
    if rest := len(missing) - len(deleted):
        verb = "is" if rest == 1 else "are"
        st.warning(
            f"{rest} of {counted(len(wanted), 'analysis', 'analyses')} {verb} not in this "
            "catalog, or unreadable."
        )


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
                show_link(link, as_text(panel.label, LABEL_LETTERS))
                if st.button(
                    "",
                    key=f"out-{panel.question.key}",
                    icon=":material/close:",
                    type="tertiary",
                    help="Take it out of the comparison",
                ):
                    take_out(catalog, panel)


def take_out(catalog: Catalog, panel: Panel) -> None:
    """Compare the others; it is pinned no more."""
    named = st.query_params.get_all(pins.PANEL_PARAMETER)
    rest = [key for key in named if key != panel.question.key]
    st.query_params[pins.PANEL_PARAMETER] = rest or NO_PANEL
    pins.unpin(catalog, [panel.question.key])
    st.rerun()


def choose_baseline(panels: Sequence[Panel]) -> Panel:
    """What the others are set against; the address keeps it."""
    labels = {panel.question.key: panel.label for panel in panels}
    named = st.query_params.get(BASELINE_KEY, "")
    if named and named not in labels:
        st.warning("The baseline of the address is not among these analyses: it is the first.")
    keys = list(labels)
    key = st.selectbox(
        "Baseline",
        keys,
        index=keys.index(named) if named in labels else 0,
        format_func=lambda key: labels.get(key, ""),
        width=320,
    )
    if key != named:
        st.query_params[BASELINE_KEY] = key
    return panels[keys.index(key)]


def choose(panels: Sequence[Panel]) -> tuple[Panel, panels_.Choices]:
    """The baseline, and how panels are looked at."""
    planes = any(panel.is_plane for panel in panels)
    correct_address("view", list(panels_.VIEWS))
    for toggle in ("shared", "linked", "hide", "overlaid"):
        correct_address(toggle, ON_OR_OFF)
    view, linked = "Contour", False
    with st.container(horizontal=True, vertical_alignment="bottom"):
        baseline = choose_baseline(panels)
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
            help="Colours, contour lines and heights mean the same in all planes of a kind; curves "
            "that are comparable share one picture",
        )
        if view == "3-D":
            linked = st.toggle(
                "One camera",
                True,
                key="linked",
                bind="query-params",
                help="Turning one 3-D view turns all",
            )
        grouping = choose_grouping(panels)
    choices = panels_.Choices(panels_.VIEWS[view], shared, linked, grouping)
    return baseline, choices


def show_hindrances(baseline: Panel, others: Mapping[str, Hindrances]) -> None:
    """Why panels cannot be set against the baseline, or are not like it, a sentence each."""
    for label, reasons in others.items():
        if reasons.of_numbers:
            st.warning(
                f"{as_text(label, LABEL_LETTERS)} is not comparable with "
                f"{as_text(baseline.label, LABEL_LETTERS)}: "
                f"{as_text(', '.join(reasons.of_numbers), 300)}.",
                icon=":material/difference:",
            )
        elif reasons.remarks:
            words = as_text(", ".join(reasons.remarks), 300)
            st.caption(f"{as_text(label, LABEL_LETTERS)}: {words}.")


def show_differences(
    panels: Sequence[Panel], baseline: Panel, others: Mapping[str, Hindrances]
) -> None:
    """The planes minus the baseline's, or why there is no such plane."""
    planes = [panel for panel in panels if panel.is_plane_of_losses and panel is not baseline]
    if not baseline.is_plane_of_losses or not planes:
        return
    name = as_text(baseline.label, LABEL_LETTERS)
    st.subheader(f"Difference from {name}", anchor=False)
    across = panels_.panels_across(len(planes))
    for first in range(0, len(planes), across):
        for column, panel in zip(st.columns(across), planes[first:], strict=False):
            with column:
                _show_difference(panel, baseline, others[panel.label].words, across)


def _show_difference(panel: Panel, baseline: Panel, reasons: str, across: int) -> None:
    st.markdown(f"**{as_text(panel.label, LABEL_LETTERS)}**")
    if reasons:
        st.caption(f"No difference point by point: {as_text(reasons, 300)}.")
        return
    try:
        drawing = panels_.draw_difference(panel, baseline, across)
    except ValueError as error:
        st.caption(f"No difference point by point: {as_text(error, 300)}.")
        return
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
        st.dataframe(columns, hide_index=True, placeholder="")


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
    groups = [list(group) for _, group in groupby(in_order, key=lambda panel: panel.kind.name)]
    for group in groups:
        if len(group) > 1:
            st.subheader(group[0].kind.title, anchor=False)
            panels_.show_kind(group, choices)
    if singles := [group[0] for group in groups if len(group) == 1]:
        if len(singles) < len(groups):
            st.subheader("Others", anchor=False)
        panels_.show_singles(singles, choices)
    show_overlaid_planes(panels, baseline)
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
    choose_recent(app.catalog, panels)
else:
    show(app.catalog, panels)
