"""A worker's end is the end of all that it has started, and of nothing else."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_process_of_another_machine_is_not_looked_for_here():
    """This very process, said to run elsewhere, is neither alive nor ended here."""
    me = ProcessName.of(os.getpid())
    elsewhere = ProcessName(me.pid, me.started, "elsewhere")
    assert me.alive and not elsewhere.alive and not elsewhere.is_here
    end_with_descendants(elsewhere, "")
    assert ProcessName.parse(str(elsewhere)) == elsewhere
