"""What is known of a game at a point and on the way to it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.game_settings import GameSettings
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece

TYPES: Mapping[str, type[np.int64] | type[np.float64]] = {
    **dict.fromkeys(("role", "i"), np.int64),
    **dict.fromkeys(("x", "value", "imaginary"), np.float64),
}


class GameRole(IntEnum):
    """What a row holds; `value` unless said otherwise."""

    EIGENVALUE = 0  # of the Jacobian: real part, and `imaginary`; `i` counts
    PLAYER_LOWEST = 1  # eigenvalue of a player's own Hessian; `i` is the player
    PLAYER_HIGHEST = 2
    PLAYER_GRADIENT = 3  # norm of a player's own gradient at the point
    PATH_ANGLE = 4  # cosine of the field and the way at `x`
    PATH_NORM = 5  # norm of the field at `x`
    PLAYER_LOSS = 6  # of player `i` at `x`


@dataclass(frozen=True, kw_only=True)
class GameFacts(AnswerFacts):
    """Who plays."""

    players: tuple[str, ...] = ()
    player_parameters: tuple[int, ...] = ()
    distance: float | None = None  # from the start to the point; 0: they are one


@dataclass(frozen=True)
class Game:
    """The Jacobian's eigenvalues and the vector field, as far as they are known."""

    settings: GameSettings
    rows: Mapping[str, np.ndarray]  # (R,) each: "unit" and `TYPES`
    computed: np.ndarray  # (units,) bool
    facts: GameFacts = field(default_factory=GameFacts)

    @classmethod
    def from_pieces(cls, settings: GameSettings, pieces: Iterable[Piece]) -> "Game":
        """The game as far as the pieces go."""
        all_pieces = list(pieces)
        rows = {
            name: np.concatenate([np.empty(0, type), *(p.columns[name] for p in all_pieces)])
            for name, type in (("unit", np.int64), *TYPES.items())
        }
        order = np.argsort(rows["unit"], kind="stable")
        rows = {name: values[order] for name, values in rows.items()}
        computed = np.zeros(settings.units, dtype=bool)
        computed[rows["unit"].astype(int)] = True
        for role in rows["role"]:
            GameRole(int(role))
        return cls(settings, rows, computed, GameFacts.of_pieces(all_pieces))

    def _own(self, role: GameRole, i: int | None = None) -> np.ndarray:
        """Which rows hold that, (R,) bool."""
        own = self.rows["role"] == role
        return np.asarray(own if i is None else own & (self.rows["i"] == i))

    @property
    def eigenvalues(self) -> np.ndarray:
        """Of the Jacobian, complex (D,), by falling absolute value; empty before they are known."""
        own = self._own(GameRole.EIGENVALUE)
        values = self.rows["value"][own] + 1j * self.rows["imaginary"][own]
        return np.asarray(values[np.argsort(-np.abs(values), kind="stable")])

    def along(self, role: GameRole, i: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Places on the way and a value at each, (X,) both, as far as they are known."""
        own = self._own(role, i)
        return self.rows["x"][own], self.rows["value"][own]

    def of_player(self, role: GameRole, i: int) -> float:
        """A number of a player at the point; NaN before it is known."""
        values = self.rows["value"][self._own(role, i)]
        return float(values[0]) if len(values) else float("nan")

    @property
    def places(self) -> dict[str, np.ndarray]:
        """What each row is, for tables."""
        names = np.array([role.name.lower() for role in GameRole])
        return {
            "unit": self.rows["unit"],
            "role": names[self.rows["role"].astype(int)],
            "i": self.rows["i"],
            "x": self.rows["x"],
        }

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The numbers of each row, for tables."""
        return {name: self.rows[name] for name in ("value", "imaginary")}

    @property
    def numbers(self) -> ResultNumbers:
        """How much the game turns, and whether each player stands at a minimum of its own."""
        if not self.computed[0]:
            return {}
        players = range(len(self.facts.players))
        lowest = [self.of_player(GameRole.PLAYER_LOWEST, i) for i in players]
        gradients = [self.of_player(GameRole.PLAYER_GRADIENT, i) for i in players]
        numbers = {
            "largest_imaginary": float(np.abs(self.eigenvalues.imag).max()),
            "lowest_real": float(self.eigenvalues.real.min()),
            "lowest_player_eigenvalue": float(min(lowest)),
            "field_norm": float(np.linalg.norm(gradients)),
        }
        return {name: ResultNumber(value) for name, value in numbers.items()}
