"""What lives as long as the app's process: the catalog, its supervisor, the maker of thumbnails."""

import argparse
import importlib
import logging
import queue
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from explorer.jobs import desk
from explorer.jobs.desk import result_of, usual_folder
from explorer.jobs.question import sha256
from explorer.jobs.supervisor import Supervisor
from explorer.kinds import kind_named
from explorer.render.client import RenderError
from sample_models import Sample, samples
from store import Catalog, CatalogError

_REGISTRY = "_loss_surface_explorer"  # on `sys`: our own modules are loaded anew after an edit
_LOCK = threading.Lock()
FIRST = ("mlp_b", "deep_residual", "deep_plain", "cnn_bn")  # samples whose pictures come first
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """The process-wide objects."""

    catalog: Catalog
    supervisor: Supervisor
    drawing: threading.Event  # set while thumbnails are being drawn


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


def catalog_folder() -> Path:
    """The catalog's folder: from `streamlit run app.py -- --catalog FOLDER`, else the usual one."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--catalog", type=Path, default=usual_folder())
    return parser.parse_known_args()[0].catalog.expanduser().resolve()


def _started(folder: Path) -> Running:
    catalog = Catalog(folder)
    catalog.check()
    thumbnails: queue.Queue[str] = queue.Queue()
    drawing = threading.Event()
    supervisor = Supervisor(catalog, catalog.recall("device", "auto"), thumbnails.put)
    threading.Thread(
        target=_make_thumbnails,
        args=(catalog, thumbnails, drawing),
        name="thumbnails",
        daemon=True,
    ).start()
    _order_samples(catalog)
    supervisor.start()
    for asked in catalog.questions(status="complete", limit=100)[0]:
        if catalog.image(asked.key) is None:
            thumbnails.put(asked.key)
    return Running(catalog, supervisor, drawing)


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
    desk.order_import(
        catalog,
        sample.problem,
        sample.arguments,
        [{"file": str(c.path), "step": c.step} for c in sample.checkpoints],
        sample.name,
        facts={
            "title": sample.title,
            "about": sample.about,
            "optimiser": sample.optimiser,
            "seed": sample.seed,
            "steps": sample.steps,
            "sample": True,
        },
        then=[{"kind": "surface", "settings": first, "priority": desk.BACKGROUND - 1}],
        priority=desk.BACKGROUND,
    )


def _make_thumbnails(catalog: Catalog, keys: "queue.Queue[str]", drawing: threading.Event) -> None:
    """Draw a thumbnail of each question that becomes complete."""
    while True:
        key = keys.get()
        drawing.set()
        try:
            make_thumbnail(catalog, key)
        except (CatalogError, RenderError) as error:
            log.warning("no thumbnail: %s", error)
        except Exception:
            log.exception("no thumbnail")
        if keys.empty():
            drawing.clear()


def make_thumbnail(catalog: Catalog, key: str) -> None:
    """Draw and store the thumbnail of a stored question."""
    asked = catalog.question(key)
    if asked is not None:
        module, _, function = kind_named(asked.kind).thumbnail.partition(":")
        draw = getattr(importlib.import_module(module), function)
        catalog.set_image(key, draw(result_of(catalog, asked)))
