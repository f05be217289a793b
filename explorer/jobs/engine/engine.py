"""Claims jobs of a spool, cuts them into shares for the nodes of a cluster, and brings pieces home.

It holds as many jobs as the cluster has places for. The most urgent gets the next place; where all
are taken, a share of a less urgent one is handed back after the piece in hand.
"""

import contextlib
import os
import time
from typing import TYPE_CHECKING

from explorer.consent import agreed_code
from explorer.contracts.progress import Ending
from explorer.jobs.engine.events import (
    CANCEL,
    HAND_BACK,
    Event,
    Lost,
    Machine,
    Over,
    PieceCame,
    Said,
    Unfit,
)
from explorer.jobs.engine.held_job import HeldJob, HeldShare
from explorer.jobs.engine.machines import Machines
from explorer.jobs.engine.parcels import parcel_of
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import JOB_START_WORDS, ProcessName
from explorer.jobs.spool import Spool

if TYPE_CHECKING:
    from explorer.jobs.engine.cluster import Cluster

WAIT_SECONDS = 0.2  # for something to come from the nodes
REPORT_SECONDS = 0.5  # between two words on where a job is
LEAST_URGENT = 100


class Engine:
    """Has a cluster answer the jobs of a spool."""

    def __init__(self, spool: Spool, cluster: "Cluster", share_seconds: float) -> None:
        """Prepare.

        Args:
            spool: of the jobs.
            cluster: that answers.
            share_seconds: that a share of a long job is to take.
        """
        self._spool, self._cluster, self._share_seconds = spool, cluster, share_seconds
        self._name = ProcessName.of(os.getpid())
        self._jobs: dict[str, HeldJob] = {}  # by path of their folders
        self._shares: dict[str, HeldShare] = {}  # by id: those under way
        self._machines = Machines(cluster)
        self._reported = 0.0

    def serve(self, linger: float) -> None:
        """Have done what is queued; leave after `linger` seconds without work, or when asked to."""
        with self._spool.enrolled_worker(self._name, self._cluster.as_place):
            last = time.monotonic()
            while True:
                self._machines.look()
                if not (leaves := self._spool.is_to_leave(self._name)):
                    self._claim()
                if self._jobs:
                    self._step()
                    last = time.monotonic()
                elif leaves or time.monotonic() - last >= linger:
                    return
                else:
                    time.sleep(WAIT_SECONDS)

    def _step(self) -> None:
        """Start what can be, take in what has come, end what is over."""
        for job in list(self._jobs.values()):
            self._follow_orders(job)
        self._start_shares()
        began = time.monotonic()
        for share, event in self._cluster.events(WAIT_SECONDS):
            if share in self._shares:
                self._take_in(self._shares[share], event)
        if not self._shares:
            time.sleep(max(0.0, WAIT_SECONDS - (time.monotonic() - began)))
        self._report()
        for job in list(self._jobs.values()):
            if job.is_over:
                self._finish(job)

    # Jobs come and go

    def _claim(self) -> None:
        """Claim jobs as long as there is a place for them, and what is more urgent than others."""
        while len(self._jobs) < max(1, self._machines.slots) and not self._waiting_shares():
            if not self._claim_next(LEAST_URGENT):
                return
        last = self._least_urgent_share()
        if last is not None and self._claim_next(last.job.folder.priority):
            self._order(last, HAND_BACK)

    def _claim_next(self, more_urgent_than: int) -> bool:
        """Whether there was a job to claim."""
        folder = self._spool.claim_next(self._name, more_urgent_than)
        if folder is None:
            return False
        print(JOB_START_WORDS, folder.id, flush=True)
        try:
            request = folder.request
            asked_about = getattr(request, "source_hash", "")
            job = HeldJob(folder, request, agreed_code(request.problem, asked_about))
            self._cluster.carry(job.tensor_files)
        except (ValueError, OSError) as error:
            folder.finish("failed", error=str(error))
            self._let_go(folder)
            return True
        folder.report("waits for a place in the cluster")
        self._jobs[str(folder.path)] = job
        return True

    def _least_urgent_share(self) -> HeldShare | None:
        """The share that goes back for a more urgent job; None where none can."""
        able = [s for s in self._shares.values() if not s.order and s.job.can_be_cut]
        return max(able, key=lambda share: share.job.folder.path.name, default=None)

    def _follow_orders(self, job: HeldJob) -> None:
        """Do what was asked of a job from outside."""
        if not job.folder.path.is_dir() or job.folder.is_cancelled:
            job.end(Ending(status="cancelled", error=""))
        elif job.folder.is_asked_back or self._spool.is_to_leave(self._name):
            job.end(Ending(status="handed_back", error=""))
        if job.ending is None:
            return
        for share in job.shares.values():
            self._order(share, HAND_BACK if job.ending.status == "handed_back" else CANCEL)
            if job.ending.status != "handed_back" and job.is_overdue:
                self._cluster.end(share.id)

    def _finish(self, job: HeldJob) -> None:
        """Say how a job ended, and hold it no longer."""
        folder = job.folder
        if job.ending is None:  # all is answered
            job.end(Ending(status="done", error=""))
        with contextlib.suppress(FileNotFoundError):  # somebody has removed it
            if job.log:
                (folder.path / "log").write_text(job.log)
            if job.ending:
                folder.finish(job.ending.status, job.ending.error, job.ending.result)
        self._let_go(folder)
        held = (file for other in self._jobs.values() for file in other.tensor_files)
        self._cluster.keep_only(set(held))

    def _let_go(self, folder: JobFolder) -> None:
        self._jobs.pop(str(folder.path), None)
        if all(other.folder.id != folder.id for other in self._jobs.values()):
            with self._spool.at_work(folder):  # after which no heartbeat names it
                pass

    # Shares go to the nodes and come back

    def _by_urgency(self) -> list[HeldJob]:
        return sorted(self._jobs.values(), key=lambda job: job.folder.path.name)

    def _waiting_shares(self) -> list[HeldJob]:
        """The jobs of which a share can begin, the most urgent first."""
        return [job for job in self._by_urgency() if job.waiting and self._may_begin(job)]

    def _may_begin(self, job: HeldJob) -> bool:
        """Whether a share may: of a job whose first piece binds the rest, one begins alone."""
        return bool(job.device) or not job.shares

    def _start_shares(self) -> None:
        """Give the places that are free to the most urgent."""
        for job in self._waiting_shares():
            while job.waiting and self._may_begin(job):
                machine = self._machines.free(job, self._shares.values())
                if machine is None:
                    break
                self._start(job, machine)
            refusal = "" if job.shares else self._machines.refusal(job)
            if refusal:
                job.end(Ending(status="failed", error=refusal))

    def _start(self, job: HeldJob, machine: Machine) -> None:
        share = job.new_share(machine)
        on_gpu = self._cluster.has_gpus and not job.is_import
        parcel = parcel_of(share, self._cluster.carry(job.tensor_files), on_gpu)
        self._shares[share.id] = share
        self._cluster.start(share.id, parcel, machine)

    def _order(self, share: HeldShare, order: str) -> None:
        if share.order != order:
            share.order = order
            self._cluster.order(share.id, order)

    def _take_in(self, share: HeldShare, event: Event) -> None:
        """Take in what has come of a share."""
        if isinstance(event, PieceCame):
            self._take_in_piece(share, event)
        elif isinstance(event, Said):
            share.progress = event.progress
        else:
            self._shares.pop(share.id)
            self._take_in_end(share, event)

    def _take_in_piece(self, share: HeldShare, piece: PieceCame) -> None:
        """Put a piece into its job's folder; the first tells whether others may share."""
        if not share.job.put(piece):
            return  # its units stay missing and are computed anew
        self._machines.note_device(share.machine, piece.device)
        share.job.note_piece(piece)
        if self._parts_worth(share.job) > 1:
            self._order(share, HAND_BACK)

    def _parts_worth(self, job: HeldJob) -> int:
        return job.parts_worth(self._machines.slots, self._share_seconds)

    def _take_in_end(self, share: HeldShare, end: Over | Unfit | Lost) -> None:
        """Take in how a share came to its end."""
        job = share.job
        if isinstance(end, Lost):
            if end.machine_gone:
                self._machines.note_gone(share.machine)
            job.note_loss(share, end.how)
        elif isinstance(end, Unfit):
            self._machines.note_unfit(share.machine, end)
            job.put_back(share)
        elif end.status == "failed":
            where = "" if share.machine.is_own else f" (on {share.machine.host})"
            job.shares.pop(share.id)
            job.end(Ending(status="failed", error=end.error + where), end.log)
        elif end.status == "done" and job.is_import:
            job.shares.pop(share.id)
            job.end(Ending(status="done", error="", result=end.result))
        elif end.status == "done" and share.missing:
            job.note_loss(share, "it said that all was done")
        else:
            job.put_back(share)
            if (count := self._parts_worth(job)) > 1:
                job.cut(count)

    def _report(self) -> None:
        """Say in the jobs' folders what is done."""
        if time.monotonic() - self._reported < REPORT_SECONDS:
            return
        self._reported = time.monotonic()
        for job in self._jobs.values():
            with contextlib.suppress(FileNotFoundError):
                job.report()
