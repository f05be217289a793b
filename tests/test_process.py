"""A worker's end is the end of all that it has started, and of nothing else."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from explorer.jobs.process import MARK_VARIABLE, ProcessName, end_with_descendants
from tests.tiny import until

STARTS = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
if os.fork() == 0:          # a child, as a problem file may fork one
    if os.fork() == 0:      # one that leaves its session and is nobody's child in the end
        os.setsid()
        if os.fork():
            os._exit(0)
        folder.joinpath("daemon").write_text(str(os.getpid()))
    else:
        folder.joinpath("child").write_text(str(os.getpid()))
    time.sleep(3600)
folder.joinpath("worker").write_text(str(os.getpid()))
time.sleep(3600)
"""
NAMES = ("worker", "child", "daemon")


def started(folder: Path, mark: str) -> tuple[subprocess.Popen, list[ProcessName]]:
    """A process with a child and a daemon, all with the mark in their environment."""
    folder.mkdir()
    worker = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(folder)],
        env={**os.environ, MARK_VARIABLE: mark},
        start_new_session=True,
    )
    until(lambda: all((folder / name).is_file() for name in NAMES))
    texts = until(lambda: [t for n in NAMES if (t := (folder / n).read_text())][2:] and NAMES)
    return worker, [ProcessName.of(int((folder / name).read_text())) for name in texts]


def test_the_worker_its_child_and_its_daemon_end(tmp_path):
    """Also who has left the worker's session; the processes of another worker go on."""
    worker, ours = started(tmp_path / "ours", "a" * 32)
    other, others = started(tmp_path / "others", "b" * 32)
    try:
        end_with_descendants(ours[0], "a" * 32)
        worker.wait(10)
        until(lambda: not any(process.alive for process in ours))
        assert all(process.alive for process in others)
    finally:
        end_with_descendants(others[0], "b" * 32)
        other.wait(10)


def test_what_outlives_a_dead_worker_ends(tmp_path):
    """A worker that was killed leaves processes behind; they are found by their mark."""
    worker, ours = started(tmp_path / "ours", "c" * 32)
    worker.kill()
    worker.wait(10)
    assert not ours[0].alive and all(process.alive for process in ours[1:])
    end_with_descendants(ours[0], "c" * 32)
    until(lambda: not any(process.alive for process in ours))


@pytest.mark.parametrize(
    "elsewhere", [{"kernel": "another"}, {"table": "another"}, {"host": "h", "kernel": "k"}]
)
def test_a_process_of_another_machine_or_container_is_not_looked_for_here(elsewhere):
    """This very process, said to run elsewhere, is not here and not ended; its name differs."""
    me = ProcessName.of(os.getpid())
    other = dataclasses.replace(me, **elsewhere)
    assert me.is_here and me.alive and me.is_this_process
    assert not other.is_here and not other.alive and not other.is_this_process
    end_with_descendants(other, "")
    assert other != me and str(other) != str(me)
    assert ProcessName.parse(str(other)) == other
