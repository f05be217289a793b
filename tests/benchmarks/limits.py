"""What no evaluator can do without: model and loss over the data, the weights left as they are."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psutil
import torch

from explorer.analysis.objective import device as devices
from tests.benchmarks.models import Case

BATCHES = {"cpu": (32, 64, 128, 512), "cuda": (512, 2048, 8192)}
TRIAL_SECONDS = 0.3


@dataclass(frozen=True)
class Way:
    """How plain passes are run: so many at a time, each by so many threads."""

    batch: int
    threads: int = 1
    lanes: int = 1

    def __str__(self) -> str:
        shared = f", {self.lanes} at a time" if self.lanes > 1 else ""
        return f"batch {self.batch}, {self.threads} threads{shared}".replace(
            "1 threads", "1 thread"
        )


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), psutil.cpu_count(logical=False) or 1)
    return psutil.cpu_count(logical=False) or 1


def ways(case: Case, device: torch.device, shared: bool) -> list[Way]:
    """The ways worth trying; `shared`: as many passes at once as there are cores."""
    examples = len(case.batch[0])
    sizes = sorted({min(size, examples) for size in (*BATCHES[device.type], examples)})
    if device.type != "cpu":
        return [Way(size) for size in sizes]
    if shared:
        return [Way(size, 1, cores()) for size in sizes]
    return [Way(size, threads) for size in sizes for threads in sorted({1, cores()})]


def passes(case: Case, device: torch.device, way: Way) -> Callable[[int], None]:
    """A function that runs so many passes of model and loss over the resident data."""
    model = case.module(device)
    parts = [tensor.to(device).split(way.batch) for tensor in case.batch]
    batches = list(zip(*parts, strict=True))

    @torch.inference_mode()
    def run(count: int) -> None:
        with devices.restore_threads():
            if device.type == "cpu":
                torch.set_num_threads(way.threads)
            for _ in range(count):
                for batch in batches:
                    case.plain(model(batch[0]), batch)

    def share(count: int) -> None:
        counts = [len(range(lane, count, way.lanes)) for lane in range(way.lanes)]
        list(pool.map(run, counts))

    pool = ThreadPoolExecutor(way.lanes)
    return share if way.lanes > 1 else run


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time of the work, the device's included."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def best(
    case: Case, device: torch.device, shared: bool = False
) -> tuple[Way, Callable[[int], None]]:
    """The fastest way of running plain passes, and the function that does so."""
    runs_by_seconds = {}
    for way in ways(case, device, shared):
        run = passes(case, device, way)
        runs_by_seconds[per_pass(run, way.lanes, device)] = way, run
    return runs_by_seconds[min(runs_by_seconds)]


def per_pass(run: Callable[[int], None], lanes: int, device: torch.device) -> float:
    """Seconds that a pass takes, the better of two trials of about `TRIAL_SECONDS`."""
    trial = min(seconds(lambda: run(lanes), device) for _ in range(2))
    count = lanes * max(1, min(1000, int(TRIAL_SECONDS / trial)))
    if count > lanes:
        trial = min(seconds(lambda: run(count), device) for _ in range(2))
    return trial / count
