"""The whole app in a real browser, from an empty catalog to an answer that outlives the server."""

import contextlib
import csv
import io
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
from playwright import sync_api
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.jobs.spool import Spool
from explorer.kinds import Kind
from explorer.kinds.line import LINE
from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog, records
from tests.browser.server import PATIENCE, SHOWN_CHART, Server, in_a_browser
from tests.tiny import ROOT, agreed, checkpoint, end_workers, ended, sample_identities

pytestmark = in_a_browser
SAMPLE = "mlp_b"
PAUSE = 0.01  # seconds per point of the model "slow"
# The tiny problem, slow, and leaving a line for each evaluation of all its examples: where it was
# made. It makes no more of them than its gate says, as long as there is one.
PROBLEM = f"""
import time
from dataclasses import replace
from pathlib import Path
from tests.tiny_problem import problem as tiny

def problem():
    made = tiny(pause={PAUSE})
    def allowed():
        try:
            return int(Path(__file__).with_suffix(".gate").read_text())
        except FileNotFoundError:
            return float("inf")
    def forward(model, batch):
        if len(batch[0]) < 40:  # a trial
            return made.forward(model, batch)
        with Path(__file__).with_suffix(".evaluated").open("a+") as log:
            log.write(repr(float(model[0].weight[0, 0])) + "\\n")
            log.seek(0)
            made_so_far = len(log.readlines())
        while made_so_far >= allowed():
            time.sleep(0.02)
        return made.forward(model, batch)
    return replace(made, forward=forward)
"""

# Starts the app with live parts that are drawn less often: each time takes half a second of a
# processor.
CALMER = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from explorer.pages import _asking, _parts
_asking.LIVE_SECONDS = _parts.LIST_SECONDS = 2.5
""" + (ROOT / "app.py").read_text().replace("__file__", repr(str(ROOT / "app.py")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a catalog as a user starts it first, but that the app knows all samples except one."""
    catalog = Catalog(tmp_path_factory.mktemp("app") / "catalog")
    catalog.remember("samples", sample_identities(without=SAMPLE))
    catalog.close()
    return catalog.folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    script = folder.parent / "app.py"
    script.write_text(CALMER)
    running = Server(folder, script=script)
    yield running
    if running.process.poll() is None:
        running.end()
    end_workers(Catalog(folder))


@pytest.fixture(scope="module")
def page(context: sync_api.BrowserContext, server: Server) -> sync_api.Page:
    """The first screen, once the sample and its surface have a picture there."""
    first = context.new_page()
    first.goto(server.address)
    first.get_by_test_id("stMain").locator("img").first.wait_for()
    return first


class Connection:
    """A page's connection to its server, which can hold back what the server says."""

    def __init__(self, page: sync_api.Page) -> None:
        self._held: list[bytes] | None = None
        page.route_web_socket("**/_stcore/stream*", self._open)

    def _open(self, to_page: sync_api.WebSocketRoute) -> None:
        self._to_page = to_page
        to_page.connect_to_server().on_message(self._told)

    def _told(self, message: bytes) -> None:
        if self._held is None:
            self._to_page.send(message)
        else:
            self._held.append(message)

    def hold(self) -> None:
        self._held = []

    def release(self) -> None:
        for message in self._held or []:  # also what comes meanwhile
            self._to_page.send(message)
        self._held = None

    @property
    def holds_a_whole_run(self) -> bool:
        """Whether a run of the whole page has begun and ended since `hold`."""
        said = [ForwardMsg.FromString(message) for message in self._held or []]
        kinds = [m.WhichOneof("type") for m in said if not m.metadata.run.fragment_ids]
        return "new_session" in kinds and "script_finished" in kinds[kinds.index("new_session") :]


def opened(folder: Path) -> Catalog:
    """The catalog, shared with a server that may be busy."""
    return Catalog(folder, timeout=PATIENCE / 1000)


def question(catalog: Catalog, name: str, settings: SurfaceSettings) -> str:
    """The key of a surface of that model."""
    model = next(model for model in catalog.models() if model.name == name)
    return questions.question_about(catalog, SURFACE, model, settings).key


def done(page: sync_api.Page) -> None:
    """Wait until a surface is complete on the page."""
    badge(page, "all finite").first.wait_for()  # while it grows there is a bar above
    page.get_by_test_id("stProgress").wait_for(state="detached")
    sync_api.expect(badge(page, "all finite")).to_have_count(1, timeout=PATIENCE)


def badge(page: sync_api.Page, text: str) -> sync_api.Locator:
    """The badge; Streamlit keeps a hidden twin of each one that has a help text."""
    return page.get_by_text(text).filter(visible=True)


def seen(page: sync_api.Page, holds: Callable[[], Any], seconds: float = PATIENCE / 1000) -> Any:
    """What `holds` returns once it is true, while the page goes on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if held := holds():
            return held
        page.wait_for_timeout(50)
    raise TimeoutError(f"nothing happened within {seconds:g} s")


def open_files(pid: int) -> Iterator[str]:
    """What a process holds open; some may be closed while this looks."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield str(descriptor.readlink())


def test_the_first_screen_shows_real_surfaces(page: sync_api.Page, server: Server) -> None:
    """Nothing but opening the app: a picture of a sample's loss surface appears on a card."""
    picture = page.get_by_test_id("stMain").locator("img").first
    assert picture.get_attribute("alt") == "Surface of mlp_b"
    assert picture.evaluate("image => image.naturalWidth") > 200
    assert page.get_by_test_id("stException").count() == 0
    if sys.platform == "linux":  # Streamlit would watch all below the project, .venv and all
        assert "anon_inode:inotify" not in set(open_files(server.process.pid))


def test_a_card_leads_to_its_analysis(page: sync_api.Page) -> None:
    """The link on the card opens the Surface page with the card's model, settings and chart."""
    page.get_by_role("link", name="mlp_b").first.click()
    page.get_by_role("heading", name="Loss surface of mlp_b").wait_for()
    done(page)
    sync_api.expect(page.get_by_label("Points", exact=True).first).to_have_value(
        "31", timeout=PATIENCE
    )
    page.locator(SHOWN_CHART).wait_for()
    assert page.get_by_role("button", name="Compute").count() == 0


@pytest.fixture(scope="module")
def plane(page: sync_api.Page, server: Server) -> sync_api.Page:
    """A plane asked by address, one press, and its answer."""
    page.goto(server.url("surface", model="mlp_b", seed=5, x_count=9, y_count=9))
    page.get_by_role("button", name="Compute 81 points").click()
    done(page)
    return page


def test_a_new_plane_is_computed(plane: sync_api.Page, folder: Path) -> None:
    """Its answer is checked, and in the catalog too."""
    assert badge(plane, "centre = stand-alone loss").count() == 1
    catalog = opened(folder)
    stored_question = catalog.question(
        question(catalog, "mlp_b", SurfaceSettings(seed=5, x_count=9, y_count=9))
    )
    assert stored_question and (stored_question.status, stored_question.units_done) == (
        "complete",
        81,
    )


def test_downloads(plane: sync_api.Page) -> None:
    """The Export popover hands out a PDF and a CSV of all points of the model."""
    plane.get_by_role("button", name="Export").click()
    with plane.expect_download() as waiting:
        plane.get_by_role("button", name="Download PDF").click()
    pdf = Path(waiting.value.path()).read_bytes()
    assert waiting.value.suggested_filename.startswith("surface-mlp-b-")
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")
    plane.get_by_role("tab", name="Numbers").click()
    with plane.expect_download() as waiting:
        plane.get_by_role("button", name="Download CSV").click()
    text = Path(waiting.value.path()).read_text()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["model"] for row in rows} == {"mlp_b"}
    assert len(rows) == 81
    assert {(float(row["x"]), float(row["y"])) for row in rows} >= {(-1, -1), (0, 0), (1, -1)}
    assert min(float(row["loss"]) for row in rows) > 0
    plane.keyboard.press("Escape")


def test_refining_changes_the_whole_page(plane: sync_api.Page) -> None:
    """The button below the answer: the finer grid on the left, in the address, and computed."""
    plane.get_by_role("button", name="Refine to 17 × 17").click()
    sync_api.expect(plane.get_by_label("Points", exact=True).first).to_have_value(
        "17", timeout=PATIENCE
    )
    done(plane)
    plane.get_by_role("button", name="Refine to 33 × 33").wait_for()
    assert "x_count=17&y_count=17" in plane.url


def test_an_answer_is_turned_to_three_dimensions(plane: sync_api.Page) -> None:
    """One click, without an error; the address says it."""
    plane.get_by_text("3-D", exact=True).click()
    plane.locator("canvas.scene").wait_for()
    assert "view=3-D" in plane.url
    assert plane.get_by_test_id("stException").count() == 0


def test_a_deep_link_restores_the_settings(
    context: sync_api.BrowserContext, server: Server
) -> None:
    """All that the address says is set on the page, in another tab."""
    said = {"split": "test", "precision": "float64", "normalisation": "layer", "seed": 7}
    said |= {"ignore_1d": "false", "orthogonal": "true", "x_min": -0.5, "x_max": 0.25}
    said |= {"x_count": 8, "y_count": 9}
    tab = context.new_page()
    tab.goto(server.url("surface", model="mlp_b", **said))
    tab.get_by_role("button", name="Compute 72 points").wait_for()
    for label, value in (("Seed", "7"), ("x from", "-0.5"), ("x to", "0.25"), ("y to", "1")):
        assert tab.get_by_label(label, exact=True).input_value() == value
    chosen = tab.locator("[data-testid=stButtonGroup] [aria-checked=true]").all_inner_texts()
    assert {"test", "layer"} <= set(chosen)
    assert tab.get_by_role("combobox", name="Precision").input_value() == "float64"
    assert not tab.get_by_role("checkbox", name="Keep biases").is_checked()
    assert tab.get_by_role("checkbox", name="Make the axes").is_checked()
    tab.close()


@pytest.fixture(scope="module")
def slow(page: sync_api.Page, folder: Path) -> tuple[records.Model, Path]:
    """A model that takes its time, imported while the app runs; where its evaluations are noted."""
    problem = folder.parent / "slow" / "slow_problem.py"
    problem.parent.mkdir()
    problem.write_text(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{PROBLEM}")
    file = checkpoint(problem.parent / "slow.safetensors")
    catalog = opened(folder)
    job = ended(
        catalog, order_import(catalog, agreed(problem), {}, [Checkpoint(file=file)], "slow")
    )
    assert job.status == "done", job.error
    model = next(model for model in catalog.models() if model.name == "slow")
    return model, problem.with_suffix(".evaluated")


class Gate:
    """How many points of a question the slow model evaluates before it waits."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def allow(self, count: int) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(str(count))
        beside.replace(self._path)  # whole, whenever it is read

    def open(self) -> None:
        self._path.unlink(missing_ok=True)


@pytest.fixture
def gate(slow: tuple[records.Model, Path]) -> Iterator[Gate]:
    """In front of the slow model, which has evaluated nothing yet."""
    slow[1].unlink()
    gate = Gate(slow[1].with_suffix(".gate"))
    yield gate
    gate.open()


@pytest.mark.parametrize(
    ("kind", "size", "drawn"),
    [
        (SURFACE, {"x_count": 15, "y_count": 15}, "canvas.scene"),
        (LINE, {"x_count": 225}, SHOWN_CHART),
    ],
    ids=["surface", "line"],
)
def test_what_is_done_as_the_answer_becomes_complete_counts(
    context: sync_api.BrowserContext,
    server: Server,
    gate: Gate,
    kind: Kind,
    size: dict[str, int],
    drawn: str,
) -> None:
    """A choice made before the page has heard of the end takes effect; nothing open is closed."""
    tab = context.new_page()
    connection = Connection(tab)
    gate.allow(200)
    tab.goto(server.url(kind.name, model="slow", seed=4, view="3-D", **size))
    tab.get_by_role("button", name="Compute 225 points").click()
    picture = tab.locator(drawn)
    picture.wait_for()
    picture.evaluate("element => { element.known = true; }")
    tab.get_by_role("button", name="Export").click()
    tab.get_by_role("button", name="Download PDF").wait_for()
    assert tab.get_by_test_id("stProgress").count() == 1
    connection.hold()
    gate.open()
    seen(tab, lambda: connection.holds_a_whole_run)
    tab.get_by_role("combobox", name="Format").click()
    tab.get_by_role("option", name="SVG").click()
    connection.release()
    tab.get_by_role("button", name="Download SVG").wait_for()
    assert tab.get_by_test_id("stProgress").count() == 0
    assert picture.evaluate("element => element.known === true")
    tab.close()


def test_an_answer_outlives_reload_and_server(
    context: sync_api.BrowserContext,
    page: sync_api.Page,
    server: Server,
    folder: Path,
    slow: tuple[records.Model, Path],
    gate: Gate,
) -> None:
    """Reload, second tab, SIGKILL of the server, restart: one job, one worker, each point once."""
    catalog, (model, evaluated) = opened(folder), slow
    settings = SurfaceSettings(seed=3, x_count=21, y_count=21)
    key = questions.question_about(catalog, SURFACE, model, settings).key
    address = server.url("surface", model="slow", seed=3, x_count=21, y_count=21)

    def stored() -> int:
        stored_question = catalog.question(key)
        return stored_question.units_done if stored_question else 0

    gate.allow(100)
    page.goto(address)
    page.get_by_role("button", name="Compute 441 points").click()
    seen(page, stored)
    job, before = catalog.active_job_for(key), stored()
    assert job

    page.reload()
    page.get_by_text("of 441 points").first.wait_for()
    tab = context.new_page()
    tab.goto(address)
    tab.get_by_text("of 441 points").first.wait_for()
    assert page.get_by_role("button", name="Compute").count() == 0
    after = stored()
    assert before <= after < 441
    gate.allow(200)
    assert seen(page, lambda: stored() > after)
    worker = catalog.active_job_for(key)
    assert worker and worker.id == job.id and worker.pid

    server.end(signal.SIGKILL)
    at_death = stored()
    assert at_death < 441
    gate.allow(350)
    (waiting,) = [j for j in Spool(catalog.jobs_folder).jobs() if j.id == job.id]
    seen(page, lambda: len(waiting.piece_files()) >= 2)  # the worker goes on, nobody ingests
    assert stored() == at_death
    server.start()
    assert seen(page, lambda: stored() > at_death)
    gate.open()
    for shown in (page, tab):  # the open tabs find the new server by themselves
        done(shown)
    last = ended(catalog, job.id)  # a moment after the last piece
    assert (last.status, last.pid) == ("done", worker.pid)
    assert [j.id for j in catalog.jobs() if j.question_key == key] == [job.id]
    stored_question = catalog.question(key)
    assert stored_question and (stored_question.status, stored_question.units_done) == (
        "complete",
        441,
    )
    assert questions.result_of(catalog, stored_question).computed.all()
    # before the first point, where ways of evaluating were timed and compared
    places = evaluated.read_text().split()
    assert len(set(places[-441:])) == 441
    tab.close()


def test_ctrl_c_ends_the_server_quietly(server: Server, folder: Path) -> None:
    """SIGINT: exit status 0 in time, and no crash of a thread left in the database."""
    server.log.flush()
    before = Path(server.log.name).stat().st_size
    assert server.end() == 0
    said = Path(server.log.name).read_text()[before:]
    assert "terminate called" not in said
    assert "Traceback" not in said


def test_nothing_left_this_machine_and_nothing_broke(context: sync_api.BrowserContext) -> None:
    """After all of the above: every request went to this machine, no script error was raised."""
    outside = [url for url in context.asked if not url.startswith(("data:", "blob:"))]
    assert len(outside) > 50
    assert {urlparse(url).hostname for url in outside} == {"127.0.0.1"}
    assert context.complaints == []
