"""A problem file small enough to run the whole program on: 8-6-3 perceptron, 40 examples.

`trap` is a value of the last layer's first weight (no BatchNorm is folded into that) at which the
process that computes it dies, hangs or stumbles, so that a test can say at which point of a surface
that happens; `pause` makes every pass through the model slow, and none forward is made while there
is a file `gate`.
"""

import os
import signal
import threading
import time
from pathlib import Path

import torch
from torch import nn

from explorer.experiment import Experiment, Part, Points, Series
from explorer.game import Player
from explorer.problem import Problem, accuracy, cross_entropy

ONE_AT_A_TIME = threading.Lock()


def split(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    return torch.randn(count, 8, generator=generator), labels


def log(event: str) -> None:
    """Add a line of this worker to the log of a test that counts; whole, also when killed.

    A worker is named by the process that claims its jobs, the parent of the one that does them.
    """
    file = os.open(os.environ["EVALUATIONS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{os.getppid()} {event}\n".encode())
    os.close(file)


def weight_sums(problem: Problem, part: Part) -> dict[str, Points]:
    """Of each part a number that hangs on the weights, one on the seed, and an interval."""
    total = float(problem.model[0].weight.detach().double().sum())
    draw = float(torch.rand(1, dtype=torch.float64))
    return {
        "sum": Points(x=[part.number], y=[total * (part.number + 1)]),
        "draw": Points(x=[part.number], y=[draw], low=[draw - 1], high=[draw + 1]),
    }


def opposed(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """A loss that is no multiple of the problem's own: the outputs have a say too."""
    return outputs.square().mean(dim=1) - 0.5 * cross_entropy(outputs, batch)


def problem(
    width: int = 6,
    trap: float | None = None,
    deed: str = "kill",
    pause: float = 0.0,
    gate: str = "",
):
    def forward(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        if "EVALUATIONS_LOG" in os.environ and len(batch[0]) > 2:  # not the probe of its cost
            log("e")
        with ONE_AT_A_TIME:  # however many cores evaluate
            time.sleep(pause)
            while gate and Path(gate).exists():
                time.sleep(0.01)
        if trap is not None and abs(float(model[3].weight[0, 0]) - trap) < 1e-6:
            if deed == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if deed == "hang":
                time.sleep(3600)
            raise RuntimeError("stumbled over the trap")
        outputs = model(batch[0])
        if pause and outputs.requires_grad:  # its passes back are slow too
            outputs.register_hook(lambda slopes: time.sleep(pause))
        return outputs

    return Problem(
        model=nn.Sequential(
            nn.Linear(8, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 3)
        ),
        data={"train": split(40, 1), "test": split(13, 2)},
        loss=cross_entropy,
        metrics={"accuracy": accuracy},
        forward=forward,
        experiments={
            "sums": Experiment(
                measure=weight_sums,
                parts=4,
                series=[Series("sum", panel="sum of weights"), Series("draw", "points", "draw")],
                title="Sums of weights, part by part",
                x="part",
            )
        },
        players={"first": Player("0.*", cross_entropy), "rest": Player(("1.*", "3.*"), opposed)},
    )
