"""The addresses of all pairs of some models, which differ in their two models alone."""

from pathlib import Path
from urllib.parse import urlencode

from explorer.ask.pair_wishes import Pairs
from explorer.pages._links import pair_parameters, parameter_names
from explorer.pages._minima_choice import ChosenPairs
from explorer.wording import printable
from store import records


def pair_addresses(chosen: ChosenPairs) -> dict[tuple[int, int], str]:
    """The address of each pair's page, from the app's own on, by the places of its models."""
    settings = chosen.settings
    names = parameter_names(chosen.kind, settings)
    page = Path(chosen.kind.page).stem
    steps = [_final_step(chosen.pairs, model) for model in chosen.pairs.models]
    shared = pair_parameters(chosen.kind, settings)
    addresses = {}
    for wish in chosen.pairs.wishes:
        ends = wish.row, wish.column
        own: dict[str, object] = {}
        for (name, step_name), place in zip(names, ends, strict=True):
            own |= {name: chosen.labels[place], step_name: steps[place]}
        addresses[min(ends), max(ends)] = f"{page}?{urlencode({**own, **shared}, doseq=True)}"
    return addresses


def _final_step(pairs: Pairs, model: records.Model) -> int | str:
    """What tells the final point from others of its model, as pages list it."""
    points = (p for p in pairs.reads.points(model.id) if p.point_id == model.point_id)
    point = next(points)
    return printable(point.label) if point.step is None else point.step
