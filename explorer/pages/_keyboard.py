"""Keys of the whole app: search, next and previous, export, pin; and the list that says so."""

from pathlib import Path

import streamlit as st

from explorer.pages._links import Subjects, links_of, show_link
from explorer.pages._text import as_text
from store import Catalog, records

KEYS = (
    ("/", "Search the catalog; also Ctrl+K"),
    ("J K", "Older and newer analysis of the kind; in a list the next and previous"),
    ("E", "Export what is shown"),
    ("P", "Pin it, or take the pin off"),
    ("Ctrl+Enter", "Compute"),
    ("Ctrl+Z", "Undo a change of a figure; Ctrl+Shift+Z or Ctrl+Y does it again"),
    ("Ctrl+/", "This list"),
    ("Esc", "Leave a field, close what is open"),
)
_HTML = """
<dialog aria-label="Keys">
  <h2>Keys</h2>
  <dl></dl>
  <label><input type="checkbox"> Keys without Ctrl</label>
  <button type="button">Close</button>
</dialog>
"""
_CSS = """
dialog {
  color: var(--st-text-color); background: var(--st-background-color);
  font-family: var(--st-font); border: 1px solid var(--st-border-color);
  border-radius: var(--st-base-radius); padding: 1.25rem 1.75rem; max-width: 30rem;
}
dialog::backdrop { background: rgb(0 0 0 / 35%); }
h2 { font-size: 1.25rem; margin: 0 0 .75rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .5rem 1.25rem; margin: 0 0 1rem; }
dt { display: flex; gap: .25rem; align-items: start; }
dd { margin: 0; }
kbd {
  font: inherit; font-size: .8125rem; border: 1px solid var(--st-border-color);
  border-radius: .25rem; padding: 0 .4rem;
}
label { display: flex; gap: .5rem; align-items: center; margin-bottom: 1rem; }
button {
  font: inherit; color: inherit; background: var(--st-background-color); padding: .25rem .75rem;
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); cursor: pointer;
}
button:hover, button:focus-visible { border-color: var(--st-primary-color); }
"""
# Once per process, at import: registering again on every rerun is warned about.
_KEYBOARD = st.components.v2.component(
    "keyboard",
    html=_HTML,
    css=_CSS,
    js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8"),
)


def listen() -> None:
    """Follow the keys on the page that was just made."""
    _KEYBOARD(
        key="keyboard", data={"keys": KEYS}
    )  # to look at a list, Streamlit would import pandas


def offer_neighbours(catalog: Catalog, question: records.Question) -> None:
    """The ways to the newer and the older analysis of the same kind; nothing at either end."""
    subjects = Subjects(catalog)
    for name, icon, following in (
        ("newer", ":material/arrow_back:", False),
        ("older", ":material/arrow_forward:", True),
    ):
        other = catalog.neighbour(question, following)
        for link in links_of([other] if other else [], subjects).values():
            with st.container(key=f"go-{name}", width="content"):
                words = f"{name.capitalize()}: {link.words}, by the key {'J' if following else 'K'}"
                show_link(link, "", icon=icon, help=as_text(words, 200))
