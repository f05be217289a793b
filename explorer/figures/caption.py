"""What is said of a figure: a caption that states what it shows, and the methods' sources."""

import math
from collections.abc import Iterator
from pathlib import PurePath

from explorer.contracts.facts import ProblemFacts
from explorer.figures.bibliography import bibliography
from explorer.figures.panels import StoredPanel, stored_panels
from explorer.figures.recipe import Recipe
from explorer.kinds import kind_named, settings_from_json
from explorer.kinds.look import Look
from explorer.kinds.numbers import ResultNumber
from explorer.kinds.provenance import PROGRAM, VERSION
from explorer.kinds.setting import SettingField, setting_fields
from store import Catalog, records

MOST_NUMBERS = 4  # of a panel, with their intervals
KEY_LETTERS = 12  # of an analysis: enough to find it again


def caption(catalog: Catalog, recipe: Recipe) -> str:
    """A draft of the caption: of each panel model, data, settings and errors, exactly.

    Raises:
        ValueError: as for `stored_panels`.
    """
    sentences = [
        panel_sentence(catalog, recipe.letter(place), panel)
        for place, panel in enumerate(stored_panels(catalog, recipe))
    ]
    keys = ", ".join(key[:KEY_LETTERS] for key in recipe.keys)
    origin = f"Made with {PROGRAM} {VERSION} (analyses {keys})."
    return "\n".join([*sentences, origin]) + "\n"


def sources(catalog: Catalog, recipe: Recipe) -> str:
    """BibTeX of the methods of all that the figure shows.

    Raises:
        ValueError: as for `stored_panels`.
    """
    keys: list[str] = []
    for panel in stored_panels(catalog, recipe):
        for question in (panel.question, *panel.over):
            keys += source_keys(question)
        keys += look_source_keys(panel.look)
    return bibliography(keys)


def look_source_keys(look: Look) -> Iterator[str]:
    """The keys of the publications whose pictures a look asks for."""
    for described in setting_fields(type(look)):
        value = getattr(look, described.name)
        if value in described.setting.sources:
            yield described.setting.sources[value]


def source_keys(question: records.Question) -> Iterator[str]:
    """The keys of the publications whose methods an answer uses; see `bibliography`."""
    kind = kind_named(question.kind)
    yield from kind.sources
    settings = vars(settings_from_json(kind.settings, question.settings))
    for described in setting_fields(kind.settings):
        value = settings[described.name]
        if described.counts(settings) and value in described.setting.sources:
            yield described.setting.sources[value]


def panel_sentence(catalog: Catalog, letter: str, panel: StoredPanel) -> str:
    """What a panel shows: model, data, every setting that counts, numbers with intervals."""
    question = panel.question
    parts = [question.title, _data_words(catalog, question), *_setting_words(question)]
    for other in panel.over:
        parts.append(f"over it {other.title[:1].lower()}{other.title[1:]}")
    if panel.kind.count_text(question.units_done, question.units) and question.status != "complete":
        done = panel.kind.count_text(question.units_done, question.units)
        parts.append(f"not complete, {done}")
    numbers = list(_number_words(panel))
    text = "; ".join(filter(None, parts))
    errors = f" {', '.join(numbers)} (95 % intervals, or bounds by residuals)." if numbers else ""
    return f"{letter} {text}.{errors}".strip()


def _data_words(catalog: Catalog, question: records.Question) -> str:
    """Loss, data and problem file."""
    problem = catalog.problem(question.problem_id)
    facts = ProblemFacts.of(problem.facts)
    split = facts.splits.get(question.split)
    count = f" ({split.count:,} examples)" if split else ""
    loss = f"{facts.loss.replace('_', ' ')} over " if facts.loss else ""
    return f"{loss}{question.split}{count}, {PurePath(problem.path).name}"


def _setting_words(question: records.Question) -> Iterator[str]:
    """Every setting that counts beside the others, with its unit; but the split, said before."""
    kind = kind_named(question.kind)
    settings = vars(settings_from_json(kind.settings, question.settings))
    for described in setting_fields(kind.settings):
        value = settings[described.name]
        used = described.counts(settings) and not described.setting.filled_in
        if used and described.name != "split" and not _says_nothing(value):
            yield _setting_text(described, value)


def _says_nothing(value: object) -> bool:
    """Whether a setting is off; a 0 is a number."""
    return value is False or value in ("", ())


def _setting_text(described: SettingField, value: object) -> str:
    label = described.setting.label
    label = label[:1].lower() + label[1:] if label[1:].islower() else label
    if value is True:
        return label
    if isinstance(value, tuple):
        return f"{label} {', '.join(map(str, value))}"
    words = f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
    return f"{label} {words}{' ' + described.setting.unit if described.setting.unit else ''}"


def _number_words(panel: StoredPanel) -> Iterator[str]:
    """The numbers of a result that have an interval, the first few."""
    uncertain = {
        name: number
        for name, number in panel.result.numbers.items()
        if math.isfinite(number.low + number.high)
    }
    for name, number in list(uncertain.items())[:MOST_NUMBERS]:
        yield f"{name.replace('_', ' ')} {_interval_text(number)}"


def _interval_text(number: ResultNumber) -> str:
    return f"{number.value:.5g} ({number.low:.5g} to {number.high:.5g})"
