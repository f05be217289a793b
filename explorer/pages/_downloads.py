"""Buttons that make a file of what a page shows, on the click alone."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ask.provenance import provenance_of
from explorer.kinds.provenance import Provenance, document
from explorer.pages._making import Tell, offer_file
from explorer.pages._running import app_state
from explorer.render.export.fonts import FONTS
from explorer.render.relief3d.client import renderer
from store import records

if TYPE_CHECKING:
    from explorer.render.drawing import Drawing
    from explorer.render.export.table import Result

FIGURE_FORMATS = {"PDF": "application/pdf", "SVG": "image/svg+xml", "PNG": "image/png"}
MESH_FORMATS = {"VTK (ParaView)": "vtp", "STL": "stl", "glTF": "glb"}
MOVING_FORMATS = {"GIF": "image/gif", "MP4": "video/mp4"}


def figure_download(
    name: str,
    draw: Callable[[], "Drawing"],
    questions: Iterable[records.Question],
    key: str = "figure",
) -> None:
    """A figure of a stated width; vector formats keep text as text."""
    left, middle, right = st.columns(3)
    format = left.selectbox("Format", list(FIGURE_FORMATS), key=f"{key}-format")
    inches = middle.number_input(
        "Width, inches", 1.0, 20.0, 3.25, 0.25, key=f"{key}-inches", help="3.25: one column"
    )
    font = right.selectbox("Font", list(FONTS), key=f"{key}-font")
    dpi = (
        st.number_input("Dots per inch", 72, 1200, 300, 50, key=f"{key}-dpi")
        if format == "PNG"
        else 300
    )

    def figure_bytes() -> bytes:
        from explorer.render.export.composed import save_drawing

        provenances = provenances_of(questions)
        return save_drawing(
            draw(), format.lower(), inches, int(dpi), fonts=FONTS[font], provenance=provenances
        )

    st.download_button(
        f"Download {format}",
        figure_bytes,
        f"{name}.{format.lower()}",
        FIGURE_FORMATS[format],
        on_click="ignore",
        icon=":material/download:",
    )


def relief_download(
    name: str, draw: Callable[[], "Drawing"], questions: Sequence[records.Question]
) -> None:
    """The 3-D view as a figure, from where the user last stood."""
    opengl = renderer().tried_opengl  # the app tries it after its first page
    if opengl is not None and not opengl.ok:
        st.warning(f"{opengl.reason}; {opengl.remedy}", icon=":material/warning:")
        return
    left, middle, right = st.columns(3)
    format = left.selectbox("Format", ["PNG", "PDF", "SVG"], key="still-format")
    inches = middle.number_input("Width, inches", 1.0, 20.0, 6.5, 0.25, key="still-inches")
    dpi = right.number_input("Dots per inch", 72, 1200, 300, 50, key="still-dpi")
    bare = st.checkbox(
        "Picture alone, transparent",
        key="still-bare",
        help="A PNG without axes, numbers and colour bar.",
    )
    format = "PNG" if bare else format

    def relief_bytes() -> bytes:
        from explorer.render.drawing import as_relief
        from explorer.render.export import composed

        relief, provenances = draw(), provenances_of(questions)
        if bare:
            return composed.bare_still(as_relief(relief), inches, int(dpi), provenances)
        return composed.save_drawing(
            relief, format.lower(), inches, int(dpi), provenance=provenances
        )

    st.download_button(
        f"Download {format} of the view",
        relief_bytes,
        f"{name}-3d.{format.lower()}",
        FIGURE_FORMATS[format],
        on_click="ignore",
        icon=":material/download:",
        help="From the camera of the 3-D view, if it was moved.",
    )


def mesh_download(name: str, question: records.Question, draw: Callable[[], "Drawing"]) -> None:
    """The relief as a mesh for ParaView, Blender or a printer."""
    format = MESH_FORMATS[st.selectbox("Format", list(MESH_FORMATS), key="mesh-format")]
    st.caption(
        "In the coordinates of the 3-D view; the file says what they are in units of the data. "
        "STL is a closed solid: what is not finite is a pit down to its plate."
    )

    def mesh_bytes() -> bytes:
        from explorer.render.drawing import as_relief

        provenance = document(provenances_of([question]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"mesh.{format}"
            return (
                renderer()
                .export(as_relief(draw()).field, path, format, provenance=provenance)
                .read_bytes()
            )

    st.download_button(
        f"Download .{format}",
        mesh_bytes,
        f"{name}.{format}",
        "application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
    )


def numbers_download(name: str, question: records.Question, result: "Result") -> None:
    """Every stored value with its coordinates, and where it comes from."""

    def numbers_bytes(format: str) -> bytes:
        from explorer.render.export import table

        (provenance,) = provenances_of([question])
        if format == "csv.json":
            return table.provenance_json(provenance)
        return (table.to_csv if format == "csv" else table.to_parquet)(result, provenance)

    labels = {"csv": "CSV", "csv.json": "provenance", "parquet": "Parquet"}
    with st.container(horizontal=True):
        for format, label in labels.items():
            st.download_button(
                f"Download {label}",
                partial(numbers_bytes, format),
                f"{name}.{format}",
                on_click="ignore",
                icon=":material/download:",
                key=f"{format}-{question.key}",
            )
    st.caption("A CSV has no place for its provenance: it goes beside it. Parquet holds it.")


def animation_download(
    name: str,
    questions: Sequence[records.Question],
    draw_growing: Callable[[], Callable[[int], "Drawing"]],
    until: int,
) -> None:
    """The paths as they grow, as a GIF or an MP4.

    Args:
        name: of the file.
        questions: about all that is drawn.
        draw_growing: makes a function that draws the paths up to a moment.
        until: the last moment.
    """
    format, inches = _moving_options("animation")
    st.caption("Up to the step chosen above, which the last picture shows a while longer.")

    def animation_bytes(tell: Tell) -> bytes:
        from explorer.render.export.animation import animation, frame_indices

        frames = frame_indices(until + 1)
        return animation(draw_growing(), frames, format, width_inches=inches, tell=tell)

    key = [inches, until, *_picture_state(questions)]
    offer_file(format, f"{name}.{format.lower()}", MOVING_FORMATS[format], key, animation_bytes)


def turntable_download(
    name: str,
    questions: Sequence[records.Question],
    draw: Callable[[], "Drawing"],
    until: int = 0,
) -> None:
    """The 3-D view turning once around, from where the user last stood, as a GIF or an MP4.

    Args:
        name: of the file.
        questions: about all that is drawn.
        draw: makes the drawing.
        until: the moment up to which paths are drawn.
    """
    opengl = renderer().tried_opengl
    if opengl is not None and not opengl.ok:
        return  # the tab of the still picture says why
    format, inches = _moving_options("turntable")
    st.caption("Once around, beginning from the camera of the 3-D view, if it was moved.")

    def turntable_bytes(tell: Tell) -> bytes:
        from explorer.render.drawing import as_relief
        from explorer.render.export.turntable import turntable

        return turntable(as_relief(draw()), format, inches, tell=tell)

    key = [inches, until, *_picture_state(questions)]
    file_name = f"{name}-turntable.{format.lower()}"
    offer_file(format, file_name, MOVING_FORMATS[format], key, turntable_bytes)


def _picture_state(questions: Iterable[records.Question]) -> list[object]:
    """How far the answers are, and all that the address says of how they are drawn."""
    address = [(name, st.query_params.get_all(name)) for name in st.query_params]
    return [[(question.key, question.units_done) for question in questions], address]


def _moving_options(key: str) -> tuple[str, float]:
    """Format and width."""
    left, right = st.columns(2)
    format = left.selectbox("Format", list(MOVING_FORMATS), key=f"{key}-format")
    inches = right.number_input("Width, inches", 3.0, 20.0, 6.5, 0.5, key=f"{key}-inches")
    return format, float(inches)


def provenances_of(questions: Iterable[records.Question]) -> list[Provenance]:
    """Where the analyses come from, for the files that show them."""
    return [provenance_of(app_state().catalog, question) for question in questions]
