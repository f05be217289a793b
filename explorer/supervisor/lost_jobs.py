"""Jobs that the catalog has and the spool lacks: a crash, or a copy, left them no folder."""

import contextlib
import time
from collections.abc import Set

from explorer.ask import requests
from explorer.jobs.spool import Spool
from store import Catalog, UnknownEntry

RECOVER_SECONDS = 10.0  # between two looks for jobs that nobody has put into the spool


class LostJobs:
    """Looks for lost jobs and offers them again."""

    def __init__(self, catalog: Catalog, spool: Spool) -> None:
        self._catalog = catalog
        self._spool = spool
        self._recovered: float | None = None  # when jobs without a folder were last looked for
        self._written: tuple[int, ...] = ()  # state of the database's files then

    def look(self, tracked: Set[str]) -> None:
        """At first, and now and then where the database has changed: jobs without a folder."""
        now = time.monotonic()
        if self._recovered is None:
            self.recover(tracked)
        elif now - self._recovered < RECOVER_SECONDS:
            return
        written = self._catalog.mark
        if written != self._written:
            self._offer_lost(tracked)
        self._recovered, self._written = now, written

    def recover(self, tracked: Set[str]) -> None:
        """Clear what a crash has left, and offer again the jobs that it left without a folder."""
        self._spool.sweep()
        self._spool.remove_half_done()
        self._offer_lost(tracked)

    def _offer_lost(self, tracked: Set[str]) -> None:
        """Offer the jobs that are neither in the spool nor tracked."""
        folders = {job.id for job in self._spool.jobs()} | tracked
        for job in self._catalog.active_jobs():
            if job.id not in folders:
                with contextlib.suppress(UnknownEntry, ValueError):  # the job says so
                    requests.offer(self._catalog, job)
