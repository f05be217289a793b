"""An import that is killed midway, its worker or the app: all or nothing, and it ends by itself."""

import os
import signal
import time
from contextlib import closing
from pathlib import Path

import pytest

from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from store import Catalog
from tests import tiny
from tests.fork_server import forked_app

FILES = 4
PAUSE = 0.05  # seconds per evaluation: an import of them all takes some


def at_work(spool: Spool, not_by: ProcessName | None = None) -> ProcessName | None:
    """The worker that is inspecting the files, past the first of them."""
    for job in spool.jobs():
        if job.worker not in (None, not_by) and job.progress and (job.progress.done or 0) >= 1:
            return job.worker
    return None


@pytest.mark.parametrize("victim", ["worker", "app"])
def test_an_import_survives_a_kill(tmp_path: Path, victim: str) -> None:
    """SIGKILL after the first of four files: nothing is stored until all are, then all are."""
    problem = tiny.problem_file(tmp_path / "problem")
    files = [tiny.checkpoint(tmp_path / f"step_{n}.safetensors", n) for n in range(FILES)]
    given = [Checkpoint(file=file, step=n) for n, file in enumerate(files)]
    before = {file: file.read_bytes() for file in files}
    app = forked_app(tmp_path / "catalog")
    try:
        assert app.stdout.readline() == "ready\n"
        with closing(Catalog(tmp_path / "catalog", timeout=60)) as catalog:
            job = order_import(catalog, problem, {"pause": PAUSE}, given, "killed")
            spool = Spool(catalog.jobs_folder)
            worker = tiny.until(lambda: at_work(spool))
            assert not catalog.models() and not catalog.problems()
            if victim == "worker":
                os.kill(worker.pid, signal.SIGKILL)
                tiny.until(lambda: at_work(spool, not_by=worker))
                assert not catalog.models()
            else:
                app.kill()
                app.communicate()
                time.sleep(0.5)
                assert not catalog.models()
                app = forked_app(tmp_path / "catalog")
            assert tiny.ended(catalog, job).status == "done"
            (model,) = catalog.models()
            steps = sorted(p.step for p in catalog.points(model.id) if p.step is not None)
            assert steps == list(range(FILES))
            assert {file: file.read_bytes() for file in files} == before
    finally:
        app.kill()
        app.communicate()
        with closing(Catalog(tmp_path / "catalog", timeout=60)) as catalog:
            tiny.end_workers(catalog)
