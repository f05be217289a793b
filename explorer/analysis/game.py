"""Answers a game: eigenvalues of its Jacobian at a point, and its vector field on the way there."""

import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from scipy.linalg import eigvals
from torch import Tensor

from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.analysis.objective.players import owners
from explorer.codec import JsonValue
from explorer.kinds.game_result import TYPES, GameRole
from explorer.kinds.game_settings import MOST_PARAMETERS, GameSettings
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.problem import Problem

PLACES = 8  # in a piece
Rows = list[tuple[GameRole, int, float, complex]]  # role, i, x, value


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: GameSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The Jacobian's eigenvalues, then the places that are not in `done`.

    Raises:
        ValueError: the problem declares no players, or not each parameter is one player's.
    """
    field = VectorField(problem, subjects[0], settings, device, progress)
    theta = field.theta
    start = objective_at(problem, subjects[1], settings, device).flat.theta.clone()
    way = (theta - start).to("cpu", torch.float64)
    facts: dict[str, JsonValue] = {
        **field.objectives[0].facts,
        "players": list(problem.players),
        "player_parameters": [int(mask.sum()) for mask in field.masks],
        "distance": float(way.norm()),
    }
    if 0 not in done:
        began = time.perf_counter()
        yield Piece(_columns(0, field.eigenvalue_rows()), facts, time.perf_counter() - began)
        facts = {}
    todo = [unit for unit in range(1, settings.units) if unit not in done]
    for first in range(0, len(todo), PLACES):
        began = time.perf_counter()
        blocks = []
        for unit in todo[first : first + PLACES]:
            progress.check()
            x = float(settings.axis[unit - 1])
            field.move_to(theta if x == 1.0 else start + x * (theta - start))
            blocks.append(_columns(unit, field.way_rows(x, way)))
        columns = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        yield Piece(columns, facts, time.perf_counter() - began)
        facts = {}


class VectorField:
    """The gradients of all players, each by its own parameters, as one vector.

    Source: Balduzzi et al. 2018, "The Mechanics of n-Player Differentiable Games",
    arXiv:1802.05642, definition 1.
    """

    def __init__(
        self,
        problem: Problem,
        point: Tensors,
        settings: GameSettings,
        device: torch.device,
        progress: Progress,
    ) -> None:
        """An objective for each player, standing on the point."""
        if not problem.players:
            raise ValueError(
                "the problem must declare players, got none; add Problem(..., players=...) to its "
                "file and import it again"
            )
        self.names = list(problem.players)
        self.objectives = [
            objective_at(replace(problem, loss=player.loss), point, settings, device)
            for player in problem.players.values()
        ]
        for objective in self.objectives:
            objective.on_pass = progress.check
        self.masks = player_masks(self.objectives[0], problem)
        self.theta = self.objectives[0].flat.theta.clone()

    def move_to(self, theta: Tensor) -> None:
        """Stand on other parameters (D,)."""
        for objective in self.objectives:
            objective.flat.theta.copy_(theta)

    def vector(self) -> Tensor:
        """The field where it stands, (D,) float64 on the CPU."""
        total = torch.zeros(len(self.theta), dtype=torch.float64)
        for name, objective, mask in zip(self.names, self.objectives, self.masks, strict=True):
            with _naming_player(name):
                total[mask] = gradient(objective)[mask]
        return total

    def eigenvalue_rows(self) -> Rows:
        """Eigenvalues of the Jacobian, extreme ones of each player's own Hessian, gradients."""
        if len(self.theta) > MOST_PARAMETERS:
            raise ValueError(
                f"the Jacobian is made whole for models of up to {MOST_PARAMETERS:,} parameters, "
                f"got {len(self.theta):,}; choose a smaller one"
            )
        rows: Rows = []
        jacobian = np.zeros((len(self.theta), len(self.theta)))
        field = self.vector()
        for place, (objective, mask) in enumerate(zip(self.objectives, self.masks, strict=True)):
            own = mask.numpy()
            with _naming_player(self.names[place]):
                full = dense_matrix(Curvature(objective, hessian))
            jacobian[own] = full[own]
            ends = _ends(full[np.ix_(own, own)])
            rows.append((GameRole.PLAYER_LOWEST, place, 0.0, ends[0]))
            rows.append((GameRole.PLAYER_HIGHEST, place, 0.0, ends[1]))
            rows.append((GameRole.PLAYER_GRADIENT, place, 0.0, float(field[mask].norm())))
        finite = bool(np.isfinite(jacobian).all())
        values = eigvals(jacobian) if finite else np.full(len(jacobian), np.nan + 0j)
        return rows + [(GameRole.EIGENVALUE, n, 0.0, complex(v)) for n, v in enumerate(values)]

    def way_rows(self, x: float, way: Tensor) -> Rows:
        """Path-angle and norm of the field, and the players' losses, where it stands.

        Source: Berard et al. 2020, arXiv:1906.04848, definition 1: the cosine of the field and the
        way from start to point.
        """
        field = self.vector()
        norm, length = float(field.norm()), float(way.norm())
        cosine = float(field @ way) / (norm * length) if norm * length > 0 else float("nan")
        rows: Rows = [(GameRole.PATH_ANGLE, 0, x, cosine), (GameRole.PATH_NORM, 0, x, norm)]
        losses = (objective.means()["loss"] for objective in self.objectives)
        return rows + [(GameRole.PLAYER_LOSS, n, x, loss) for n, loss in enumerate(losses)]


@contextmanager
def _naming_player(name: str) -> Iterator[None]:
    """What is wrong with a player's loss says whose it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"player {name!r}: {error}") from error


def player_masks(objective: Objective, problem: Problem) -> list[Tensor]:
    """Which parameters each player moves, (D,) bool each; together all, each once.

    Raises:
        ValueError: a parameter is no player's, or that of two.
    """
    whose = owners(problem)
    masks = [torch.zeros(len(objective.flat.theta), dtype=torch.bool) for _ in problem.players]
    for block in objective.flat.blocks:
        masks[whose[block.name]][block.start : block.stop] = True
    return masks


def _ends(matrix: np.ndarray) -> tuple[float, float]:
    """Lowest and highest eigenvalue of a symmetric matrix; NaN where it is not finite."""
    if not np.isfinite(matrix).all():
        return float("nan"), float("nan")
    values = np.linalg.eigvalsh(matrix)
    return float(values[0]), float(values[-1])


def _columns(unit: int, rows: Rows) -> dict[str, np.ndarray]:
    """The rows as columns."""
    role, i, x, value = zip(*rows, strict=True)
    numbers = np.array(value, dtype=np.complex128)
    columns = {"role": role, "i": i, "x": x, "value": numbers.real, "imaginary": numbers.imag}
    return {
        "unit": np.full(len(rows), unit, dtype=np.int64),
        **{name: np.asarray(columns[name]).astype(type) for name, type in TYPES.items()},
    }
