"""The app: who may use it, and the page that is asked for. Start it with `streamlit run app.py`."""

import streamlit as st

from explorer.pages._serving import begin_and_announce, guards

app = st.App(__file__, middleware=guards(), lifespan=begin_and_announce)

if __name__ == "__main__":  # run for each page view; the server imports it
    # The server answers before this is imported, which goes on while the browser loads.
    from explorer.pages._navigation import show_page

    show_page()
