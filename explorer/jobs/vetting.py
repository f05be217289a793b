"""Which folders of the spool are jobs of this catalog; the others are never run.

Whoever prepares a catalog's folder can put anything there. So a job is what the database says, and
its request is one that this user has signed; else it is written again from the database. (What the
database says is checked against what the user has agreed to run in the worker, as for any job.)
"""

import logging
import uuid
from pathlib import Path

from explorer.ask import requests
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.shares import join_shares, keep_pieces
from explorer.jobs.spool import Spool
from store import Catalog, UnknownEntry, records

log = logging.getLogger(__name__)


def job_of(catalog: Catalog, spool: Spool, folder: JobFolder) -> records.Job | None:
    """The job that a folder is there for, its request now ours; None where there is no such job.

    Raises:
        UnknownEntry: what the job is about is gone.
        ValueError: it was asked of another version of this program.
    """
    try:
        job = catalog.job(folder.id)
    except UnknownEntry:
        _refuse(folder, "is no job of this catalog")
        return None
    if spool.new(job.id, job.priority, job.created).path != folder.path:
        _refuse(folder, "is not the folder of its job")
        return None
    if not job.is_active:
        folder.remove()  # it had ended just before a crash
        return None
    if not folder.is_ours:
        keep_pieces(folder)
        folder.offer_anew(requests.request_of(catalog, job))
        log.warning(
            "%s was written for another catalog, by another user or by another version of this "
            "program; it is written anew",
            folder.path,
        )
    return job


def rejoin(catalog: Catalog, folder: JobFolder) -> None:
    """Offer a job anew of which a share is none of ours; its pieces stay.

    Raises:
        UnknownEntry: what the job is about is gone.
        ValueError: it was asked of another version of this program.
    """
    join_shares(folder)
    folder.put_back(requests.request_of(catalog, catalog.job(folder.id)))


def _refuse(folder: JobFolder, why: str) -> None:
    """Keep a folder where nobody looks for jobs."""
    place = _set_aside(folder)
    log.warning("%s %s and is not run; it lies in %s now", folder.path, why, place)


def _set_aside(folder: JobFolder) -> Path:
    """Where a job's folder that is none of ours lies from now on: kept, and never looked at."""
    aside = folder.path.parent / "refused"
    if aside.is_symlink():  # it would lead somewhere else
        aside.unlink()
    aside.mkdir(mode=0o700, exist_ok=True)
    target = aside / f"{folder.path.name}.{uuid.uuid4().hex}"
    folder.path.rename(target)
    return target
