"""What is asked about all pairs of some models, and what the answers say of them as minima."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.ask.question import QuestionIdentity
from explorer.ask.questions import question_about, result_of
from explorer.ask.study import Study, study_model
from explorer.ask.study_cells import Cell, seconds_left
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_wishes import Wish
from explorer.kinds import KINDS, Kind
from explorer.kinds.facts import AnswerFacts, ChordFacts, number
from explorer.kinds.minima import DISTANCE_NUMBER, LOSS_NUMBER, Minima, height
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import SettingValue, setting_fields
from explorer.wording import quote
from store import Catalog, UnknownEntry, UnreadableAnswer, records

FEWEST_MODELS, MOST_MODELS = 2, 50
UNTOLD_ANSWERS = 20  # whose numbers are read off their rows at once, where none are stored yet
BETWEEN_ENDS: Mapping[str, SettingValue] = {"x_min": 0.0, "x_max": 1.0, "x_count": 21}


def path_kinds() -> list[Kind]:
    """The kinds whose answers are ways between two points, with the height of the loss on them."""
    needed = {LOSS_NUMBER, DISTANCE_NUMBER}
    return [kind for kind in KINDS if needed <= {*kind.numbers} and len(kind.subjects) == 2]


def usual_values(kind: Kind) -> dict[str, SettingValue]:
    """The settings of a kind that are other ones here: only what lies between the ends counts."""
    names = {described.name for described in setting_fields(kind.settings)}
    return {name: value for name, value in BETWEEN_ENDS.items() if name in names}


def check_models(models: Sequence[records.Model]) -> None:
    """Refuse what makes no pairs.

    Raises:
        ValueError: too few or too many models, one twice, or of several problems.
    """
    if not FEWEST_MODELS <= len(models) <= MOST_MODELS:
        raise ValueError(
            f"choose from {FEWEST_MODELS} to {MOST_MODELS} models, got {len(models)}: each two are "
            "a pair"
        )
    by_point: dict[str, records.Model] = {}
    for model in models:
        if model.problem_id != models[0].problem_id:
            raise ValueError(
                "all models must be of one problem, with the same tensors, data and loss, got "
                f"{quote(models[0].name)} and {quote(model.name)}"
            )
        if other := by_point.get(model.point_id):
            names = " and ".join(dict.fromkeys((quote(other.name), quote(model.name))))
            raise ValueError(f"all models must differ, got the same weights twice: {names}")
        by_point[model.point_id] = model


@dataclass(frozen=True)
class Pairs:
    """All pairs of some models, each with the question about its two final points."""

    reads: StudyReads
    models: Sequence[records.Model]
    wishes: Sequence[Wish]  # row and column: the places of the model it leads from, and to

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        models: Sequence[records.Model],
        kind: Kind,
        settings: ObjectiveSettings,
    ) -> "Pairs":
        """The pairs of models; where the way back is answered already, it is that one.

        Args:
            catalog: where the answers are.
            models: checked by `check_models`.
            kind: one of `path_kinds`.
            settings: of it, the same for all pairs.

        Raises:
            ValueError: the settings do not fit the problem.
        """
        reads = StudyReads.of(catalog, Study(models=tuple(map(study_model, models))))
        # By their points, so that the same pair is the same question in whichever order chosen.
        places = sorted(range(len(models)), key=lambda place: models[place].point_id)
        ends = list(itertools.combinations(places, 2))
        wishes = [_wish(reads, models, pair, kind, settings) for pair in ends]
        backward = [_wish(reads, models, (b, a), kind, settings) for a, b in ends]
        stored = catalog.questions_of([wish.key for wish in (*wishes, *backward)])
        kept = {key for key, question in stored.items() if question.deleted is None}
        chosen = [
            back if back.key in kept and there.key not in kept else there
            for there, back in zip(wishes, backward, strict=True)
        ]
        return cls(reads, models, chosen)


def _wish(
    reads: StudyReads,
    models: Sequence[records.Model],
    ends: tuple[int, int],
    kind: Kind,
    settings: ObjectiveSettings,
) -> Wish:
    """The question about two of the models, from the first to the second."""
    (model, point), other = ((models[place], models[place].point_id) for place in ends)
    question: QuestionIdentity = question_about(
        reads, kind, model, settings, point=point, others=[other]
    )
    return Wish(*ends, ((model, point), other), question)


def numbers_of(catalog: Catalog, cells: Sequence[Cell]) -> dict[str, Mapping[str, float]]:
    """The numbers of answers, by key; empty for one that cannot be read.

    They are stored soon after an answer is complete. Of those that have none yet a few are read off
    their rows, and the others missing.
    """
    answered = {cell.wish.key: cell.stored for cell in cells if cell.state == "answered"}
    stored = catalog.numbers(sorted(answered))
    numbers: dict[str, Mapping[str, float]] = {
        key: {name: value for name, (value, _, _) in own.items()} for key, own in stored.items()
    }
    for key in [key for key in answered if key not in numbers][:UNTOLD_ANSWERS]:
        question = answered[key]
        try:
            own = result_of(catalog, question).numbers if question else {}
        except (UnreadableAnswer, UnknownEntry):
            own = {}
        numbers[key] = {name: one.value for name, one in own.items()}
    return numbers


def pairs_seconds(some_cells: Sequence[Cell], all_cells: Sequence[Cell]) -> float:
    """About how long these pairs take; NaN where nothing like them was ever timed.

    Where others of the pairs are answered, as long as those: setting out for one takes longer than
    its few points.
    """
    stored = [cell.stored for cell in all_cells if cell.stored and cell.state == "answered"]
    if not stored:
        return seconds_left(some_cells)
    each = [old.seconds + (AnswerFacts.of(old.facts).timing.setup or 0.0) for old in stored[:20]]
    return float(np.median(each)) * len(some_cells)


def minima_of(
    names: Sequence[str], cells: Sequence[Cell], numbers: Mapping[str, Mapping[str, float]]
) -> Minima:
    """What the answers say of the models.

    Args:
        names: of the models.
        cells: of all pairs.
        numbers: of the answers, by key.
    """
    losses = np.full(len(names), np.nan)
    pairs: dict[tuple[int, int], Mapping[str, float]] = {}
    for cell in cells:
        own = numbers.get(cell.wish.key)
        if not own or cell.stored is None:
            continue
        ends = cell.wish.row, cell.wish.column
        pairs[min(ends), max(ends)] = own
        for place, loss in zip(ends, _end_losses(cell.stored), strict=False):
            if not math.isfinite(losses[place]):
                losses[place] = loss
    return Minima(tuple(names), losses, pairs)


def _end_losses(question: records.Question) -> list[float]:
    """The losses at both ends as the answer has them; none where it does not say."""
    # Of all its facts the others would be read in vain: there are a thousand answers.
    facts = {name: question.facts.get(name, []) for name in ("alone", "own")}
    ends = ChordFacts.of(facts)
    return [number(values, "loss") for values in ends.alone or ends.own]


@dataclass(frozen=True)
class LowestWays:
    """Of each pair the stored way with the lowest saddle, of whichever kind and settings."""

    minima: Minima
    questions: Mapping[tuple[int, int], records.Question]


def lowest_ways(catalog: Catalog, pairs: Pairs, names: Sequence[str]) -> LowestWays:
    """The lowest ways that are known between the models, over the loss and data of the pairs.

    Args:
        catalog: where the answers are.
        pairs: of models; of their own answers the objective alone counts.
        names: of the models.
    """
    objective = next(w.question.objective for w in pairs.wishes if w.question)
    places = {model.point_id: place for place, model in enumerate(pairs.models)}
    versions = {kind.name: kind.version for kind in path_kinds()}
    stored = catalog.complete_questions(objective, list(versions))
    stored = [question for question in stored if question.version == versions[question.kind]]
    ends = {q.key: tuple(places.get(point, -1) for point in q.point_ids[:2]) for q in stored}
    between = [q for q in stored if min(ends[q.key]) >= 0 and len(set(ends[q.key])) == 2]
    numbers = catalog.numbers([question.key for question in between])
    losses = np.full(len(names), np.nan)
    lowest: dict[tuple[int, int], tuple[records.Question, Mapping[str, float]]] = {}
    for question in between:
        values = {name: value for name, (value, _, _) in numbers.get(question.key, {}).items()}
        pair = min(ends[question.key]), max(ends[question.key])
        if values and (pair not in lowest or height(values) < height(lowest[pair][1])):
            lowest[pair] = question, values
        for place, loss in zip(ends[question.key], _end_losses(question), strict=False):
            losses[place] = losses[place] if math.isfinite(losses[place]) else loss
    minima = Minima(tuple(names), losses, {pair: values for pair, (_, values) in lowest.items()})
    return LowestWays(minima, {pair: question for pair, (question, _) in lowest.items()})
