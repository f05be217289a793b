"""Answers a local learning coefficient: chains of Langevin dynamics about a point."""

import time
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.analysis.paths.batch_gradient import BatchGradient
from explorer.analysis.paths.minibatches import Minibatches
from explorer.codec import JsonValue
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress, UnitProgress
from explorer.problem import Problem

NOISE_STREAM, BATCH_STREAM = 0, 1  # of random numbers, beside the seed


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: LearningCoefficientSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The chains that are not in `done`, each a piece; one half done goes on where it was kept.

    BatchNorm keeps its running statistics, as the loss at the point has them.

    Raises:
        ValueError: the loss at the point is not finite, or there are too few examples.
        NoGradient: the loss does not depend on the parameters.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    objective.on_pass = progress.check
    scale = settings.scale(objective.examples)
    loss = objective.means()["loss"]
    if not np.isfinite(loss):
        raise ValueError(
            f"the loss at the point must be finite, got {loss}; choose another point or float64"
        )
    facts: dict[str, JsonValue] = {**objective.facts, "loss": loss}
    start = objective.flat.theta.clone()
    for number in range(settings.units):
        if number in done:
            continue
        began = time.perf_counter()
        seed = _batch_seed(settings.seed, number)
        batches = Minibatches(problem, settings, device, settings.batch_examples, seed)
        gradient = BatchGradient(objective, batches.size, own_statistics=False)
        chain = Chain(settings, number, start, scale)
        rows = chain.run(gradient, batches, progress.of_unit(number, f"chain {number + 1}"))
        yield Piece(_columns(number, rows), facts, time.perf_counter() - began)
        facts = {}


@dataclass(frozen=True)
class Chain:
    """One chain of stochastic gradient Langevin dynamics, held near the point that it is from.

    Its draws are, for small steps, those of the density exp(-n beta L(w) - gamma/2 norm(w - w0)^2).

    Source: Welling and Teh 2011, "Bayesian learning via stochastic gradient Langevin dynamics";
    with the localising term Lau et al. 2023, arXiv:2308.12108, section 4 (SGLD).
    """

    settings: LearningCoefficientSettings
    number: int
    start: Tensor  # (D,)
    scale: float  # n beta

    def run(self, gradient: BatchGradient, batches: Minibatches, unit: UnitProgress) -> np.ndarray:
        """Mini-batch loss and distance from the point of each draw, (T, 2); NaN once diverged."""
        recorded, each = self.settings.recorded, self.settings.steps_per_draw
        theta, slope = self.start.clone(), torch.empty_like(self.start)
        rows, first = np.full((recorded, 2), np.nan), 0
        for record in unit.records():
            theta = torch.from_numpy(record["theta"].copy()).to(self.start)
            rows, first = record["rows"].copy(), int(record["draw"])
        with gradient.ready():
            for draw in range(first, recorded):
                unit.report(draw + 1, recorded, "draw")
                losses = []
                for step, noise in enumerate(self._noise(draw)):
                    batch = batches.independent(draw * each + step)
                    losses.append(gradient.loss_and_gradient(theta, batch, slope))
                    self._move(theta, slope, noise)
                loss = float(torch.stack(losses).double().mean())
                if not np.isfinite(loss):
                    break
                distance = torch.linalg.vector_norm(theta - self.start, dtype=torch.float64)
                rows[draw] = loss, float(distance)
                unit.replace(
                    theta=theta.cpu().numpy().copy(), rows=rows.copy(), draw=np.array(draw + 1)
                )
        return rows

    def _noise(self, draw: int) -> Iterator[Tensor]:
        """Standard normal numbers (D,) of each step of a draw, whatever was drawn before."""
        generator = np.random.RandomState([self.settings.seed, NOISE_STREAM, self.number, draw])
        for _ in range(self.settings.steps_per_draw):
            yield torch.from_numpy(generator.standard_normal(len(self.start))).to(self.start)

    def _move(self, theta: Tensor, slope: Tensor, noise: Tensor) -> None:
        """One step of theta (D,) in place, by the gradient (D,) of the batch's mean loss."""
        step, pull = self.settings.step_size, self.settings.localisation
        slope.mul_(self.scale).add_(theta - self.start, alpha=pull)
        theta.add_(slope, alpha=-step / 2).add_(noise, alpha=step**0.5)


def _batch_seed(seed: int, chain: int) -> int:
    """The seed of the order in which a chain sees the examples."""
    sequence = np.random.SeedSequence((seed, BATCH_STREAM, chain))
    return int(sequence.generate_state(1)[0])


def _columns(number: int, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The draws (T, 2) of a chain as columns."""
    chain = np.full(len(rows), number, dtype=np.int64)
    draws = np.arange(len(rows), dtype=np.int64)
    return {
        "unit": chain,
        "chain": chain,
        "draw": draws,
        "loss": rows[:, 0],
        "distance": rows[:, 1],
    }
