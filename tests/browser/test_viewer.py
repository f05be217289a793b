"""What only a browser shows of the 3-D view: a picture that turns, a camera that comes back."""

import io
import json
from collections.abc import Iterator
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image
from playwright import sync_api

from tests.browser.server import Server, in_a_browser
from tests.tiny import ROOT

pytestmark = in_a_browser
SCRIPT = """
import json
import numpy as np, streamlit as st
from explorer.pages._viewer import surface_viewer
from explorer.render.relief3d.client import renderer
from explorer.render.relief3d.height import HeightField

axis = np.linspace(-1, 1, 51)
rows = st.slider("rows", 11, 51, 51)
x, y = np.meshgrid(axis, axis[:rows])
loss = 0.01 + x**2 + 2 * y**2 + 0.2 * np.sin(5 * x) ** 2
field = HeightField(axis, axis[:rows], loss, log=True, x_label="first", y_label="second")
st.session_state.runs = st.session_state.get("runs", 0) + 1
camera = surface_viewer(renderer().scene(field), key="view", height=420)
st.code(json.dumps({"camera": camera, "runs": st.session_state.runs}))
"""


RUNS = "JSON.parse(document.querySelector('[data-testid=stCode]').innerText).runs"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("app")
    (folder / "app.py").write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{SCRIPT}")
    running = Server(folder / "catalog", (), folder / "app.py")
    yield running.address
    running.end()


@pytest.fixture(scope="module")
def page(context: sync_api.BrowserContext, address: str) -> sync_api.Page:
    """The page with the viewer drawn."""
    opened = context.new_page()
    opened.set_viewport_size({"width": 900, "height": 800})
    opened.goto(address)
    opened.locator("canvas.scene").wait_for()
    opened.get_by_test_id("stCode").wait_for()
    opened.wait_for_timeout(700)
    return opened


def picture(page: sync_api.Page) -> np.ndarray:
    """What the viewer shows, (H, W, 3), the pointer out of the way."""
    page.mouse.move(2, 2)
    page.wait_for_timeout(250)
    shot = page.locator(".viewer").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def changed(before: np.ndarray, after: np.ndarray) -> float:
    """Share of pixels that differ clearly, apart from the border, where keys show a focus ring."""
    differ = np.abs(before - after).max(axis=2) > 24
    return float(differ[4:-4, 4:-4].mean())


def told(page: sync_api.Page) -> dict:
    """The camera and the number of runs that the script shows."""
    page.wait_for_timeout(500)
    return json.loads(page.get_by_test_id("stCode").inner_text())


def drag(page: sync_api.Page, dx: int, dy: int) -> None:
    """Turn the view with the mouse, and wait until the script has heard of it."""
    runs = told(page)["runs"]
    box = page.locator(".viewer").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(1, 9):
        page.mouse.move(x + dx * step / 8, y + dy * step / 8)
    page.mouse.up()
    page.wait_for_function(f"runs => {RUNS} > runs", arg=runs)


def test_the_surface_is_drawn(page: sync_api.Page) -> None:
    """Many colours in the middle, text around it, and no complaint of the browser."""
    shown = picture(page)
    height, width = shown.shape[:2]
    middle = shown[height // 3 : height // 2, width // 3 : width // 2].reshape(-1, 3)
    assert len(np.unique(middle, axis=0)) > 300
    assert page.context.complaints == []


def test_dragging_turns_it_and_the_camera_comes_back_once(page: sync_api.Page) -> None:
    """One drag of many moves: another picture, one rerun, a camera as far away as before."""
    before, runs = picture(page), told(page)["runs"]
    drag(page, 160, -40)
    after = told(page)
    assert changed(before, picture(page)) > 0.05
    assert after["runs"] == runs + 1
    camera = after["camera"]
    away = np.subtract(camera["position"], camera["focal_point"])
    home = np.subtract((2.8, -4.2, 3.55), (0, 0, 0.34))
    # Four decimals are sent.
    assert np.linalg.norm(away) == pytest.approx(np.linalg.norm(home), abs=1e-3)
    assert np.abs(away - home).max() > 0.5
    assert camera["up"] == [0, 0, 1]


def test_a_still_has_the_same_view(page: sync_api.Page) -> None:
    """PyVista with the camera that came back covers the same pixels with the same colours."""
    from explorer.render.relief3d.client import renderer
    from explorer.render.relief3d.height import HeightField

    if not renderer().opengl().ok:
        pytest.skip("this machine has no OpenGL")
    drag(page, 90, 60)
    camera = told(page)["camera"]
    axis = np.linspace(-1, 1, 51)
    x, y = np.meshgrid(axis, axis)
    loss = 0.01 + x**2 + 2 * y**2 + 0.2 * np.sin(5 * x) ** 2
    box = page.locator("canvas.scene").bounding_box()
    assert box
    size = (round(box["width"]), round(box["height"]))
    field = HeightField(axis, axis, loss, log=True)
    still = np.asarray(Image.open(io.BytesIO(renderer().still(field, camera, size))).convert("RGB"))
    shown = picture(page)[: size[1], : size[0]]
    coloured = [np.ptp(image.astype(int), axis=2) > 40 for image in (still, shown)]
    both, either = coloured[0] & coloured[1], coloured[0] | coloured[1]
    assert both.sum() / either.sum() > 0.95  # thin lines and edges are drawn differently
    assert np.median(np.abs(still.astype(int) - shown)[both]) < 8


def test_pointing_tells_the_nearest_point(page: sync_api.Page) -> None:
    """The tooltip names the axes and a loss that the grid has there."""
    page.locator(".viewer").dblclick()
    box = page.locator(".viewer").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4)
    tip = page.locator(".tip")
    tip.wait_for(state="visible")
    words = tip.inner_text().replace("\N{MINUS SIGN}", "-").split()
    tip_values = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    x, y = tip_values["first"], tip_values["second"]
    # The tooltip has five digits, of a grid with steps of 0.04.
    loss = 0.01 + x**2 + 2 * y**2 + 0.2 * np.sin(5 * x) ** 2
    assert tip_values["loss"] == pytest.approx(loss, rel=1e-4)


def test_keys_wheel_and_double_click(page: sync_api.Page) -> None:
    """Arrows turn, the wheel zooms once the view has the focus, a double click goes home."""
    page.locator(".viewer").dblclick()
    home = picture(page)
    page.keyboard.press("ArrowLeft")
    turned = picture(page)
    assert changed(home, turned) > 0.02
    box = page.locator(".viewer").bounding_box()
    assert box
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, -300)
    assert changed(turned, picture(page)) > 0.02
    page.locator(".viewer").dblclick()
    assert changed(home, picture(page)) < 0.01


def test_new_data_keeps_camera_and_canvas(page: sync_api.Page) -> None:
    """The script sends another surface under the same key: drawn in the same canvas and view."""
    page.locator(".viewer").dblclick()
    drag(page, -120, 0)
    camera = told(page)["camera"]
    before = picture(page)
    page.locator("canvas.scene").evaluate("canvas => { canvas.known = true; }")
    page.get_by_role("slider").focus()
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(1000)
    assert changed(before, picture(page)) > 0.01
    assert page.locator("canvas.scene").evaluate("canvas => canvas.known === true")
    assert told(page)["camera"] == camera


def test_lost_context_comes_back(page: sync_api.Page) -> None:
    """The graphics card forgets everything: the same picture is drawn again."""
    page.locator(".viewer").dblclick()
    before = picture(page)
    page.locator("canvas.scene").evaluate(
        """canvas => new Promise((done) => {
            const lose = canvas.getContext("webgl2").getExtension("WEBGL_lose_context");
            lose.loseContext();
            setTimeout(() => { lose.restoreContext(); setTimeout(done, 300); }, 200);
        })"""
    )
    assert changed(before, picture(page)) < 0.01


def test_nothing_is_fetched_from_outside(page: sync_api.Page) -> None:
    """After all of the above, every request went to this machine."""
    hosts = {
        urlparse(url).hostname
        for url in page.context.asked
        if not url.startswith(("data:", "blob:"))
    }
    assert hosts == {"127.0.0.1"}
