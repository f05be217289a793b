"""Answers a walk along a solution manifold: steps that change no output, each corrected."""

import time
from collections.abc import Iterator, Sequence, Set

import numpy as np
import torch

from explorer.analysis.curvature.consistency import require_repeatable
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.manifold_walk import Walk, Walker
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.plane import NO_CHOICES, EarlierChoices, objective_at
from explorer.kinds.manifold_settings import MOST_PARAMETERS, ManifoldSettings
from explorer.kinds.piece import Piece, PieceState
from explorer.kinds.progress import SILENT, Progress, Record
from explorer.problem import Problem


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: ManifoldSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The places of the walk that are not in `done`, one after the other, each a piece.

    Each piece has what the next one goes on from; without that the walk begins anew, silently.

    Source: Cooper 2018, arXiv:1804.10200, for the manifold; for tangent steps and corrections
    Rheinboldt 1996, "MANPAK: a set of algorithms for computations on implicitly defined manifolds".

    Raises:
        CurvatureError: the model cannot be differentiated, or changes from call to call.
        ValueError: it is too large, or a squared error is far from 0.
    """
    objective = objective_at(problem, subjects[0], settings, device)
    objective.on_pass = progress.check
    _check_size(objective)
    walk = Walk(objective, settings, subjects[0])
    require_repeatable(Curvature(objective, hessian), objective, settings.seed)
    facts = {**objective.facts, **walk.facts}
    first = min(set(range(settings.units)) - done, default=settings.units)
    walker = next((_walker(record) for record in progress.records(first)), None)
    start = first if walker is not None or not first else 0
    for unit in range(start, settings.units):
        progress.report(f"place {unit + 1:,} of {settings.units:,}")
        began = time.perf_counter()
        if unit == 0 or walker is None:
            walker, values, ended = walk.begin()
        else:
            walker, values, ended = walk.step(walker, unit)
        if unit in done:
            continue
        if ended:
            facts |= {"ended": ended}
        last = bool(ended) or unit == settings.steps
        columns = {name: np.array([value]) for name, value in values.items()}
        columns |= {name: np.array([unit], dtype=np.int64) for name in ("unit", "step")}
        yield Piece(
            columns,
            facts,
            time.perf_counter() - began,
            walk.point(unit) if last and unit else [],
            None if last else PieceState(unit + 1, 0, _record(walker)),
            finished=bool(ended),
        )
        facts = {}
        if ended:
            return


def _check_size(objective: Objective) -> None:
    """Refuse a model whose Jacobian would not be made whole.

    Raises:
        ValueError: it has too many parameters.
    """
    size = objective.flat.theta.numel()
    if size > MOST_PARAMETERS:
        raise ValueError(
            f"the Jacobian is made whole for models of up to {MOST_PARAMETERS:,} parameters, got "
            f"{size:,}; choose a smaller one, or look at the density of the Hessian's eigenvalues "
            "at 0"
        )


def _record(walker: Walker) -> dict[str, np.ndarray]:
    return {name: np.array([value], dtype=np.float64) for name, value in vars(walker).items()}


def _walker(record: Record) -> Walker:
    return Walker(record["theta"], record["direction"], float(record["path_length"]))
