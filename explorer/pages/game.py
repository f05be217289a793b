"""The game of several players: choose, ask, see how its vector field turns at a point."""

from collections.abc import Mapping
from functools import partial

import streamlit as st

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import training_start
from explorer.contracts.facts import ProblemFacts
from explorer.kinds.game import GAME, GameLook
from explorer.kinds.game_result import Game, GameRole
from explorer.kinds.game_settings import GameSettings
from explorer.pages import _asking as asking
from explorer.pages import _charts as charts
from explorer.pages import _controls as controls
from explorer.pages import _forms as forms
from explorer.pages._ending import show_ending
from explorer.pages._objective import choose_objective
from explorer.pages._one_question import show_page
from explorer.pages._stopping import stop_page
from explorer.pages._terms import cited, term_help
from explorer.pages._text import as_text
from explorer.render.marks.ticks import number_text
from store import Catalog, records

DIGITS = 4


def choose(catalog: Catalog) -> asking.WantedQuestion:
    """The point and how far the way leads, from the left column."""
    model = controls.choose_model(catalog)
    point = controls.choose_point(catalog, model)
    problem = catalog.problem(model.problem_id)
    if not ProblemFacts.of(problem.facts).players:
        stop_page(
            f"The problem of {as_text(model.name)} declares no players: choose another model, or "
            "add Problem(..., players=...) to its file and import it again.",
            error=False,
            heading=GAME.title,
        )
    with st.expander("Objective", expanded=True):
        values = choose_objective(GameSettings, problem)
    with st.expander("Way", expanded=True):
        values |= forms.choose_all(GameSettings, ("x_min", "x_max", "x_count"))
    settings = forms.checked_settings(GameSettings, values)
    start = training_start(catalog, (model, point))
    return asking.WantedQuestion(GAME, settings, ((model, point), start))


def show(catalog: Catalog, stored_questions: Mapping[str, records.Question]) -> None:
    """The game so far: its numbers, its eigenvalues, its way."""
    from explorer.render.game import draw

    (question,) = stored_questions.values()
    game = questions.result_as(catalog, question, Game)
    names = subject_names(catalog, question)
    show_numbers(game)
    width = charts.plot_width()
    by_picture = {
        picture: partial(draw, game, GameLook(picture=picture, width=width), names)
        for picture in ("eigenvalues", "way")
    }
    if game.computed[0]:
        words = f"Eigenvalues of the game's Jacobian at {names[0].text}"
        charts.show_chart(by_picture["eigenvalues"](), words, game.eigenvalues.imag)
    if game.facts.distance == 0:
        st.info(
            "Only this point of its training is known: there is no way to look along. Import the "
            "first snapshot too to see the path-angle."
        )
    elif game.computed[1:].any():
        words = f"Path-angle, norm of the vector field and losses from {names[-1].text}"
        charts.show_chart(by_picture["way"](), words, game.along(GameRole.PATH_ANGLE)[1])
    explain(game)
    show_ending(catalog, {"": question}, {"": game}, by_picture["eigenvalues"])


def show_numbers(game: Game) -> None:
    """How much it turns, and where each player stands."""
    if not game.computed[0]:
        return
    with st.container(horizontal=True, gap="medium"):
        for name in ("largest_imaginary", "lowest_real", "field_norm"):
            text = number_text(game.numbers[name].value, DIGITS)
            label = name.replace("_", " ").capitalize()
            st.metric(label, text, help=term_help(name), width="content")
    rows = [
        {
            "Player": as_text(name),
            "Parameters": f"{game.facts.player_parameters[n]:,}",
            "Gradient": number_text(game.of_player(GameRole.PLAYER_GRADIENT, n), DIGITS),
            "Lowest own eigenvalue": number_text(game.of_player(GameRole.PLAYER_LOWEST, n), DIGITS),
            "Highest": number_text(game.of_player(GameRole.PLAYER_HIGHEST, n), DIGITS),
        }
        for n, name in enumerate(game.facts.players)
    ]
    st.table(rows, hide_index=True)


def explain(game: Game) -> None:
    """What the numbers say together."""
    if not game.computed[0]:
        return
    turning = game.numbers["largest_imaginary"].value
    sentences = [
        "Eigenvalues off the real axis mean rotation: players that answer each other circle, and "
        "simultaneous steps of gradient descent may lead outward where each loss alone falls "
        "(Mescheder et al. 2018)."
        if turning > 0
        else "All eigenvalues are real: nothing turns here."
    ]
    if game.numbers["lowest_player_eigenvalue"].value < 0:
        sentences.append(
            "A player's own Hessian has a negative eigenvalue: the point is no Nash equilibrium, "
            "though training may rest there (Berard et al. 2020)."
        )
    st.caption(cited(" ".join(sentences)), help=term_help("path_angle", "lowest_player_eigenvalue"))


show_page("Game", choose, show)
