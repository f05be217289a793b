"""The worker of a node: the same process that computes on one machine, started by a task of Ray."""

import contextlib
import os
import subprocess
import tempfile
import uuid
from pathlib import Path

import psutil

from explorer.contracts.devices import CORES_VARIABLE
from explorer.jobs.engine import folder_keeper
from explorer.jobs.engine.events import Parcel
from explorer.jobs.local_workers import ROOT, WORKER_COMMAND
from explorer.jobs.process import MARK_VARIABLE, ProcessName, end_with_descendants
from explorer.jobs.spool import Spool
from explorer.jobs.worker_log import exit_text, last_line, start_logger
from explorer.private_folder import VARIABLE as STATE_VARIABLE

FOLDER = "loss-surface-explorer-"  # first letters of its name among the temporary files
LINGER_SECONDS = 60.0  # that the worker of a processor waits for another share
GPU_LINGER_SECONDS = 5.0  # what holds a GPU's memory stands in the way of others


class NodeWorker:
    """The worker of this process, with a folder, a spool and agreements of its own."""

    def __init__(self) -> None:
        """Make the folder, which goes with this process; the worker starts with the first share."""
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER)).resolve()
        self._keeper = folder_keeper.start(self.folder)
        os.environ[STATE_VARIABLE] = str(self.folder / "state")  # of this user, and of no other use
        self.spool = Spool(self.folder / "jobs")
        self._log = self.folder / "worker.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}
        self._mark = ""

    @property
    def name(self) -> ProcessName | None:
        """The worker's process; None before it has one, and after its end."""
        if self._child is None or self._child.poll() is not None:
            return None
        return ProcessName.of(self._child.pid)

    @property
    def device(self) -> str:
        """The title of what it computes on; "" until it is loaded."""
        beat = self.spool.beat(name) if (name := self.name) else None
        return beat.place.device if beat else ""

    def ensure(self, parcel: Parcel, python_path: str) -> None:
        """Have a worker that suits a share."""
        environment = _environment(parcel, python_path)
        if self.name is None or environment != self._environment:
            self.end()
            self._start(environment, GPU_LINGER_SECONDS if parcel.on_gpu else LINGER_SECONDS)

    def _start(self, environment: dict[str, str], linger: float) -> None:
        self._mark = uuid.uuid4().hex
        arguments = [str(self.spool.folder), "--parent", str(os.getpid()), "--linger", str(linger)]
        _, output = start_logger(self._log)
        with output:
            self._child = subprocess.Popen(
                [*WORKER_COMMAND, *arguments],
                cwd=ROOT,
                env={**environment, MARK_VARIABLE: self._mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self._environment = environment

    @property
    def end_text(self) -> str:
        """How the worker ended; "" while it lives."""
        status = self._child.poll() if self._child else None
        if status is None:
            return ""
        return f"{exit_text(status)}; it last said: {last_line(self._log)}"

    def end(self) -> None:
        """Kill the worker with all that it has started."""
        if self._child is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            end_with_descendants(ProcessName.of(self._child.pid), self._mark)
        self._child.wait()
        self._child = None


def _environment(parcel: Parcel, python_path: str) -> dict[str, str]:
    """What a worker of this node finds in its environment: no word of Ray's but the GPU."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    own |= {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": python_path}
    cores = str(cores_of_each(parcel.tasks))
    return own | {CORES_VARIABLE: cores, "OMP_NUM_THREADS": cores}


def cores_of_each(tasks: int) -> int:
    """Cores for one of so many tasks at once, of those that this process may use."""
    cores = psutil.cpu_count(logical=False) or 1
    with contextlib.suppress(AttributeError):  # not on every system
        cores = min(cores, len(os.sched_getaffinity(0)))
    return max(1, cores // max(1, tasks))
