"""Where along the way to a point a game's vector field is looked at."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.axes import axis_end, check_axis, points_along
from explorer.kinds.curvature_settings import CurvatureSettings
from explorer.kinds.grid import axis_values
from explorer.kinds.matrix import PASSES_PER_PRODUCT

WAY_HELP = "Along the way: 0 is the start, 1 the point."
MOST_PARAMETERS = 2000  # of a model whose Jacobian is made whole


@dataclass(frozen=True, kw_only=True)
class GameSettings(CurvatureSettings):
    """The game's Jacobian at the point, and its vector field from the start through the point."""

    x_min: Annotated[float, axis_end("From", WAY_HELP)] = 0.0
    x_max: Annotated[float, axis_end("To", WAY_HELP)] = 1.2
    x_count: Annotated[int, points_along("the way")] = 61

    def __post_init__(self) -> None:
        """Refuse a way that leads nowhere."""
        super().__post_init__()
        check_axis("x", self.x_min, self.x_max)

    @property
    def axis(self) -> np.ndarray:
        """The places on the way, (X,)."""
        return axis_values(self.x_min, self.x_max, self.x_count)

    @property
    def units(self) -> int:
        """The Jacobian, then each place."""
        return 1 + self.x_count

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the losses over all examples it takes, of two players."""
        size = min(max(1, parameters), MOST_PARAMETERS)
        return float(2 * PASSES_PER_PRODUCT * size + 6 * self.x_count)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and how far the way goes."""
        return (*super().distinguishing_words, f"{self.x_min:g} to {self.x_max:g}")
