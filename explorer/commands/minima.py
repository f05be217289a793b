"""Many minima without a browser: all pairs computed, their matrix and tree printed."""

import math
from collections.abc import Sequence
from dataclasses import replace

from explorer.ask import study_run
from explorer.ask.pair_wishes import (
    Pairs,
    check_models,
    lowest_ways,
    minima_of,
    numbers_of,
    pairs_seconds,
    path_kinds,
    usual_values,
)
from explorer.ask.study_cells import UNDER_WAY, Cell, cells_of, missing_cells
from explorer.commands.json_values import print_json
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import wait_for_jobs
from explorer.commands.subjects import model_named
from explorer.commands.tables import print_table
from explorer.commands.values import named_values
from explorer.contracts.devices import check_devices, device_of
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import Kind, settings_from_json
from explorer.kinds.minima import LOSS_NUMBER, LOWEST_PASS, Minima
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.wording import counted, message, one_line
from store import Catalog, records

LOWEST = "lowest"  # the sort of way that is of any kind


def minima(
    *,
    model: list[str],
    ways: str = "",
    number: str = "barrier",
    set: list[str] | None = None,
    device: str = "auto",
    engine: str = "",
    dry_run: bool = False,
    json: bool = False,
    catalog: OpenCatalog,
) -> int:
    """Compute the ways between all pairs of models, and print their matrix and the lowest ways.

    Args:
        model: name or id; at least two, of one problem.
        ways: the kind of way, or `lowest`: of each pair the lowest that is stored, whichever kind.
        number: of each pair, as barrier, saddle, distance or lowest_pass.
        set: settings of the kind as NAME=VALUE.
        device: auto, cpu, cuda, mps or a list, as cuda:0,cuda:2 or cpu,cpu.
        engine: a Ray cluster, auto or HOST:PORT, or elsewhere, instead of this machine's devices.
        dry_run: say how many pairs are missing and how long they take.
        json: as JSON.
        catalog: where they are.

    Raises:
        ValueError: the models make no pairs, a setting, kind or number is refused, or a pair
            failed.
    """
    kind = _kind_named(ways)
    _check_number(number, kind, ways)
    stored_models = catalog.models()
    models = [model_named(stored_models, name) for name in model]
    check_models(models)
    settings = _settings(catalog, kind, models[0], set or [])
    pairs = Pairs.of(catalog, models, kind, settings)
    names = [one_line(one.name) for one in models]
    if dry_run:
        cells = cells_of(catalog, pairs.reads, pairs.wishes)
        missing = missing_cells(cells)
        print(f"{counted(len(missing), 'pair')} missing, {_time_text(missing, cells)}")
        return 0
    if ways != LOWEST:
        _compute(catalog, pairs, device_of(engine, check_devices(device)))
    cells = cells_of(catalog, pairs.reads, pairs.wishes)
    answers = (
        lowest_ways(catalog, pairs, names).minima
        if ways == LOWEST
        else minima_of(names, cells, _all_numbers(catalog, cells))
    )
    if json:
        print_json(_content(answers))
    else:
        _print_minima(answers, number)
    failed = [cell for cell in cells if cell.state == "failed" and ways != LOWEST]
    if failed:
        raise ValueError(f"{counted(len(failed), 'pair')} failed: {failed[0].sentence}")
    return 0


def _kind_named(ways: str) -> Kind:
    kinds = {kind.name: kind for kind in path_kinds()}
    if ways in ("", LOWEST):
        return next(iter(kinds.values()))
    if ways not in kinds:
        raise ValueError(f"ways must be one of {', '.join([*kinds, LOWEST])}, got {ways!r}")
    return kinds[ways]


def _check_number(number: str, kind: Kind, ways: str) -> None:
    kinds = path_kinds() if ways == LOWEST else [kind]
    numbers = dict.fromkeys([*(name for one in kinds for name in one.numbers), LOWEST_PASS])
    if number not in numbers:
        raise ValueError(f"number must be one of {', '.join(numbers)}, got {number!r}")


def _settings(
    catalog: Catalog, kind: Kind, model: records.Model, texts: Sequence[str]
) -> ObjectiveSettings:
    """The settings as the page has them at first, but for those that are given."""
    given = named_values(tuple(texts))
    settings = settings_from_json(kind.settings, {**usual_values(kind), **given})
    problem = ProblemFacts.of(catalog.problem(model.problem_id).facts)
    if "batchnorm" in given or not problem.has_batchnorm:
        return settings
    return replace(settings, batchnorm=settings.usual_batchnorm())


def _compute(catalog: Catalog, pairs: Pairs, device: str) -> None:
    """Have what is missing answered; one pair that fails leaves the others."""
    study_run.ask_missing(catalog, cells_of(catalog, pairs.reads, pairs.wishes))
    cells = cells_of(catalog, pairs.reads, pairs.wishes)
    jobs = [cell.job.id for cell in cells if cell.job and cell.state in UNDER_WAY]
    if jobs:
        wait_for_jobs(catalog, jobs, device, keep_going=True)


def _all_numbers(catalog: Catalog, cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """The numbers of all answers; those that are not stored yet are read off their rows."""
    numbers: dict[str, dict[str, float]] = {}
    rest = [cell for cell in cells if cell.state == "answered"]
    while rest:
        numbers |= {key: dict(own) for key, own in numbers_of(catalog, rest).items()}
        rest = [cell for cell in rest if cell.wish.key not in numbers]
    return numbers


def _time_text(some_cells: Sequence[Cell], all_cells: Sequence[Cell]) -> str:
    seconds = pairs_seconds(some_cells, all_cells)
    return f"about {seconds:.1f} s" if math.isfinite(seconds) else "never timed here"


def _print_minima(answers: Minima, number: str) -> None:
    """The matrix in the order of the tree, then the lowest ways, lowest first."""
    values = answers.matrix(number)
    order = answers.order
    columns = [number, "own loss", *(answers.names[place] for place in order)]
    rows = [
        (answers.names[i], _cell(answers.losses[i]), *(_cell(values[i, j], i == j) for j in order))
        for i in order
    ]
    print_table(records.Table(tuple(columns), rows))
    for way in answers.ways:
        ends = f"{answers.names[way.first]} to {answers.names[way.second]}"
        print(message(f"lowest way {ends}: {LOSS_NUMBER} {way.saddle:.6g}"))
    for first, second in answers.not_finite:
        ends = f"{answers.names[first]} to {answers.names[second]}"
        print(message(f"the loss is not finite on the way {ends}"))


def _cell(value: float, itself: bool = False) -> object:
    return None if itself else float(f"{value:.6g}")


def _content(answers: Minima) -> dict[str, object]:
    return {
        "models": [
            {"name": name, "loss": float(loss)}
            for name, loss in zip(answers.names, answers.losses, strict=True)
        ],
        "pairs": [
            {"models": [answers.names[i], answers.names[j]], **values}
            for (i, j), values in answers.pairs.items()
        ],
        "lowest_ways": [
            {"models": [answers.names[way.first], answers.names[way.second]], "saddle": way.saddle}
            for way in answers.ways
        ],
        "order": [answers.names[place] for place in answers.order],
    }
