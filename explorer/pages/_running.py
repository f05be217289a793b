"""What lives as long as the app's process: the catalog, its supervisor, makers and keepers."""

import argparse
import atexit
import gc
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from explorer.ask.questions import default_catalog_folder, result_of
from explorer.ask.subject_names import subject_names
from explorer.contracts.devices import device_of
from explorer.importing.catalogs import SharedKeeper
from explorer.importing.samples import order_first_samples
from explorer.jobs.engine.choice import chosen_engine
from explorer.kinds import KINDS, kind_named, unreadable
from explorer.kinds.kind import named_code
from explorer.kinds.look import COLOUR_MAPS
from explorer.pages._page_views import PAGE_VIEWS
from explorer.render.marks.colours import colour_table
from explorer.render.relief3d.client import RenderError, renderer
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, CatalogError, CatalogReadOnly

_REGISTRY = "_loss_surface_explorer"  # on `sys`: our own modules are loaded anew after an edit
_LOCK = threading.Lock()
FIRST_SCREEN_SECONDS = 1.5  # seconds left to the first screen
LONGEST_VIEW_SECONDS = 10.0  # for which what works in the background waits for it besides
DRAWING_SECONDS = 1.0  # left to the browser, which draws on the same processor
RETRY_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass
class AppState:
    """The process-wide objects."""

    catalog: Catalog
    supervisor: Supervisor
    thumbnails: "Thumbnails"
    shared: SharedKeeper
    ended: threading.Event = field(default_factory=threading.Event)  # set by `stop_apps`
    starter: threading.Thread = field(default_factory=threading.Thread)
    width: int = 620  # px of the column that a browser last showed; see `_charts`
    height: int = 1000  # px of its window

    @property
    def is_settling(self) -> bool:
        """Whether samples are still to be ordered or thumbnails to be drawn."""
        return self.starter.is_alive() or self.thumbnails.drawing.is_set()


def app_state() -> AppState:
    """The process-wide objects, made at the first call.

    Raises:
        CatalogError: the catalog cannot be opened.
    """
    with _LOCK:
        app_states: dict[str, AppState] = sys.__dict__.setdefault(_REGISTRY, {})
        folder = catalog_folder()
        if str(folder) not in app_states:
            app_states[str(folder)] = _start_app(folder)
        return app_states[str(folder)]


def stop_apps() -> None:
    """End what this process has running; workers go on, and the next call starts anew.

    A thread that is left in DuckDB when Python ends takes the process down by SIGABRT.
    """
    with _LOCK:
        for app in sys.__dict__.pop(_REGISTRY, {}).values():
            app.ended.set()
            app.starter.join(timeout=10)
            app.supervisor.stop()
            app.thumbnails.stop()
            app.shared.stop()
            app.catalog.close()


atexit.register(stop_apps)


def catalog_folder() -> Path:
    """The catalog's folder: from `streamlit run app.py -- --catalog FOLDER`, else the usual one."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--catalog", type=Path, default=default_catalog_folder())
    return parser.parse_known_args()[0].catalog.expanduser().resolve()


def _start_app(folder: Path) -> AppState:
    catalog = Catalog(folder)
    catalog.check()
    thumbnails = Thumbnails(catalog)
    device = device_of(chosen_engine(catalog.folder), catalog.recall("device", "auto"))
    supervisor = Supervisor(catalog, device, thumbnails.request)
    app = AppState(catalog, supervisor, thumbnails, SharedKeeper(catalog))
    if catalog.read_only:  # it is shown, and nothing is computed
        supervisor.trouble = str(CatalogReadOnly(catalog.folder))
    patience = FIRST_SCREEN_SECONDS if catalog.models() else 0.0
    app.starter = threading.Thread(
        target=_start_background_work, args=(app, patience), name="starter", daemon=True
    )
    app.starter.start()
    return app


def _start_background_work(app: AppState, patience: float) -> None:
    """Start what works in the background; a filled catalog's first screen goes before it."""
    if app.ended.wait(patience):
        return
    if patience:
        PAGE_VIEWS.wait(LONGEST_VIEW_SECONDS)
    if patience and PAGE_VIEWS.has_begun and app.ended.wait(DRAWING_SECONDS):
        return
    if not app.catalog.read_only:
        _start_computing(app)
    load_ahead()
    gc.unfreeze()  # what a page had left behind at that moment
    gc.collect()
    gc.freeze()  # Streamlit collects after each run of a live part: modules need not be looked at
    if not app.ended.is_set():
        renderer().opengl()  # which each page of a plane wants to know: it takes a second


def _start_computing(app: AppState) -> None:
    """Start what computes and draws, and order what a first start is to compute."""
    app.supervisor.start()
    app.thumbnails.start()
    app.shared.start()
    while not app.ended.is_set():
        try:
            order_first_samples(app.catalog)
            _draw_missing(app)
            break
        except CatalogError as error:  # the supervisor meets it too, and tells the pages
            log.warning("samples wait: %s", error)
            app.ended.wait(RETRY_SECONDS)


def load_ahead(is_enough: Callable[[], bool] = lambda: False) -> None:
    """Import what draws the first picture of any kind before it is asked for.

    Args:
        is_enough: asked between imports, whether to leave the rest for later.
    """
    named_code(KINDS[0].draw)  # altair, which every chart needs
    colour_table(COLOUR_MAPS[0])  # matplotlib
    for kind in KINDS:
        if is_enough():
            return
        named_code(kind.draw)
    if not is_enough():
        import scipy.interpolate  # noqa: F401 - for growing surfaces, intervals, the playground


def _draw_missing(app: AppState) -> None:
    """Have thumbnails drawn that a former run left out."""
    for question in app.catalog.questions(status="complete", limit=100)[0]:
        if app.catalog.image(question.key) is None:
            app.thumbnails.request(question.key)


class Thumbnails:
    """A thread that draws a picture of each question that becomes complete."""

    def __init__(self, catalog: Catalog) -> None:
        self.drawing = threading.Event()  # set while there is something to draw
        self._catalog = catalog
        self._keys: queue.Queue[str] = queue.Queue()
        self._tried: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thumbnails", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def request(self, key: str) -> None:
        """Have a picture of this question drawn."""
        if self._thread.is_alive():
            self.drawing.set()
        self._tried.add(key)
        self._keys.put(key)

    def request_missing(self, keys: Iterable[str]) -> None:
        """Have those of these drawn that were not tried yet."""
        for key in keys:
            if key not in self._tried:
                self.request(key)

    def stop(self) -> None:
        """End after the picture in hand."""
        self._ended.set()
        self._keys.put("")
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while (key := self._keys.get()) and not self._ended.is_set():
            self.drawing.set()
            try:
                make_thumbnail(self._catalog, key)
            except (CatalogError, RenderError) as error:
                log.warning("no thumbnail: %s", error)
            except Exception:
                log.exception("no thumbnail")
            if self._keys.empty():
                self.drawing.clear()


def make_thumbnail(catalog: Catalog, key: str) -> None:
    """Draw and store the thumbnail of a stored question."""
    question = catalog.question(key)
    if question is not None and not unreadable(question.kind, question.settings):
        from explorer.render.export.thumbnail import thumbnail  # altair: not at the start

        names = subject_names(catalog, question)
        picture = thumbnail(kind_named(question.kind), result_of(catalog, question), names)
        catalog.set_image(key, picture)
