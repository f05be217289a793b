"""Recording: the time of a training with a snapshot every 100 steps over that of the bare loop.

Making the recorder, which asks git for the commit once, is not in it; writing snapshots is.
"""

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from explorer.problem import Problem
from explorer.recorder import Recorder
from sample_models.measurement import one_thread
from tests.benchmarks.report import Row, interleaved, ratio
from tests.benchmarks.studies import Study, chosen_studies

EVERY = 100  # steps from one snapshot to the next
BATCH = 64
BLOCKS = 10  # short turns a round: this machine's pace drifts more than recording costs
TARGET = "<= 1.02"


def trained(
    problem: Problem, device: torch.device, steps: int, folder: Path | None = None
) -> Callable[[], float]:
    """A function that trains the model on from where it is, and says in how many seconds.

    Args:
        problem: its model is trained.
        device: to train on.
        steps: of Adam.
        folder: in which each run gets one to record to; the bare loop without one.
    """
    model = problem.model.to(device).train()
    images, labels = (tensor.to(device) for tensor in problem.data["train"])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def step(number: int) -> Tensor:
        part = torch.arange(number * BATCH, (number + 1) * BATCH, device=device) % len(images)
        loss = functional.cross_entropy(model(images[part]), labels[part])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    def run() -> float:
        place = Path(tempfile.mkdtemp(dir=folder)) if folder else None  # else it goes on
        # threads that wait for each other would drown what is measured
        with one_thread(), Recorder(place) if place else nullcontext() as recorder:
            began = time.perf_counter()
            for number in range(steps):
                loss = step(number)
                if recorder and number % EVERY == EVERY - 1:
                    recorder.snapshot(model, number + 1, optimizer=optimizer, loss=loss)
            if device.type == "cuda":
                torch.cuda.synchronize()
            return time.perf_counter() - began

    return run


def study(title: str, make: Callable[[], Problem], steps: int) -> Study:
    """Both loops in turns, each with a model of its own."""

    def measured(device: torch.device, rounds: int) -> Iterator[Row]:
        with tempfile.TemporaryDirectory() as folder:
            seconds_by_name = interleaved(
                {
                    "bare": trained(make(), device, steps),
                    "recorded": trained(make(), device, steps, Path(folder)),
                },
                rounds * BLOCKS,
            )
        said = {"against": f"{steps} bare steps", "note": f"a snapshot every {EVERY} steps"}
        yield ratio(
            f"{title}, recorded",
            TARGET,
            seconds_by_name["recorded"],
            seconds_by_name["bare"],
            **said,
        )

    return measured


def sample(name: str) -> Callable[[], Problem]:
    """A function that imports a sample's problem file, and with it scikit-learn, and makes it."""
    return lambda: importlib.import_module(f"sample_models.{name}").problem()


STUDIES: dict[str, Study] = {
    "digits CNN": study("digits CNN", sample("digits_cnn"), 100),
    "digits MLP": study("digits MLP", sample("digits_mlp"), 100),
}


def studies(device: torch.device, only: str, peers: bool) -> dict[str, Study]:
    """The studies whose name holds the text `only`; there are no peers.

    Raises:
        ValueError: there is none.
    """
    return chosen_studies(STUDIES, only)


def rows(chosen: dict[str, Study], device: torch.device, rounds: int) -> Iterator[Row]:
    """The rows of the studies."""
    for study_rows in chosen.values():
        yield from study_rows(device, rounds)
