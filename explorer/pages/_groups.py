"""Curves of several models as one on the page Compare: of seeds, or of what shares a setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import streamlit as st

from explorer.ask.model_words import model_words
from explorer.kinds.groups import GroupProfile, Profiles, group_profile
from explorer.kinds.kind import named_code
from explorer.kinds.look import CurvesLook, overlaid_look
from explorer.kinds.summaries import SUMMARIES
from explorer.pages import _charts as charts
from explorer.pages._address import correct_address
from explorer.pages._panel import LABEL_LETTERS, Panel
from explorer.pages._text import as_text
from explorer.wording import counted, printable

if TYPE_CHECKING:
    from collections.abc import Callable

NO_GROUP = "nothing"
GROUP_KEY, SUMMARY_KEY = "group", "summary"  # of the controls, and their names in the address


@dataclass(frozen=True)
class Grouping:
    """Which panels are drawn as one, and how."""

    words: Mapping[str, str] = field(default_factory=dict)  # question's key -> its group
    summary: str = ""

    def __bool__(self) -> bool:
        """Whether anything is grouped."""
        return bool(self.words)


def choose_grouping(panels: Sequence[Panel]) -> Grouping:
    """What groups the curves, of what at least two of them share; the address keeps it."""
    drawn = [panel for panel in panels if panel.kind.profiles]
    if len(drawn) < 2 or len({panel.kind.name for panel in drawn}) == len(drawn):
        return Grouping()
    words_by_name = _panel_words(drawn)
    options = [NO_GROUP, *words_by_name]
    named = st.query_params.get(GROUP_KEY, NO_GROUP)
    if named not in options:
        st.warning(
            f"The address groups by {as_text(repr(named), 80)}, in which no two of these agree: "
            "nothing is grouped."
        )
        del st.query_params[GROUP_KEY]
    group = st.selectbox(
        "Group by",
        options,
        key=GROUP_KEY,
        bind="query-params",
        width=230,
        help="Curves of one group are drawn as one with a band, as those of runs with several "
        "seeds.",
    )
    if group == NO_GROUP:
        return Grouping()
    correct_address(SUMMARY_KEY, list(SUMMARIES))
    summary = st.selectbox(
        "Drawn as",
        list(SUMMARIES),
        key=SUMMARY_KEY,
        bind="query-params",
        width=190,
        help="; ".join(f"{name}: {words}" for name, words in SUMMARIES.items()),
    )
    keys = [panel.question.key for panel in drawn]
    return Grouping(dict(zip(keys, words_by_name[group], strict=True)), summary)


def _panel_words(panels: Sequence[Panel]) -> dict[str, list[str]]:
    """By name: what may group the panels by their first models, where two of them agree."""
    catalog = panels[0].catalog
    by_id = {model.id: model for model in catalog.models()}
    models = [by_id.get(next(iter(panel.question.model_ids), "")) for panel in panels]
    labels = [model.name if model else "" for model in models]
    words_by_name = model_words(catalog, models, labels)
    shared = {n: words for n, words in words_by_name.items() if len(set(words)) < len(words)}
    return {n: words for n, words in shared.items() if any(words)}


def show_groups(panels: Sequence[Panel], grouping: Grouping, place: int) -> None:
    """The groups of comparable panels of one kind in one picture, and what it shows of them.

    Args:
        panels: begun, with numbers that mean the same.
        grouping: of them.
        place: number of the picture, which tells it from others of the kind.
    """
    from explorer.render.groups import draw_groups

    kind = panels[0].kind
    width = charts.plot_width()
    looks = [kind.look.usual(panel.result) for panel in panels]
    look = overlaid_look(looks, width=width, height=charts.plot_height(width))
    assert isinstance(look, CurvesLook)
    by_label = {panel.label: panel.result for panel in panels}
    make = cast("Callable[..., Profiles]", named_code(kind.profiles))
    profiles = make(by_label, look)
    groups, members = _group(panels, profiles, grouping)
    if not groups:
        return
    chart = draw_groups(groups, profiles, look)
    words = f"{kind.title} by groups: {', '.join(groups)}"
    charts.show_chart(chart, words, key=f"groups-{kind.name}-{place}")
    _explain(groups, members, grouping.summary)


def _group(
    panels: Sequence[Panel], profiles: Profiles, grouping: Grouping
) -> tuple[dict[str, GroupProfile], dict[str, list[str]]]:
    """The groups by name, and who is in each; a sentence for one that cannot be."""
    members: dict[str, list[str]] = {}
    for panel in panels:
        members.setdefault(grouping.words[panel.question.key] or "none", []).append(panel.label)
    groups = {}
    for word, labels in members.items():
        own = {label: profiles.by_name[label] for label in labels}
        try:
            groups[printable(word, LABEL_LETTERS)] = group_profile(own, grouping.summary)
        except ValueError as error:
            st.warning(as_text(f"{word} is not drawn: {error}.", 400))
    return groups, members


def _explain(
    groups: Mapping[str, GroupProfile], members: Mapping[str, Sequence[str]], summary: str
) -> None:
    """What a curve and its band are, of whom, and where a group has none."""
    st.caption(f"Of each group {SUMMARIES[summary]}.")
    for word, labels in members.items():
        group = groups.get(printable(word, LABEL_LETTERS))
        if group is None:
            continue
        text = f"{word}: {counted(group.count, 'curve')} ({', '.join(labels)})"
        if group.count < 2:
            text += ", so that there is no band"
        if group.not_finite:
            places = counted(group.not_finite, "place")
            text += f"; at {places} one of them is NaN or infinite, and so is the group"
        st.caption(as_text(f"{text}.", 600))
