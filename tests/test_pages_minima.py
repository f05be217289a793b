"""The page Minima: models chosen, all pairs asked by one press, matrix, tree, plane and links."""

import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from explorer.ask.pair_wishes import (
    MOST_MODELS,
    Pairs,
    check_models,
    lowest_ways,
    path_kinds,
    usual_values,
)
from explorer.ask.questions import ask
from explorer.ask.study_cells import cells_of
from explorer.ask.study_run import ask_missing
from explorer.kinds import kind_named
from explorer.pages import _running
from explorer.pages._minima_choice import LOWEST, ChosenPairs
from explorer.pages._minima_links import pair_addresses, shown_ways
from explorer.supervisor.result_numbers import NumbersKeeper
from store import Catalog, records
from tests.app_test import AppTest
from tests.filling import add_tiny, new_catalog, work
from tests.screen import charts, computes, fine, labels, one_sentence, opened, pressed, texts
from tests.setting_values import small_settings
from tests.tiny import until_stored

PAGE = "explorer/pages/minima.py"
NAMES = ("one", "two", "three")
SHORT = {"x_count": "3", "batchnorm": "batch", "batchnorm_batch": "3"}  # in the address


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of one problem, nothing asked."""
    place = tmp_path_factory.mktemp("minima")
    catalog = new_catalog(place / "catalog")
    for seed, name in enumerate(NAMES):
        add_tiny(catalog, place, name, [seed])
    catalog.close()
    return catalog.folder


@pytest.fixture
def folder(
    filled: Path, tmp_path: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the filled catalog, as the app's own."""
    copy = tmp_path / "catalog"
    shutil.copytree(filled, copy)
    monkeypatch.setenv("EXPLORER_CATALOG", str(copy))
    # The test process answers: no supervisor may hire workers of its own.
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)
    return copy


def shown(**address: str | list[str]) -> AppTest:
    """The page with all three models and short lines."""
    return fine(opened(PAGE, **{"models": list(NAMES), **SHORT, **address}))


def answered_pairs(folder: Path) -> list[records.Question]:
    """All three pairs, asked by one press and answered."""
    catalog = Catalog(folder)
    app = shown()
    assert computes(app) == ["Compute 3 pairs"]
    pressed(app, "Compute 3 pairs")
    until_stored(catalog, lambda: len(catalog.questions()[0]) == 3)
    work(catalog)
    return catalog.questions()[0]


def chosen_pairs(catalog: Catalog) -> ChosenPairs:
    """What the page asks with the address of `shown`."""
    kind = path_kinds()[0]
    statistics = {"batchnorm": "batch", "batchnorm_batch": 3}
    settings = kind.settings(**{**usual_values(kind), "x_count": 3, **statistics})
    by_name = {model.name: model for model in catalog.models()}
    models = [by_name[name] for name in NAMES]
    return ChosenPairs(NAMES, kind, settings, Pairs.of(catalog, models, kind, settings))


def test_one_press_asks_all_pairs_and_they_are_found_again(folder: Path) -> None:
    """Three questions with the same settings; then matrix, tree and plane without another press."""
    questions = answered_pairs(folder)
    assert {question.status for question in questions} == {"complete"}
    assert len({frozenset(question.model_ids) for question in questions}) == 3
    app = shown()
    assert charts(app) == 3 and computes(app) == [] and "In the catalog" in labels(app)
    assert any("3 of 3 pairs are stored" in text for text in texts(app, "caption"))
    # In another order of choice they are the same pairs.
    assert computes(shown(models=["three", "one", "two"])) == []
    assert computes(shown(models=["three", "one"])) == []
    assert computes(shown(x_count="5")) == ["Compute 3 pairs"]


def test_a_pair_that_was_asked_the_other_way_round_is_not_asked_again(folder: Path) -> None:
    """An answer about the second and the first model is that pair's too."""
    catalog = Catalog(folder)
    chosen = chosen_pairs(catalog)
    wish = chosen.pairs.wishes[0]
    assert wish.question is not None
    (first, point), second = wish.subjects
    settings = wish.question.settings
    ask(catalog, chosen.kind, second[0], settings, point=second[1], others=[(first, point)])
    work(catalog)
    assert computes(shown()) == ["Compute 2 pairs"]


def test_a_cell_of_any_kind_leads_to_the_page_of_its_pair(folder: Path) -> None:
    """Also where the ways are of another kind, with settings that are not the usual ones."""
    catalog = Catalog(folder)
    for kind in path_kinds()[1:]:
        settings = small_settings(kind)
        models = [model for model in catalog.models() if model.name in NAMES]
        names = [model.name for model in models]
        chosen = ChosenPairs(names, kind, settings, Pairs.of(catalog, models, kind, settings))
        wish = chosen.pairs.wishes[0]
        (first, point), second = wish.subjects
        ask(catalog, kind, first, settings, point=point, others=[second])
        work(catalog)
        pair = min(wish.row, wish.column), max(wish.row, wish.column)
        address = urlsplit(pair_addresses(chosen)[pair])
        app = fine(opened(kind.page, **{n: v[0] for n, v in parse_qs(address.query).items()}))
        assert computes(app) == [] and "In the catalog" in labels(app)


def test_what_is_answered_of_the_pairs_is_shown(folder: Path) -> None:
    """With one pair of three: the matrix and its tree; the plane waits; the rest can be asked."""
    catalog = Catalog(folder)
    pairs = chosen_pairs(catalog).pairs
    ask_missing(catalog, cells_of(catalog, pairs.reads, pairs.wishes)[:1])
    work(catalog)
    app = shown()
    assert charts(app) == 2 and computes(app) == ["Compute 2 pairs"]
    said = " ".join(texts(app, "caption", "info"))
    assert "1 of 3 pairs are known yet" in said and "do not join all models" in said


def test_a_cell_leads_to_the_page_of_its_pair(folder: Path) -> None:
    """Each address opens a page on which the pair's answer is found at once."""
    answered_pairs(folder)
    addresses = pair_addresses(chosen_pairs(Catalog(folder)))
    assert sorted(addresses) == [(0, 1), (0, 2), (1, 2)]
    for address in list(addresses.values())[:2]:
        parts = urlsplit(address)
        kind = kind_named(parts.path)
        app = fine(opened(kind.page, **{n: v[0] for n, v in parse_qs(parts.query).items()}))
        assert computes(app) == [] and "In the catalog" in labels(app)


@pytest.mark.parametrize("number", ["barrier", "saddle loss", "lowest pass", "error rise"])
def test_each_number_is_shown_and_kept_in_the_address(folder: Path, number: str) -> None:
    """The matrix of the number that the address names, on the scale that it names."""
    answered_pairs(folder)
    app = shown(number=number, scale="Log")
    assert app.selectbox(key="number").value == number and charts(app) == 3
    assert app.button_group(key="scale").value == "Log"


def test_bad_addresses_and_choices_are_one_sentence(folder: Path) -> None:
    """An unknown model, an unknown number's name, one model alone."""
    unknown = opened(PAGE, models=["one", "nobody"], **SHORT)
    assert "models in the address must be models of one problem" in one_sentence(unknown)
    alone = opened(PAGE, models=["one"], **SHORT)
    assert "choose from 2 to 50 models" in one_sentence(alone).lower()
    answered_pairs(folder)
    wrong = opened(PAGE, models=list(NAMES), number="horoscope", **SHORT)
    assert "number in the address must be one of" in one_sentence(wrong)


def test_models_that_make_no_pairs_are_refused(folder: Path) -> None:
    """51 models, one twice, and models of two problems: a sentence each."""
    one, two, *_ = Catalog(folder).models()
    copies = [
        records.Model(id=f"m{n}", name=f"m{n}", problem_id="p", point_id=f"w{n}")
        for n in range(MOST_MODELS + 1)
    ]
    check_models(copies[:MOST_MODELS])
    with pytest.raises(ValueError, match="from 2 to 50 models, got 51"):
        check_models(copies)
    with pytest.raises(ValueError, match="same weights twice"):
        check_models([one, two, one])
    with pytest.raises(ValueError, match="of one problem"):
        check_models([one, copies[0]])


def test_other_sorts_of_ways_are_asked_with_their_own_settings(folder: Path) -> None:
    """Each kind whose answers are ways has its name in the choice, and its pairs are missing."""
    answered_pairs(folder)
    others = path_kinds()[1:]
    assert others
    for kind in others:
        app = shown(ways=kind.title)
        assert app.selectbox(key="ways").value == kind.title
        assert computes(app) == ["Compute 3 pairs"]


def test_the_lowest_way_of_each_pair_is_shown_whatever_its_kind(folder: Path) -> None:
    """A pair with two stored ways has the lower one's saddle, and its cell leads there."""
    catalog = Catalog(folder)
    chosen = chosen_pairs(catalog)
    other = path_kinds()[1]
    (first, point), second = chosen.pairs.wishes[0].subjects
    settings = replace(small_settings(other), batchnorm="batch")
    ask(catalog, other, first, settings, point=point, others=[second])
    work(catalog)
    NumbersKeeper(catalog).keep_up()
    app = shown(ways=LOWEST)
    assert computes(app) == ["Compute 2 pairs"] and charts(app) == 2
    pairs = chosen.pairs
    ask_missing(catalog, cells_of(catalog, pairs.reads, pairs.wishes))
    work(catalog)
    NumbersKeeper(catalog).keep_up()
    assert charts(shown(ways=LOWEST)) == 3
    ways = lowest_ways(catalog, pairs, NAMES)
    assert len(ways.questions) == 3
    for question in catalog.questions()[0]:
        places = [NAMES.index(name) for name in question.model_names]
        pair = min(places), max(places)
        saddle, *_ = catalog.numbers([question.key])[question.key]["saddle"]
        assert ways.minima.pairs[pair]["saddle"] <= saddle
    kept = {question.key for question in ways.questions.values()}
    addresses = shown_ways(catalog, chosen, [], ways).addresses
    for pair, question in ways.questions.items():
        assert question.key in kept and addresses[pair].startswith(f"{question.kind}?")
    assert np.isfinite(ways.minima.losses).all()


def test_answers_of_another_version_are_no_lowest_ways(folder: Path) -> None:
    """What an earlier version of a kind has answered means something else: it is left out."""
    answered_pairs(folder)
    catalog = Catalog(folder)
    NumbersKeeper(catalog).keep_up()
    pairs = chosen_pairs(catalog).pairs
    assert len(lowest_ways(catalog, pairs, NAMES).questions) == 3
    catalog._write(lambda cursor: cursor.execute("UPDATE questions SET version = version - 1"))
    assert lowest_ways(Catalog(folder), pairs, NAMES).questions == {}


def test_paths_are_asked_along_the_spanning_tree_alone(folder: Path) -> None:
    """Without a known way there is no tree; with all straight lines it has two of three pairs."""
    other = path_kinds()[1]
    assert other.brings_path
    ways = {"ways": other.title, "tree": "true"}
    assert computes(shown(**ways)) == []
    answered_pairs(folder)
    NumbersKeeper(Catalog(folder)).keep_up()
    assert computes(shown(**ways)) == ["Compute 2 pairs"]
    assert computes(shown(ways=other.title)) == ["Compute 3 pairs"]
