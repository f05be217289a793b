"""What technical words mean, as tooltips: a sentence each, its source, and where to read that."""

import re
from collections.abc import Iterable, Mapping

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from explorer.kinds.citations import CITATION, CITATIONS
from explorer.kinds.setting import SettingField
from explorer.kinds.terms import TERMS

_WHERE = {"arXiv:": "https://arxiv.org/abs/", "doi:": "https://doi.org/"}


def cited(sentence: str) -> str:
    """A sentence as Markdown, those it cites linked where there is a link.

    Args:
        sentence: of this program: it may be Markdown itself.
    """
    own = re.sub(r",? (?:arXiv|doi):[\w./]+\d", "", sentence)  # said by the link
    return CITATION.sub(_link, own)


def _link(citation: re.Match[str]) -> str:
    place = CITATIONS.get(citation[0], "")
    scheme = next((scheme for scheme in _WHERE if place.startswith(scheme)), "")
    if not scheme:
        return citation[0]
    return f"[{citation[0]}]({_WHERE[scheme]}{place.removeprefix(scheme)})"


def term_help(*names: str) -> str | None:
    """What these words mean, one a paragraph; of words without an entry nothing.

    Args:
        names: of `TERMS`, also with spaces for their underscores.
    """
    words = dict.fromkeys(name.replace(" ", "_") for name in names)
    paragraphs = [_paragraph(name, len(words) > 1) for name in words if name in TERMS]
    return "\n\n".join(paragraphs) or None


def quantities_help(names: Iterable[str]) -> str | None:
    """What the numbers of a study are, by their names, as "Sharpness: sam" or "loss, test"."""
    return term_help(*(re.split(r", ", name)[0].rpartition(": ")[2] for name in names))


def _paragraph(name: str, named: bool) -> str:
    term = TERMS[name]
    head = f"**{name.replace('_', ' ')}**: " if named else ""
    meaning = re.sub(r"([*_<\[])", r"\\\1", term.sentence)
    return f"{head}{meaning} *{cited(term.source[:1].upper() + term.source[1:])}.*"


def columns_help(names: Mapping[str, str], pinned: Iterable[str] = ()) -> dict[str, ColumnConfig]:
    """The columns of a table by their heads, each with what its term means as a tooltip.

    Args:
        names: heads of columns -> their terms.
        pinned: heads of columns that stay in view.
    """
    heads = dict.fromkeys((*names, *pinned))
    stay = set(pinned)
    return {
        head: st.column_config.Column(
            help=term_help(names[head]) if head in names else None, pinned=head in stay or None
        )
        for head in heads
    }


def setting_help(described: SettingField, note: str = "", ends: bool = True) -> str:
    """What a setting means and where its range ends, for the tooltip of its control.

    Args:
        described: the setting.
        note: what is true of this page alone, before it.
        ends: whether the range is told.
    """
    setting = described.setting
    help = f"{note} {setting.help}".strip()
    if ends and help and setting.range_text:
        help += f" {setting.range_text[:1].upper()}{setting.range_text[1:]}."
    return cited(help)
