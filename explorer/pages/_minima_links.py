"""The addresses of all pairs of some models, which differ in their two models alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from explorer.ask.pair_wishes import LowestWays, Pairs
from explorer.ask.study_cells import Cell
from explorer.pages._links import Subjects, links_of, pair_parameters, parameter_names
from explorer.pages._minima_choice import ChosenPairs
from explorer.wording import printable
from store import Catalog, records


@dataclass(frozen=True)
class ShownWays:
    """The answers that are shown, and where each pair leads."""

    questions: Sequence[records.Question]
    addresses: Mapping[tuple[int, int], str]


def shown_ways(
    catalog: Catalog, chosen: ChosenPairs, cells: Sequence[Cell], lowest: LowestWays | None
) -> ShownWays:
    """The answers of the pairs, or the lowest ways.

    Args:
        catalog: where they are.
        chosen: the models, and what is asked of each two.
        cells: how far that is.
        lowest: in their place, if they are shown.
    """
    addresses = pair_addresses(chosen)
    if lowest is None:
        answered = [cell.stored for cell in cells if cell.stored and cell.state == "answered"]
        return ShownWays(answered, addresses)
    subjects = Subjects(catalog)
    links = links_of(lowest.questions.values(), subjects)
    for pair, question in lowest.questions.items():
        if link := links.get(question.key):
            addresses[pair] = _address(Path(link.kind.page).stem, link.parameters)
    return ShownWays(list(lowest.questions.values()), addresses)


def cell_pair(cell: Cell) -> tuple[int, int]:
    """The places of a cell's two models, the first one lower."""
    ends = cell.wish.row, cell.wish.column
    return min(ends), max(ends)


def _address(page: str, parameters: Mapping[str, object]) -> str:
    return f"{page}?{urlencode(parameters, doseq=True)}"


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
        addresses[min(ends), max(ends)] = _address(page, {**own, **shared})
    return addresses


def _final_step(pairs: Pairs, model: records.Model) -> int | str:
    """What tells the final point from others of its model, as pages list it."""
    points = (p for p in pairs.reads.points(model.id) if p.point_id == model.point_id)
    point = next(points)
    return printable(point.label) if point.step is None else point.step
