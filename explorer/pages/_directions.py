"""The directions that were imported, as a table; one that is chosen can be deleted."""

import streamlit as st

from explorer.ask.subject_names import label_models
from explorer.pages._undo import delete
from store import Catalog


def show_directions(catalog: Catalog) -> None:
    """The directions of all problems, with the way to the trash; nothing where there are none."""
    labels = label_models(catalog.models(directions=True))
    if not labels:
        return
    st.subheader("Directions", anchor=False)
    problems = {problem.id: problem.name for problem in catalog.problems()}
    rows = {
        "Direction": list(labels),
        "Problem": [problems.get(direction.problem_id, "") for direction in labels.values()],
        "Analyses": [direction.analyses for direction in labels.values()],
    }
    table_state = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        # A selection is a row's number: with other rows it would be another direction's.
        key=f"directions-{hash(tuple(direction.id for direction in labels.values()))}",
    )
    for row in table_state["selection"]["rows"]:
        label, direction = list(labels.items())[row]
        if st.button("Delete", icon=":material/delete:", key=f"delete-{direction.id}"):
            delete(catalog, "model", [direction.id], label)
            st.rerun()
