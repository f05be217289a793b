"""The workers of a supervisor: called when jobs wait, and what the dead said last."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from explorer.contracts.devices import CORES_VARIABLE, NOWHERE, RAY, Place, cpu_title
from explorer.jobs.engine.address import engine_trouble
from explorer.jobs.heartbeat import HeartbeatMonitor
from explorer.jobs.process import (
    MARK_VARIABLE,
    ProcessName,
    end_marked,
    end_with_descendants,
)
from explorer.jobs.spool import Spool
from explorer.jobs.worker_log import exit_text, last_line, start_logger

WORKER_COMMAND = [sys.executable, "-m", "explorer.jobs.worker"]
ENGINE_COMMAND = [sys.executable, "-m", "explorer.jobs.engine"]
ROOT = Path(__file__).parents[2]
GONE_SECONDS = 2.0  # until a dead process has an exit status
STARTS_ALLOWED = 3  # in a row that fail before the worker has taken a job


class Child(Protocol):
    """A worker that was started from here: an exit status, once there is one."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """The exit status; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended."""


def start_worker(arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """A worker with these arguments."""
    return _started([*WORKER_COMMAND, *arguments], environment, output)


def start_engine(arguments: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """The engine of a cluster, which stands in the place of workers, with these arguments."""
    return _started([*ENGINE_COMMAND, *arguments], environment, output)


def _started(command: list[str], environment: Mapping[str, str], output: IO[bytes]) -> Child:
    """A process in a session of its own: it survives the app."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


@dataclass
class Hired:
    """A worker that was started from here."""

    child: Child
    name: ProcessName
    device: str
    logger: subprocess.Popen[bytes]  # keeps what it says
    took_a_job: bool = False


class LocalWorkers:
    """Starts workers; each lives on when this process ends."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._log = spool.folder / "worker.log"
        self._hired: list[Hired] = []
        self._ended: Hired | None = None  # the last of them that has
        self._monitor = HeartbeatMonitor()
        self._failed_starts: Counter[str] = Counter()  # in a row, by device

    def ensure_workers(self, devices: Sequence[str], waiting: int = 1) -> str:
        """Have workers for what waits; why not, where too many starts in a row failed, else "".

        One that was stopped would let everything wait; it goes on beside another if it may.

        Args:
            devices: names of those that may each have a worker, one as often as it may have some.
            waiting: jobs and shares that nobody has.
        """
        self._note_ended()
        sound = [one for one in devices if self._failed_starts[one] < STARTS_ALLOWED]
        if not sound and self._ended is not None:
            self._failed_starts.clear()
            return f"no worker could be started{self._child_end_text(self._ended)}"
        free = self.free_devices(sound)
        if trouble := engine_trouble(free):
            return trouble
        for device in free[: max(0, waiting - self.idle_count())]:
            self._start(device, _core_share(device, devices))
        return ""

    def free_devices(self, devices: Sequence[str]) -> list[str]:
        """Those of the devices for which no worker is there."""
        places = map(self._beat_place, self._present())
        taken = Counter(one.name if one.name in devices else one.wanted for one in places)
        free = []
        for device in devices:
            if taken[device]:
                taken[device] -= 1
            else:
                free.append(device)
        surplus = taken.total()  # of workers whose devices were named otherwise
        return free[: max(0, len(free) - surplus)]

    def free_devices_of(self, title: str, devices: Sequence[str]) -> list[str]:
        """Those of the free devices that will call themselves so, as far as one can tell.

        Args:
            title: of the device that an answer was begun on.
            devices: names of all that may have a worker.
        """
        free = self.free_devices(devices)
        cores = {name: _core_share(name, devices) for name in free}
        return [name for name in free if not cores[name] or title == cpu_title(cores[name])]

    def idle_count(self, device: str = "") -> int:
        """Living workers that have nothing to do, as far as their last beats say.

        Args:
            device: what theirs must call itself; "" for any.
        """
        beats = [self._spool.beat(worker) for worker in self._present()]
        idle = [beat.place.device if beat else "" for beat in beats if not beat or not beat.jobs]
        return sum(not device or title in ("", device) for title in idle)

    def _present(self) -> list[ProcessName]:
        """The living workers of this machine that give beats and are to stay."""
        return [
            worker
            for worker in self._spool.workers()
            if self.is_alive(worker)
            and not self.is_silent(worker)
            and not self._spool.is_to_leave(worker)
        ]

    def _beat_place(self, worker: ProcessName) -> Place:
        beat = self._spool.beat(worker)
        return beat.place if beat else NOWHERE

    def device_names(self) -> tuple[str, ...]:
        """All devices of this machine, as its workers say; none while that is not known."""
        places = (self._beat_place(worker) for worker in self._spool.workers())
        return next((place.devices for place in places if place.devices), ())

    def _note_ended(self) -> None:
        """Take note of those hired that have ended; polled, or the dead stay zombies."""
        for hired in list(self._hired):
            status = hired.child.poll()
            if status is None:
                continue
            self._hired.remove(hired)
            hired.logger.poll()
            if status:
                self._failed_starts[hired.device] += 0 if hired.took_a_job else 1
                self._ended = hired

    def note_job_taken(self, worker: ProcessName) -> None:
        """Take note that this worker has taken a job."""
        if hired := self._child_named(worker):
            hired.took_a_job = True
            self._failed_starts[hired.device] = 0

    def is_alive(self, worker: ProcessName) -> bool:
        """Whether a worker is alive: a child until it is waited for, another as the spool tells."""
        if hired := self._child_named(worker):
            return hired.child.poll() is None
        return self._monitor.is_alive(worker, self._spool.life_sign(worker))

    def _child_named(self, worker: ProcessName) -> Hired | None:
        ended = [self._ended] if self._ended else []
        return next((hired for hired in (*self._hired, *ended) if hired.name == worker), None)

    def is_silent(self, worker: ProcessName) -> bool:
        """Whether a living worker gives no beats, as one that was stopped."""
        return self._monitor.is_silent(worker, self._spool.life_sign(worker))

    def works_at(self, worker: ProcessName, job_id: str) -> bool:
        """Whether the worker that has claimed a job is alive and has not left it."""
        beat = self._spool.beat(worker)
        return self.is_alive(worker) and self._monitor.holds_job(worker, beat, job_id)

    def end(self, worker: ProcessName) -> None:
        """Kill a worker with all that it has started, where it can be reached from here.

        A file names it, and anybody may have written that: so it is killed by its id only where it
        is a child or the kernel says that it holds the worker's lock.
        """
        sign = self._spool.life_sign(worker)
        mark = sign.beat.mark if sign.beat else ""
        if worker.is_here and (self._child_named(worker) or sign.holder == worker.pid):
            end_with_descendants(worker, mark)
        elif worker.is_here:
            end_marked(mark)

    def remove_dead(self, present: Set[str] = frozenset()) -> None:
        """Strike off the dead, and end what they have started and left behind.

        One that hangs at a job which is over, as the process of its problem does, is ended.

        Args:
            present: ids of the jobs in the spool.
        """
        for worker in self._spool.enrolments():
            beat = self._spool.beat(worker)
            if not self.is_alive(worker):
                self.end(worker)
                self._spool.strike_off(worker)
                self._monitor.forget(worker)
            elif self._monitor.stays_at_ended_job(worker, beat, present) and beat and beat.mark:
                self.end(worker)

    def end_text(self, worker: ProcessName) -> str:
        """How a dead worker ended, as far as it is known."""
        if hired := self._child_named(worker):
            with contextlib.suppress(subprocess.TimeoutExpired):
                hired.child.wait(GONE_SECONDS)  # its threads may end after it looks dead
            return self._child_end_text(hired)
        return f"; it last said: {last_line(self._log)}"

    def _start(self, device: str, cores: int = 0) -> None:
        mark = uuid.uuid4().hex
        logger, output = start_logger(self._log)
        with output:
            # PASSIVE: or idle threads starve the app
            environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", MARK_VARIABLE: mark}
            if cores:
                environment |= {CORES_VARIABLE: str(cores), "OMP_NUM_THREADS": str(cores)}
            arguments = [str(self._spool.folder.resolve())]
            if device.startswith(RAY):
                arguments += ["--address", device.removeprefix(RAY)]
                child = start_engine(arguments, environment, output)
            else:
                child = start_worker([*arguments, "--device", device], environment, output)
        hired = Hired(child, ProcessName.of(child.pid), device, logger)
        self._hired.append(hired)
        self._spool.enrol(hired.name, mark, Place(wanted=device))  # before it has loaded torch

    def _child_end_text(self, hired: Hired) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            hired.logger.wait(GONE_SECONDS)  # what was said last is written by then
        status = hired.child.returncode
        how = f" ({exit_text(status)})" if status else ""
        return f"{how}; it last said: {last_line(self._log)}"


def _core_share(device: str, devices: Sequence[str]) -> int:
    """Cores for one of several workers of a processor; 0 where it is alone there."""
    sharers = sum(other == device for other in devices)
    if sharers < 2 or not device.startswith("cpu"):
        return 0
    return max(1, (psutil.cpu_count(logical=False) or 1) // sharers)
