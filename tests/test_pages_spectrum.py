"""The page of spectra, by Streamlit's `AppTest`, on answers of a real worker."""

import dataclasses
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM
from store import Catalog
from tests.filling import add_answer, add_model, add_tiny, new_catalog
from tests.screen import (
    CATALOG_PAGE,
    answered,
    asked_keys,
    badges,
    charts,
    computes,
    fine,
    labels,
    opened,
    pressed,
    texts,
)
from tests.tiny import broken_file, checkpoint, problem_file

LARGE = SpectrumSettings(top=2, bottom=1, probes=3, steps=10)
SHORT = {"top": "2", "bottom": "1", "probes": "3", "steps": "10"}
SMALL = SpectrumSettings(top=4, bottom=2, probes=2, batches=3, batch_examples=20)
STORED = {"top": "4", "bottom": "2", "probes": "2", "batches": "3", "batch_examples": "20"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of 87 parameters, whose matrix is made whole, and one of 3,253; a broken one."""
    folder = tmp_path_factory.mktemp("spectra")
    catalog = new_catalog(folder / "catalog")
    tiny = add_tiny(catalog, folder, "tiny")
    problem = problem_file(folder / "problem")
    file = Checkpoint(file=checkpoint(folder / "wide.safetensors", width=250))
    wide = add_model(catalog, problem, [file], "wide", {"width": 250})
    add_model(catalog, problem, [Checkpoint(file=broken_file(folder))], "broken")
    add_answer(catalog, SPECTRUM, SMALL, (tiny, ""))
    add_answer(catalog, SPECTRUM, LARGE, (wide, ""))
    catalog.close()
    return catalog.folder


def test_a_small_matrix_is_told_whole(folder: Path) -> None:
    """Exact sums, the exact index, a summary of all eigenvalues; five charts."""
    app = fine(opened(SPECTRUM.page, model="tiny", **STORED))
    assert computes(app) == ["Compute Gauss-Newton and empirical Fisher"]
    assert charts(app) == 5  # density, pairs, layers, escape, mini-batches
    said = " ".join(texts(app, "markdown"))
    assert "Not a critical point" in said
    assert "of 87 eigenvalues are below" in said and "(all are known)" in said
    for words in ("pairs converged", "symmetric to", "all eigenvalues, exact"):
        assert words in badges(app)
    tables = " ".join(str(element.value) for element in app.get("table"))
    for words in ("(exact)", "condition number", "sign of the determinant", "Effective dimension"):
        assert words in tables
    assert any("classes − 1 is 2" in text for text in texts(app, "caption"))
    assert any("3 mini-batches of 20 examples" in text for text in texts(app, "caption"))
    assert "10 more probes" not in labels(app)  # nothing is estimated


def test_a_large_matrix_is_told_with_intervals(folder: Path) -> None:
    """A bound and an estimate of the index, sums with intervals and their number of probes."""
    app = fine(opened(SPECTRUM.page, model="wide", **SHORT))
    assert charts(app) == 4
    said = " ".join(texts(app, "markdown"))
    assert "at least" in said and "estimated" in said and "3 probes" in said
    assert "3 probes of 10 steps" in badges(app)
    tables = " ".join(str(element.value) for element in app.get("table"))
    assert "3 probes" in tables and "(exact)" not in tables


def test_overlays_tell_their_parameters(folder: Path) -> None:
    """Chosen, each is named below the chart with what it was fitted by, or why it does not fit."""
    app = fine(opened(SPECTRUM.page, model="wide", **SHORT))
    overlays = next(e for e in app.multiselect if e.key == "overlays")
    app = fine(overlays.set_value(list(overlays.options)).run())
    captions = texts(app, "caption")
    assert any(text.startswith("Wigner semicircle: mean ") for text in captions)
    assert any(text.startswith("Marchenko-Pastur") for text in captions)
    assert any(text.startswith("free sum (Pennington-Bahri)") for text in captions)
    assert charts(app) == 4


def test_ten_more_probes_continue(folder: Path) -> None:
    """The button asks for 13, takes three over, and the page goes on showing the new answer."""
    before = asked_keys(folder)
    app = fine(opened(SPECTRUM.page, model="wide", **SHORT))
    fine(pressed(app, "10 more probes"))
    (key,) = asked_keys(folder) - before
    answered(folder)
    fine(app.run())
    stored_question = Catalog(folder).question(key)
    assert stored_question.settings["probes"] == 13 and stored_question.status == "complete"
    assert not app.get("progress")
    assert stored_question.facts["taken_over"]["points"] == 4
    assert "13 probes of 10 steps" in badges(app)
    assert "at least" in " ".join(texts(app, "markdown"))  # the verdict came with the pairs


def test_the_other_matrices_are_asked_and_drawn_beside(folder: Path) -> None:
    """The button asks for the two that are missing; then there is a chart of all three."""
    app = fine(opened(SPECTRUM.page, model="tiny", **STORED))
    before = charts(app)
    fine(pressed(app, "Compute Gauss-Newton and empirical Fisher"))
    answered(folder)
    assert charts(fine(app.run())) == before + 1
    assert not app.get("progress")
    assert computes(app) == []
    app = fine(opened(SPECTRUM.page, model="tiny", matrix="fisher", labels="3", **STORED))
    assert computes(app)[0].startswith("Compute 6 parts")
    assert "Monte-Carlo Fisher spectrum of tiny" in texts(app, "subheader")
    app = fine(opened(SPECTRUM.page, model="tiny", matrix="empirical_fisher", **STORED))
    assert "tells no saddle" in " ".join(texts(app, "markdown"))


def test_every_card_leads_to_its_spectrum(folder: Path) -> None:
    """The address of each card opens the page with that answer."""
    links = [link.proto for link in fine(opened(CATALOG_PAGE)).get("page_link")]
    links = [link for link in links if "top=" in link.query_string]
    assert len(links) >= 2
    for link in links:
        app = fine(opened(SPECTRUM.page, **dict(parse_qsl(link.query_string))))
        assert not any(text.startswith("Compute ") and "parts" in text for text in computes(app))
        assert charts(app) >= 4


def test_every_setting_is_on_the_page(folder: Path) -> None:
    """What an address can name has a widget of that name, so that a card's link is followed."""
    parameters = {"matrix": "fisher", "room": "50", "tolerance": "0.01", "batches": "2"}
    other = fine(opened(SPECTRUM.page, model="tiny"))  # what is beside the Hessian
    app = fine(opened(SPECTRUM.page, model="tiny", **parameters))
    widgets = ("number_input", "selectbox")
    keys = {e.key for page in (app, other) for kind in widgets for e in page.get(kind)}
    keys |= {"split", "subset"}  # segmented controls
    usual = {"batchnorm", "batchnorm_batch", "batchnorm_examples", "examples", "examples_seed"}
    assert {field.name for field in dataclasses.fields(SpectrumSettings)} - usual <= keys
    given = {e.key: e.value for e in app.number_input}
    assert (given["room"], given["tolerance"]) == (50, 0.01)


def test_an_unasked_spectrum_says_how_long(folder: Path) -> None:
    """Looking stores nothing; the button has its parts and the caption the time."""
    before = asked_keys(folder)
    app = fine(opened(SPECTRUM.page, model="tiny", top="7"))
    assert computes(app) == ["Compute 11 parts"]
    assert any(text.startswith("About ") for text in texts(app, "caption"))
    assert charts(app) == 0
    assert asked_keys(folder) == before


def test_a_failed_spectrum_is_one_sentence(folder: Path) -> None:
    """A point without a finite loss: the worker refuses, and the page shows its sentence."""
    app = fine(opened(SPECTRUM.page, model="broken"))
    pressed(app, "Compute 11 parts")
    answered(folder)
    app.run()
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert said.startswith("Spectrum of broken stopped: ") and said.endswith(".")
    assert "the loss at this point is nan" in said and "\n" not in said
    assert charts(app) == 0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"top": "0"}, "top in the address must be a whole number from 1 to 200, got '0'"),
        ({"probes": "1001"}, "a whole number from 0 to 1,000, got '1001'"),
        ({"steps": "2.5"}, "steps in the address must be a whole number"),
        ({"matrix": "jacobian"}, "matrix in the address must be one of hessian"),
        ({"layer": "nothing"}, "layer in the address must be one of 0.weight"),
        ({"precision": "bf16"}, "precision in the address must be one of float32, float64"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(folder: Path, address: dict, words: str) -> None:
    """What makes no question is refused in one sentence, and nothing is stored."""
    before = asked_keys(folder)
    app = opened(SPECTRUM.page, **({"model": "tiny"} | address))
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert words in said and said.endswith(".")
    assert asked_keys(folder) == before
