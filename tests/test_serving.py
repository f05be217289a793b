"""What the server does by itself."""

import os
from pathlib import Path

import torch

from explorer.ask import questions
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.jobs.worker.answering import Worker
from explorer.kinds.line import LINE, LineSettings
from tests.browser.server import Server
from tests.filling import add_tiny, new_catalog
from tests.tiny import until_stored


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
