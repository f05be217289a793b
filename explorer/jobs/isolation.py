"""A process of its own for each problem, forked from one that has loaded torch and runs none.

What a problem file changes in its process (defaults of torch, patched functions, modules of its
name) ends with it. The parent claims jobs, and dies as a process of a problem dies.
"""

import os
import time
from collections.abc import Callable, Hashable
from multiprocessing.connection import Connection

from explorer.contracts.devices import NOWHERE, Place
from explorer.contracts.request import Request
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.partner import Partner, start_partner
from explorer.jobs.process import ProcessName, adopt_orphans, end_strays
from explorer.jobs.spool import Spool

POLL_SECONDS = 0.1
MAX_IDLE_PROCESSES = 4  # problems whose processes wait for another job


class Isolation:
    """Claims jobs, and has each done in the process of its problem."""

    def __init__(
        self,
        spool: Spool,
        key: Callable[[Request], Hashable],
        serve: Callable[..., Callable[[Partner], None]],
        tell: Callable[[JobFolder, BaseException], None],
        place: Place = NOWHERE,
    ) -> None:
        """Prepare.

        Args:
            spool: of the jobs.
            key: of a request: jobs of one key share a process, one after another. Whatever it
                raises is how the job ended.
            serve: of a key: what its process does with its partner.
            tell: writes how a job failed.
            place: where it computes.
        """
        self.spool, self.place = spool, place
        self.name = ProcessName.of(os.getpid())
        self._key, self._work, self._tell = key, serve, tell
        self._partners: dict[Hashable, Partner] = {}  # the one used last comes last
        self._busy: list[Hashable] = []

    def serve(self, linger: float) -> None:
        """Have done what is queued; leave after `linger` seconds without work."""
        adopt_orphans()
        with self.spool.enrolled_worker(self.name, self.place):
            last = time.monotonic()
            while time.monotonic() - last < linger and not self.spool.is_to_leave(self.name):
                job = self.spool.claim_next(self.name, device=self.place.device)
                if job is None:
                    time.sleep(POLL_SECONDS)
                else:
                    self.run(job)
                    last = time.monotonic()
            for partner in self._partners.values():
                partner.dismiss()
            end_strays()

    def run(self, job: JobFolder) -> None:
        """Have one job done; more urgent ones that its process meets are done meanwhile.

        The heartbeat of this process names it, whoever has claimed it: its own is the only one.
        """
        with self.spool.at_work(job):
            self._run(job)

    def _run(self, job: JobFolder) -> None:
        try:
            request = job.request
            key = self._key(request)
        except Exception as error:
            self._tell(job, error)
            return
        partner = self._partners.pop(key, None)
        if partner is None or (key not in self._busy and partner.is_gone):
            partner = start_partner(self._work(key), self._connections)
        self._partners[key] = partner
        self._busy.append(key)
        partner.do(job, self.run)
        self._busy.pop()
        self._dismiss_idle(key if request.task == "import" else None)

    @property
    def _connections(self) -> list[Connection]:
        return [partner.connection for partner in self._partners.values()]

    def _dismiss_idle(self, done: Hashable | None) -> None:
        """Dismiss the process that is done for good, and those that wait for too long."""
        idle = [key for key in self._partners if key not in self._busy]
        for key in idle:
            if key == done or len(self._partners) > MAX_IDLE_PROCESSES:
                self._partners.pop(key).dismiss()
        if not self._busy:  # else one of them may be awaited
            end_strays({partner.pid for partner in self._partners.values()})
