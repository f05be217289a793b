"""Whose each parameter is, where several players share a model."""

from explorer.analysis.objective.moved_parameters import matches_pattern, moved_names
from explorer.problem import Problem


def owners(problem: Problem) -> dict[str, int]:
    """The place of the player that moves each parameter, by the parameter's name.

    Raises:
        ValueError: a parameter is no player's or that of two, or a player has none.
    """
    moved = moved_names(problem)
    whose: dict[str, int] = {}
    for name, value in problem.model.named_parameters():
        if not value.numel() or (moved is not None and name not in moved):
            continue
        places = [
            place
            for place, player in enumerate(problem.players.values())
            if any(matches_pattern(name, pattern) for pattern in player.patterns)
        ]
        if len(places) != 1:
            several = ", ".join(list(problem.players)[place] for place in places)
            owner = f"that of {several}" if several else "no player's"
            raise ValueError(
                f"each parameter must be one player's, but {name} is {owner}; correct the "
                "patterns of the players in the problem file"
            )
        whose[name] = places[0]
    for place, name in enumerate(problem.players):
        if place not in whose.values():
            raise ValueError(
                f"player {name!r} must have parameters, got none; correct its patterns"
            )
    return whose
