"""Stored answers side by side: what each was computed from, what keeps two from being compared."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from explorer.ask.provenance import provenance_of
from explorer.contracts.facts import ModelFacts, ProblemFacts
from explorer.kinds import kind_named
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import setting_fields
from store import Catalog, records

HASH_LETTERS = 12  # of a hash that are told
IS_HASH = re.compile("[0-9a-f]{64}").fullmatch


@dataclass(frozen=True)
class ComparedRow:
    """One thing that answers were computed from, as a row of a table."""

    name: str
    values: tuple[str, ...]  # of each answer; "" where it has no such thing

    @property
    def equal(self) -> bool:
        """Whether it is the same in all."""
        return len(set(self.values)) == 1


@dataclass(frozen=True)
class Hindrances:
    """Why an answer cannot be set against another, in words such as "other data (train, test)"."""

    of_numbers: tuple[str, ...] = ()  # they are of other losses
    of_places: tuple[str, ...] = ()  # they are at other points
    remarks: tuple[str, ...] = ()  # they are comparable, but not alike

    @property
    def words(self) -> str:
        """Why there is no difference point by point; empty where there is one."""
        return ", ".join((*self.of_numbers, *self.of_places))


def compared_rows(catalog: Catalog, questions: Sequence[records.Question]) -> list[ComparedRow]:
    """What the answers were computed from: question, data, problem, settings, machine."""
    columns = [_texts(catalog, question) for question in questions]
    names = dict.fromkeys(chain.from_iterable(columns))
    return [ComparedRow(n, tuple(column.get(n, "") for column in columns)) for n in names]


def _texts(catalog: Catalog, question: records.Question) -> dict[str, str]:
    origin = provenance_of(catalog, question)
    points = ", ".join(point[:HASH_LETTERS] for point in origin.points)
    texts = {"Analysis": origin.kind, "Model": ", ".join(origin.models), "Points": points}
    for head, facts in (("Data", origin.data), ("Problem", origin.problem)):
        texts |= {f"{head}: {name}": _text(value) for name, value in facts.items() if value}
    for described in setting_fields(kind_named(question.kind).settings):
        if described.name in question.settings and described.name != "split":
            texts[described.setting.label] = _text(question.settings[described.name])
    texts |= {
        f"Computed: {name}": str(v) for name, v in origin.computed.items() if name != "shares"
    }
    return texts


def _text(value: object) -> str:
    """A value in a cell: of a hash its beginning."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return text[:HASH_LETTERS] if IS_HASH(text) else text


def hindrances(catalog: Catalog, first: records.Question, other: records.Question) -> Hindrances:
    """What keeps the numbers of one answer from being set against those of another.

    Its places, too, where both are of one kind: a difference point by point wants the same points.
    """
    numbers = _other_problem(catalog, first, other)
    objective = {described.name for described in setting_fields(ObjectiveSettings)}
    places = []
    for described in setting_fields(kind_named(first.kind).settings):
        name, setting = described.name, described.setting
        pair = (first.settings.get(name), other.settings.get(name))
        if name == "split" or setting.filled_in or pair[0] == pair[1]:
            continue
        words = f"other {setting.label} ({pair[0]}, {pair[1]})"
        if name in objective:
            numbers.append(words)
        elif first.kind == other.kind:
            places.append(words)
    remarks = _other_training(catalog, first, other)
    return Hindrances(tuple(numbers), tuple(places), tuple(remarks))


def _other_problem(catalog: Catalog, first: records.Question, other: records.Question) -> list[str]:
    """In what data and loss differ."""
    facts = [ProblemFacts.of(catalog.problem(one.problem_id).facts) for one in (first, other)]
    splits = [fact.splits.get(one.split) for fact, one in zip(facts, (first, other), strict=True)]
    data = [split.fingerprint[:HASH_LETTERS] if split else "unknown" for split in splits]
    words = []
    if data[0] != data[1]:
        words.append(f"other data ({first.split} {data[0]}, {other.split} {data[1]})")
    if facts[0].loss != facts[1].loss:
        words.append(f"another loss ({facts[0].loss}, {facts[1].loss})")
    return words


def _other_training(
    catalog: Catalog, first: records.Question, other: records.Question
) -> list[str]:
    """In what the training's loss differs, which the stored losses do not contain."""
    decays = [
        {ModelFacts.of(catalog.model(id).facts).weight_decay or 0.0 for id in one.model_ids}
        for one in (first, other)
    ]
    if decays[0] == decays[1]:
        return []
    pair = ", ".join("/".join(f"{decay:g}" for decay in sorted(of)) for of in decays)
    return [f"trained with another weight decay ({pair}), which no loss here contains"]
