"""A report opened from disk, as a co-author would: charts and 3-D views without a network."""

import io
from pathlib import Path

import pytest
from PIL import Image
from playwright import sync_api

from explorer.ask.study import Study, StudyQuestion, study_model
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.report.contents import read_report
from explorer.report.page import report_page
from tests.browser.server import in_a_browser
from tests.filling import add_answer, add_tiny, new_catalog

pytestmark = in_a_browser
COLOURS = 200  # of a surface with its shades; an empty view has a few


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a line and a surface of one model."""
    place = tmp_path_factory.mktemp("report")
    catalog = new_catalog(place / "catalog")
    model = add_tiny(catalog, place, "one", [0])
    settings = {LINE: LineSettings(x_count=5), SURFACE: SurfaceSettings(x_count=5, y_count=5)}
    for kind, values in settings.items():
        add_answer(catalog, kind, values, (model, ""))
    counts = {LINE: {"x_count": 5}, SURFACE: {"x_count": 5, "y_count": 5}}
    questions = [StudyQuestion(kind=k.name, settings=values) for k, values in counts.items()]
    study = Study(models=(study_model(model),), questions=(*questions,))
    report = place / "report.html"
    report.write_bytes(report_page(read_report(catalog, "one", study)))
    catalog.close()
    return report


def is_painted(page: sync_api.Page) -> bool:
    """Whether the 3-D view shows a surface."""
    picture = Image.open(io.BytesIO(page.locator(".picture .viewer").screenshot()))
    colours = picture.convert("RGB").getcolors(1 << 20) or []
    return len(colours) > COLOURS


def test_it_opens_from_disk(context: sync_api.BrowserContext, file: Path) -> None:
    """Charts are drawn, a press turns a plane into a 3-D view and back, nothing is asked for."""
    page = context.new_page()
    requests: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_viewport_size({"width": 1280, "height": 2400})  # what is out of view is not drawn
    page.goto(file.as_uri())
    page.locator(".picture svg").nth(1).wait_for()
    page.get_by_role("button", name="3-D").click()
    canvas = page.locator("canvas.text")
    canvas.wait_for()
    while not is_painted(page):
        page.wait_for_timeout(200)
    page.get_by_role("button", name="3-D").click()
    page.locator(".picture svg").nth(1).wait_for()
    assert canvas.count() == 0
    outside = [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
    assert (outside, errors) == ([], [])
    page.close()
