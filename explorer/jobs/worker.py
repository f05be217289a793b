"""The worker: answers jobs of the spool piece by piece, each problem's in a process of its own.

Run as `python -m explorer.jobs.worker JOBS_FOLDER [--device auto] [--linger 60]`. It goes on when
the app dies, and stays a while when there is nothing to do: starting torch takes longer than most
answers.
"""

import argparse
import contextlib
import errno
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import psutil
import safetensors
import torch
from torch import Tensor

from explorer.admission import FileNotAdmitted, admit, check_admitted
from explorer.analysis.model import preconditioner
from explorer.analysis.model.checkpoints import CheckpointError, fitted_tensors
from explorer.analysis.model.import_losses import check_as_measured
from explorer.analysis.model.inspection import inspect
from explorer.analysis.model.problem_trial import ready_problem
from explorer.analysis.model.problems import LoadedProblem, load_problem, rerun_problem
from explorer.analysis.objective import device as devices
from explorer.analysis.objective import loading
from explorer.analysis.objective.parameters import content_hash
from explorer.analysis.objective.user_errors import (
    ProblemError,
    end_forked_copy,
    explain_problem_errors,
)
from explorer.consent import agree_command, agreed_code, note_loaded_file
from explorer.contracts.inspection import ImportResult
from explorer.contracts.request import AnswerRequest, ImportRequest, Request
from explorer.jobs.isolation import Isolation, Partner, start_partner
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.process import JOB_START_WORDS, ProcessName
from explorer.jobs.provenance import provenance
from explorer.jobs.spool import Spool
from explorer.jobs.unit_state import JobProgress
from explorer.kinds import Piece, kind_named, settings_from_json
from explorer.kinds.progress import JobCancelled
from explorer.own_code import Code
from explorer.wording import one_line

MAX_ERROR_LENGTH = 2000  # characters of an error
_CHANGED = "{path} has changed since its models were imported; import them again"
_RUST_NO_SPACE = f"(os error {errno.ENOSPC})"  # safetensors raises its own class


@dataclass(frozen=True)
class WorkerContext:
    """What all processes of one worker share."""

    jobs: Path  # folder of the spool
    name: ProcessName  # in which jobs are claimed: of the process that watches over the others
    device: str
    seconds: float  # that it took until work could begin


@dataclass(frozen=True)
class JobSubject:
    """What a process answers about: jobs of the same one share it."""

    path: Path
    arguments: str  # JSON
    code: Code
    task: str

    @classmethod
    def of(cls, request: Request) -> "JobSubject":
        """The subject of a request.

        Raises:
            ConsentError: the user has not agreed to run this code.
            ProblemError: it is no longer what the question was asked about.
        """
        path = request.problem
        asked_about = request.source_hash if isinstance(request, AnswerRequest) else ""
        code = agreed_code(path, asked_about)
        if asked_about and asked_about != code.hash:
            raise ProblemError(_CHANGED.format(path=path))
        _import_answer_module(request)
        arguments = json.dumps(request.arguments, sort_keys=True)
        return cls(path, arguments, code, request.task)


def _import_answer_module(request: Request) -> None:
    """Import what answers the request: once, before processes are forked."""
    if isinstance(request, AnswerRequest):
        importlib.import_module(kind_named(request.kind).answer.partition(":")[0])


def _serve_jobs(context: WorkerContext, subject: JobSubject, partner: Partner) -> None:
    """Answer jobs about a subject in a process of its own."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # also where it starts a Python of its own
    sys.dont_write_bytecode = True
    sys.argv[:] = [str(subject.path)]
    os.chdir(subject.code.problem.parent)
    admit(subject.code.digests, subject.path, partial(_refusal, subject))
    worker = Worker(Spool(context.jobs), torch.device(context.device), context, subject, partner)
    partner.serve(worker.run)


def _refusal(subject: JobSubject, file: Path) -> str:
    """Why a file is not loaded, and how to have it loaded."""
    problem = subject.code.problem
    if file in subject.code.digests:
        return f"{file} has changed while {problem} was at work; import its models again"
    note_loaded_file(problem, file)  # the next time it is shown
    out = f"read and agree: {agree_command(problem, file)}"
    return f"{problem} loads {file}, which you have not agreed to run; {out}"


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
        self._code = subject.code if subject else None
        self._partner = partner
        self._process = os.getpid()
        self._looked_at: tuple[int, str, LoadedProblem, LoadedProblem] | None = None

    def run(self, job: JobFolder) -> None:
        """Answer one job; whatever goes wrong is told in its folder, and nothing of it is lost."""
        with contextlib.suppress(OSError, ValueError):  # its own code may have closed the output
            print(JOB_START_WORDS, job.id, flush=True)
        try:
            job.report("loading")
            with loading.report_reading_to(self._reading_reporter(job)):
                result = self._do(job, job.request)
            end_forked_copy(self._process)
            check_admitted()
            job.finish("done", result=result)
        except _NowhereToWrite:
            raise
        except (JobCancelled, FileNotAdmitted, SystemExit, KeyboardInterrupt, Exception) as error:
            end_forked_copy(self._process)
            _write_failure(job, error)
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
        loaded = _unchanged_problem(request, self._code)
        points = [
            _point_tensors(file, point, loaded)
            for file, point in zip(request.files, request.points, strict=True)
        ]
        if points:
            loaded = self._ready(loaded, points[0], settings.split)
        for place, digest in enumerate(settings.needs.optimiser_states):
            if digest:
                points[place] |= preconditioner.stored_diagonal(request.files[place], digest)
        module, _, function = kind.answer.partition(":")
        answer = getattr(importlib.import_module(module), function)
        with devices.precision_flags("float32"):
            progress = JobProgress(job, request.states, partial(self._put, job))
            done, choices = set(request.done), request.choices
            arguments = (loaded.problem, points, settings, done, self.device, choices, progress)
            pieces = _with_code_errors(loaded.path, lambda: answer(*arguments))
            for piece in self._with_setup_time(pieces, began):
                check_as_measured(piece, request)
                self._put(job, piece)
                job.report("computing")
                self._do_urgent_jobs(job)

    def _put(self, job: JobFolder, piece: Piece) -> None:
        """Put a piece into the job's folder."""
        end_forked_copy(self._process)  # not what a problem has forked
        check_admitted()
        job.put_piece(piece, provenance(devices.device_title(self.device)))

    def _ready(
        self, loaded: LoadedProblem, point: Mapping[str, Tensor], split: str
    ) -> LoadedProblem:
        """The problem as it is evaluated, looked at once for all answers that follow each other."""
        if self._looked_at is None or self._looked_at[:2] != (id(loaded), split):
            checked = ready_problem(loaded, point, split, self.device)
            # no other has its id while it lives
            self._looked_at = (id(loaded), split, loaded, checked)
        return self._looked_at[3]

    def _with_setup_time(self, pieces: Iterable[Piece], began: float) -> Iterator[Piece]:
        """The pieces; the first also says how long it took until work could begin."""
        for number, piece in enumerate(pieces):
            if number:
                yield piece
                continue
            timing = {**piece.facts.get("timing", {}), "start": self.start}
            timing["setup"] = max(0.0, time.perf_counter() - began - piece.seconds)
            yield replace(piece, facts={**piece.facts, "timing": timing})

    def _import(self, job: JobFolder, request: ImportRequest) -> ImportResult:
        """Inspect a problem and its checkpoints, and leave their tensors in the job's folder."""
        path, arguments = request.problem, request.arguments
        loaded = load_problem(path, arguments, twice=True, code=self._code)
        with devices.precision_flags("float32"):
            return inspect(
                loaded,
                request.checkpoints,
                self.device,
                job.path,
                self._inspection_reporter(job),
                request.inspected,
                lambda: load_problem(path, arguments).problem.model,
                lambda: rerun_problem(path, arguments),
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
            urgent = self.spool.claim_next(self.name, more_urgent_than=job.priority)
            if urgent is None:
                return
            if self._partner is None:
                self.run(urgent)
            else:
                self._partner.do(urgent, self.run)
        raise JobCancelled


def _write_failure(job: JobFolder, error: BaseException) -> None:
    """Write how a job failed into its folder."""
    if not job.path.is_dir():
        return  # the supervisor has given it up
    if isinstance(error, JobCancelled):
        job.finish("cancelled")
        return
    with contextlib.suppress(OSError, ValueError):  # the code may have closed what this goes to
        traceback.print_exception(error)
    try:
        (job.path / "log").write_text("".join(traceback.format_exception(error)))
        job.finish("failed", error=_error_sentence(error))
    except OSError:  # nowhere to write: the supervisor sees a worker that ended without a word
        raise _NowhereToWrite(1) from error


def _with_code_errors(path: Path, answer: Callable[[], Iterable[Piece]]) -> Iterator[Piece]:
    """The pieces of an answer; what the problem file's own code raises is told with its line."""
    with explain_problem_errors(path):
        yield from answer()


class _NowhereToWrite(SystemExit):
    """There is nowhere to write how a job ended."""


@lru_cache(maxsize=1)
def _load_problem(path: Path, arguments: str, changed: float, code: Code | None) -> LoadedProblem:
    """The problem as its file stands now."""
    return load_problem(path, json.loads(arguments), code=code)


def _unchanged_problem(request: AnswerRequest, code: Code | None) -> LoadedProblem:
    """The problem of the request.

    Raises:
        ProblemError: it is no longer what the question was asked about.
    """
    path = request.problem
    changed = path.stat().st_mtime if path.exists() else 0.0
    loaded = _load_problem(path, json.dumps(request.arguments, sort_keys=True), changed, code)
    if loaded.source_hash != request.source_hash:
        raise ProblemError(_CHANGED.format(path=path))
    split = loaded.splits.get(str(request.settings["split"]))
    if split is None or split.fingerprint != request.fingerprint:
        raise ProblemError(
            f"the data of {path} have changed since the import; import its models again, and draw "
            "the data from a fixed seed if they are drawn"
        )
    return loaded


def _point_tensors(file: Path, point: str, loaded: LoadedProblem) -> dict[str, Tensor]:
    """The tensors of a point, checked against their content hash."""
    try:
        with safetensors.safe_open(file, framework="pt") as stored_tensors:
            names = [n for n in stored_tensors.keys() if not n.startswith(preconditioner.PREFIX)]  # noqa: SIM118
            tensors = {name: stored_tensors.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"the stored point {file} cannot be read; import its model again"
        ) from error
    if content_hash(tensors) != point:
        raise CheckpointError(f"the stored point {file} is damaged; import its model again")
    return fitted_tensors(tensors, loaded.problem.model, file)


def _error_sentence(error: BaseException) -> str:
    """What happened, on one line."""
    if getattr(error, "errno", None) == errno.ENOSPC or _RUST_NO_SPACE in str(error):
        where = getattr(error, "filename", None) or "the catalog"
        return f"no space is left on the disk of {where}; free some and resume"
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "the device has too little memory for this model and data; choose another device"
    text = one_line(" ".join(str(error).split()), MAX_ERROR_LENGTH)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return f"the problem file ended the program ({type(error).__name__} {text}); take that out"
    return (
        text
        if isinstance(error, ValueError | FileNotAdmitted)
        else f"{type(error).__name__}: {text}"
    )


def main() -> None:
    """Serve a spool until there is nothing left to do."""
    parser = argparse.ArgumentParser(prog="python -m explorer.jobs.worker")
    parser.add_argument("jobs", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--linger", type=float, default=60.0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the app's terminal is not for us
    device = _device_in_child(given.device)
    seconds = max(0.0, time.time() - psutil.Process().create_time())
    name = ProcessName.of(os.getpid())
    context = WorkerContext(given.jobs.resolve(), name, device, seconds)
    serve = partial(partial, _serve_jobs, context)
    Isolation(Spool(context.jobs), JobSubject.of, serve, _write_failure).serve(given.linger)


def _device_in_child(device_name: str) -> str:
    """The device wanted, looked up in another process: what has looked at CUDA cannot be forked.

    Raises:
        SystemExit: there is no such device; the other process has said so.
    """
    partner = start_partner(partial(_send_device, device_name), [])
    device = partner.receive().decode()
    partner.dismiss()
    return device


def _send_device(device_name: str, partner: Partner) -> None:
    partner.connection.send_bytes(str(devices.device_from_name(device_name)).encode())


if __name__ == "__main__":
    main()
