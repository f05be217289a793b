"""A 51 x 51 surface of a digits MLP against the same number of plain forward passes.

The limit is what no evaluator can do without: the model and `F.cross_entropy` on resident data in
inference mode with fixed weights, at the best of several batch sizes and numbers of threads. Ours
moves the weights, sums in float64, gives accuracy too, and is cut into pieces.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import safetensors.torch
import torch
from torch.nn import functional

from explorer.analysis import device as devices
from explorer.analysis import surface
from explorer.analysis.problems import load
from explorer.kinds.surface import SurfaceSettings
from explorer.problem import Problem

SAMPLES = Path(__file__).parents[2] / "sample_models"
BATCHES = (256, 512, 1437)


def run(device: torch.device, rounds: int) -> list[dict[str, Any]]:
    """Ratio of our time to the limit, over interleaved rounds."""
    problem = load(SAMPLES / "digits_mlp.py", {}).problem
    point = safetensors.torch.load_file(SAMPLES / "weights" / "mlp_a.safetensors")
    problem.model.load_state_dict(point)
    settings = SurfaceSettings()

    def ours() -> None:
        for _ in surface.answer(problem, [point], settings, frozenset(), device):
            pass

    with devices.strict_arithmetic():
        limits = [
            plain(problem, device, size, threads, settings.units)
            for size in BATCHES
            for threads in sorted({1, psutil.cpu_count(logical=False) or 1})
        ]
        limit = min(limits, key=lambda forward: min(seconds(forward, device) for _ in range(2)))
        pairs = [(seconds(ours, device), seconds(limit, device)) for _ in range(rounds)]
    ratios = sorted(mine / limit for mine, limit in pairs)
    return [
        {
            "what": "digits MLP, 51 x 51, 1,437 images, float32, loss and accuracy",
            "against": "2,601 plain forward passes with cross-entropy",
            "seconds": statistics.median(mine for mine, _ in pairs),
            "limit": statistics.median(limit for _, limit in pairs),
            "ratio": [ratios[0], statistics.median(ratios), ratios[-1]],
            "target": "<= 1.3",
        }
    ]


def plain(
    problem: Problem, device: torch.device, size: int, threads: int, passes: int
) -> Callable[[], None]:
    """So many passes of model and loss over the training images, as a plain loop."""
    model = problem.model.to(device).eval()
    images, labels = (tensor.to(device) for tensor in problem.data["train"])
    batches = list(zip(images.split(size), labels.split(size), strict=True))

    @torch.inference_mode()
    def forward() -> None:
        torch.set_num_threads(threads)
        for _ in range(passes):
            for inputs, targets in batches:
                functional.cross_entropy(model(inputs), targets, reduction="sum")

    return forward


def seconds(work: Callable[[], None], device: torch.device) -> float:
    """Time of the work, device included."""
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
