"""The game that several players of one model play: its vector field, and how that turns."""

from dataclasses import dataclass, replace
from typing import Annotated

from explorer.kinds.game_result import TYPES, Game, GameFacts
from explorer.kinds.game_settings import GameSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, Look, PlotHeight
from explorer.kinds.setting import Setting

GAME_PICTURES = ("eigenvalues", "way")


@dataclass(frozen=True, kw_only=True)
class GameLook(Look):
    """Which picture of a game is drawn."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "eigenvalues: of the Jacobian, in the complex plane; way: path-angle, norm of the "
            "vector field and each player's loss from the start through the point.",
            choices=GAME_PICTURES,
        ),
    ] = GAME_PICTURES[0]
    height: PlotHeight = 300

    @classmethod
    def small(cls, result: Game) -> "GameLook":
        """The eigenvalues."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


GAME = Kind(
    name="game",
    title="Game",
    subjects=("point", "start"),  # the second: where training began, or the point where unknown
    settings=GameSettings,
    result=Game,
    facts=GameFacts,
    version=1,
    numbers=("largest_imaginary", "lowest_real", "lowest_player_eigenvalue", "field_norm"),
    columns=tuple(TYPES),
    answer="explorer.analysis.game:answer",
    look=GameLook,
    draw="explorer.render.game:draw",
    page="explorer/pages/game.py",
    icon=":material/sports_esports:",
    sources=("berard2020", "mescheder2018"),
    joined="from",
    own_second=True,
    own_pace=True,
    unit="places",
)
