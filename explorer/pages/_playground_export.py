"""What can be taken away of the playground: its pictures as figures, the steps as numbers."""

import csv
import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.pages._downloads import figure_download
from explorer.playground.functions import ExampleFunction
from explorer.playground.race import Race
from explorer.wording import file_word

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing

NUMBERS = "Steps"


def export_pictures(
    function: ExampleFunction, pictures: "Mapping[str, Drawing]", races: Sequence[Race] = ()
) -> None:
    """One button for all that a view shows.

    Args:
        function: which it shows; its title is in the files' names.
        pictures: the drawings, by what they show.
        races: the paths that are drawn, whose steps are numbers to take away.
    """
    with st.popover("Export", icon=":material/download:", key="export-playground"):
        tabs = st.tabs([*pictures, *([NUMBERS] if races else [])])
        for tab, (title, drawing) in zip(tabs, pictures.items(), strict=False):
            name = f"{file_word(function.title)}-{file_word(title)}".lower()
            with tab:
                figure_download(name, partial(_same, drawing), (), f"figure-{title}")
        if races:
            with tabs[-1]:
                st.download_button(
                    "Download CSV",
                    lambda: steps_csv(function, races),
                    f"{file_word(function.title)}-steps.csv".lower(),
                    "text/csv",
                    on_click="ignore",
                    icon=":material/download:",
                )


def steps_csv(function: ExampleFunction, races: Sequence[Race]) -> bytes:
    """Every step of every path: where it is, the value there and the length of the gradient."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["optimiser", "step", *function.names, "f", "slope"])
    for run in races:
        for step, (place, loss, slope) in enumerate(
            zip(run.points.tolist(), run.losses.tolist(), run.gradient_norms.tolist(), strict=True)
        ):
            writer.writerow([run.optimiser.title, step, *place, loss, slope])
    return file.getvalue().encode()


def _same(drawing: "Drawing") -> "Drawing":
    return drawing
