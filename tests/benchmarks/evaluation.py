"""Our side of a comparison: surfaces, their time, and the way in which they are evaluated."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from explorer.analysis import surface
from explorer.analysis.objective import device as devices
from explorer.codec import from_json
from explorer.kinds.execution import Choice, EarlierChoice
from explorer.kinds.piece import Piece
from explorer.kinds.surface import Surface, SurfaceSettings
from tests.benchmarks.models import Case


@dataclass(frozen=True)
class Run:
    """A surface that was computed, and the time it took."""

    settings: SurfaceSettings
    pieces: Sequence[Piece]
    whole: float  # seconds from the question to the last piece

    @property
    def computing(self) -> float:
        """Seconds within the pieces: without copies, directions, measuring, compiling."""
        return sum(piece.seconds for piece in self.pieces)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the answer says of itself."""
        return self.pieces[0].facts

    @property
    def choice(self) -> Choice:
        """The way that was taken."""
        return from_json(Choice, self.facts["choice"])

    @property
    def losses(self) -> np.ndarray:
        """The surface, (Y, X)."""
        return Surface.from_pieces(self.settings, self.pieces).loss


def settings_of(case: Case, side: int, precision: str = "float32") -> SurfaceSettings:
    """A surface of so many points a side, from -1 to 1."""
    return SurfaceSettings(split=case.split, precision=precision, x_count=side, y_count=side)


def ours(
    case: Case, settings: SurfaceSettings, device: torch.device, choice: Choice | None = None
) -> Run:
    """The surface, evaluated as chosen, or as our code chooses itself."""
    forced = EarlierChoice(choice=choice, begun=True) if choice else None
    choices = {devices.device_title(device): forced} if forced else {}
    if choice and choice.compiled:
        torch._dynamo.reset()  # a function that is compiled a ninth time runs uncompiled instead
    began = time.perf_counter()
    answer = surface.answer(
        case.problem, [case.point], settings, frozenset(), device, choices=choices
    )
    return Run(settings, list(answer), time.perf_counter() - began)


def choice_for(case: Case, side: int, device: torch.device, precision: str = "float32") -> Choice:
    """The way that our code chooses for a surface of so many points a side."""
    settings = settings_of(case, side, precision)
    answer = surface.answer(case.problem, [case.point], settings, frozenset(), device)
    return from_json(Choice, next(iter(answer)).facts["choice"])
