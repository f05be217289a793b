"""The list of the pages, made from the kinds."""

from pathlib import Path

import streamlit as st

from explorer.kinds import KINDS
from explorer.pages import _keyboard as keyboard
from explorer.pages._annotations import show_open_form
from explorer.pages._page_views import PAGE_VIEWS
from explorer.pages._parts import run_guarded
from explorer.pages._session import enter_page

MENU_WIDTH = 252  # px
PAGES = Path(__file__).parent


def show_page() -> None:
    """Run the page that the address names."""
    st.set_page_config(
        "Loss Surface Explorer",
        page_icon=str(PAGES / "icon.png"),
        layout="wide",
        initial_sidebar_state=MENU_WIDTH,
    )
    catalog = st.Page(PAGES / "catalog.py", title="Catalog", icon=":material/apps:", default=True)
    compare = st.Page(PAGES / "compare.py", title="Compare", icon=":material/compare:")
    study = st.Page(PAGES / "study.py", title="Study", icon=":material/grid_view:")
    minima = st.Page(PAGES / "minima.py", title="Minima", icon=":material/hub:")
    playground = st.Page(PAGES / "playground.py", title="Playground", icon=":material/toys:")
    figure = st.Page(PAGES / "figure.py", title="Figure", icon=":material/dashboard:")
    gallery = st.Page(PAGES / "gallery.py", title="Gallery", icon=":material/auto_stories:")
    page = st.navigation(
        {
            "": [catalog, gallery, compare, study, minima, playground, figure],
            "Analyse": [
                st.Page(kind.page, title=kind.title, icon=kind.icon)
                for kind in KINDS
                if kind.own_page
            ],
            "Work": [
                st.Page(PAGES / "import.py", title="Import", icon=":material/upload_file:"),
                st.Page(PAGES / "jobs.py", title="Jobs", icon=":material/pending_actions:"),
            ],
        }
    )
    with PAGE_VIEWS.view():
        enter_page(page.url_path)
        run_guarded(show_open_form)
        run_guarded(page.run)
        keyboard.listen()
