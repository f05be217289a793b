"""The page of sharpness, by Streamlit's `AppTest` over a real worker."""

import dataclasses
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from store import Catalog
from tests.filling import add_answer, add_model, add_tiny, new_catalog
from tests.screen import (
    CATALOG_PAGE,
    asked_keys,
    badges,
    charts,
    fine,
    labels,
    opened,
    pressed,
    texts,
)
from tests.tiny import (
    checkpoint,
    problem_file,
    until_stored,
)

QUICK = {"ascent": 4, "restarts": 2, "draws": 4, "probes": 4, "steps": 10}
SETTINGS = SharpnessSettings(**QUICK, rescaling="layer")
ADDRESS = {name: str(value) for name, value in QUICK.items()}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models, one of them with a first snapshot; one is answered."""
    folder = tmp_path_factory.mktemp("sharpness")
    catalog = new_catalog(folder / "catalog")
    files = [
        Checkpoint(file=checkpoint(folder / f"run-{seed}.safetensors", seed), step=seed)
        for seed in (1, 2)
    ]
    model = add_model(catalog, problem_file(folder / "tiny" / "problem"), files, "run")
    add_tiny(catalog, folder / "tiny", "alone", [3])
    first = catalog.points(model.id)[0].point_id
    add_answer(catalog, SHARPNESS, SETTINGS, (model, ""), (model, first))
    catalog.close()
    return catalog.folder


def test_a_stored_answer_is_shown_at_once(folder: Path) -> None:
    """Table with every measure, charts of values, ratios and a worst direction; nothing to ask."""
    app = fine(opened(SHARPNESS.page, model="run", rescaling="layer", **ADDRESS))
    assert not [label for label in labels(app) if label.startswith("Compute")]
    assert charts(app) == 3
    (shown,) = app.dataframe
    columns = list(shown.value.columns)
    assert columns == ["Measure", "run", "Invariant", "Definition"]
    assert all("(" in definition for definition in shown.value["Definition"])  # with its source
    values = dict(zip(shown.value["Measure"], shown.value["run"], strict=True))
    assert len(values) == 29
    assert values["Keskar box"].startswith("≥ ")
    # a net that was never trained guesses: no noise makes it guess worse
    none = [name for name, value in values.items() if value == "—"]
    assert none == [name for name in values if "sigma" in name or "bound" in name]
    assert any("accuracy does not fall that far" in text for text in texts(app, "caption"))
    assert "…" not in values.values()
    said = badges(app)
    assert "outputs agree to" in said
    assert "the invariant ones stayed" in said
    assert "run: train loss" in said


def test_what_is_stored_survives_the_catalog(folder: Path) -> None:
    """The result from the catalog has every unit, the invariant ratios, and the start it used."""
    catalog = Catalog(folder)
    stored_question = next(q for q in catalog.questions()[0] if q.kind == "sharpness")
    result = questions.result_of(catalog, stored_question)
    assert isinstance(result, Sharpness)
    assert result.computed.all()
    assert result.facts.started
    assert stored_question.title == "Sharpness of run from run at step 1"
    assert result.moved_measures(SETTINGS) == []
    assert catalog.image(stored_question.key) is None or catalog.image(
        stored_question.key
    ).startswith(b"\x89PNG")


def test_its_card_leads_to_it(folder: Path) -> None:
    """The catalog's card tells the rescaling, and its link shows the stored answer."""
    app = fine(opened(CATALOG_PAGE))
    words = "train · rescaled\xa0by\xa0layer · seed\xa00"
    assert len([text for text in texts(app, "caption") if text.startswith(words)]) == 1
    links = [link.proto for link in app.get("page_link")]
    link = next(link for link in links if link.label == "**run from run@1**")
    assert "rescaling=layer" in link.query_string
    app = fine(opened(SHARPNESS.page, **dict(parse_qsl(link.query_string))))
    assert not [label for label in labels(app) if label.startswith("Compute")]
    assert charts(app) == 3


def test_a_second_model_is_asked_for_and_compared(folder: Path) -> None:
    """The missing model alone is asked; then losses are compared, bounds without start are told."""
    address = {"model": "alone", "rescaling": "layer", **ADDRESS}
    before = asked_keys(folder)
    app = fine(opened(SHARPNESS.page, **address))
    (compute,) = [label for label in labels(app) if label.startswith("Compute")]
    assert asked_keys(folder) == before
    pressed(app, compute)
    catalog = Catalog(folder)
    (key,) = asked_keys(folder) - before
    until_stored(catalog, lambda: catalog.question(key).status == "complete")
    app = fine(opened(SHARPNESS.page, **address))
    assert any("No initial parameters are known" in text for text in texts(app, "caption"))
    app = fine(opened(SHARPNESS.page, **{**address, "rescaling": "none"}))
    assert [label for label in labels(app) if label.startswith("Compute")]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"measures": "flatness"}, "measures in the address must be some of"),
        ({"rho": "-1"}, "rho in the address must be a finite number above 0"),
        ({"draws": "1"}, "from 2 to 10,000, got '1'"),
        ({"draws": "2.5"}, "whole number"),
        ({"rescaling": "both"}, "one of none, layer, neuron"),
        ({"precision": "bf16"}, "precision in the address must be one of float32, float64"),
        ({"batchnorm": "batch"}, "batchnorm in the address must be frozen"),
        ({"model": "nobody"}, "nobody"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(folder: Path, address: dict, words: str) -> None:
    """What makes no question is refused in one sentence; nothing is stored."""
    before = asked_keys(folder)
    app = opened(SHARPNESS.page, **({"model": "run"} | address))
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert words in said.lower() and said.endswith(".") and "\n" not in said
    assert asked_keys(folder) == before


def test_answers_that_share_no_picture_have_one_each(folder: Path) -> None:
    """Measured otherwise, and without a rule under the mouse: each below its name on Compare."""
    catalog = Catalog(folder)
    model = next(model for model in catalog.models() if model.name == "run")
    first = catalog.points(model.id)[0].point_id
    other = dataclasses.replace(SETTINGS, rescaling="none", ascent=3)
    keys = [
        add_answer(catalog, SHARPNESS, settings, (model, ""), (model, first)).key
        for settings in (SETTINGS, other)
    ]
    app = fine(opened("explorer/pages/compare.py", panel=keys))
    assert charts(app) == 2
    assert sum("**Sharpness of" in text for text in texts(app, "markdown")) == 2
