"""A problem so small that a worker answers it at once, its checkpoints, and how to wait for jobs."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from explorer.jobs import desk
from explorer.jobs.spool import Spool
from store import Catalog, records

PROBLEM = '''
"""An 8-6-3 perceptron on 40 made-up examples; its forward can log, dawdle and die on demand."""

import hashlib
import os
import signal
import time

import torch
from torch import nn

from explorer.problem import Problem, accuracy, cross_entropy


def problem(width=6, seconds=0.0, log="", deadly=0.0):
    random = torch.Generator().manual_seed(5)
    data = {}
    for split, count in (("train", 40), ("test", 13)):
        inputs = torch.randn(count, 8, generator=random)
        data[split] = (inputs, torch.randint(0, 3, (count,), generator=random))

    def forward(model, batch):
        weight = model[0].weight
        if deadly and float(weight.abs().max()) > deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if log and len(batch[0]) == 40:  # a point of a surface, no probe of two examples
            name = hashlib.sha256(b"".join(p.numpy().tobytes() for p in model.parameters()))
            with open(log, "a") as lines:
                lines.write(f"{os.getpid()} {name.hexdigest()}\\n")
        time.sleep(seconds)
        return model(batch[0])

    layers = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 3))
    return Problem(layers, data, cross_entropy, {"accuracy": accuracy}, forward)
'''


def write_problem(folder: Path, text: str = PROBLEM) -> Path:
    """The problem file, written into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "tiny.py"
    file.write_text(text)
    return file


def tensors(width: int = 6, seed: int = 0) -> dict[str, np.ndarray]:
    """Random parameters of the problem's model."""
    random = np.random.default_rng(seed)
    shapes = {"0.weight": (width, 8), "0.bias": (width,), "2.weight": (3, width), "2.bias": (3,)}
    return {n: random.normal(0, 0.5, shape).astype(np.float32) for n, shape in shapes.items()}


def write_checkpoint(file: Path, width: int = 6, seed: int = 0) -> Path:
    """A checkpoint of the problem's model."""
    save_file(tensors(width, seed), file)
    return file


def until(true: Callable[[], Any], seconds: float = 60.0, every: float = 0.02) -> Any:
    """What `true` returns as soon as it holds.

    Raises:
        TimeoutError: it did not hold within that time.
    """
    deadline = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s in vain")
        time.sleep(every)
    return value


def ended(catalog: Catalog, job_id: str, seconds: float = 60.0) -> records.Job:
    """The job once it is done, failed or cancelled."""
    over = ("done", "failed", "cancelled")
    until(lambda: catalog.job(job_id).status in over, seconds, every=0.1)
    return catalog.job(job_id)


def imported(
    catalog: Catalog, problem: Path, checkpoint: Path, name: str = "tiny", **arguments: Any
) -> records.Model:
    """The model, imported by the supervisor that runs."""
    job = desk.order_import(catalog, problem, arguments, [{"file": str(checkpoint)}], name)
    job_ended = ended(catalog, job)
    assert job_ended.status == "done", job_ended.error
    return next(model for model in catalog.models() if model.name == name)


def logged(file: Path) -> list[tuple[int, str]]:
    """(process, point) of every point that a worker computed, in order; a torn last line is left out."""
    lines = file.read_text().splitlines() if file.exists() else []
    pairs = [line.split() for line in lines]
    return [(int(p[0]), p[1]) for p in pairs if len(p) == 2 and len(p[1]) == 64]


def end_workers(catalog: Catalog) -> None:
    """End the workers of a test's own catalog."""
    for worker in Spool(catalog.jobs_folder).workers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
