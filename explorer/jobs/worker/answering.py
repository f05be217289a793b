"""Answers to jobs, piece by piece, in the process at hand."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor

from explorer.admission import check_admitted
from explorer.analysis.model import preconditioner
from explorer.analysis.model.direction_file import inspect_direction
from explorer.analysis.model.import_losses import check_as_measured
from explorer.analysis.model.inspection import inspect
from explorer.analysis.model.problem_trial import ready_problem
from explorer.analysis.model.problems import LoadedProblem, load_problem, rerun_problem
from explorer.analysis.objective import device as devices
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.plane import EarlierChoices
from explorer.analysis.objective.reading_progress import report_reading_to
from explorer.analysis.objective.user_errors import end_forked_copy, explain_problem_errors
from explorer.contracts.devices import Place
from explorer.contracts.inspection import ImportResult
from explorer.contracts.progress import Speed
from explorer.contracts.request import SHARED_SECONDS, AnswerRequest, ImportRequest, Request
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.partner import Partner
from explorer.jobs.process import JOB_START_WORDS, ProcessName
from explorer.jobs.provenance import provenance
from explorer.jobs.spool import Spool
from explorer.jobs.unit_state import JobProgress
from explorer.jobs.worker.failure import NowhereToWrite, write_failure
from explorer.jobs.worker.inputs import point_tensors, unchanged_problem
from explorer.jobs.worker.subject import JobSubject
from explorer.kinds import Piece, kind_named, settings_from_json
from explorer.kinds.kind import named_code
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.progress import JobCancelled, JobHandedBack, Progress
from explorer.problem import Problem

LONG_PIECE_SECONDS = 1.0  # of a first piece that tells how long the others will take


class Answer(Protocol):
    """How a kind is answered."""

    def __call__(
        self,
        problem: Problem,
        subjects: Sequence[Tensors],
        settings: ObjectiveSettings,
        done: Set[int],
        device: torch.device,
        choices: EarlierChoices,
        progress: Progress,
        /,
    ) -> Iterator[Piece]:
        """The pieces of the units that are not done."""


@dataclass(frozen=True)
class WorkerContext:
    """What all processes of one worker share."""

    jobs: Path  # folder of the spool
    name: ProcessName  # in which jobs are claimed: of the process that watches over the others
    place: Place  # where it computes
    seconds: float  # that it took until work could begin


class Worker:
    """Answers jobs on one device, in this process."""

    def __init__(
        self,
        spool: Spool,
        device: torch.device,
        context: WorkerContext | None = None,
        subject: JobSubject | None = None,
        partner: Partner | None = None,
    ) -> None:
        """Prepare.

        Args:
            spool: of the jobs.
            device: that answers.
            context: the worker that this process belongs to, if not one by itself.
            subject: what all its jobs are about, if it is no more than one.
            partner: gets the jobs that go before the one in hand, instead of this process.
        """
        self.spool = spool
        self.device = device
        self.name = context.name if context else ProcessName.of(os.getpid())
        self.start = context.seconds if context else 0.0
        self._title = context.place.device if context else ""
        self._code = subject.code if subject else None
        self._partner = partner
        self._process = os.getpid()
        self._looked_at: tuple[tuple[int, str, str], LoadedProblem, LoadedProblem] | None = None

    def run(self, job: JobFolder) -> None:
        """Answer one job; whatever goes wrong is told in its folder, and nothing of it is lost."""
        with contextlib.suppress(OSError, ValueError):  # its own code may have closed the output
            print(JOB_START_WORDS, job.id, flush=True)
        try:
            job.report("loading")
            with report_reading_to(self._reading_reporter(job)):
                result = self._do(job, job.request)
            end_forked_copy(self._process)
            check_admitted()
            job.finish("done", result=result)
        except NowhereToWrite:
            raise
        except BaseException as error:  # a user's code raises anything, even GeneratorExit
            end_forked_copy(self._process)
            write_failure(job, error)
        finally:
            gc.collect()  # an evaluator and its lanes hold each other, and a model each

    def _do(self, job: JobFolder, request: Request) -> ImportResult | None:
        """Do what is asked for; what an import brings."""
        if isinstance(request, ImportRequest):
            return self._import(job, request)
        self._answer(job, request)
        return None

    def _answer(self, job: JobFolder, request: AnswerRequest) -> None:
        """Put the pieces that are missing into the job's folder."""
        began = time.perf_counter()
        kind = kind_named(request.kind)
        settings = settings_from_json(kind.settings, request.settings)
        loaded = unchanged_problem(request, self._code)
        points = [
            point_tensors(file, point, loaded)
            for file, point in zip(request.files, request.points, strict=True)
        ]
        if points:
            loaded = self._ready(loaded, points[0], settings.split, settings.precision)
        for place, digest in enumerate(settings.needs.optimiser_states):
            if digest:
                points[place] |= preconditioner.stored_diagonal(request.files[place], digest)
        answer = cast(Answer, named_code(kind.answer))
        with devices.precision_flags("float32"):
            put = partial(self._put, job)
            progress = JobProgress(job, request.states, put, leave=self._leave)
            done, choices = request.not_wanted(settings.units), request.choices
            pieces = _with_code_errors(
                loaded.path,
                lambda: answer(
                    loaded.problem, points, settings, done, self.device, choices, progress
                ),
            )
            left = settings.units - len(done)
            for number, piece in enumerate(self._with_setup_time(pieces, began)):
                check_as_measured(piece, request)
                self._put(job, piece)
                job.report("computing", speed=self._speed(piece))
                self._do_urgent_jobs(job)
                if number == 0 and not kind.in_order:
                    self._offer_to_share(job, piece, left)
                if job.is_asked_back:
                    raise JobHandedBack

    def _speed(self, piece: Piece) -> Speed:
        """How fast a piece was computed."""
        per_second = len(piece.units) / piece.seconds if piece.seconds else None
        return Speed(units_per_second=per_second, device_bytes=devices.reserved_bytes(self.device))

    def _offer_to_share(self, job: JobFolder, piece: Piece, units: int) -> None:
        """Have long work shared at once where another worker has nothing to do.

        Args:
            job: the job, or a share.
            piece: its first one here.
            units: that there were to be answered.
        """
        seconds = piece.seconds / max(1, len(piece.units)) * (units - len(piece.units))
        if min(piece.seconds, seconds - SHARED_SECONDS) < LONG_PIECE_SECONDS:
            return  # the supervisor will see how long it takes
        if self._title and self.spool.has_idle_worker(self.name, self._title):
            job.ask_back()

    def _leave(self) -> None:
        """Hand back what is left where somebody has asked this worker to leave."""
        if self.spool.is_to_leave(self.name):
            raise JobHandedBack

    def _put(self, job: JobFolder, piece: Piece) -> None:
        """Put a piece into the job's folder."""
        end_forked_copy(self._process)  # not what a problem has forked
        check_admitted()
        job.put_piece(piece, provenance(devices.device_title(self.device)))

    def _ready(
        self, loaded: LoadedProblem, point: Mapping[str, Tensor], split: str, precision: str
    ) -> LoadedProblem:
        """The problem as it is evaluated, looked at once for all answers that follow each other."""
        looked_for = (id(loaded), split, precision)
        if self._looked_at is None or self._looked_at[0] != looked_for:
            checked = ready_problem(loaded, point, split, self.device, precision)
            # no other has its id while it lives
            self._looked_at = (looked_for, loaded, checked)
        return self._looked_at[2]

    def _with_setup_time(self, pieces: Iterable[Piece], began: float) -> Iterator[Piece]:
        """The pieces; the first also says how long it took until work could begin."""
        for number, piece in enumerate(pieces):
            if number:
                yield piece
                continue
            setup = max(0.0, time.perf_counter() - began - piece.seconds)
            measured = piece.facts.get("timing")
            ways = measured if isinstance(measured, Mapping) else {}
            timing = {**ways, "start": self.start, "setup": setup}
            yield replace(piece, facts={**piece.facts, "timing": timing})

    def _import(self, job: JobFolder, request: ImportRequest) -> ImportResult:
        """Inspect a problem and its checkpoints, and leave their tensors in the job's folder."""
        path, arguments = request.problem, request.arguments
        loaded = load_problem(path, arguments, twice=True, code=self._code)
        if request.direction:
            return inspect_direction(loaded, request.checkpoints[-1], job.path)
        with devices.precision_flags("float32"):
            return inspect(
                loaded,
                request.checkpoints,
                self.device,
                job.path,
                progress=self._inspection_reporter(job),
                inspected_before=request.inspected,
                rebuilt=lambda: load_problem(path, arguments).problem.model,
                anew=lambda: rerun_problem(path, arguments),
            )

    def _inspection_reporter(self, job: JobFolder) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            end_forked_copy(self._process)
            job.report("inspecting", done, total)
            self._do_urgent_jobs(job)

        return tell

    def _reading_reporter(self, job: JobFolder) -> Callable[[int, int], None]:
        def tell(done: int, total: int) -> None:
            job.report("reading the data", done, total)
            if job.is_cancelled:
                raise JobCancelled

        return tell

    def _do_urgent_jobs(self, job: JobFolder) -> None:
        """Stop when cancelled; let more urgent jobs go first."""
        while not job.is_cancelled:
            self._leave()
            urgent = self._claim_urgent(job)
            if urgent is None:
                return
            if self._partner is None:
                self.run(urgent)
            else:
                self._partner.do(urgent, self.run)
        raise JobCancelled

    def _claim_urgent(self, job: JobFolder) -> JobFolder | None:
        """A job that goes before this one, unless another worker has nothing else to do."""
        if self.spool.is_queue_empty(job.priority):
            return None
        if self._title and self.spool.has_idle_worker(self.name, self._title):
            return None
        return self.spool.claim_next(self.name, job.priority, self._title)


def _with_code_errors(path: Path, answer: Callable[[], Iterable[Piece]]) -> Iterator[Piece]:
    """The pieces of an answer; what the problem file's own code raises is told with its line."""
    with explain_problem_errors(path):
        yield from answer()
