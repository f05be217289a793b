"""Answers a convexity map: extreme eigenvalues of the Hessian at the points of a plane."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.curvature.differentiable import NotFinite
from explorer.analysis.curvature.eigenpairs import eigenpairs
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.curvature.random_vectors import random_normal
from explorer.analysis.directions.eigenvectors import plane_axes
from explorer.analysis.directions.given import marked_points
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.kinds.convexity import ConvexitySettings, neighbours, ratio
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

STREAM = 4  # of the random vector, beside the seed
LEAST_STEPS = 10  # before that a search from a neighbour's vectors may not have seen larger values
KEPT_BYTES = 512 << 20  # of eigenvectors to begin neighbours' searches from


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ConvexitySettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the plane that are not in `done`, coarse levels first.

    Source: Li et al. 2018, arXiv:1712.09913, section 6.

    Raises:
        CurvatureError: the model cannot be differentiated twice, or the loss at the centre is not
            finite.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    vectors, facts = plane_axes(objective, settings, subjects[1:])
    evaluator = Evaluator(objective, vectors)
    coordinates, place = settings.columns(settings.axes)
    search = Search(evaluator, settings, coordinates)
    matrix = Curvature(objective, hessian)  # says at once what cannot be differentiated
    matrix(random_normal(matrix, settings.seed, STREAM))
    if settings.given_axes and isinstance(vectors, Tensor):
        facts["marks"] = marked_points(objective, subjects, settings, vectors)
    facts |= {
        "stand_alone": evaluator.base_values(),
        "tolerance": settings.tolerance,
        **objective.facts,
    }

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        eigenvalues = search.columns(units)
        return {**place(units), **evaluator.values(coordinates[units]), **eigenvalues}

    return answer_pieces(settings.units, done, columns, facts, evaluator)


@dataclass
class Search:
    """Extreme eigenpairs at the points of a plane, each sought from its neighbour's vectors.

    What is no longer held of a neighbour, as after a stop, is sought again from that one's own
    neighbour: the answer at a point is the same bits whatever was computed before it.
    """

    evaluator: Evaluator
    settings: ConvexitySettings
    coordinates: np.ndarray  # (P, 2)
    _held: OrderedDict[int, Tensor] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        """Find out who begins where."""
        self._from = neighbours(self.settings.shape, self.settings.places)
        self._parents = frozenset(self._from.tolist())
        theta = self.evaluator.base
        self._most = max(2, KEPT_BYTES // (theta.numel() * theta.element_size()))

    def columns(self, units: np.ndarray) -> dict[str, np.ndarray]:
        """What is found at these units, as columns of the kind's table."""
        rows = np.array([self.at(int(unit)) for unit in units])
        low, high, residual_low, residual_high, steps = rows.T
        return {
            "lambda_min": low,
            "lambda_max": high,
            "residual_min": residual_low,
            "residual_max": residual_high,
            "ratio": ratio(low, high),
            "lanczos_steps": steps,
        }

    def at(self, unit: int) -> tuple[float, float, float, float, float]:
        """Smallest and largest eigenvalue, their residuals, Lanczos steps; NaN without a loss."""
        start = self._start(int(self._from[unit]))
        flat = self.evaluator.objective.flat
        put_back = flat.keep(self.evaluator.base)
        try:
            steps = torch.as_tensor(self.coordinates[unit]).to(self.evaluator.base)
            self.evaluator.place(flat.theta, steps)
            self.evaluator.objective.follow_parameters()
            return self._extremes_from(unit, start)
        except NotFinite:
            self._hold(unit, torch.zeros_like(self.evaluator.base))
            return (np.nan,) * 5
        finally:
            put_back()

    def _extremes_from(self, unit: int, start: Tensor) -> tuple[float, float, float, float, float]:
        matrix = Curvature(self.evaluator.objective, hessian)
        random = random_normal(matrix, self.settings.seed, STREAM)
        start = start + random / torch.linalg.vector_norm(random)
        bottom = 1 if matrix.size > 1 else 0
        pairs = eigenpairs(
            matrix,
            start,
            1,
            bottom,
            tolerance=self.settings.tolerance,
            most_steps=self.settings.room,
            least=LEAST_STEPS,
        )
        self._hold(unit, pairs.vectors.sum(dim=0))
        (high, low), (of_high, of_low) = (v[[0, -1]] for v in (pairs.values, pairs.residuals))
        return float(low), float(high), float(of_low), float(of_high), float(pairs.steps)

    def _start(self, neighbour: int) -> Tensor:
        """The sum of the neighbour's eigenvectors, (D,); zero where there is no neighbour."""
        if neighbour < 0:
            return torch.zeros_like(self.evaluator.base)
        if neighbour not in self._held:
            self.at(neighbour)
        self._held.move_to_end(neighbour)
        return self._held[neighbour]

    def _hold(self, unit: int, vector: Tensor) -> None:
        """Keep what neighbours begin from, as many of the latest as there is room for."""
        if unit in self._parents:
            self._held[unit] = vector
        while len(self._held) > self._most:
            self._held.popitem(last=False)
