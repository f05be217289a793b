"""What every kind's result has: the values of its points, and how they are put together."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

import numpy as np

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.numbers import ResultNumbers
from explorer.kinds.piece import Piece


class Result(Protocol):
    """An answer as far as it is known."""

    @classmethod
    def from_pieces(cls, settings: Any, pieces: Iterable[Piece]) -> Self:
        """The result as far as the pieces go; the settings are of its own kind."""

    @property
    def computed(self) -> np.ndarray:
        """Whether each point has its values, (...) bool."""

    @property
    def values(self) -> Mapping[str, np.ndarray]:
        """The loss and metrics, name -> (...)."""

    @property
    def facts(self) -> AnswerFacts:
        """What the answer says of itself."""

    @property
    def numbers(self) -> ResultNumbers:
        """The few numbers that it comes down to; those that are not known yet are left out."""

    @property
    def places(self) -> Mapping[str, np.ndarray]:
        """Indices and coordinates of each point, name -> (...)."""
