"""What a problem declares where several players share one model, each with a loss of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

PlayerLoss: TypeAlias = "Callable[..., Tensor | tuple[Tensor, float | Tensor]]"


@dataclass(frozen=True)
class Player:
    """One player of a game: which parameters it moves, and what it makes small by them.

    The loss is called as the problem's own, `f(outputs, batch)`, on the same outputs. It has to
    keep the way back to the other player's parameters: a `detach()` between them erases the
    rotation of the game.
    """

    parameters: str | Sequence[str]  # patterns such as "generator.*"
    loss: PlayerLoss

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns, each of one or more parameters."""
        return (self.parameters,) if isinstance(self.parameters, str) else tuple(self.parameters)
