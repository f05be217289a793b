"""Models and questions as a matrix: choose a study, say what it asks, compute what is missing."""

import streamlit as st

from explorer.ask.study import STUDY, study_from_json
from explorer.pages import _parts as parts
from explorer.pages import _study_choice as choice
from explorer.pages import _study_edit as edit
from explorer.pages._study_matrix import show_matrix
from explorer.pages._undo import offer_undo

app = parts.start_page()
with st.container(horizontal=True, vertical_alignment="center"):
    st.title("Study", anchor=False, width="content")
    offer_undo(app.catalog)
document = choice.choose_study(app.catalog)
parts.name_tab(document.name if document else "Study")
if document is None:
    if not app.catalog.documents(STUDY):
        st.info(
            "A study asks the same questions of several models. Name one with **New**; or choose "
            "analyses in the table of the catalog and press **New study of these**."
        )
else:
    try:
        study = study_from_json(document.content)
    except ValueError as error:
        st.error(parts.sentence(error), icon=":material/error:")
    else:
        edit.show_editor(app.catalog, document.id, study)
        show_matrix(app, document, study)
