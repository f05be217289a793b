"""Points that an answer brought: the way from them to other analyses."""

import streamlit as st

from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_text
from explorer.kinds import KINDS
from explorer.pages._links import kind_link
from store import Catalog, records


def show_brought_points(catalog: Catalog, question: records.Question) -> None:
    """The way to other analyses of the points that an answer brought; nothing where there are none.

    Args:
        catalog: where they are.
        question: whose answer brought them.
    """
    points = {point_text(p): p for p in catalog.answer_points(key=question.key)}
    if not points:
        return
    labels = label_models(catalog.models())
    names = {model.id: label for label, model in labels.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox("Analyse the", list(points), key="end", width=260)
        model = names.get(points[chosen].model_id, "")
        for kind in KINDS:
            if kind.own_page and not kind.whole_run and len(kind.subjects) == 1:
                kind_link(kind, f"{kind.title} here", model, step=chosen)
