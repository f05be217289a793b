"""How jobs end in the catalog: as their workers say, or because they cannot go on."""

import contextlib
import logging
from pathlib import Path

from explorer.ask import requests
from explorer.contracts.progress import Ending
from explorer.importing import storing
from explorer.jobs.job_folder import JobFolder
from explorer.supervisor.tracked_job import TrackedJob
from explorer.wording import one_line
from store import Catalog, UnknownEntry, records

MAX_ERROR_LENGTH = 2000  # characters of an error
MAX_OFFERS = 3  # of what is missing of an answer, without a new unit
OWN_ERRORS = (UnknownEntry, ValueError)  # about the job itself: said as they are
log = logging.getLogger(__name__)


def settle(
    catalog: Catalog, folder: JobFolder, tracked: TrackedJob, ended: Ending
) -> records.Job | None:
    """Write how a job ended; the job, or None where it goes on as a piece of it was damaged.

    Raises:
        ValueError: an import without what it brought; an answer that stays incomplete.
    """
    job = catalog.job(folder.id)
    status, error = ended.status, one_line(ended.error, MAX_ERROR_LENGTH) or None
    if status == "done" and job.task == "import":
        if ended.result is None:
            raise ValueError("its worker does not say what it found; import anew")
        storing.store_import(catalog, job, ended.result, folder.path)
    if status == "done" and job.task == "answer":
        question = catalog.question(job.question_key or "")
        if question and question.status != "complete":  # a piece was damaged
            _count_offer(tracked, question)
            folder.path.joinpath("finished.json").unlink()
            folder.offer(requests.request_of(catalog, job))
            return None
    catalog.update_job(folder.id, status=status, error=error)
    return job


def _count_offer(job: TrackedJob, question: records.Question) -> None:
    """Count one more offer of what is missing; a unit that has come since begins the count anew.

    Raises:
        ValueError: there were enough.
    """
    if question.units_done != job.units_offered_at:
        job.offers, job.units_offered_at = 0, question.units_done
    if job.offers >= MAX_OFFERS:
        missing = question.units - question.units_done
        raise ValueError(
            f"{missing:,} of its {question.units:,} units are missing though its workers say that "
            f"all are done, {job.offers + 1} times in a row; see that nothing changes or cuts the "
            "files of jobs, and compute it anew"
        )
    job.offers += 1


def fail(catalog: Catalog, folder: JobFolder, error: Exception) -> None:
    """End a job that cannot be served, lest it hold up the others."""
    if not isinstance(error, OWN_ERRORS):
        log.info("job %s", folder.id, exc_info=error)  # the sentence is what a user reads
    sentence = f"what its worker left cannot be used ({error!r}); compute it anew"
    if isinstance(error, OWN_ERRORS):
        sentence = str(error)
    with contextlib.suppress(UnknownEntry):  # it was deleted with its analysis
        error_text = one_line(sentence, MAX_ERROR_LENGTH)  # half a letter cannot be stored
        catalog.update_job(folder.id, status="failed", error=error_text)


def fail_removed(catalog: Catalog, job_id: str, where: Path) -> None:
    """End a job whose folder somebody has removed from the spool at `where`."""
    if _is_active(catalog, job_id):
        error = (
            f"its folder in {where} was removed while it ran, by the problem file's code "
            "or by hand; see that nothing there is removed, and compute it anew"
        )
        catalog.update_job(job_id, status="failed", error=error)


def _is_active(catalog: Catalog, job_id: str) -> bool:
    """Whether the catalog has the job, and not as ended."""
    try:
        return catalog.job(job_id).is_active
    except UnknownEntry:
        return False
