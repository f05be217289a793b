"""What a node does with a share: has its worker answer it, and tells what comes of it."""

import shutil
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from explorer.contracts.progress import Ending, WorkerProgress
from explorer.contracts.request import AnswerRequest
from explorer.jobs.engine.delivery import ContentOf, Delivery
from explorer.jobs.engine.events import (
    CANCEL,
    HAND_BACK,
    Event,
    Lost,
    Over,
    Parcel,
    PieceCame,
    Said,
    Unfit,
)
from explorer.jobs.engine.node_worker import NodeWorker
from explorer.jobs.engine.versions import version_refusal
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.piece_files import read_arrival

LOOK_SECONDS = 0.05  # between two looks at what the worker has done
ORDER_SECONDS = 0.5  # between two looks for orders
OF_A_JOB = ("request.json", "progress.json", "finished.json", "log", "pieces", "queued", "cancel")


def answer_share(
    parcel: Parcel, content_of: ContentOf, order: Callable[[], str]
) -> Iterator[Event]:
    """What comes of a share, until it is over.

    Args:
        parcel: the share.
        content_of: the content of a file of tensors.
        order: what the engine orders now, "" for nothing.
    """
    if refusal := version_refusal(parcel.versions):
        yield Unfit(why=refusal)
        return
    worker = _worker()
    delivery = Delivery(parcel, worker.folder)
    job = delivery.offer(worker.spool, content_of)
    worker.ensure(parcel, delivery.python_path)
    share = _NodeShare(parcel, delivery, job, worker)
    try:
        yield from share.events(order)
    finally:
        if not share.is_over:  # nobody waits for the piece in hand
            worker.end()
        job.remove()


@lru_cache(maxsize=1)
def _worker() -> NodeWorker:
    """The worker of this process."""
    return NodeWorker()


class _NodeShare:
    """A share in the hands of a node's worker."""

    def __init__(
        self, parcel: Parcel, delivery: Delivery, job: JobFolder, worker: NodeWorker
    ) -> None:
        self._parcel, self._delivery = parcel, delivery
        self._job, self._worker = job, worker
        self._told: WorkerProgress | None = None
        self._ordered_at = time.monotonic()
        self.is_over = False

    def events(self, order: Callable[[], str]) -> Iterator[Event]:
        """What comes of it."""
        while not self.is_over:
            ending = self._job.ending  # read before the pieces: none can come after it
            yield from self._pieces()
            yield from self._words()
            end = self._end(ending)
            if end is not None:
                self.is_over = True
                yield end
                return
            if time.monotonic() - self._ordered_at > ORDER_SECONDS:
                self._follow(order())
                self._ordered_at = time.monotonic()
            time.sleep(LOOK_SECONDS)

    def _pieces(self) -> Iterator[PieceCame]:
        for file in self._job.piece_files():
            arrival = read_arrival(file)
            names = (*arrival.note.files, file.name)
            yield PieceCame(
                files={name: file.with_name(name).read_bytes() for name in names},
                units=tuple(sorted(arrival.piece.units)),
                seconds=arrival.piece.seconds,
                facts=arrival.piece.facts,
                device=str(arrival.provenance.get("device", "")),
                finished=arrival.note.finished,
            )
            arrival.remove()

    def _words(self) -> Iterator[Said]:
        progress = self._job.progress
        if progress is not None and progress != self._told:
            self._told = progress
            yield Said(progress=progress)

    def _end(self, ending: Ending | None) -> Over | Unfit | Lost | None:
        """What ends it, if anything does."""
        if ending is not None:
            return self._over(ending)
        if how := self._worker.end_text:
            return Lost(how=how)
        request = self._parcel.request
        wanted = request.device if isinstance(request, AnswerRequest) else ""
        if wanted and (own := self._worker.device) and own != wanted:
            return Unfit(why=f"it has {own}", device=own)
        return None

    def _over(self, ending: Ending) -> Over:
        if ending.status == "done" and (target := self._parcel.import_folder):
            _bring_files(self._job.path, target)
        log_file = self._job.path / "log"
        log = log_file.read_text(errors="replace") if log_file.exists() else ""
        words = self._delivery.own_words
        return Over(
            status=ending.status, error=words(ending.error), log=words(log), result=ending.result
        )

    def _follow(self, order: str) -> None:
        if order == CANCEL:
            self._job.cancel()
        elif order == HAND_BACK:
            self._job.ask_back()


def _bring_files(source: Path, target: Path) -> None:
    """Bring what an import has made beside the files of any job."""
    for path in source.iterdir():
        if path.name not in OF_A_JOB and not path.name.startswith(("claimed.", ".")):
            shutil.move(path, target / path.name)
