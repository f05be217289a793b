"""What pages say of measures beside the usual ones, on answers of a real worker."""

from pathlib import Path

import pytest

from explorer.kinds.learning_coefficient import LEARNING_COEFFICIENT
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_settings import StabilitySettings
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import badges, charts, fine, labels, opened, texts

CHAINS = LearningCoefficientSettings(draws=8, burn_in=2, chains=2)
WILD = LearningCoefficientSettings(draws=8, burn_in=2, chains=2, step_size=1.0)
SPECTRUM_ASKED = SpectrumSettings(
    top=3, bottom=1, probes=0, fisher_gap="gauss_newton", covariance=3
)
ALONG = StabilitySettings(probes=2, step_rate=0.5, projected=True)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three snapshots with an answer of each sort."""
    folder = tmp_path_factory.mktemp("measures")
    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "tiny", range(3))
    add_answer(catalog, LEARNING_COEFFICIENT, CHAINS, (model, ""))
    add_answer(catalog, LEARNING_COEFFICIENT, WILD, (model, ""))
    add_answer(catalog, SPECTRUM, SPECTRUM_ASKED, (model, ""))
    add_answer(catalog, STABILITY, ALONG, (model, ""))
    catalog.close()
    return catalog.folder


def test_chains_are_told_and_drawn(folder: Path) -> None:
    """The estimate, its interval, R-hat, whether chains mix, and how it is biased."""
    app = fine(opened(LEARNING_COEFFICIENT.page, draws="8", burn_in="2", chains="2"))
    assert {"Learning coefficient", "95 % interval", "R-hat"} <= {m.label for m in app.metric}
    assert charts(app) == 1 and "chains" in badges(app)
    assert "for a minimum with no flat direction" in " ".join(texts(app, "caption"))


def test_diverged_chains_are_one_sentence(folder: Path) -> None:
    """How many, when, and what to do; no number is made up."""
    address = {"draws": "8", "burn_in": "2", "chains": "2", "step_size": "1.0"}
    app = fine(opened(LEARNING_COEFFICIENT.page, **address))
    (said,) = texts(app, "warning")
    assert "2 chains of 2 diverged" in said and "choose a smaller step size" in said
    assert next(m.value for m in app.metric if m.label == "R-hat") == "NaN"


def test_a_spectrum_says_what_is_set_against_the_hessian(folder: Path) -> None:
    """Signs, the way along the stored direction and its file, the gap, the covariance."""
    address = {"top": "3", "bottom": "1", "probes": "0", "covariance": "3"}
    app = fine(opened(SPECTRUM.page, fisher_gap="gauss_newton", **address))
    headings = texts(app, "subheader")
    assert "Hessian against Gauss-Newton" in headings and "Covariance of gradients" in headings
    assert "(exact)" in " ".join(texts(app, "markdown"))
    assert "Download it" in [button.proto.label for button in app.get("download_button")]
    links = [link.proto for link in app.get("page_link")]
    along = [link.query_string for link in links if link.label == "Line along it"]
    assert len(along) == 1 and "x_axis=stored" in along[0] and "escape" in along[0]
    tables = " ".join(str(element.value) for element in app.get("table"))
    assert "rounding" in tables and "a thousandth of the largest" in tables


def test_a_run_says_what_its_steps_meet(folder: Path) -> None:
    """Rises in words, the phase plot below the course, both with what was asked."""
    app = fine(opened(STABILITY.page, step_rate="0.5", projected="true", probes="2"))
    assert charts(app) == 2
    said = " ".join(texts(app, "caption"))
    assert "of the ways from a snapshot to the next" in said and "Damian et al. 2023" in said
    assert "Self-stabilisation" in texts(app, "subheader")
    assert "Along a step" in {box.label for box in app.number_input}
    assert "Projection" in {box.label for box in (*app.checkbox, *app.toggle)} | set(labels(app))
