"""What other answers already say of a new question: the same losses at the same points."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np

from explorer.ask.provenance import contributors
from explorer.codec import Json, JsonValue
from explorer.kinds import Kind, settings_from_json, unreadable
from explorer.kinds.kind import named_code
from explorer.kinds.objective_settings import ObjectiveSettings
from store import Catalog, either_of, records

_GIVEN_UNIT = "given_unit"  # column of the unit that a row had with its giver
TAKEN_OVER_FACT = "taken_over"  # the fact that says how many points came from which questions
Columns: TypeAlias = Mapping[str, np.ndarray]
TakenOver: TypeAlias = Callable[[ObjectiveSettings, Columns], Columns]  # of a kind
RelativeRows = tuple[records.Question, Mapping[str, np.ndarray]]


def take_over(
    catalog: Catalog, kind: Kind, settings: ObjectiveSettings, question: records.Question
) -> int:
    """How many units a question has after it took what others of its family have; stored at once.

    One that has units already takes none. The rows keep who computed them. Facts and provenance of
    the whole are left to the worker that answers the rest, but for what the kind says to go with
    unit 0; where no rest is left, they are those that all the givers share.

    Args:
        catalog: where the questions are.
        kind: of the question.
        settings: of the question.
        question: the question, as it is stored.
    """
    if not kind.taken_over or not question.family:
        return question.units_done
    family = {relative.key: relative for relative in catalog.relatives(question.family)}
    if (done := family.pop(question.key, question).units_done) or not family:
        return done
    rows_by_giver = list(_rows_of_relatives(catalog, kind, settings, list(family.values())))
    counts = [len(np.unique(columns["unit"])) for _, columns in rows_by_giver]
    complete = sum(counts) == question.units
    facts = _shared_entries([giver.facts for giver, _ in rows_by_giver]) if complete else {}
    for giver, columns in rows_by_giver:
        if kind.first_facts and 0 in columns["unit"]:
            facts |= {n: v for n, v in giver.facts.items() if n in kind.first_facts}
    provenance = (
        _shared_entries([giver.provenance for giver, _ in rows_by_giver]) if complete else {}
    )
    if complete:
        catalog.add_directions(question.key, catalog.directions(rows_by_giver[0][0].key))
    for place, (giver, columns) in enumerate(rows_by_giver):
        # after each, it is said where it is from
        givers = [giver.key for giver, _ in rows_by_giver[: place + 1]]
        facts[TAKEN_OVER_FACT] = {"points": done + counts[place], "from": givers}
        rows = {name: values for name, values in columns.items() if name != _GIVEN_UNIT}
        origin = either_of(share.provenance for share in contributors(catalog, giver))
        done = catalog.ingest(
            question.key, kind.table, rows, facts, 0.0, provenance, taken_from=origin
        )
        if kind.point_words:
            given_units = columns[_GIVEN_UNIT].tolist()
            renumbered = dict(zip(given_units, rows["unit"].tolist(), strict=True))
            _take_points(catalog, kind, question.key, givers[-1], renumbered)
    if any(0 in columns["unit"] for _, columns in rows_by_giver):
        _take_directions(catalog, question.key, [giver.key for giver, _ in rows_by_giver])
    return done


def _take_points(
    catalog: Catalog, kind: Kind, key: str, giver: str, renumbered: Mapping[int, int]
) -> None:
    """Give an answer the points of units that it took from a giver: old unit -> its own."""
    points = []
    for point in catalog.answer_points(key=giver):
        if (unit := renumbered.get(point.unit)) is not None:
            name, label = kind.unit_point(unit)
            points.append(replace(point, unit=unit, name=name, label=label))
    catalog.take_points(key, points)


def _take_directions(catalog: Catalog, key: str, givers: Sequence[str]) -> None:
    """Give an answer the directions of a giver: they are the family's, and come with unit 0."""
    for giver in givers:
        brought = [point for point in catalog.answer_points(key=giver) if point.is_direction]
        if brought:
            catalog.take_points(key, brought)
            return


def _rows_of_relatives(
    catalog: Catalog, kind: Kind, settings: ObjectiveSettings, relatives: Sequence[records.Question]
) -> Iterator[RelativeRows]:
    """Relatives with the rows that they and nobody before them have for the settings."""
    missing = np.ones(settings.units, dtype=bool)
    for relative in relatives:
        # Without facts of its own it has but what it took over, and cannot say what holds for it.
        own = relative.facts.keys() - {TAKEN_OVER_FACT, *kind.first_facts}
        if relative.units_done and own and missing.any() and _is_current(kind, relative):
            old = catalog.values(relative.key, kind.table)
            if not {"unit", *kind.columns} <= old.keys():
                continue  # damaged, which the check says
            beside = {_GIVEN_UNIT: old["unit"]} if kind.point_words else {}
            taken_rows = cast(TakenOver, named_code(kind.taken_over))
            columns = taken_rows(settings, {**old, **beside})
            fresh = missing[columns["unit"]]
            missing[columns["unit"]] = False
            if fresh.any():
                yield relative, {name: values[fresh] for name, values in columns.items()}


def _is_current(kind: Kind, question: records.Question) -> bool:
    """Whether this version of the program would give the question the same answer."""
    if unreadable(question.kind, question.settings):
        return False
    settings = settings_from_json(kind.settings, question.settings)
    return question.version == kind.version_of(settings)


def _shared_entries(mappings: Sequence[Json]) -> dict[str, JsonValue]:
    """The entries that all have, with the same value; NaN is the same as NaN here."""
    first, *others = [{name: json.dumps(v) for name, v in one.items()} for one in mappings]
    same = [n for n, text in first.items() if all(other.get(n) == text for other in others)]
    return {name: mappings[0][name] for name in same}
