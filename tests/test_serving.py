"""What the server does by itself."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path

import torch

from explorer.ask import questions
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds.line import LINE, LineSettings
from explorer.pages._page_views import PageViews
from tests.browser.server import Server
from tests.filling import add_tiny, new_catalog
from tests.tiny import ROOT, until_stored


def test_what_a_worker_left_is_brought_home_before_any_page_is_opened(tmp_path: Path) -> None:
    """Its pieces lie in the spool, as after a SIGKILL of the app; a new server alone takes them."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "tiny")
    key = questions.ask(catalog, LINE, model, LineSettings(x_count=5))
    spool = Spool(catalog.jobs_folder)
    job = spool.claim_next(ProcessName.of(os.getpid()))
    assert job is not None
    Worker(spool, torch.device("cpu")).run(job)
    question = catalog.question(key)
    assert question is not None and question.units_done == 0
    server = Server(catalog.folder)
    try:
        until_stored(catalog, lambda: catalog.question(key).status == "complete")
    finally:
        server.end()


def test_the_server_answers_before_pages_are_imported() -> None:
    """What the server imports to begin has neither NumPy nor the store: the browser loads first."""
    code = "import sys, explorer.pages._serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    modules = set(done.stdout.split())
    assert "explorer.access" in modules, done.stderr
    assert not modules & {"store", "duckdb", "explorer.kinds", "explorer.pages._navigation"}


def test_what_can_wait_waits_for_the_pages_that_are_made() -> None:
    """Until the last one that is being made is there; an error in one counts as its end."""
    views, waited = PageViews(), threading.Event()
    views.wait(0)
    assert not views.has_begun

    def wait() -> None:
        views.wait(60)
        waited.set()

    with views.view():
        waiting = threading.Thread(target=wait)
        waiting.start()
        with contextlib.suppress(ValueError), views.view():
            raise ValueError
        assert views.has_begun and not waited.is_set()
    waiting.join(60)
    assert waited.is_set()
