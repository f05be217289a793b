"""The heights of several paths side by side, by each definition, with the verdicts on them."""

from collections.abc import Mapping

import streamlit as st

from explorer.kinds.interpolation import Interpolation
from explorer.kinds.path_heights import CONNECTED_RATIO, CONNECTED_RISE
from explorer.pages._terms import columns_help
from explorer.render.marks.ticks import number_text

HEADS = {  # heads of columns -> numbers of a path
    "barrier": "barrier",
    "above the mean": "rise_above_mean",
    "highest": "saddle",
    "over the higher end": "height_ratio",
    "halfway above the mean": "midpoint_rise",
    "error rises by": "error_rise",
    "length": "arc_length",
}
VERDICTS = {True: "yes", False: "no", None: "unknown"}
VERDICT_WORDS = (
    f"Connected: absolute, the barrier is at most {CONNECTED_RISE:g}; relative, no loss is above "
    f"{CONNECTED_RATIO:g} times the higher end, which a path at 100 % accuracy fails where both "
    "ends are near 0; accuracy, the error rises by 2 % at most."
)


def show_path_table(paths: Mapping[str, Interpolation]) -> None:
    """A row for each path."""
    columns: dict[str, list[str]] = {"path": list(paths)}
    numbers = [path.numbers for path in paths.values()]
    for head, name in HEADS.items():
        columns[head] = [number_text(own[name].value, 4) if name in own else "" for own in numbers]
    verdicts = [path.connected for path in paths.values()]
    for criterion in verdicts[0]:
        columns[f"connected ({criterion})"] = [VERDICTS[own[criterion]] for own in verdicts]
    config = columns_help(HEADS, pinned=("path",))
    st.dataframe(columns, column_config=config, hide_index=True, width="stretch")
    st.caption(VERDICT_WORDS)
