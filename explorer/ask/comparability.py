"""Stored answers side by side: what each was computed from, what keeps two from being compared."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from explorer.ask.provenance import provenance_of
from explorer.contracts.facts import ModelFacts, ProblemFacts
from explorer.kinds import kind_named, settings_from_json
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

    of_numbers: tuple[str, ...] = ()  # they mean something else
    of_places: tuple[str, ...] = ()  # they are at other points
    remarks: tuple[str, ...] = ()  # the numbers are comparable, but the answers are not alike

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
    settings = _settings(question)
    for described in setting_fields(type(settings)):
        if described.name != "split":
            texts[described.setting.label] = _text(getattr(settings, described.name))
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
    """What keeps the numbers of one answer, and its points, from being set against another's.

    Of two kinds the objective's settings alone are compared. Another seed or another number of
    points is no other question, but there is no difference point by point.
    """
    numbers, places = _other_problem(catalog, first, other)
    remarks = [*places, *_other_training(catalog, first, other)]
    if first.kind != other.kind:
        places.append("another kind of analysis")
    if first.kind == other.kind and first.version != other.version:
        numbers.append(f"another version ({first.version}, {other.version})")
    kind = kind_named(first.kind)
    own = kind.settings if first.kind == other.kind else ObjectiveSettings
    values = [_settings(question) for question in (first, other)]
    for described in setting_fields(own):
        pair = [getattr(one, described.name) for one in values]
        if described.name == "split" or described.setting.filled_in or pair[0] == pair[1]:
            continue
        if not all(described.counts(vars(one)) for one in values):
            continue  # of no use in one of them: the setting that makes it so differs, and is told
        words = f"other {described.setting.label} ({_text(pair[0])}, {_text(pair[1])})"
        setting = described.setting
        sampled = described.name in kind.axes and described.type is int
        if setting.seed or setting.moves_points or sampled:
            places.append(words)
        else:
            numbers.append(words)
    further = [_further_points(question) for question in (first, other)]
    if first.kind == other.kind and further[0] != further[1]:
        places.append("axes made of other points or directions")
    if kind.whole_run and first.kind == other.kind and first.point_ids != other.point_ids:
        places.append("planes through other points")
    return Hindrances(tuple(numbers), tuple(places), tuple(remarks))


def _further_points(question: records.Question) -> tuple[str, ...]:
    """The points and directions that given axes are made of."""
    kind = kind_named(question.kind)
    own = len(kind.subjects[: kind.runs_from])
    further = _settings(question).further_subjects
    return question.point_ids[own : own + len(further)]


def comparable_groups(catalog: Catalog, questions: Sequence[records.Question]) -> list[list[int]]:
    """The places of answers whose numbers mean the same, together, in their order."""
    groups: list[list[int]] = []
    for place, question in enumerate(questions):
        for group in groups:
            if not hindrances(catalog, questions[group[0]], question).of_numbers:
                group.append(place)
                break
        else:
            groups.append([place])
    return groups


def _settings(question: records.Question) -> ObjectiveSettings:
    """All its settings, with those that came after it was asked."""
    return settings_from_json(kind_named(question.kind).settings, question.settings)


def _other_problem(
    catalog: Catalog, first: records.Question, other: records.Question
) -> tuple[list[str], list[str]]:
    """In what data and loss differ; whether the network may be another one, with other places.

    Losses of one name on the same data are one only where the same file says what they are.
    """
    problems = [catalog.problem(one.problem_id) for one in (first, other)]
    facts = [ProblemFacts.of(problem.facts) for problem in problems]
    splits = [fact.splits.get(one.split) for fact, one in zip(facts, (first, other), strict=True)]
    data = [split.fingerprint[:HASH_LETTERS] if split else "unknown" for split in splits]
    hindering = []
    if data[0] != data[1] or "unknown" in data:
        hindering.append(f"other data ({first.split} {data[0]}, {other.split} {data[1]})")
    if facts[0].loss != facts[1].loss:
        hindering.append(f"another loss ({facts[0].loss}, {facts[1].loss})")
    one, two = problems
    if one.source_hash != two.source_hash:
        hindering.append("another problem file, whose loss may be another one")
    if dict(one.arguments) == dict(two.arguments):
        return hindering, []
    pair = ", ".join(_arguments_text(problem) for problem in problems)
    return hindering, [f"a problem with other arguments ({pair})"]


def _arguments_text(problem: records.Problem) -> str:
    return " ".join(f"{name}={value}" for name, value in problem.arguments.items()) or "none"


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
