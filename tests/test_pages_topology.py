"""The topology of a surface on its page, by Streamlit's `AppTest` over a real answer."""

from pathlib import Path

import pytest

from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog
from tests.app_test import AppTest
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import charts, fine, one_sentence, opened, texts

SETTINGS = SurfaceSettings(x_count=9, y_count=9)
ADDRESS = {"model": "one", "x_count": "9", "y_count": "9", "view": "Topology"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models with a surface each on one grid."""
    folder = tmp_path_factory.mktemp("topology")
    catalog = new_catalog(folder / "catalog")
    for seed, name in enumerate(("one", "two")):
        add_answer(catalog, SURFACE, SETTINGS, (add_tiny(catalog, folder, name, [seed]), ""))
    catalog.close()
    return catalog.folder


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_topology_of_a_stored_surface_is_shown(folder: Path) -> None:
    """Three pictures, the numbers, both tables, and the rule of the noise floor in words."""
    app = fine(opened(SURFACE.page, **ADDRESS))
    assert charts(app) == 3
    shown = metrics(app)
    assert list(shown) == ["Basins", "SMAD", "Total persistence", "Noise floor"]
    kept, of, every = shown["Basins"].split()
    assert of == "of" and 1 <= int(kept) <= int(every)
    assert len(app.dataframe[0].value) == int(kept)
    assert any("joined to the four beside them" in text for text in texts(app, "caption"))
    (slider,) = [one for one in app.select_slider if one.label == "Least persistence"]
    assert slider.value == "noise floor"


def test_the_threshold_is_in_the_address(folder: Path) -> None:
    """Any number of at least 0 is taken, also one that no step of the slider has; others not."""
    app = fine(opened(SURFACE.page, **ADDRESS, threshold="123.4"))
    assert metrics(app)["Basins"].startswith("1 of")
    for wrong in ("-2", "deep", "nan"):
        said = one_sentence(opened(SURFACE.page, **ADDRESS, threshold=wrong))
        assert said.startswith("threshold in the address must be noise floor, or a number")


def test_two_barcodes_are_compared(folder: Path) -> None:
    """The other surface is chosen by its key, and the distance stands beside its bound."""
    catalog = Catalog(folder)
    found, _ = catalog.questions(kind=SURFACE.name)
    (other,) = [question.key for question in found if question.model_names == ("two",)]
    app = fine(opened(SURFACE.page, **ADDRESS, other=other))
    shown = metrics(app)
    largest = float(shown["Largest difference of values"])
    assert 0 <= float(shown["Bottleneck distance"]) <= largest
    said = one_sentence(opened(SURFACE.page, **ADDRESS, other="none of them"))
    assert "other in the address must be" in said
