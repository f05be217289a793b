"""Points that an answer brought: the way from them to other analyses."""

from functools import partial

import streamlit as st

from explorer.ask.subjects import point_text
from explorer.kinds import KINDS, Kind
from explorer.kinds.given_axes import GIVEN
from explorer.pages._links import Link, Subjects, kind_link, parameter_names, show_link
from explorer.pages._text import as_text
from explorer.wording import file_word
from store import Catalog, records


def show_brought_points(catalog: Catalog, question: records.Question) -> None:
    """The way to other analyses of the points that an answer brought; nothing where there are none.

    Analyses of two points lead from the model to the point.

    Args:
        catalog: where they are.
        question: whose answer brought them.
    """
    every = catalog.answer_points(key=question.key)
    points = {point_text(p): p for p in every if not p.is_direction}
    if not points:
        return
    subjects = Subjects(catalog)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox("Analyse the", list(points), key="end", width=260)
        model = subjects.model(points[chosen].model_id)
        name = subjects.label(model.id, model.name)
        for kind in KINDS:
            if not kind.own_page or kind.whole_run:
                continue
            if len(kind.subjects) == 1 or kind.own_second:
                kind_link(kind, f"{kind.title} here", name, step=chosen)
            else:
                label = f"{kind.title} from {as_text(name, 40)}"
                show_link(_pair_link(kind, subjects, model, chosen), label)


def show_brought_directions(catalog: Catalog, question: records.Question) -> None:
    """The way to lines and planes along directions that an answer brought, and their files."""
    subjects = Subjects(catalog)
    for point in catalog.answer_points(key=question.key):
        if not point.is_direction:
            continue
        model = subjects.model(point.model_id)
        name = subjects.label(model.id, model.name)
        axis = {"direction": GIVEN, "x_axis": "stored", "x_stored": name}
        parameters: dict[str, str | list[str]] = {"model": name, **axis}
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for kind in KINDS:
                names = kind.settings.possible_subjects()
                if kind.own_page and any(role.endswith("_stored") for role in names):
                    link = Link(kind, "", {**parameters, "x_stored_step": point_text(point)})
                    show_link(link, f"{kind.title} along it")
            st.download_button(
                "Download it",
                partial(_file_bytes, catalog, point),
                f"{file_word(point.label)}-{question.key[:8]}.safetensors",
                "application/octet-stream",
                key=f"tensors-{point.name}",
                on_click="ignore",
                icon=":material/download:",
                help="Its tensors under the names of the model's parameters, for other programs, "
                "or to be imported as a direction elsewhere.",
            )


def _file_bytes(catalog: Catalog, point: records.AnswerPoint) -> bytes:
    """The file of a point's tensors."""
    return catalog.file_path(point.file_hash).read_bytes()


def _pair_link(kind: Kind, subjects: Subjects, model: records.Model, point: str) -> Link:
    """The way to what a kind of two points says of a model's final point and of this one."""
    final = str(subjects.step(model.id, model.point_id))
    label = subjects.label(model.id, model.name)
    parameters: dict[str, str | list[str]] = {}
    names = parameter_names(kind, kind.settings())
    for (name, step_name), step in zip(names, (final, point), strict=True):
        parameters |= {name: label, step_name: step}
    return Link(kind, "", parameters)
