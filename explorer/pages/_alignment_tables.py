"""What an alignment says in words and tables: its searches, groups and fixed axes."""

import math
from collections.abc import Collection

import streamlit as st

from explorer.kinds.alignment_result import Alignment
from explorer.pages._terms import columns_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import RAISED_DIGITS, number_text
from explorer.wording import counted

SEARCH_TERMS = {  # heads of columns -> what they are
    "similarity": "similarity",
    "distance": "aligned_distance",
    "loss": "loss",
    "loss halfway": "midpoint_loss",
    "halfway, REPAIR": "repaired",
    "max abs(Δf)": "output_change",
}


def verdict(alignment: Alignment) -> str:
    """What came of the searches so far, in a sentence or two."""
    best, facts = alignment.best, alignment.facts
    copies = f"one of {power_text(facts.log10_permutations)} equal copies"
    if best is None:
        return "No search has ended yet."
    after = float(alignment.values["distance"][best])
    change = number_text(float(alignment.values["change"][best]), 2)
    same = f"function unchanged to {change}"
    midpoint = number_text(float(alignment.values["midpoint"][best]), 3)
    halfway = f"loss halfway {_before(facts.midpoint, 3)} → {midpoint}"
    repaired = float(alignment.values["repaired"][best])
    if not math.isnan(repaired):
        halfway += f" ({number_text(repaired, 3)} with REPAIR)"
    start = number_text(facts.distance, 4)
    word = "Aligned" if alignment.settings.matches else "Permuted at random"
    text = f"**{word}: distance {start} → {number_text(after, 4)}**, {same}, {copies}; {halfway}."
    if alignment.settings.matches and (done := int(alignment.computed.sum())) > 1:
        share = round(alignment.agreement * done) if not math.isnan(alignment.agreement) else 1
        text += f" {share} of {counted(done, 'search', 'searches')} ended at this permutation."
    return text


def _before(value: float | None, digits: int) -> str:
    return "unknown" if value is None else number_text(value, digits)


def power_text(log10: float) -> str:
    """10 to that power, as text; small numbers themselves."""
    if log10 < 6:
        return f"{round(10**log10):,}"
    return f"10{str(math.floor(log10)).translate(RAISED_DIGITS)}"


def show_searches(alignment: Alignment, metrics: Collection[str]) -> None:
    """All searches, with what was found at their ends."""
    done = [unit for unit, ended in enumerate(alignment.computed) if ended]

    def of(name: str, digits: int = 5) -> list[str]:
        return [number_text(float(alignment.values[name][unit]), digits) for unit in done]

    columns = {
        "search": [unit + 1 for unit in done],
        "similarity": of("similarity", 6),
        "distance": of("distance"),
        "channels moved": of("moved", 6),
        "sweeps": of("sweeps"),
        "loss": of("loss"),
        "loss halfway": of("midpoint"),
        "halfway, REPAIR": of("repaired"),
        "max abs(Δf)": of("change", 2),
        **{name: of(name) for name in alignment.values if name in metrics},
    }
    if alignment.facts.no_repair:
        del columns["halfway, REPAIR"]
    if not alignment.settings.matches:
        del columns["sweeps"]
    config = columns_help(SEARCH_TERMS, pinned=("search",))
    st.dataframe(columns, column_config=config, hide_index=True, width="stretch")
    st.caption(
        "Search 1 begins at the moved model as it is, the others at a random permutation of it; "
        "each sweeps over all groups in random order until no assignment of one raises the "
        f"similarity. Outputs are up to {number_text(alignment.facts.largest_output, 3)}."
        if alignment.settings.matches
        else "Each copy is another random permutation of the moved model. Outputs are up to "
        f"{number_text(alignment.facts.largest_output, 3)}."
    )
    if alignment.facts.no_repair:
        st.caption(f"Without REPAIR: {as_text(alignment.facts.no_repair, 200)}.")


def show_groups(alignment: Alignment) -> None:
    """The groups of channels, each with how many permutations it has."""
    groups = alignment.facts.groups
    if not groups:
        return
    columns = {
        "group": [group.name for group in groups],
        "changing places": [
            f"{group.count:,} blocks" if group.inner else f"{group.count:,} channels"
            for group in groups
        ],
        "within each block": [
            ", ".join(f"{size:,}" for size in group.inner if size > 1) for group in groups
        ],
        "permutations": [power_text(group.log10) for group in groups],
    }
    if not any(group.inner for group in groups):
        del columns["within each block"]
    st.dataframe(columns, hide_index=True, width="stretch")
    st.caption(
        "A group is named after the first layer that makes its channels; the layers that take them "
        "are permuted along. Blocks are heads of attention or groups of channels: they change "
        "places whole, and the channels within each among themselves."
    )


def show_fixed_axes(alignment: Alignment) -> None:
    """The axes along which channels cannot move, and why."""
    fixed = alignment.facts.fixed
    if not fixed:
        return
    with st.expander(f"{counted(len(fixed), 'axis', 'axes')} with fixed positions"):
        st.dataframe(
            {
                "tensor": [entry.tensor for entry in fixed],
                "axis": [entry.axis for entry in fixed],
                "fixed": [entry.positions for entry in fixed],
                "by": [entry.why for entry in fixed],
            },
            hide_index=True,
            width="stretch",
        )
        operations = {e.why for e in fixed if e.why.startswith("the operation")}
        if operations:
            st.caption(
                f"Nothing is known of {as_text(', '.join(sorted(operations)))}: what meets it is "
                "taken to depend on the order of channels."
            )
