"""Loss along one random direction through one point."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explorer.kinds.grid import axis_values, coarse_to_fine
from explorer.kinds.kind import Kind, Piece
from explorer.kinds.reuse import on_grid
from explorer.kinds.settings import DirectionSettings, check_axis

PLACES = ("unit", "i", "x")  # columns that say where a row stands; all others are values


@dataclass(frozen=True, kw_only=True)
class LineSettings(DirectionSettings):
    """A line: point + x * direction, the first direction of a surface with the same seed."""

    x_min: float = -1.0
    x_max: float = 1.0
    x_count: int = 101

    def __post_init__(self) -> None:
        """Refuse what makes no axis."""
        super().__post_init__()
        check_axis("x", self.x_min, self.x_max, self.x_count)

    @property
    def units(self) -> int:
        """Points on the line; one unit of work each."""
        return self.x_count

    @property
    def axis(self) -> np.ndarray:
        """Values along x, shape (X,)."""
        return axis_values(self.x_min, self.x_max, self.x_count)


@dataclass(frozen=True)
class Line:
    """Values along a line; NaN where not computed yet or the model gave NaN: see `computed`."""

    x: np.ndarray  # (X,)
    values: Mapping[str, np.ndarray]  # name -> (X,): "loss", metrics, "squared_norm"
    computed: np.ndarray  # (X,) bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each point, shape (X,)."""
        return self.values["loss"]

    @classmethod
    def from_pieces(cls, settings: LineSettings, pieces: Iterable[Piece]) -> "Line":
        """The line as far as the pieces go."""
        values: dict[str, np.ndarray] = {"loss": np.full(settings.x_count, np.nan)}
        computed = np.zeros(settings.x_count, dtype=bool)
        facts: dict[str, Any] = {}
        for piece in pieces:
            place = piece.columns["i"]
            computed[place] = True
            for name in piece.columns.keys() - set(PLACES):
                values.setdefault(name, np.full(settings.x_count, np.nan))[place] = piece.columns[
                    name
                ]
            facts.update(piece.facts)
        return cls(settings.axis, values, computed, facts)


def places(settings: LineSettings) -> np.ndarray:
    """Index i of each unit of work, shape (P,)."""
    return coarse_to_fine((settings.x_count,))[:, 0]


def taken_over(settings: LineSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another line's answer that stand on this axis, as rows of this one."""
    return on_grid(old, (settings.axis,), (places(settings),))


LINE = Kind(
    name="line",
    title="Line",
    subjects=("point",),
    settings=LineSettings,
    result=Line,
    version=1,
    answer="explorer.analysis.line:answer",
    draw="explorer.render.line:profile",
    thumbnail="explorer.render.line:thumbnail",
    page="explorer/pages/line.py",
    icon=":material/show_chart:",
    axes=("x_min", "x_max", "x_count"),
    taken_over="explorer.kinds.line:taken_over",
)
