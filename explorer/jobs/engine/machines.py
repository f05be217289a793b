"""The machines of a cluster as the engine sees them: which can answer a job, and which are free."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from explorer.jobs.engine.events import Machine, Unfit
from explorer.jobs.engine.held_job import HeldJob, HeldShare

if TYPE_CHECKING:
    from explorer.jobs.engine.cluster import Cluster

LOOK_SECONDS = 2.0  # between two looks at which machines there are
DOUBT_SECONDS = 30.0  # for which Ray may list a machine that is gone


class Machines:
    """What is known of the machines of a cluster."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster
        self._present: list[Machine] = []
        self._looked_at = -LOOK_SECONDS
        self._refusals: dict[str, str] = {}  # why a machine answers nothing, by its id
        self._gone: dict[str, float] = {}  # when a machine was seen to be gone, by id
        self._devices: dict[str, str] = {}  # titles of what computes there, by id

    def look(self) -> None:
        """See now and then which there are."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._present, self._looked_at = self._cluster.nodes(), time.monotonic()

    @property
    def slots(self) -> int:
        """Shares that the cluster answers at once."""
        return sum(one.slots for one in self._present if one.id not in self._refusals)

    def fit(self, job: HeldJob) -> Iterator[Machine]:
        """The machines that can answer a job at all: an answer is of one kind of device."""
        for machine in self._present:
            own = self._devices.get(machine.id, "")
            suits = not job.device or not own or own == job.device
            may = machine.is_own if job.is_import else suits and machine.slots
            if machine.id not in self._refusals and may:
                yield machine

    def free(self, job: HeldJob, shares: Iterable[HeldShare]) -> Machine | None:
        """The machine with most places free that can take a share of a job now."""
        taken = Counter(share.machine.id for share in shares)
        fit = [*self.fit(job)]
        sound = [machine for machine in fit if self._is_sound(machine)]
        able = [m for m in sound or fit if m.slots > taken[m.id] or job.is_import]
        return max(able, key=lambda machine: machine.slots - taken[machine.id], default=None)

    def refusal(self, job: HeldJob) -> str:
        """Why no machine can answer a job, in one sentence; "" where one can."""
        if not self._present or any(self.fit(job)):
            return ""
        ids = {machine.id for machine in self._present}
        refusals = [why for id, why in self._refusals.items() if id in ids]
        if refusals:
            return refusals[0]
        if job.device:
            return (
                f"no machine of {self._cluster.as_place.device} has {job.device}, where it began; "
                "resume it to go on with what there is"
            )
        return f"{self._cluster.as_place.device} has no place for a share; give it processors"

    def _is_sound(self, machine: Machine) -> bool:
        """Whether it was not gone of late."""
        gone = self._gone.get(machine.id)
        return gone is None or time.monotonic() - gone > DOUBT_SECONDS

    def note_gone(self, machine: Machine) -> None:
        """Take note that a machine is gone, though Ray may list it for a while."""
        self._gone[machine.id] = time.monotonic()

    def note_device(self, machine: Machine, title: str) -> None:
        """Take note of what computes on a machine."""
        self._devices[machine.id] = title

    def note_unfit(self, machine: Machine, unfit: Unfit) -> None:
        """Take note of why a machine cannot answer: another device than one job's, or nothing."""
        if unfit.device:
            self.note_device(machine, unfit.device)
        else:
            self._refusals[machine.id] = unfit.why
            print(unfit.why, flush=True)
