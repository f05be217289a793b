"""The door to the renderer: it answers after every death, and without OpenGL as far as it can."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.render.relief3d import client
from explorer.render.relief3d.client import NoOpenGL, Renderer, RenderError
from explorer.render.relief3d.height import HeightField
from tests.drawing import WITHOUT_OPENGL
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import charts, fine, opened, texts


def bowl(shift: float = 0.0, count: int = 21) -> HeightField:
    axis = np.linspace(-1, 1, count)
    return HeightField(axis, axis, np.add.outer(axis**2, axis**2) + shift)


@pytest.fixture(scope="module")
def own() -> Iterator[Renderer]:
    renderer = Renderer()
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def poor() -> Iterator[Renderer]:
    """That of a machine without OpenGL."""
    renderer = Renderer(WITHOUT_OPENGL)
    yield renderer
    renderer.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a small surface."""
    folder = tmp_path_factory.mktemp("poor")
    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "tiny")
    add_answer(catalog, SURFACE, SurfaceSettings(x_count=5, y_count=5), (model, ""))
    catalog.close()
    return catalog.folder


def test_importing_the_door_imports_no_vtk() -> None:
    """The app process stays free of pyvista, VTK, matplotlib and streamlit."""
    code = "import sys, explorer.render.relief3d.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"pyvista", "vtk", "vtkmodules", "matplotlib", "streamlit", "torch"}


def test_killed_between_requests_it_answers_the_next(own: Renderer) -> None:
    """Two deaths by SIGKILL while idle: each next request gets its answer, from a new process."""
    seen = [own.ping()]
    for death in range(2):
        os.kill(seen[-1], signal.SIGKILL)
        assert own.scene(bowl(death))["surface"]
        seen.append(own.ping())
    assert len(set(seen)) == 3


def test_killed_during_a_request_it_is_asked_again(own: Renderer) -> None:
    """A death in the middle of work: the same request is answered by the next process."""
    pid = own.ping()
    os.kill(pid, signal.SIGSTOP)  # so that the request is surely under way when it dies
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    assert own.scene(bowl(10.0))["surface"]
    assert own.ping() != pid


def test_a_hanging_child_is_stopped_in_time(own: Renderer) -> None:
    """One sentence after the time limit, and the next request works."""
    os.kill(own.ping(), signal.SIGSTOP)
    with pytest.raises(RenderError, match=r"within 0\.5 s"):
        own.scene(bowl(20.0, count=201), timeout=0.5)
    assert own.ping()


def test_a_child_that_cannot_start_is_one_sentence() -> None:
    """Tried twice, then refused."""
    broken = Renderer({"PYTHONPATH": "/nonexistent", "PYTHONHOME": "/nonexistent"})
    with pytest.raises(RenderError, match="stopped twice"):
        broken.ping()
    broken.close()


def test_threads_take_turns_and_get_their_own_answers(own: Renderer) -> None:
    """Eight threads at once: every scene is of the height field that was asked for."""
    fields = [bowl(30.0 + number) for number in range(8)]
    scene_ids: dict[int, str] = {}

    def ask(number: int) -> None:
        scene_ids[number] = own.scene(fields[number])["id"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [scene_ids[number] for number in range(8)] == [field.key for field in fields]


def test_a_mistake_is_told_and_does_no_harm(own: Renderer, tmp_path) -> None:
    """A format that does not exist: its sentence; the same process goes on; no file is left."""
    pid = own.ping()
    with pytest.raises(RenderError, match="format must be one of"):
        own.export(bowl(), tmp_path / "a.obj", "obj")
    assert own.ping() == pid
    assert list(tmp_path.iterdir()) == []


def test_it_ends_with_the_app() -> None:
    """An app killed by SIGKILL leaves no renderer behind."""
    code = (
        "import time; from explorer.render.relief3d.client import renderer\n"
        "print(renderer().ping(), flush=True); time.sleep(60)"
    )
    app = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert app.stdout
    pid = int(app.stdout.readline())
    app.kill()
    app.wait()
    app.stdout.close()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_without_opengl_stills_say_what_to_install(poor: Renderer, tmp_path) -> None:
    """The trial crashes, the app does not; the view in the browser and mesh files still work."""
    opengl = poor.opengl()
    assert not opengl.ok
    assert "ended by SIG" in opengl.reason
    assert "libegl1 libgl1-mesa-dri" in opengl.remedy
    with pytest.raises(NoOpenGL, match="apt-get install --no-install-recommends libegl1"):
        poor.still(bowl())
    assert poor.scene(bowl())["surface"]
    for format in ("vtp", "stl", "glb"):
        assert poor.export(bowl(), tmp_path / f"a.{format}", format).stat().st_size > 1000


@pytest.mark.parametrize(("view", "drawn"), [("contour", 1), ("3-D", 0)])
def test_without_opengl_a_page_works(
    poor: Renderer, folder: Path, monkeypatch: pytest.MonkeyPatch, view: str, drawn: int
) -> None:
    """Contour and 3-D view are there; the export of the picture says which packages are missing."""
    client.renderer()
    monkeypatch.setattr(sys.modules[client.REGISTRY], "renderer", poor)
    assert not poor.opengl().ok  # as the app tries it, beside its first page
    app = fine(opened(SURFACE.page, model="tiny", x_count="5", y_count="5", view=view))
    assert charts(app) == drawn
    shown = {component.key for component in app.get("bidi_component")}
    assert ("relief" in shown) != drawn  # the viewer
    (said,) = texts(app, "warning")
    assert f"`{client.APT_COMMAND}`" in said


def test_a_page_does_not_wait_for_the_trial_of_opengl(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the app has tried it, the page is there, with the picture on offer."""
    client.renderer()
    untried = Renderer(WITHOUT_OPENGL)
    monkeypatch.setattr(sys.modules[client.REGISTRY], "renderer", untried)
    app = fine(opened(SURFACE.page, model="tiny", x_count="5", y_count="5"))
    assert "Download PNG of the view" in {button.label for button in app.get("download_button")}
    assert texts(app, "warning") == []
    assert untried.tried_opengl is None


def test_the_process_has_one_renderer() -> None:
    """Also after the module was loaded anew, as Streamlit does when a file changes."""
    first = client.renderer()
    kept = sys.modules.pop("explorer.render.relief3d.client")
    try:
        from explorer.render.relief3d.client import renderer as again

        assert again() is first
    finally:
        sys.modules["explorer.render.relief3d.client"] = kept
