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

    def __post_init__(self) -> None:
        """Refuse what moves nothing or makes nothing small.

        Raises:
            ValueError: patterns are no texts, or the loss is no function.
        """
        names = self.parameters
        are_texts = isinstance(names, str | list | tuple) and all(isinstance(n, str) for n in names)
        if not are_texts or not names:
            raise ValueError(
                f'the parameters of a player must be patterns such as "generator.*", got {names!r}'
            )
        if not callable(self.loss):
            sort = type(self.loss).__name__
            raise ValueError(f"the loss of a player must be a function, got {sort}")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns, each of one or more parameters."""
        return (self.parameters,) if isinstance(self.parameters, str) else tuple(self.parameters)
