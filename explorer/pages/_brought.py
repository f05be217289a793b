"""Points that an answer brought: the way from them to other analyses."""

import streamlit as st

from explorer.ask.subjects import point_text
from explorer.kinds import KINDS, Kind
from explorer.pages._links import Link, Subjects, kind_link, parameter_names, show_link
from explorer.pages._text import as_text
from store import Catalog, records


def show_brought_points(catalog: Catalog, question: records.Question) -> None:
    """The way to other analyses of the points that an answer brought; nothing where there are none.

    Analyses of two points lead from the model to the point.

    Args:
        catalog: where they are.
        question: whose answer brought them.
    """
    points = {point_text(p): p for p in catalog.answer_points(key=question.key)}
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


def _pair_link(kind: Kind, subjects: Subjects, model: records.Model, point: str) -> Link:
    """The way to what a kind of two points says of a model's final point and of this one."""
    final = str(subjects.step(model.id, model.point_id))
    label = subjects.label(model.id, model.name)
    parameters: dict[str, str | list[str]] = {}
    names = parameter_names(kind, kind.settings())
    for (name, step_name), step in zip(names, (final, point), strict=True):
        parameters |= {name: label, step_name: step}
    return Link(kind, "", parameters)
