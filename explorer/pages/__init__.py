"""One script per page; only here and in app.py is streamlit imported."""
