"""Minima: ways between all pairs of some models, the tree of the lowest ones, distances."""

from explorer.pages import _minima_choice as choice
from explorer.pages import _parts as parts
from explorer.pages._minima_pairs import show_pairs
from explorer.wording import counted

app = parts.start_page()
sides = parts.sides()
with sides.left:
    chosen = choice.choose(app.catalog)
with sides.right:
    parts.show_heading(f"Barriers between {counted(len(chosen.labels), 'model')}")
    show_pairs(app, sides.top, chosen)
