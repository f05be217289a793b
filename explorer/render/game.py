"""A game drawn: the Jacobian's eigenvalues, or the vector field on the way to the point."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
import math
from collections.abc import Sequence

import altair as alt
import numpy as np

from explorer.kinds.game import GameLook
from explorer.kinds.game_result import Game, GameRole
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.arrow import arrow_table
from explorer.render.marks.colours import BLUE, GREEN, ORANGE
from explorer.render.marks.curve import GREY, Curve, Row, Spot
from explorer.render.marks.layers import layered_chart
from explorer.render.marks.ticks import number_text, tick_label_expression, ticks

LOW_SHARE = 0.5  # of the height of the first plot
DIGITS = 4


def draw(
    game: Game, look: GameLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart | alt.VConcatChart:
    """The picture that the look names, as an Altair chart.

    Args:
        game: as far as it is known.
        look: how it is drawn.
        names: of the point and the start.
    """
    charts = {"eigenvalues": eigenvalues_chart, "way": way_chart}
    return charts[look.picture](game, look, names)


def eigenvalues_chart(
    game: Game, look: GameLook, names: Sequence[SubjectName] = ()
) -> alt.LayerChart:
    """The eigenvalues in the complex plane: above or below the real axis the game turns."""
    values = game.eigenvalues
    values = values[np.isfinite(values)]
    rows = [
        {"re": float(v.real), "im": float(v.imag), "words": _complex_text(complex(v))}
        for v in values
    ]
    base = alt.Chart(arrow_table(rows or [{"re": 0.0, "im": 0.0, "words": ""}]))
    if not rows:
        base = base.transform_filter("false")
    x = _channel(alt.X, "re", "Real part", values.real)
    y = _channel(alt.Y, "im", "Imaginary part", values.imag)
    tooltip = [alt.Tooltip("words:N", title="eigenvalue")]
    points = base.mark_point(size=40, filled=True, opacity=0.75, color=BLUE)
    zero = alt.Chart(arrow_table([{"zero": 0.0}]))
    axes = [
        zero.mark_rule(color=GREY, opacity=0.6).encode(x=alt.X("zero:Q")),
        zero.mark_rule(color=GREY, opacity=0.6).encode(y=alt.Y("zero:Q")),
    ]
    layers = [points.encode(x=x, y=y, tooltip=tooltip), *axes]
    return layered_chart(layers, look.width, look.height, look.title)


def _complex_text(value: complex) -> str:
    sign = "-" if value.imag < 0 else "+"
    return f"{number_text(value.real, DIGITS)} {sign} {number_text(abs(value.imag), DIGITS)} i"


def _channel(
    channel: type[alt.X] | type[alt.Y], field: str, title: str, values: np.ndarray
) -> alt.X | alt.Y:
    """Scale and axis that reach a little beyond the values and 0."""
    low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
    room = (high - low) * 0.08 or 0.5
    ends = [low - room, high + room]
    places = ticks(ends[0], ends[1], False, 6)
    axis = {"title": title, "values": places, "labelExpr": tick_label_expression(places)}
    scale = {"domain": ends, "nice": False, "zero": False}
    return channel(f"{field}:Q", scale=scale, axis={**axis, "gridOpacity": 0.22})


def way_chart(
    game: Game, look: GameLook, names: Sequence[SubjectName] = ()
) -> alt.VConcatChart | alt.LayerChart:
    """Path-angle, norm of the field and losses from the start (0) through the point (1)."""
    low = round(look.height * LOW_SHARE)
    angle, norm = (_curve(game, role) for role in (GameRole.PATH_ANGLE, GameRole.PATH_NORM))
    players = game.facts.players
    losses = {name: _curve(game, GameRole.PLAYER_LOSS, n) for n, name in enumerate(players)}
    span = (game.settings.x_min, game.settings.x_max)
    spots = [Spot(x=x, y=0.0, words=words) for x, words in ((0.0, "start"), (1.0, "point"))]
    inside = [spot for spot in spots if span[0] <= spot.x <= span[1]]
    rows = [
        Row("path-angle", {"": angle}, low, spots=inside, colours=(BLUE,)),
        Row("norm of the field", {"": norm}, low, colours=(ORANGE,)),
    ]
    if losses:
        rows.append(Row("loss", losses, low, colours=(BLUE, ORANGE, GREEN)))
    title = "Way: 0 is the start, 1 the point"
    if len(names) > 1:
        title = f"Way: 0 is {names[1].text}, 1 is {names[0].text}"
    return curves.chart(rows, title, look.width, look.title, span)


def _curve(game: Game, role: GameRole, i: int | None = None) -> Curve:
    """A value along the way where it is known."""
    x, y = game.along(role, i)
    order = np.argsort(x)
    if not len(x):
        ends = np.array([game.settings.x_min, game.settings.x_max])
        return Curve(ends, np.full(2, math.nan), np.zeros(2, dtype=bool))
    return Curve(x[order], y[order], np.ones(len(x), dtype=bool))
