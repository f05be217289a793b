"""What can be taken away of what a page shows: figures, the relief, meshes, numbers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from explorer.kinds.surface import Surface
from explorer.pages._downloads import (
    animation_download,
    figure_download,
    mesh_download,
    numbers_download,
    relief_download,
    turntable_download,
)
from explorer.pages._parts import each_once
from explorer.pages._text import as_text
from explorer.pages._trajectories import DrawnPaths
from explorer.wording import file_word
from store import records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.export.table import Result


def export_plane(
    question: records.Question,
    surface: Surface,
    draw: Callable[[str], "Drawing"],
    drawn_paths: DrawnPaths | None = None,
    over: Sequence[records.Question] = (),
) -> None:
    """What can be taken away of a plane, as it is drawn now; also paths drawn over it.

    Args:
        question: about the plane.
        surface: the answer.
        draw: makes its drawing in a view, "contour" or "relief", without the paths.
        drawn_paths: over it.
        over: answers whose contour lines are drawn over it, in the view "contour" alone.
    """

    def draw_all(view: str) -> "Drawing":
        return drawn_paths.over(draw(view)) if drawn_paths else draw(view)

    def draw_growing(paths: DrawnPaths) -> Callable[[int], "Drawing"]:
        return paths.growing(draw("contour"))

    name = file_name(question)
    with st.popover("Export", icon=":material/download:"):
        tabs = ["Figure", "3-D picture", "Turntable", "3-D mesh", "Numbers"]
        figure, relief, turntable, mesh, numbers, *more = st.tabs(
            tabs + (["Paths"] if drawn_paths else [])
        )
        shown_questions = [question, *([drawn_paths.question] if drawn_paths else [])]
        with figure:
            figure_download(name, partial(draw_all, "contour"), [*shown_questions, *over])
        with relief:
            relief_download(name, partial(draw_all, "relief"), shown_questions)
        with turntable:
            until = drawn_paths.until if drawn_paths else 0
            turntable_download(name, shown_questions, partial(draw_all, "relief"), until)
        with mesh:
            mesh_download(name, question, partial(draw_all, "relief"))
        with numbers:
            numbers_download(name, question, surface)
        if drawn_paths:
            with more[0]:
                paths_name = file_name(drawn_paths.question)
                animation_download(
                    paths_name,
                    [*shown_questions, *over],
                    partial(draw_growing, drawn_paths),
                    drawn_paths.until,
                )
                numbers_download(paths_name, drawn_paths.question, drawn_paths.projection)


def export_line(
    questions_by_name: Mapping[str, records.Question],
    lines: Mapping[str, "Result"],
    chart: Callable[[], "Drawing"],
) -> None:
    """What can be taken away of profiles: the figure, and the numbers of each."""
    with st.popover("Export", icon=":material/download:"):
        figure, numbers = st.tabs(["Figure", "Numbers"])
        with figure:
            figure_download(
                file_name(next(iter(questions_by_name.values()))), chart, questions_by_name.values()
            )
        with numbers:
            for name, question in each_once(questions_by_name).items():
                st.caption(as_text(name))
                numbers_download(file_name(question), question, lines[name])


def export_run(
    question: records.Question,
    run: Surface,
    draw_growing: Callable[[], Callable[[int], "Drawing"]],
    until: int,
) -> None:
    """What can be taken away of a run: the figure, the path as it grows, and the numbers.

    Args:
        question: about the run.
        run: the answer.
        draw_growing: makes a function that draws the run up to a moment.
        until: the moment chosen.
    """
    with st.popover("Export", icon=":material/download:"):
        figure, moving, numbers = st.tabs(["Figure", "Animation", "Numbers"])
        with figure:
            figure_download(file_name(question), lambda: draw_growing()(until), [question])
        with moving:
            animation_download(file_name(question), [question], draw_growing, until)
        with numbers:
            numbers_download(file_name(question), question, run)


def export_numbers(
    questions_by_name: Mapping[str, records.Question], results: Mapping[str, "Result"]
) -> None:
    """The numbers of each answer."""
    with st.popover("Export", icon=":material/download:", key="export-numbers"):
        for name, question in each_once(questions_by_name).items():
            st.caption(as_text(name))
            numbers_download(file_name(question), question, results[name])


def export_chart(
    name: str, chart: Callable[[], "Drawing"], questions: Iterable[records.Question] = ()
) -> None:
    """A chart as a figure, where it has no numbers of its own, and the analyses that it shows."""
    with st.popover("Export", icon=":material/download:", key=f"export-{name}"):
        figure_download(name, chart, questions, f"figure-{name}")


def file_name(question: records.Question) -> str:
    """A name for files of an analysis: kind, model and the beginning of the key."""
    return f"{question.kind}-{file_word(question.model_names[0])}-{question.key[:8]}"
