"""A study in a real browser: its cells fill while one looks."""

from collections.abc import Iterator

import pytest
from playwright import sync_api

from explorer.ask.study import Study, StudyQuestion, add_study, study_model
from explorer.kinds.line import LINE
from store import Catalog
from tests.browser.server import PATIENCE, Server, in_a_browser
from tests.filling import add_tiny, new_catalog
from tests.tiny import end_workers

pytestmark = in_a_browser
COUNTS = (3, 5)  # points of the lines that are asked of each model


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app over a catalog with a study of two models that nobody has computed yet."""
    place = tmp_path_factory.mktemp("study")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(("one", "two"))]
    questions = tuple(StudyQuestion(kind=LINE.name, settings={"x_count": n}) for n in COUNTS)
    add_study(catalog, "sweep", Study(models=tuple(map(study_model, models)), questions=questions))
    catalog.close()
    running = Server(catalog.folder)
    yield running
    running.end()
    end_workers(Catalog(catalog.folder))


def test_cells_fill_by_themselves(context: sync_api.BrowserContext, server: Server) -> None:
    """One press, and all cells have numbers and pictures without another."""
    page = context.new_page()
    page.goto(server.url("study", study="sweep"))
    page.get_by_role("button", name="Compute what is missing").click()
    page.get_by_text("4 of 4 answered").wait_for(timeout=PATIENCE)
    page.wait_for_function(
        "document.querySelectorAll('[data-testid=stMain] img').length == 4", timeout=PATIENCE
    )
    assert page.get_by_text("waiting").count() == 0
    page.close()
