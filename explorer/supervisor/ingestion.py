"""Pieces brought home: from the spool into the catalog, oldest first."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import safetensors

from explorer.importing import storing
from explorer.importing.brought import answer_piece
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.piece_files import Arrival, read_arrival
from explorer.kinds.reading import check_pieces
from explorer.supervisor.tracked_job import TrackedJob, note, stored_progress, tell
from store import Catalog

PIECES_AT_ONCE = 32  # that are stored together: the database is opened and written once
BYTES_AT_ONCE = 1 << 26  # of them
log = logging.getLogger(__name__)


class Ingestion:
    """Brings pieces of jobs into the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def ingest(self, folder: JobFolder, job: TrackedJob) -> None:
        """Bring the job's pieces into the catalog, oldest first.

        Raises:
            ValueError: a piece does not fit the question; all others are stored.
        """
        refusals: list[ValueError] = []
        for files in _file_batches(folder.piece_files()):
            pieces = list(filter(None, (_readable_arrival(folder, file) for file in files)))
            if not pieces:
                continue
            record = self.catalog.job(folder.id)
            done = self._store(record.question_key or "", job, pieces, refusals)
            answered = [each.piece for each in pieces if each.piece.units]
            rates = [len(piece.units) / max(piece.seconds, 1e-9) for piece in answered]
            speed = {"worker": {"units_per_second": rates[-1]}} if rates else {}
            job.seconds_per_unit = 1 / rates[-1] if any(rates[-1:]) else job.seconds_per_unit
            note(self.catalog, folder, job, units_done=done, attempts=0, **speed)
            tell(folder, job, stored_progress(record, done))
        if refusals:
            raise refusals[0]

    def _store(
        self, key: str, job: TrackedJob, pieces: Sequence[Arrival], refusals: list[ValueError]
    ) -> int:
        """Store pieces and remove their files; how many units are answered then.

        Of a piece that does not fit the error is added to `refusals`.
        """
        try:
            done = self._store_together(key, job, pieces)
        except ValueError as error:  # one does not fit: the others are kept
            if len(pieces) > 1:
                return [self._store(key, job, [piece], refusals) for piece in pieces][-1]
            refusals.append(error)
            pieces[0].file.rename(pieces[0].file.with_suffix(".damaged"))
            return self.catalog.units_done(key)
        for each in pieces:
            each.remove()
        return done

    def _store_together(self, key: str, job: TrackedJob, pieces: Sequence[Arrival]) -> int:
        """Store pieces that are of their question's kind; how many units are answered then.

        Raises:
            ValueError: one does not fit the question; nothing is stored.
        """
        if job.kind is None or job.settings is None:
            raise ValueError("an import brings no pieces of an answer; import anew")
        try:
            check_pieces(job.kind, job.settings, [each.piece for each in pieces])
        except ValueError as error:
            raise ValueError(
                f"its worker left a piece that is none: {error}; compute it anew"
            ) from error
        facts = {name: fact for each in pieces for name, fact in each.piece.facts.items()}
        directions = storing.directions_of(facts)
        arrived = [answer_piece(self.catalog, key, piece) for piece in pieces]
        done = self.catalog.ingest_together(key, job.kind.table, arrived)
        if directions:
            self.catalog.add_directions(key, directions)
        storing.note_choice(self.catalog, key, facts)
        return done


def _file_batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    """The files in order, as many together as are to be read and stored at once."""
    batch: list[Path] = []
    size = 0
    for file in files:
        length = file.stat().st_size
        if batch and (len(batch) >= PIECES_AT_ONCE or size + length > BYTES_AT_ONCE):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += length
    if batch:
        yield batch


def _readable_arrival(folder: JobFolder, file: Path) -> Arrival | None:
    """The piece in a file; one that is damaged or another job's is put aside."""
    try:
        arrival = read_arrival(file)
    except (safetensors.SafetensorError, ValueError):
        file.rename(file.with_suffix(".damaged"))  # its units stay missing and come again
        return None
    if arrival.job and arrival.job != folder.id:  # the oldest versions did not say whose it is
        file.rename(file.with_suffix(".foreign"))
        log.warning("%s was computed for another job; it is left out", file)
        return None
    return arrival
