"""Answers a run: the plane of its principal components, its path on it, the losses around."""

from collections.abc import Iterator, Sequence, Set
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.interpolation import own_losses
from explorer.analysis.parameters import Block, Tensors
from explorer.analysis.pieces import in_pieces
from explorer.analysis.plane import NONE, Choices, objective_at, precision_error, prepared
from explorer.kinds.kind import Piece
from explorer.kinds.run import (
    SHOWN,
    RunSettings,
    axes,
    centred,
    random_walk_shares,
    shares,
)
from explorer.problem import Problem

SQUARISH = 0.6  # of the longer axis: a shorter one is extended
FLAT = 1e-9  # of the first component's variance: a smaller second one is rounding


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: RunSettings,
    done: Set[int],
    device: torch.device,
    choices: Choices = NONE,
) -> Iterator[Piece]:
    """The points of the plane that are not in `done`, coarse levels first.

    The plane goes through the last snapshot, along the principal components of the run; the loss
    on it is by the last snapshot's running statistics.

    Source: Li et al. 2018, arXiv:1712.09913, section 7.
    """
    objective = objective_at(problem, subjects[-1], settings, device)
    blocks = objective.flat.blocks
    gram = gram_matrix(subjects, blocks)
    x, y, vectors = principal_plane(subjects, blocks, gram)
    facts = _path_facts(gram, x, y, subjects, blocks)
    own = own_losses(problem, subjects, settings, device)
    facts["path"]["values"] = {name: _json([v[name] for v in own]) for name in objective.names}
    facts |= _ranges(x, y, settings.margin)
    evaluator, found = prepared(objective, vectors, settings.units - len(done), choices)
    coordinates, place = settings.columns(axes(settings, facts))
    facts |= found | precision_error(evaluator, coordinates)

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        return place(units) | evaluator.values(coordinates[units])

    return in_pieces(settings.units, done, columns, facts, evaluator)


def _ranges(x: np.ndarray, y: np.ndarray, margin: float) -> dict[str, list[float]]:
    """Ends of both axes: the path with its margin, and neither axis much shorter than the other."""
    spans = [np.ptp(along) * (1 + 2 * margin) for along in (x, y)]
    least = SQUARISH * max(spans)
    found = {}
    for name, along, span in zip("xy", (x, y), spans, strict=True):
        middle, half = (along.min() + along.max()) / 2, max(span, least) / 2
        found[f"{name}_range"] = [float(middle - half), float(middle + half)]
    return found


def gram_matrix(subjects: Sequence[Tensors], blocks: Sequence[Block]) -> np.ndarray:
    """Inner products (T, T) of the snapshots' differences from the last one, in float64.

    It goes tensor by tensor, so that no matrix of all parameters is ever made.
    """
    gram = torch.zeros(len(subjects), len(subjects), dtype=torch.float64)
    for block in blocks:
        moved = _differences(subjects, block)
        gram += moved @ moved.t()
    return gram.numpy()


def principal_plane(
    subjects: Sequence[Tensors], blocks: Sequence[Block], gram: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Coordinates x and y (T,) of each snapshot, and the plane's orthonormal axes (2, D) float64.

    The last snapshot is the origin. The first snapshot lies at x >= 0; the largest y is positive.

    Raises:
        ValueError: the snapshots lie on one point or one line.
    """
    values, vectors = np.linalg.eigh(centred(gram))
    if values[-1] <= 0 or values[-2] <= FLAT * values[-1]:
        where = "one line" if values[-1] > 0 else "one point"
        raise ValueError(f"the snapshots of a run must span a plane, got all on {where}")
    # weights of the snapshots in each axis; rows sum to 0, so any origin gives the same axis
    mixed = (vectors[:, [-1, -2]] / np.sqrt(values[[-1, -2]])).T
    mixed = mixed - mixed.mean(axis=1, keepdims=True)
    x, y = mixed @ gram
    signs = np.array([1.0 if x[0] >= 0 else -1.0, 1.0 if y[np.abs(y).argmax()] >= 0 else -1.0])
    weights = torch.from_numpy(mixed * signs[:, None])
    parts = [weights @ _differences(subjects, block) for block in blocks]
    return x * signs[0], y * signs[1], torch.cat(parts, dim=1)


def _differences(subjects: Sequence[Tensors], block: Block) -> Tensor:
    """One tensor of each snapshot, less that of the last, (T, size) float64."""
    rows = torch.stack(
        [s[block.name].detach().reshape(-1).to("cpu", torch.float64) for s in subjects]
    )
    return rows - rows[-1]


def _path_facts(
    gram: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    subjects: Sequence[Tensors],
    blocks: Sequence[Block],
) -> dict[str, Any]:
    """Where each snapshot lies, and how much of the run the plane shows."""
    squared = np.diag(gram)
    out = np.sqrt((squared - x**2 - y**2).clip(min=0))
    moved = np.sqrt((squared + squared[0] - 2 * gram[0]).clip(min=0))
    norms = [
        float(torch.cat([s[b.name].reshape(-1).double() for b in blocks]).norm()) for s in subjects
    ]
    path = {
        "x": x,
        "y": y,
        "out": out,
        "moved": moved,
        "norm": np.array(norms),
        "turn": _turns(gram),
    }
    return {
        "path": {name: _json(value) for name, value in path.items()},
        "explained": shares(gram)[:SHOWN].tolist(),
        "explained_by_random_walk": random_walk_shares(len(x))[:SHOWN].tolist(),
    }


def _turns(gram: np.ndarray) -> np.ndarray:
    """Angle in degrees between each step and the one before, (T,); NaN where there is none."""
    steps = np.diff(np.diff(gram, axis=0), axis=1)  # inner products of the steps
    lengths = np.sqrt(np.diag(steps).clip(min=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.diag(steps, 1) / (lengths[1:] * lengths[:-1])
    found = np.full(len(gram), np.nan)
    found[2:] = np.degrees(np.arccos(cosine.clip(-1, 1)))
    return found


def _json(values: Any) -> list[float | None]:
    """Numbers as JSON knows them; None for NaN and infinity."""
    return [float(v) if np.isfinite(v) else None for v in values]
