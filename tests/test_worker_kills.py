"""Kills at random instants, of workers and of apps: nothing is lost, little is done twice."""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from explorer.ask import questions
from explorer.jobs.process import ProcessName
from explorer.jobs.spool import Spool
from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog
from tests.tiny import (
    app_process,
    end_workers,
    imported,
    supervised,
    until,
    until_stored,
)

PAUSE = 0.004  # seconds per point
FEW_KILLS = (2, 1, SurfaceSettings(x_count=51, y_count=41))  # 8 s of work, 5 of waits before them
MANY_KILLS = (50, 10, SurfaceSettings(x_count=121, y_count=101))  # 49 s of work, 32 s of waits


def wait_for_all(catalog: Catalog, key: str) -> None:
    """Until the answer is complete, however long a busy machine takes, as long as it goes on."""
    while (stored_question := catalog.question(key)).status != "complete":
        until_stored(
            catalog, lambda done=stored_question.units_done: catalog.question(key).units_done > done
        )


def undisturbed(
    folder: Path, catalog_folder: Path, settings: SurfaceSettings
) -> dict[str, np.ndarray]:
    """The same weights and settings, answered in one go; leaves the slow model in the catalog."""
    with supervised(catalog_folder) as (catalog, supervisor):
        imported(catalog, folder / "slow", "slow", pause=PAUSE)
        model = imported(catalog, folder / "quick", "quick")
        key = questions.ask(catalog, SURFACE, model, settings)
        wait_for_all(catalog, key)
        assert len(supervisor.workers) == 1
        return catalog.values(key, SURFACE.table)


class Killer:
    """Kills whoever works on the one job of a catalog, and starts the app again."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log, self.random = folder, log, np.random.default_rng(7)
        self.early = False
        self.spool = Spool(folder / "jobs")
        self.dead: set[ProcessName] = set()
        self.app: subprocess.Popen
        self.start_app()

    def start_app(self) -> None:
        self.app = app_process(self.folder, "tests.logging_worker")

    def kill_app(self) -> None:
        """SIGKILL at an instant of its first seconds: while it starts, waits or ingests."""
        time.sleep(self.random.uniform(0, 3))
        self.app.kill()
        self.app.communicate()
        self.start_app()

    def kill_worker(self) -> None:
        """SIGKILL at an instant after it has taken the job, or after its first piece.

        Three in a row that bring no piece end a job, as they should; so every other at least does.
        """
        worker = until(self.at_work)
        self.early = not self.early and bool(self.random.random() < 0.3)
        if not self.early:
            until(lambda: f"{worker.pid} p" in self.log.read_text().splitlines())
        time.sleep(self.random.uniform(0, 0.6))
        assert self.at_work() == worker, "the surface was complete before all kills had landed"
        os.kill(worker.pid, signal.SIGKILL)
        self.dead.add(worker)

    def at_work(self) -> ProcessName | None:
        """The living worker that has the job and is not done with it."""
        for job in self.spool.jobs():
            if job.worker not in {None, *self.dead} and not job.ending:
                return job.worker
        return None


def counted(log: Path) -> tuple[list[int], dict[int, int], dict[int, int]]:
    """Units of all pieces written; points evaluated, and those in no such piece, by worker.

    Whoever was killed between its two lines about a piece may have written it or not. It has if no
    later worker has written any of its units: none is asked for what lies in the spool, and what
    does not lie there is asked of a later one.
    """
    written: list[int] = []
    unsure: dict[int, list[int]] = {}  # by worker, in the order of their last words
    evaluations: dict[int, int] = {}
    in_flight: dict[int, int] = {}
    for line in log.read_text().splitlines():
        pid, event, *units = line.split()
        worker = int(pid)
        if event == "b":
            assert worker not in evaluations
            evaluations[worker] = in_flight[worker] = 0
        elif event == "e":
            if worker in evaluations:  # a point of the surface
                evaluations[worker] += 1
                in_flight[worker] += 1
        elif event == "i":
            assert in_flight[worker] == len(units)
            unsure[worker] = [int(unit) for unit in units]
        else:
            written += unsure.pop(worker)
            in_flight[worker] = 0
    for worker, units in reversed(unsure.items()):
        if not set(written).intersection(units):
            written += units
            in_flight[worker] = 0
    return written, evaluations, in_flight


@pytest.mark.slow
@pytest.mark.parametrize(
    ("worker_kills", "app_kills", "settings"),
    [FEW_KILLS, pytest.param(*MANY_KILLS, marks=pytest.mark.campaign)],
    ids=["few", "many"],
)
def test_kills_lose_nothing_and_repeat_one_piece_each(
    tmp_path, monkeypatch, worker_kills, app_kills, settings
):
    """50 SIGKILLs of workers and 10 of apps during one surface: the bits of an undisturbed run.

    Counted on the worker's side: every point is in exactly one piece that was written, and what
    was evaluated beyond that, once points had begun, is the piece in hand of a killed worker.
    """
    expected = undisturbed(tmp_path, tmp_path / "catalog", settings)
    catalog, log = Catalog(tmp_path / "catalog", timeout=60), tmp_path / "log"
    log.touch()
    monkeypatch.setenv("EVALUATIONS_LOG", str(log))
    slow = next(model for model in catalog.models() if model.name == "slow")
    key = questions.ask(catalog, SURFACE, slow, settings)
    catalog.close()
    killer = Killer(tmp_path / "catalog", log)
    try:
        victims = [killer.kill_worker] * worker_kills + [killer.kill_app] * app_kills
        for place in killer.random.permutation(len(victims)):
            victims[place]()
        wait_for_all(catalog, key)
    finally:
        killer.app.kill()
        killer.app.communicate()
        end_workers(catalog)
    values = catalog.values(key, SURFACE.table)
    written, evaluations, in_flight = counted(log)
    repeated = sum(evaluations.values()) - settings.units
    print(
        f"\n{len(killer.dead)} workers and {app_kills} apps killed; "
        f"{settings.units - len(values['unit'])} of {settings.units} points lost; {repeated} "
        f"computed again, at most {max(in_flight.values())} for one kill"
    )
    assert len(killer.dead) == worker_kills
    assert Counter(written) == dict.fromkeys(range(settings.units), 1)
    assert repeated == sum(in_flight.values())
    assert {name: value.tobytes() for name, value in values.items()} == {
        name: value.tobytes() for name, value in expected.items()
    }
    assert catalog.check_integrity(contents=True) == []
