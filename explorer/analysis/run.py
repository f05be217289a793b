"""Answers a run: the plane of principal components, each run's path on it, the losses around."""

from collections.abc import Iterable, Iterator, Sequence, Set

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.directions.brought import brought_directions
from explorer.analysis.directions.directions import TINY
from explorer.analysis.objective.moved_parameters import require_same_beside
from explorer.analysis.objective.named_tensors import Tensors
from explorer.analysis.objective.own_losses import own_losses
from explorer.analysis.objective.parameters import Block
from explorer.analysis.objective.pieces import answer_pieces
from explorer.analysis.objective.plane import (
    NO_CHOICES,
    EarlierChoices,
    objective_at,
    precision_error,
    tuned_evaluator,
)
from explorer.codec import JsonValue
from explorer.kinds.piece import Piece
from explorer.kinds.progress import SILENT, Progress
from explorer.kinds.run import (
    KEPT_COMPONENTS,
    PlaneOfRunFacts,
    RunSettings,
    axes,
    centred_gram,
    random_walk_shares,
    variance_shares,
)
from explorer.kinds.trajectory import spans
from explorer.problem import Problem

SQUARISH = 0.6  # of the longer axis: a shorter one is extended
Numbers = list[float | None]  # NaN and infinity as None
MOST_NUMBERS = 1 << 24  # of all snapshots together that are looked at at once: 128 MB
FLAT = 1e-9  # of the first component's variance: a smaller second one is rounding


def answer(
    problem: Problem,
    subjects: Sequence[Tensors],
    settings: RunSettings,
    done: Set[int],
    device: torch.device,
    choices: EarlierChoices = NO_CHOICES,
    progress: Progress = SILENT,
) -> Iterator[Piece]:
    """The points of the plane that are not in `done`, coarse levels first.

    The plane goes through the last snapshot of the first run, along the principal components of
    all snapshots or of that run's; the loss on it is by that snapshot's running statistics.

    Source: Li et al. 2018, arXiv:1712.09913, section 7; several runs together: Fort et al. 2019,
    arXiv:1912.02757, section 4.
    """
    runs = spans(settings.lengths or [len(subjects)])
    end = runs[0].stop - 1
    require_same_beside(problem, subjects)
    objective = objective_at(problem, subjects[end], settings, device)
    blocks = objective.flat.blocks
    gram = gram_matrix(subjects, blocks, end, progress)
    fitted = runs[0] if settings.plane == "first" else slice(0, len(subjects))
    x, y, vectors = principal_plane(subjects, blocks, gram, fitted)
    path, held = _path(gram, (x, y), runs, subjects, blocks)
    own = own_losses(problem, subjects, settings, device, progress)
    losses = {name: _json([v[name] for v in own]) for name in objective.names}
    facts: dict[str, JsonValue] = {"path": {**path, "values": losses}, "held": held}
    facts["explained"] = variance_shares(gram[fitted, fitted])[:KEPT_COMPONENTS].tolist()
    if len(runs) == 1:  # of several there is no walk to compare with
        facts["explained_by_random_walk"] = random_walk_shares(len(x))[:KEPT_COMPONENTS].tolist()
    facts |= _ranges(x, y, settings.margin)
    evaluator, evaluator_facts = tuned_evaluator(
        objective, vectors, settings.units - len(done), choices
    )
    coordinates, place = settings.columns(axes(settings, PlaneOfRunFacts.of(facts)))
    measured = {**facts, **evaluator_facts, **precision_error(evaluator, coordinates)}

    def columns(units: np.ndarray) -> dict[str, np.ndarray]:
        return place(units) | evaluator.values(coordinates[units])

    labels = [f"principal component {rank}" for rank in (1, 2)]
    run_of_end = 0  # the plane goes through the end of the first run
    brought = brought_directions(objective.flat, vectors, subjects[end], labels, run_of_end)
    return answer_pieces(settings.units, done, columns, measured, evaluator, brought)


def _ranges(x: np.ndarray, y: np.ndarray, margin: float) -> dict[str, list[float]]:
    """Ends of both axes: the path with its margin, and neither axis much shorter than the other."""
    spans = [np.ptp(along) * (1 + 2 * margin) for along in (x, y)]
    least = SQUARISH * max(spans)
    axis_ranges = {}
    for name, along, span in zip("xy", (x, y), spans, strict=True):
        middle, half = (along.min() + along.max()) / 2, max(span, least) / 2
        axis_ranges[f"{name}_range"] = [float(middle - half), float(middle + half)]
    return axis_ranges


def gram_matrix(
    subjects: Sequence[Tensors],
    blocks: Sequence[Block],
    origin: int = -1,
    progress: Progress = SILENT,
) -> np.ndarray:
    """Inner products (T, T) of the snapshots' differences from the origin's, in float64.

    It goes tensor by tensor and part by part, so that no matrix of all parameters is ever made.
    """
    gram = torch.zeros(len(subjects), len(subjects), dtype=torch.float64)
    for block in blocks:
        progress.report(f"inner products of {block.name}")
        for moved in _differences(subjects, block, origin):
            progress.check()
            gram += moved @ moved.t()
    return gram.numpy()


def principal_plane(
    subjects: Sequence[Tensors],
    blocks: Sequence[Block],
    gram: np.ndarray,
    fitted: slice = slice(None),
) -> tuple[np.ndarray, np.ndarray, Tensor]:
    """Coordinates x and y (T,) of each snapshot, and the plane's orthonormal axes (2, D) float64.

    The axes are principal components of the snapshots `fitted`; the others are projected on them.
    The origin is that of the inner products. The first snapshot lies at x >= 0; the largest y of
    those fitted is positive.

    Raises:
        ValueError: the snapshots fitted lie on one point or one line.
    """
    values, vectors = np.linalg.eigh(centred_gram(gram[fitted, fitted]))
    if values[-1] <= 0 or values[-2] <= FLAT * values[-1]:
        where = "one line" if values[-1] > 0 else "one point"
        raise ValueError(f"the snapshots of a run must span a plane, got all on {where}")
    # weights of the snapshots in each axis; rows sum to 0, so any origin gives the same axis
    mixed = (vectors[:, [-1, -2]] / np.sqrt(values[[-1, -2]])).T
    mixed = mixed - mixed.mean(axis=1, keepdims=True)
    x, y = mixed @ gram[fitted]
    seen = y[fitted]
    signs = np.array(
        [1.0 if x[0] >= 0 else -1.0, 1.0 if seen[np.abs(seen).argmax()] >= 0 else -1.0]
    )
    weights = torch.from_numpy(mixed * signs[:, None])
    parts = [weights @ part for block in blocks for part in _differences(subjects[fitted], block)]
    return x * signs[0], y * signs[1], torch.cat(parts, dim=1)


def _differences(subjects: Sequence[Tensors], block: Block, origin: int = -1) -> Iterator[Tensor]:
    """One tensor of each snapshot, less that of the origin: parts (T, width) float64 in order."""
    flat = [s[block.name].detach().reshape(-1) for s in subjects]
    width = max(1, MOST_NUMBERS // len(flat))
    for start in range(0, flat[0].numel(), width):
        part = slice(start, start + width)
        rows = torch.stack([tensor[part] for tensor in flat]).to("cpu", torch.float64)
        yield rows.sub_(rows[origin].clone())


def _path(
    gram: np.ndarray,
    plane: tuple[np.ndarray, np.ndarray],
    runs: Sequence[slice],
    subjects: Sequence[Tensors],
    blocks: Sequence[Block],
) -> tuple[dict[str, Numbers], Numbers]:
    """Where each snapshot lies, and how much of each run's own variance the plane shows."""
    x, y = plane
    path = {"x": x, "y": y, "out": np.sqrt((np.diag(gram) - x**2 - y**2).clip(min=0))}
    own = [gram[run, run] for run in runs]
    path["moved"] = np.concatenate([_distances_from_first(part) for part in own])
    norms = [
        float(torch.cat([s[b.name].reshape(-1).double() for b in blocks]).norm()) for s in subjects
    ]
    path["norm"] = np.array(norms)
    path["turn"] = np.concatenate([_turns(part) for part in own])
    held = [
        len(part) * (x[run].var() + y[run].var()) / max(np.trace(centred_gram(part)), TINY)
        for run, part in zip(runs, own, strict=True)
    ]
    return {name: _json(value) for name, value in path.items()}, _json(held)


def _distances_from_first(gram: np.ndarray) -> np.ndarray:
    """Distance of each snapshot from the first, (T,)."""
    return np.sqrt((np.diag(gram) + gram[0, 0] - 2 * gram[0]).clip(min=0))


def _turns(gram: np.ndarray) -> np.ndarray:
    """Angle in degrees between each step and the one before, (T,); NaN where there is none."""
    steps = np.diff(np.diff(gram, axis=0), axis=1)  # inner products of the steps
    lengths = np.sqrt(np.diag(steps).clip(min=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.diag(steps, 1) / (lengths[1:] * lengths[:-1])
    angles = np.full(len(gram), np.nan)
    angles[2:] = np.degrees(np.arccos(cosine.clip(-1, 1)))
    return angles


def _json(values: Iterable[float]) -> Numbers:
    """Numbers as JSON knows them; None for NaN and infinity."""
    return [float(v) if np.isfinite(v) else None for v in values]
