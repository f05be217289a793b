"""Catalogs with the tiny problem in them, and real supervisors and workers over them."""

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import safetensors.torch
import torch

from explorer import consent
from explorer.analysis.directions.directions import direction_rows
from explorer.analysis.objective.flat_model import FlatModel
from explorer.analysis.objective.named_tensors import content_hash
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.importing.samples import sample_identity
from explorer.jobs.spool import Spool
from explorer.kinds.line import LineSettings, places
from explorer.recorder import Recorder
from explorer.supervisor.supervisor import Supervisor
from sample_models import samples
from store import Catalog, records
from tests.fork_server import forked_command
from tests.tiny_problem import problem

ROOT = Path(__file__).parent.parent
PATIENCE = 180.0  # seconds; a worker needs 3 to 10 to load torch on a busy machine
COMMAND_SECONDS = 120.0
LOOK_SECONDS = 0.02  # between two looks at what is waited for, at first
MAX_LOOK_SECONDS = 0.2


def problem_file(folder: Path, name: str = "tiny_problem") -> Path:
    """The problem file, agreed to, in a folder with nothing else that Python could import."""
    folder.mkdir(parents=True, exist_ok=True)
    return agreed(Path(shutil.copy(ROOT / "tests" / "tiny_problem.py", folder / f"{name}.py")))


def agreed(problem: Path, *also: Path) -> Path:
    """The problem file; whoever runs the tests agrees to run it with all that it loads."""
    consent.agree(consent.code_to_agree(problem, also))
    return problem


def sample_identities(without: str = "") -> list[str]:
    """What the app remembers of the samples whose import it ordered: all but one."""
    imported = [sample for sample in samples() if sample.name != without]
    return sorted(map(sample_identity, imported))


def tensors(seed: int = 0, width: int = 6) -> dict[str, torch.Tensor]:
    """Weights of the tiny model; the running statistics are not the default ones."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = problem(width).model
        model(torch.randn(30, 8))  # in training mode: moves the running statistics
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def checkpoint(path: Path, seed: int = 0, width: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(tensors(seed, width), path)
    return path


def until(holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `holds` returns once it is true; looked at more seldom the longer it takes.

    Looking often takes the processor, and the database, from who is waited for.

    Raises:
        TimeoutError: it did not become true.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < seconds:
        if held := holds():
            return held
        time.sleep(min(max(LOOK_SECONDS, waited / 20), MAX_LOOK_SECONDS))
    raise TimeoutError(f"nothing happened within {seconds:g} s")


def until_stored(catalog: Catalog, holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `holds` returns once it is true of what is stored: asked after each change of that.

    Raises:
        TimeoutError: it did not become true.
    """
    seen: tuple[int, ...] | None = None

    def changed_and_holds() -> Any:
        nonlocal seen
        last, seen = seen, catalog.mark  # before the look: what comes after it is another change
        return None if seen == last else holds()

    return until(changed_and_holds, seconds)


def ended(catalog: Catalog, job_id: str, seconds: float = PATIENCE) -> records.Job:
    """The job once it is over."""
    until_stored(catalog, lambda: not catalog.job(job_id).is_active, seconds)
    return catalog.job(job_id)


def imported(
    catalog: Catalog, folder: Path, name: str, seed: int = 0, **arguments: Any
) -> records.Model:
    """The tiny model of that name; a supervisor must be running."""
    file = checkpoint(folder / f"{name}.safetensors", seed)
    job_id = order_import(
        catalog, problem_file(folder / "problem"), arguments, [Checkpoint(file=file)], name
    )
    job = ended(catalog, job_id)
    assert job.status == "done", job.error
    return next(model for model in catalog.models() if model.name == name)


@contextlib.contextmanager
def supervised(folder: Path, device: str = "cpu") -> Iterator[tuple[Catalog, Supervisor]]:
    """A catalog with a running supervisor; its workers end with it."""
    catalog = Catalog(folder)
    catalog.check()
    supervisor = Supervisor(catalog, device)
    supervisor.start()
    try:
        yield catalog, supervisor
    finally:
        supervisor.stop()
        end_workers(catalog)
        catalog.close()


def end_workers(catalog: Catalog) -> None:
    """Kill the workers of this catalog and wait until they are gone."""
    workers = Spool(catalog.jobs_folder).workers()
    for worker in workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    # not until the spool lists none: one that was killed before it began is not known to be dead
    until(lambda: not any(is_there(worker.pid) for worker in workers))


def is_there(pid: int) -> bool:
    """Whether a process of that id runs; its parent may not have heard yet that it has ended."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


APP = """
import sys, time
from explorer.jobs import local_workers
from explorer.supervisor.supervisor import Supervisor
from store import Catalog

local_workers.WORKER_COMMAND = [sys.executable, "-m", sys.argv[2]]
catalog = Catalog(sys.argv[1], timeout=60)
catalog.check()
Supervisor(catalog, "cpu").start()
print("ready", flush=True)
time.sleep(3600)
"""


def app_process(folder: Path, worker: str = "explorer.jobs.worker") -> subprocess.Popen:
    """Another process that supervises the catalog, as the app does; `worker` is a module."""
    command = [sys.executable, "-c", APP, str(folder), worker]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def command_line(
    *arguments: object, catalog: Path, before: tuple[str, ...] = (), given: str | None = None
) -> subprocess.CompletedProcess:
    """`python -m explorer ...` run to its end; started anew only after the words `before`."""
    words = ["--catalog", str(catalog), *map(str, arguments)]
    if not before:
        return forked_command(words, COMMAND_SECONDS, given)
    return subprocess.run(
        [*before, sys.executable, "-m", "explorer", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
    )


def dumped(catalog: Catalog) -> str:
    """All that a user sees of a catalog, as text: to compare before and after."""
    contents = {
        "models": [(m.id, m.name) for m in catalog.models(include_deleted=True)],
        "problems": [p.id for p in catalog.problems()],
        "questions": [(q.key, q.units_done) for q in catalog.questions(limit=10_000)[0]],
        "jobs": [(j.id, j.status) for j in catalog.jobs(limit=10_000)],
    }
    return json.dumps(contents)


def record(folder: Path, *steps: int, end: bool = False) -> None:
    """Begin or continue the run in the folder, with other weights at each step."""
    run = Recorder(folder, seed=3, hyperparameters={"lr": 0.1, "clip": math.inf})
    for step in steps:
        model = problem().model
        model.load_state_dict(tensors(seed=step))
        run.snapshot(model, step, loss=math.nan if step == 10 else step / 10)
    if end:
        run.__exit__(None)


def record_two(folder: Path, *steps: int, end: bool = False) -> None:
    """Begin or continue a run of two networks, student and ema, with other weights at each step."""
    run = Recorder(folder, seed=4)
    for step in steps:
        both = torch.nn.ModuleDict({"student": problem().model, "ema": problem().model})
        both["student"].load_state_dict(tensors(seed=step))
        both["ema"].load_state_dict(tensors(seed=1000 + step))
        run.snapshot(both, step)
    if end:
        run.__exit__(None)


def point_of_weights(seed: int) -> str:
    """The id of the point that these weights of the tiny model are."""
    return content_hash(tensors(seed=seed))


def trapped(settings: LineSettings, unit: int) -> float:
    """The last layer's first weight where the model of seed 0's line has that unit of work."""
    flat = FlatModel(problem().model, torch.float32, torch.device("cpu"))
    flat.load(tensors())
    step = torch.tensor(settings.axis[places(settings)[1][unit]], dtype=torch.float32)
    direction = direction_rows(flat, settings, 1)[0].to(torch.float32)
    first = next(block.start for block in flat.blocks if block.name == "3.weight")
    return float((flat.theta + step * direction)[first])


def broken_file(folder: Path) -> Path:
    """Weights of the tiny model, so large that its loss is not finite."""
    file = folder / "broken.safetensors"
    huge = {n: v * 1e30 if v.is_floating_point() else v for n, v in tensors().items()}
    safetensors.torch.save_file(huge, file)
    return file
