"""How the bends of a path between two fixed points descend, one batch after the other."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from explorer.analysis.paths.batch_gradient import BatchGradient
from explorer.kinds.connection_settings import BAND, CANDIDATES, LARGEST, ConnectionSettings
from explorer.kinds.path_shape import CHAIN, control_weights
from explorer.problem import Batch

PLACES_STREAM = 1  # of random numbers, beside the seed
SUB_POINTS = 9  # between two pivots, where a band is looked at
INSERT_SHARE = 0.1  # of the range of losses: how high between two pivots asks for another
MOST_INSERTED = 2  # at once


class PathDescent:
    """The bends of a path and how fast they move; both ends stay."""

    def __init__(
        self,
        settings: ConnectionSettings,
        first: Tensor,
        last: Tensor,
        gradient: BatchGradient,
    ) -> None:
        """Begin with bends on the straight line between both ends (D,)."""
        self.settings, self.first, self.last = settings, first, last
        self._gradient = gradient
        shares = torch.linspace(0, 1, settings.bends + 2, dtype=torch.float64)[1:-1]
        self.bends = torch.lerp(first, last, shares.to(first).unsqueeze(1))  # (n, D)
        self.velocity = torch.zeros_like(self.bends)
        self._slope, self._theta = torch.empty_like(first), torch.empty_like(first)

    @property
    def points(self) -> Tensor:
        """All control points, both ends included, (n + 2, D)."""
        return torch.cat([self.first.unsqueeze(0), self.bends, self.last.unsqueeze(0)])

    def take(self, bends: np.ndarray, velocity: np.ndarray) -> None:
        """Go on from bends and velocity (n, D) as they were kept."""
        self.bends = torch.from_numpy(bends.copy()).to(self.first)
        self.velocity = torch.from_numpy(velocity.copy()).to(self.first)

    def steps(
        self, start: int, stop: int, batch_of: Callable[[int], Batch], report: Callable[[int], None]
    ) -> float:
        """Take the steps from `start` to before `stop`; their mean loss.

        Args:
            start: number of the first step.
            stop: of the one after the last.
            batch_of: the batch of a step.
            report: is called with each step's number before it is taken.
        """
        seed = [self.settings.seed, PLACES_STREAM, start]
        draws = np.random.RandomState(seed).random_sample((stop - start, CANDIDATES))
        losses = []
        with self._gradient.ready():
            for step, drawn in zip(range(start, stop), draws, strict=True):
                report(step)
                losses.append(self._step(batch_of(step), self.settings.rate_at(step), drawn))
        return float(torch.stack(losses).double().mean()) if losses else np.nan

    def _step(self, batch: Batch, rate: float, drawn: np.ndarray) -> Tensor:
        place = self._highest_of(batch, drawn) if self.settings.minimised == LARGEST else drawn[0]
        weights = self._weights(place)
        self._place(weights, self._theta)
        loss = self._gradient.loss_and_gradient(self._theta, batch, self._slope)
        if self.settings.weight_decay:
            self._slope.add_(self._theta, alpha=self.settings.weight_decay)
        self.velocity.mul_(self.settings.momentum).addr_(weights[1:-1], self._slope)
        self.bends.add_(self.velocity, alpha=-rate)
        return loss

    def _weights(self, place: float) -> Tensor:
        rows = control_weights(self.settings.path_shape, len(self.bends) + 2, np.array([place]))
        return torch.from_numpy(rows[0]).to(self.first)

    def _place(self, weights: Tensor, theta: Tensor) -> None:
        """Put the path's point of these weights (n + 2,) into theta (D,)."""
        torch.mul(self.first, weights[0], out=theta)
        theta.addcmul_(self.last, weights[-1])
        theta.addmv_(self.bends.t(), weights[1:-1])

    def _highest_of(self, batch: Batch, drawn: np.ndarray) -> float:
        """Of places spread over the path, each anew in its stretch, that of the largest loss."""
        candidates = (np.arange(CANDIDATES) + drawn) / CANDIDATES
        losses = []
        for place in candidates:
            self._place(self._weights(place), self._theta)
            losses.append(self._gradient.loss(self._theta, batch))
        return float(candidates[int(torch.stack(losses).nan_to_num(torch.inf).argmax())])

    def insert(self, losses: Callable[[Tensor], np.ndarray]) -> None:
        """Add bends where the path needs them; none unless a kind of descent does so."""


class BandDescent(PathDescent):
    """A nudged elastic band: pivots descend across the path and keep equal distances along it.

    Source: Henkelman & Jonsson 2000, doi:10.1063/1.1323224, equations 8 to 11, for the tangent;
    Draxler et al. 2018, arXiv:1803.00885, for springs at infinity and for what is inserted.
    """

    def _step(self, batch: Batch, rate: float, drawn: np.ndarray) -> Tensor:
        points = self.points
        ends = [self._gradient.loss(points[place], batch) for place in (0, -1)]
        slopes = torch.empty_like(self.bends)
        losses = [
            self._gradient.loss_and_gradient(bend, batch, slope)
            for bend, slope in zip(self.bends, slopes, strict=True)
        ]
        levels = torch.stack([ends[0], *losses, ends[1]]).double().cpu().numpy()
        slopes.add_(self.bends, alpha=self.settings.weight_decay)
        for number in range(len(self.bends)):
            along = tangent(points[number : number + 3], levels[number : number + 3])
            slopes[number].sub_(along, alpha=float(slopes[number] @ along))
        self.velocity.mul_(self.settings.momentum).add_(slopes)
        self.bends.add_(self.velocity, alpha=-rate)
        self.bends = evenly_spaced(self.points, len(self.bends))
        return torch.stack(losses).max()

    def insert(self, losses: Callable[[Tensor], np.ndarray]) -> None:
        """Add up to two pivots where the loss between pivots is high above the line between theirs.

        Args:
            losses: at points (K, D), (K,).
        """
        room = self.settings.most_bends - len(self.bends)
        if room < 1:
            return
        points = self.points
        segments = len(points) - 1
        shares = np.arange(1, SUB_POINTS + 1) / (SUB_POINTS + 1)
        places = (np.arange(segments)[:, None] + shares).ravel() / segments
        weights = control_weights(CHAIN, len(points), places)
        between = losses(torch.from_numpy(weights).to(points) @ points).reshape(segments, -1)
        at_pivots = losses(points)
        if np.isnan(at_pivots).all():  # a pivot that is not finite leaves no place that is
            return
        chord = at_pivots[:-1, None] * (1 - shares) + at_pivots[1:, None] * shares
        span = np.nanmax([*at_pivots, *between.ravel()]) - np.nanmin(at_pivots)
        rises = np.nan_to_num(between - chord, nan=np.inf).max(axis=1)
        high = [s for s in np.argsort(-rises) if rises[s] > INSERT_SHARE * span]
        for segment in sorted(high[: min(room, MOST_INSERTED)], reverse=True):
            middle = (points[segment] + points[segment + 1]) / 2
            self.bends = _with_row(self.bends, segment, middle)
            self.velocity = _with_row(self.velocity, segment, torch.zeros_like(middle))


def descent(
    settings: ConnectionSettings, first: Tensor, last: Tensor, gradient: BatchGradient
) -> PathDescent:
    """The descent that the settings ask for."""
    of_sort = BandDescent if settings.minimised == BAND else PathDescent
    return of_sort(settings, first, last, gradient)


def tangent(points: Tensor, losses: np.ndarray) -> Tensor:
    """The direction (D,) of a band at the middle one of three neighbours (3, D), of length 1.

    It leads to the neighbour of the higher loss; at a maximum or minimum both are weighted.

    Source: Henkelman & Jonsson 2000, doi:10.1063/1.1323224, equations 8 to 11.
    """
    before, ahead = points[1] - points[0], points[2] - points[1]
    low, here, high = losses
    if low < here < high:
        along = ahead
    elif low > here > high:
        along = before
    else:
        rises = abs(high - here), abs(low - here)
        larger, smaller = max(rises), min(rises)
        weights = (larger, smaller) if high > low else (smaller, larger)
        along = weights[0] * ahead + weights[1] * before
    length = torch.linalg.vector_norm(along)
    if not bool(length > 0):  # all three losses are the same
        along = points[2] - points[0]
        length = torch.linalg.vector_norm(along)
    return along / length.clamp_min(torch.finfo(along.dtype).tiny)


def evenly_spaced(points: Tensor, count: int) -> Tensor:
    """Points (count, D) at equal distances along a chain (n, D), its ends left out."""
    lengths = torch.linalg.vector_norm(points[1:] - points[:-1], dim=1).double()
    reached = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    goals = reached[-1] * torch.arange(1, count + 1, device=points.device) / (count + 1)
    segment = (torch.searchsorted(reached, goals, right=True) - 1).clamp(0, len(lengths) - 1)
    within = (goals - reached[segment]) / lengths[segment].clamp_min(1e-300)
    return torch.lerp(points[segment], points[segment + 1], within.to(points).unsqueeze(1))


def _with_row(rows: Tensor, place: int, row: Tensor) -> Tensor:
    return torch.cat([rows[:place], row.unsqueeze(0), rows[place:]])
