"""Runs that are followed: what a training script adds to its folder is imported as it comes.

Which runs are followed is kept in the catalog. A marker file beside the jobs tells the supervisor
that the list has changed, so that a look costs a few `stat` calls and leaves the catalog alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from explorer import recorded_runs
from explorer.codec import Json, from_json, to_json
from explorer.consent import ConsentError, agreed_code
from explorer.contracts.facts import ModelFacts
from explorer.contracts.request import stored_import
from explorer.importing import sources
from explorer.jobs.json_files import write_json
from explorer.jobs.spool import Spool
from explorer.recording import Recording, RecordingError
from store import Catalog, UnknownEntry, records

LOOK_SECONDS = 2.0
REST_FACTOR = 20  # times as long as a look took until the next: a long log takes time to read
NAME, MARKER = "followed", "followed"


@dataclass(frozen=True, kw_only=True)
class FollowedRun:
    """A run whose snapshots are imported as they come."""

    problem: Path
    digest: str  # of the code that the user agreed to run; no other is run
    arguments: Json  # of the problem file's function
    name: str = ""  # of the model that its first import makes; the folder's unless given
    part: str = ""  # keys before the weights in each snapshot; the usual ones unless given
    stopped: str = ""  # why it is followed no longer, once it is


def follow(catalog: Catalog, folder: Path, run: FollowedRun) -> None:
    """Import what the run in the folder records from now on, until it has ended."""
    run = replace(run, problem=run.problem.resolve(), arguments=dict(run.arguments))
    _change_run(catalog, folder.resolve(), lambda earlier: run)


def unfollow(catalog: Catalog, folder: Path) -> None:
    """Leave the run in the folder alone from now on."""
    _change_run(catalog, folder.resolve(), lambda earlier: None)


def followed_runs(catalog: Catalog) -> dict[str, FollowedRun]:
    """The runs by folder; those whose following stopped say why."""
    entries: dict[str, object] = catalog.recall(NAME, {})
    return {folder: _stored_run(entry) for folder, entry in entries.items()}


def _stored_run(entry: object) -> FollowedRun:
    return from_json(FollowedRun, entry, ignore_unknown=True)


def is_followed(catalog: Catalog, model: records.Model) -> bool:
    """Whether more snapshots of the model are to be expected."""
    facts = ModelFacts.of(model.facts)
    run = followed_runs(catalog).get(facts.run.folder) if facts.run else None
    return run is not None and not run.stopped and run.part == facts.part


def _change_run(
    catalog: Catalog, folder: Path, change: Callable[[FollowedRun | None], FollowedRun | None]
) -> None:
    """Change how a run is followed, from what is stored at that moment; None where it is not."""

    def change_entries(entries: dict[str, object]) -> dict[str, object]:
        others = {name: entry for name, entry in entries.items() if name != str(folder)}
        earlier = _stored_run(entries[str(folder)]) if str(folder) in entries else None
        run = change(earlier)
        return others if run is None else {**others, str(folder): to_json(run)}

    empty: dict[str, object] = {}
    catalog.change_remembered(NAME, empty, change_entries)
    marker = Spool(catalog.jobs_folder).folder / MARKER
    write_json(marker, str(folder))  # replaced: what is linked there stays


class Follower:
    """Looks at the followed runs and orders what is new in them; one per catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._spool = Spool(catalog.jobs_folder)
        self._marked = 0  # when the list last changed
        self._runs: dict[str, FollowedRun] = {}
        self._seen: dict[str, tuple[int, ...]] = {}  # folder -> state of its log
        self._jobs: dict[str, str] = {}  # folder -> its import under way
        self._next = 0.0

    def check_runs(self) -> None:
        """Order imports of new snapshots; most calls come too early and do nothing.

        Raises:
            CatalogError: the catalog cannot be used now; the next look tries again.
        """
        began = time.monotonic()
        if began < self._next:
            return
        self._next = began + LOOK_SECONDS
        self._read_list()
        for folder, run in self._runs.items():
            if not run.stopped:
                self._check_run(Path(folder), run)
        took = time.monotonic() - began
        self._next = began + took + max(LOOK_SECONDS, REST_FACTOR * took)

    def _read_list(self) -> None:
        """Read which runs are followed, where that has changed."""
        marked = _file_mark(self._catalog.jobs_folder / MARKER)
        if marked and marked[0] != self._marked:
            self._runs = followed_runs(self._catalog)
            self._seen.clear()
            self._marked = marked[0]

    def _check_run(self, folder: Path, run: FollowedRun) -> None:
        """Order what is new in one run, unless its last import is still under way."""
        state = tuple(
            mark for file in recorded_runs.watched_files(folder) for mark in _file_mark(file)
        )
        waiting = self._jobs.get(str(folder))
        if waiting:
            if self._spool.job(waiting) is not None:
                return
            del self._jobs[str(folder)]
            if failure := self._failure(waiting):
                self._stop(folder, run, failure)
                return
        elif self._seen.get(str(folder)) == state:
            return
        try:
            recording = recorded_runs.recording_of(folder)
            self._order_missing(recording, run)
        except (RecordingError, ConsentError, OSError) as error:
            self._stop(folder, run, str(error))
        else:
            self._seen[str(folder)] = state

    def _failure(self, job_id: str) -> str:
        """Why an import did not store what it should have; empty where it did."""
        try:
            job = self._catalog.job(job_id)
        except UnknownEntry:
            return "its import was deleted"
        return (
            "" if job.status == "done" else f"its import {job.status}: {job.error or 'resume it'}"
        )

    def _order_missing(self, recording: Recording, run: FollowedRun) -> None:
        """Order the snapshots that are missing, or note the end of the run and stop."""
        folder = recording.folder
        if recording.snapshots and self._has_new_snapshots(recording, run):
            if job_id := self._job_under_way(str(folder), run.part):
                self._jobs[str(folder)] = job_id
                return
            if self._is_deleted(recording, run.part):
                self._stop(folder, run, "its model was deleted; restore it and follow again")
                return
            if agreed_code(run.problem, run.digest).hash != run.digest:
                why = f"{run.problem} has changed; import the run again to agree to run it"
                self._stop(folder, run, why)
                return
            run_sources = sources.resolve([str(folder)])
            if run_sources.errors:
                self._stop(folder, run, run_sources.errors[0])
                return
            identity = recorded_runs.identity(recording)
            first = not recorded_runs.models_of_run(self._catalog, identity, run.part)
            name = run.name if first else ""
            self._jobs[str(folder)] = sources.order(
                self._catalog,
                run_sources,
                run.problem,
                run.arguments,
                name=name,
                part=run.part,
            )
        elif recording.ended:
            self._note_end(recording)
            self._replace(folder, run, None)

    def _has_new_snapshots(self, recording: Recording, run: FollowedRun) -> bool:
        """Whether a snapshot is not in the catalog as it lies in the folder."""
        identity = recorded_runs.identity(recording)
        marks = {(s.file.stem, *_file_mark(s.file)[:1]) for s in recording.snapshots}
        return not any(
            inspected.part == run.part
            and marks <= {(label, file.changed) for label, file in inspected.files.items()}
            for inspected in recorded_runs.inspected_snapshots(
                self._catalog, identity, run.arguments
            )
        )

    def _job_under_way(self, folder: str, part: str) -> str:
        """The import of these weights of this run that somebody else ordered, if it goes on."""
        for job in self._catalog.active_jobs():
            order = stored_import(job.request) if job.task == "import" else None
            if order and order.run and (str(order.run.folder), order.part) == (folder, part):
                return job.id
        return ""

    def _is_deleted(self, recording: Recording, part: str) -> bool:
        """Whether the run's models are all in the trash, from which no import shall take them."""
        identity = recorded_runs.identity(recording)
        models = recorded_runs.models_of_run(self._catalog, identity, part, include_deleted=True)
        return bool(models) and all(model.deleted is not None for model in models)

    def _note_end(self, recording: Recording) -> None:
        """Bring the models' facts of the run up to its last line."""
        facts = recorded_runs.run_facts(recording)
        models = recorded_runs.models_of_run(self._catalog, recorded_runs.identity(recording))
        grown = [
            replace(model, facts=to_json(replace(ModelFacts.of(model.facts), run=facts)))
            for model in models
        ]
        self._catalog.add_import(models=grown)

    def _stop(self, folder: Path, run: FollowedRun, why: str) -> None:
        """Follow no longer, and keep why."""
        self._replace(folder, run, replace(run, stopped=why))

    def _replace(self, folder: Path, looked_at: FollowedRun, run: FollowedRun | None) -> None:
        """Put another in the place of what was looked at, unless somebody has changed that."""
        _change_run(self._catalog, folder, lambda now: run if now == looked_at else now)


def _file_mark(file: Path) -> tuple[int, ...]:
    """When the file was last changed, in nanoseconds, and its size; empty where it is missing."""
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size
