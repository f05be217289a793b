"""The four pages of curvature in a real browser, over answers that are there."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright import sync_api

from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds import Kind
from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_settings import StabilitySettings
from tests.browser.server import PATIENCE, SHOWN_CHART, Server, in_a_browser
from tests.filling import add_answer, add_model, new_catalog
from tests.tiny import checkpoint, problem_file

pytestmark = in_a_browser
QUICK: dict[str, int] = {"ascent": 2, "restarts": 1, "draws": 2, "probes": 2, "steps": 5}
SMALL: dict[str, int] = {"top": 4, "bottom": 2, "probes": 2}
PLANE: dict[str, int] = {"x_count": 3, "y_count": 3}
ASKED: list[tuple[Kind, Any]] = [
    (SPECTRUM, SpectrumSettings(**SMALL)),
    (SPECTRUM, SpectrumSettings(**SMALL, matrix="gauss_newton")),
    (SPECTRUM, SpectrumSettings(**SMALL, matrix="empirical_fisher")),
    (SHARPNESS, SharpnessSettings(**QUICK, rescaling="layer")),
    (CONVEXITY, ConvexitySettings(**PLANE)),
    (STABILITY, StabilitySettings(probes=2)),
]
# What Streamlit's own client asks for at a page's address before it asks at the root.
USUAL = "the server responded with a status of 404"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app over a catalog that holds a run of four snapshots and an answer of each kind."""
    folder = tmp_path_factory.mktemp("curvature")
    catalog = new_catalog(folder / "catalog")
    files = [
        Checkpoint(file=checkpoint(folder / f"s{k}.safetensors", seed=k), step=k * 10)
        for k in range(4)
    ]
    model = add_model(catalog, problem_file(folder / "problem"), files, "run", lr=0.1)
    start = (model, catalog.points(model.id)[0].point_id)
    for kind, settings in ASKED:
        add_answer(catalog, kind, settings, (model, ""), *([start] if kind is SHARPNESS else []))
    catalog.close()
    running = Server(folder / "catalog")
    yield running
    running.end()


@pytest.fixture
def page(context: sync_api.BrowserContext) -> Iterator[sync_api.Page]:
    """A page whose console and error boxes are empty when the test is over."""
    opened, said = context.new_page(), []
    opened.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    assert [text for text in said if USUAL not in text] == []
    assert opened.get_by_test_id("stException").count() == 0
    assert opened.get_by_test_id("stAlertContentError").count() == 0
    assert opened.get_by_role("button", name="Compute").count() == 0
    opened.close()


def drawn(page: sync_api.Page, count: int) -> None:
    """Wait until so many charts have marks and none more is there."""
    charts = page.locator(SHOWN_CHART)
    sync_api.expect(charts).to_have_count(count, timeout=PATIENCE)
    for place in range(count):  # while a page is made anew there may be more for a moment
        charts.nth(place).locator("canvas, svg").first.wait_for(state="attached")


def test_spectrum(page: sync_api.Page, server: Server) -> None:
    """Its charts and its words; another matrix, chosen there, has a heading and a verdict."""
    page.goto(server.url("spectrum", model="run", **SMALL))
    page.get_by_role("heading", name="Hessian spectrum of run").wait_for()
    page.get_by_text("Not a critical point").wait_for()
    drawn(page, 5)  # density, pairs, layers, the last vector, three matrices
    page.get_by_role("combobox", name="Matrix", exact=True).click()
    page.get_by_role("option", name="gauss_newton").click()
    page.get_by_role("heading", name="Gauss-Newton spectrum of run").wait_for()
    page.get_by_text("it tells no saddle").wait_for()
    assert "matrix=gauss_newton" in page.url
    drawn(page, 5)


def test_sharpness(page: sync_api.Page, server: Server) -> None:
    """Each tab has what it promises; along another measure's direction there is another curve."""
    page.goto(server.url("sharpness", model="run", rescaling="layer", **QUICK))
    page.get_by_role("heading", name="Sharpness of run").wait_for()
    page.get_by_test_id("stDataFrame").wait_for()
    page.get_by_role("tab", name="Rescaling").click()
    page.get_by_text("outputs agree to").filter(visible=True).wait_for()
    page.get_by_role("tab", name="Worst directions").click()
    page.get_by_role("combobox", name="Found by").click()
    page.get_by_role("option", name="ASAM, eta 0").click()
    drawn(page, 3)
    page.get_by_role("tab", name="Definitions").click()
    page.get_by_text("the mean over batches of the batch's own SAM").wait_for()


def test_convexity(page: sync_api.Page, server: Server) -> None:
    """The map of the ratio, and that of an eigenvalue chosen there."""
    page.goto(server.url("convexity", model="run", **PLANE))
    page.get_by_text("of 9 points").first.wait_for()
    drawn(page, 1)
    page.get_by_role("combobox", name="Value").click()
    page.get_by_role("option", name="smallest eigenvalue").click()
    sync_api.expect(page.get_by_role("combobox", name="Value")).to_have_value(
        "smallest eigenvalue", timeout=PATIENCE
    )
    drawn(page, 1)
    page.get_by_text("residuals within 0.001").filter(visible=True).wait_for()


def test_stability(page: sync_api.Page, server: Server) -> None:
    """Its curves, the threshold of the noted rate, and that of another optimiser."""
    page.goto(server.url("stability", model="run", probes=2))
    page.get_by_text("Threshold of gradient descent: 20 ").wait_for()  # 2 / 0.1
    drawn(page, 1)
    page.get_by_role("combobox", name="Optimiser").click()
    page.get_by_role("option", name="heavy ball").click()
    page.get_by_text("Threshold of heavy ball: 38 ").wait_for()  # (2 + 2 * 0.9) / 0.1
    drawn(page, 1)
