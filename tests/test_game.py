"""Games of several players, against games whose Jacobian is known in closed form."""

import numpy as np
import pytest
import torch
from torch import nn

from explorer.analysis import game
from explorer.game import Player
from explorer.kinds.game_result import Game, GameRole
from explorer.kinds.game_settings import GameSettings
from explorer.problem import Problem

CPU = torch.device("cpu")
SETTINGS = GameSettings(precision="float64", x_min=0.0, x_max=1.25, x_count=6)


class Pair(nn.Module):
    """Two numbers, one for each player; the outputs are both, for each example."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        self.second = nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, weights: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.first, self.second]).expand(len(weights), 2)


def quadratic(a: float, b: float, cross: float, detached: bool = False) -> Problem:
    """The first makes a x^2/2 + c x y small, the second b y^2/2 - c x y: v = (ax+cy, by-cx)."""

    def first(outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        x, y = outputs.unbind(1)
        return (a * x**2 / 2 + cross * x * (y.detach() if detached else y)) * batch.flatten()

    def second(outputs: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        x, y = outputs.unbind(1)
        return (b * y**2 / 2 - cross * (x.detach() if detached else x) * y) * batch.flatten()

    data = torch.ones(7, 1, dtype=torch.float64)
    players = {"one": Player("first", first), "two": Player("second", second)}
    return Problem(Pair(), {"train": data}, first, players=players)


def at(x: float, y: float) -> dict[str, torch.Tensor]:
    """A point of the pair."""
    return {
        name: torch.tensor([value], dtype=torch.float64)
        for name, value in (("first", x), ("second", y))
    }


def answered(problem: Problem, point: dict, start: dict) -> Game:
    """The whole answer."""
    return Game.from_pieces(
        SETTINGS, game.answer(problem, [point, start], SETTINGS, frozenset(), CPU)
    )


def test_the_jacobian_is_that_of_the_closed_form() -> None:
    """[[a, c], [-c, b]]: for c large a pair off the real axis, (a+b)/2 +- i sqrt(c^2-(a-b)^2/4)."""
    result = answered(quadratic(0.5, 0.1, 2.0), at(0.3, -0.4), at(1.0, 1.0))
    turn = np.sqrt(4.0 - 0.2**2)
    assert np.sort_complex(result.eigenvalues) == pytest.approx([0.3 - 1j * turn, 0.3 + 1j * turn])
    assert result.numbers["largest_imaginary"].value == pytest.approx(turn)
    assert result.of_player(GameRole.PLAYER_LOWEST, 0) == pytest.approx(0.5)
    assert result.of_player(GameRole.PLAYER_HIGHEST, 1) == pytest.approx(0.1)
    field = np.array([0.5 * 0.3 + 2 * -0.4, 0.1 * -0.4 - 2 * 0.3])
    assert result.numbers["field_norm"].value == pytest.approx(np.linalg.norm(field))


def test_path_angle_is_that_of_the_closed_form() -> None:
    """The cosine of v and the way, its norm and both losses at each place, beyond the point too."""
    point, start = np.array([0.2, 0.0]), np.array([1.0, -1.0])
    result = answered(quadratic(1.0, 1.0, 3.0), at(*point), at(*start))
    x, angle = result.along(GameRole.PATH_ANGLE)
    places = start + x[:, None] * (point - start)
    field = places @ np.array([[1.0, 3.0], [-3.0, 1.0]]).T
    way = point - start
    norms = np.linalg.norm(field, axis=1)
    assert angle == pytest.approx(field @ way / (norms * np.linalg.norm(way)))
    assert result.along(GameRole.PATH_NORM)[1] == pytest.approx(norms)
    first = places[:, 0] ** 2 / 2 + 3 * places[:, 0] * places[:, 1]
    assert result.along(GameRole.PLAYER_LOSS, 0)[1] == pytest.approx(first)


def test_a_common_loss_does_not_turn() -> None:
    """Without a cross term the eigenvalues are those of two bowls, real."""
    result = answered(quadratic(2.0, -1.0, 0.0), at(1.0, 1.0), at(1.0, 1.0))
    assert sorted(result.eigenvalues.real) == pytest.approx([-1.0, 2.0])
    assert result.numbers["largest_imaginary"].value == 0
    assert result.numbers["lowest_player_eigenvalue"].value == pytest.approx(-1.0)
    assert result.facts.distance == 0
    assert np.isnan(result.along(GameRole.PATH_ANGLE)[1]).all()


def test_a_detached_player_loses_the_rotation() -> None:
    """What a `detach()` between the players does, which the README warns of: imaginary parts go."""
    whole, cut = (
        answered(quadratic(0.5, 0.1, 2.0, detached), at(0.3, 0.2), at(1.0, 1.0))
        for detached in (False, True)
    )
    assert whole.numbers["largest_imaginary"].value > 1.9
    assert cut.numbers["largest_imaginary"].value == 0


@pytest.mark.parametrize(
    ("players", "words"),
    [
        ({}, "must declare players"),
        ({"one": ("first",)}, "second is no player's"),
        ({"one": ("first",), "two": ("*",)}, "first is that of one, two"),
        ({"one": ("*",), "two": ("third",)}, "'two' must have parameters"),
    ],
    ids=["none", "left over", "twice", "empty"],
)
def test_players_that_do_not_share_out_the_parameters_are_refused(
    players: dict[str, tuple[str, ...]], words: str
) -> None:
    """In one sentence that names the parameter or the player."""
    problem = quadratic(1.0, 1.0, 1.0)
    loss = problem.loss
    declared = {name: Player(patterns, loss) for name, patterns in players.items()}
    changed = Problem(problem.model, problem.data, loss, players=declared)
    with pytest.raises(ValueError, match=words):
        answered(changed, at(0.0, 0.0), at(1.0, 1.0))


def test_a_loss_that_cannot_be_differentiated_names_its_player() -> None:
    """One that is cut off, and one that is NaN: the sentence says which player it is of."""
    problem = quadratic(1.0, 1.0, 1.0)
    good = problem.players["two"].loss
    for spoil in (torch.Tensor.detach, lambda values: values * float("nan")):
        bad = Player("second", lambda outputs, batch, spoil=spoil: spoil(good(outputs, batch)))
        players = {"one": problem.players["one"], "two": bad}
        changed = Problem(problem.model, problem.data, problem.loss, players=players)
        with pytest.raises(ValueError, match=r"^player 'two': the loss"):
            answered(changed, at(0.0, 0.0), at(1.0, 1.0))
