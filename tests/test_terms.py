"""Every technical word has its sentence and its source, and whoever is cited can be looked up."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from explorer.figures.bibliography import SOURCES
from explorer.kinds import KINDS, Kind
from explorer.kinds.citations import CITATION, CITATIONS
from explorer.kinds.setting import SettingField, setting_field, setting_fields
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.terms import TERMS
from explorer.pages._terms import cited, quantities_help, setting_help, term_help
from tests.tiny import ROOT

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def chosen_fields(kind: Kind) -> Iterator[SettingField]:
    """The settings of a kind and of its look that somebody chooses."""
    for settings in (kind.settings, kind.look):
        yield from (f for f in setting_fields(settings) if not f.setting.filled_in)


@every_kind
def test_every_setting_says_what_it_means(kind: Kind) -> None:
    """Each setting of a kind and of its look has an explanation of its own, which is a sentence."""
    for described in chosen_fields(kind):
        assert described.setting.help.endswith("."), described.name
        assert described.setting.help.rstrip(".") != described.setting.label, described.name


@every_kind
def test_every_number_has_a_term(kind: Kind) -> None:
    """Each number that answers of a kind come down to has a sentence and a source."""
    assert kind.numbers
    for name in kind.numbers:
        assert TERMS[name].sentence.endswith("."), name
        assert TERMS[name].source, name


def text_constants(file: Path) -> Iterator[str]:
    """The texts of a module, each as it is shown."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())


def test_whoever_is_cited_on_a_page_can_be_looked_up() -> None:
    """No text of a page, a setting or a term cites what is not in the list of citations."""
    texts = [
        text for file in (ROOT / "explorer" / "pages").glob("*.py") for text in text_constants(file)
    ]
    texts += [f.setting.help for kind in KINDS for f in chosen_fields(kind)]
    texts += [f"{term.sentence} {term.source}" for term in TERMS.values()]
    citations = {name for text in texts for name in CITATION.findall(text)}
    assert len(citations) > 20
    assert citations - set(CITATIONS) == set()


def test_a_citation_leads_where_the_bibliography_does() -> None:
    """Those in both lists have one arXiv number or DOI."""
    by_place = {place.partition(":")[2] for place in CITATIONS.values() if place}
    assert {source.arxiv or source.doi for source in SOURCES.values()} <= by_place
    assert all(re.match(r"(arXiv|doi):\S+$|$", place) for place in CITATIONS.values())


def test_tooltips_link_their_sources() -> None:
    """A citation becomes a link, its number is not said twice, and one without a place is text."""
    assert cited("Li et al. 2018, arXiv:1712.09913, section 6") == (
        "[Li et al. 2018](https://arxiv.org/abs/1712.09913), section 6"
    )
    assert cited("Hutchinson 1989") == "Hutchinson 1989"
    assert "https://arxiv.org/abs/2010.01412" in (quantities_help(["Sharpness: sam"]) or "")


def test_words_without_a_term_have_no_tooltip() -> None:
    """Of several words those that have a term are told, each with its name; of none nothing."""
    assert term_help("accuracy") is None
    both = term_help("trace", "lambda max", "accuracy") or ""
    assert both.startswith("**trace**: Sum of all")
    assert "**lambda max**: " in both


def test_the_tooltip_of_a_setting_tells_its_range() -> None:
    """The help of the control has the note of the page, the meaning and the ends of the range."""
    help = setting_help(setting_field(SPECTRUM.settings, "room"), "Here.")
    assert help.startswith("Here. Of Lanczos")
    assert help.endswith("From 10 to 2,000.")
