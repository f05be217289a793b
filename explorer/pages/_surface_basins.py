"""The basins of a surface as a table, and how high saddles lie in each variant of SMAD."""

import numpy as np
import streamlit as st

from explorer.kinds.surface import Surface
from explorer.kinds.topology import GridTopology
from explorer.pages._terms import cited
from explorer.render.marks.ticks import number_text
from explorer.topology.saddle_minimum_distance import SMAD_VARIANTS, basin_shares

MOST_ROWS = 200  # basins in the table, the deepest
DIGITS = 4


def show_basins(surface: Surface, topology: GridTopology) -> None:
    """A row for each basin above the threshold: where it begins, and where it joins which."""
    tree = topology.tree
    shares = basin_shares(tree)
    rows = []
    for place in range(min(len(tree), MOST_ROWS)):
        row, column = np.unravel_index(tree.minima[place], tree.basins.shape)
        joins = bool(tree.joins[place])
        rows.append(
            {
                "Basin": place + 1,
                "Lowest value": number_text(tree.births[place], DIGITS),
                "x": number_text(float(surface.x[column]), DIGITS),
                "y": number_text(float(surface.y[row]), DIGITS),
                "Joins at": number_text(tree.deaths[place], DIGITS) if joins else "never",
                "Joins basin": str(tree.parents[place] + 1) if joins else "",
                "Persistence": number_text(tree.persistence[place], DIGITS) if joins else "",
                "Share of the plane": f"{shares[place]:.1%}",
            }
        )
    if not rows:
        return
    with st.expander("Basins as a table", icon=":material/table:"):
        st.dataframe(rows, hide_index=True)
        if len(tree) > MOST_ROWS:
            st.caption(f"The deepest {MOST_ROWS} of {len(tree):,} basins.")


def show_distances(topology: GridTopology) -> None:
    """SMAD in each of its variants: publications and programs differ in what they average."""
    with st.expander("SMAD in its variants", icon=":material/straighten:"):
        numbers = topology.saddle_minimum_distances
        st.table(
            {
                "Variant": list(numbers),
                "SMAD": [number_text(value, DIGITS) for value in numbers.values()],
                "What it is": [cited(SMAD_VARIANTS[name]) for name in numbers],
            }
        )
        st.caption(
            "Of the basins above the threshold. The first four are named as in the authors' "
            "package. Its numbers differ: it counts basins of all depths, joins points by another "
            "graph, and measures to the first branch of the contour tree, which also branches "
            "around maxima. All are 0 where there is no saddle, as in a convex bowl."
        )
