"""What lives as long as the app's process: the catalog, its supervisor, the maker of thumbnails."""

import argparse
import atexit
import gc
import importlib
import logging
import queue
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from explorer.ask import requests
from explorer.ask.question import sha256
from explorer.ask.questions import default_catalog_folder, result_of
from explorer.importing.order import order_import
from explorer.kinds import kind_named, unreadable
from explorer.render.relief3d.client import RenderError
from explorer.supervisor import Supervisor
from sample_models import Sample, samples
from store import Catalog, CatalogError, CatalogReadOnly

_REGISTRY = "_loss_surface_explorer"  # on `sys`: our own modules are loaded anew after an edit
_LOCK = threading.Lock()
FIRST = ("mlp_b", "deep_residual", "deep_plain", "cnn_bn")  # samples whose pictures come first
PATIENCE = 1.5  # seconds left to the first screen
RETRY_SECONDS = 1.0
log = logging.getLogger(__name__)


@dataclass
class Running:
    """The process-wide objects."""

    catalog: Catalog
    supervisor: Supervisor
    thumbnails: "Thumbnails"
    ended: threading.Event = field(default_factory=threading.Event)  # set by `stop`
    starter: threading.Thread = field(default_factory=threading.Thread)
    width: int = 620  # px of the column that a browser last showed; see `_charts`
    height: int = 1000  # px of its window

    @property
    def settling(self) -> bool:
        """Whether samples are still to be ordered or thumbnails to be drawn."""
        return self.starter.is_alive() or self.thumbnails.drawing.is_set()


def running() -> Running:
    """The process-wide objects, made at the first call.

    Raises:
        CatalogError: the catalog cannot be opened.
    """
    with _LOCK:
        kept: dict[str, Running] = sys.__dict__.setdefault(_REGISTRY, {})
        folder = catalog_folder()
        if str(folder) not in kept:
            kept[str(folder)] = _started(folder)
        return kept[str(folder)]


def stop() -> None:
    """End what this process has running; workers go on, and the next call starts anew.

    A thread that is left in DuckDB when Python ends takes the process down by SIGABRT.
    """
    with _LOCK:
        for now in sys.__dict__.pop(_REGISTRY, {}).values():
            now.ended.set()
            now.starter.join(timeout=10)
            now.supervisor.stop()
            now.thumbnails.stop()
            now.catalog.close()


atexit.register(stop)


def catalog_folder() -> Path:
    """The catalog's folder: from `streamlit run app.py -- --catalog FOLDER`, else the usual one."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--catalog", type=Path, default=default_catalog_folder())
    return parser.parse_known_args()[0].catalog.expanduser().resolve()


def _started(folder: Path) -> Running:
    catalog = Catalog(folder)
    catalog.check()
    thumbnails = Thumbnails(catalog)
    supervisor = Supervisor(catalog, catalog.recall("device", "auto"), thumbnails.put)
    now = Running(catalog, supervisor, thumbnails)
    if catalog.read_only:  # it is shown, and nothing is computed
        supervisor.trouble = str(CatalogReadOnly(catalog.folder))
        return now
    patience = PATIENCE if catalog.models() else 0.0
    now.starter = threading.Thread(target=_begin, args=(now, patience), name="starter", daemon=True)
    now.starter.start()
    return now


def _begin(now: Running, patience: float) -> None:
    """Start what works in the background; a filled catalog's first screen goes before it."""
    if now.ended.wait(patience):
        return
    now.supervisor.start()
    now.thumbnails.start()
    while not now.ended.is_set():
        try:
            _order_samples(now.catalog)
            _draw_missing(now)
            break
        except CatalogError as error:  # the supervisor meets it too, and tells the pages
            log.warning("samples wait: %s", error)
            now.ended.wait(RETRY_SECONDS)
    importlib.import_module("explorer.render.surface")  # altair: ready before it is asked for
    gc.collect()
    gc.freeze()  # Streamlit collects after each run of a live part: modules need not be looked at


def _draw_missing(now: Running) -> None:
    """Have thumbnails drawn that a former run left out."""
    for asked in now.catalog.questions(status="complete", limit=100)[0]:
        if now.catalog.image(asked.key) is None:
            now.thumbnails.put(asked.key)


def _order_samples(catalog: Catalog) -> None:
    """Have the shipped samples imported once, each with a first surface; they need no agreement."""
    known = set(catalog.recall("samples", []))
    order = {name: place for place, name in enumerate(FIRST)}
    for sample in sorted(samples(), key=lambda s: (order.get(s.name, len(order)), s.name)):
        identity = sha256([sample.name, sample.torch, sample.measured])
        if identity not in known:
            _order_sample(catalog, sample)
            known.add(identity)
            catalog.remember("samples", sorted(known))


def _order_sample(catalog: Catalog, sample: Sample) -> None:
    first = {"x_count": 31, "y_count": 31}
    order_import(
        catalog,
        sample.problem,
        sample.arguments,
        [{"file": str(c.path), "step": c.step} for c in sample.checkpoints],
        sample.name,
        facts={
            "title": sample.title,
            "about": sample.about,
            "optimiser": sample.optimiser,
            "learning_rate": sample.learning_rate,
            "momentum": sample.momentum,
            "batch_size": sample.batch_size,
            "weight_decay": sample.weight_decay,
            "seed": sample.seed,
            "steps": sample.steps,
            "sample": True,
        },
        then=[{"kind": "surface", "settings": first, "priority": requests.BACKGROUND_PRIORITY - 1}],
        priority=requests.BACKGROUND_PRIORITY,
    )


class Thumbnails:
    """A thread that draws a picture of each question that becomes complete."""

    def __init__(self, catalog: Catalog) -> None:
        self.drawing = threading.Event()  # set while there is something to draw
        self._catalog = catalog
        self._keys: queue.Queue[str] = queue.Queue()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thumbnails", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def put(self, key: str) -> None:
        """Have a picture of this question drawn."""
        self._keys.put(key)

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
    asked = catalog.question(key)
    if asked is not None and not unreadable(asked.kind, asked.settings):
        module, _, function = kind_named(asked.kind).thumbnail.partition(":")
        draw = getattr(importlib.import_module(module), function)
        catalog.set_image(key, draw(result_of(catalog, asked)))
