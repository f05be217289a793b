"""The numbers of a study's models, to be set against each other, and what groups its models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.ask.model_words import NO_FACTS, model_words
from explorer.ask.study import Study
from explorer.ask.study_cells import Cell
from explorer.ask.study_words import question_words
from explorer.kinds.numbers import ResultNumber
from explorer.kinds.summaries import summary_of
from store import Catalog, records


@dataclass(frozen=True)
class Quantity:
    """A number that models have, as their learning rate, test loss or sharpness."""

    name: str
    numbers: tuple[ResultNumber | None, ...]  # of each model of the study


def quantities_of(catalog: Catalog, study: Study, all_cells: Sequence[Cell]) -> list[Quantity]:
    """What answers come down to, what was measured at the import, numbers of the training.

    What most models have comes first.

    Args:
        catalog: where they are.
        study: whose cells these are.
        all_cells: of the study, row by row.
    """
    by_id = {model.id: model for model in catalog.models()}
    models = [by_id.get(row.id) if not row.point else None for row in study.models]
    columns = [*_of_answers(catalog, study, all_cells), *_of_models(models)]
    columns.sort(key=lambda quantity: -sum(number is not None for number in quantity.numbers))
    return [quantity for quantity in columns if any(quantity.numbers)]


def _of_answers(catalog: Catalog, study: Study, all_cells: Sequence[Cell]) -> list[Quantity]:
    """The numbers of each question, under the question's name."""
    stored = catalog.numbers(sorted({cell.wish.key for cell in all_cells if cell.wish.key}))
    titles = [question_words(question) for question in study.questions]
    plain = [title for title, _ in titles]
    across = len(study.questions)
    quantities = []
    for column, (title, words) in enumerate(titles):
        head = title if plain.count(title) == 1 else f"{title} ({words})"
        own = [stored.get(cell.wish.key, {}) for cell in all_cells[column::across]]
        for name in dict.fromkeys(name for numbers in own for name in numbers):
            numbers = tuple(ResultNumber(*n[name]) if name in n else None for n in own)
            quantities.append(Quantity(f"{head}: {name.replace('_', ' ')}", numbers))
    return quantities


def _of_models(models: Sequence[records.Model | None]) -> list[Quantity]:
    """Measured losses and metrics, the gaps between test and train, numbers among the facts."""
    rows: list[dict[str, float]] = []
    for model in models:
        row: dict[str, float] = {}
        measured = model.measurements if model else {}
        for split, values in sorted(measured.items(), reverse=True):
            row |= {f"{metric}, {split}": value for metric, value in values.items()}
        for metric in measured.get("test", {}):
            if metric in measured.get("train", {}):
                gap = measured["test"][metric] - measured["train"][metric]
                row[f"{metric}, test minus train"] = gap
        row |= _numeric_facts(model)
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        Quantity(name, tuple(ResultNumber(row[name]) if name in row else None for row in rows))
        for name in names
    ]


def _numeric_facts(model: records.Model | None) -> dict[str, float]:
    facts: Mapping[str, object] = model.facts if model else {}
    return {
        name.replace("_", " "): float(value)
        for name, value in facts.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in NO_FACTS
    }


def groupings_of(catalog: Catalog, study: Study, labels: Sequence[str]) -> dict[str, list[str]]:
    """By name: what may group a study's models, as the word that each model has.

    Only what at least two models share, and not all.

    Args:
        catalog: where the models are.
        study: whose models they are.
        labels: of its models.
    """
    by_id = {model.id: model for model in catalog.models()}
    words_by_name = model_words(catalog, [by_id.get(row.id) for row in study.models], labels)
    return {n: words for n, words in words_by_name.items() if 1 < len(set(words)) < len(words)}


def summarised(
    numbers: Sequence[ResultNumber | None], groups: Sequence[str], summary: str
) -> dict[str, ResultNumber]:
    """A number of each group, with what the summary says of its spread.

    Args:
        numbers: of the models; what is not finite is left out.
        groups: the word of each model.
        summary: one of `summaries.SUMMARIES`; the interval supposes normal numbers.
    """
    by_group: dict[str, list[float]] = {}
    for word, number in zip(groups, numbers, strict=True):
        if number is not None and math.isfinite(number.value):
            by_group.setdefault(word, []).append(number.value)
    return {word: _summary(values, summary) for word, values in by_group.items()}


def _summary(values: Sequence[float], summary: str) -> ResultNumber:
    middle, low, high = summary_of(np.array(values)[:, None], summary)
    return ResultNumber(float(middle[0]), float(low[0]), float(high[0]))


def rank_correlation(
    x: Sequence[float], y: Sequence[float], draws: int = 2000
) -> ResultNumber | None:
    """Kendall's tau-b with a 95 % bootstrap interval over the models; None below five of them.

    Source: Jiang et al. 2020, arXiv:1912.02178, section 2.1, rank measures of generalisation by
    Kendall's tau; the interval is the percentile bootstrap of Efron, of a fixed seed.

    Args:
        x: finite numbers, one a model.
        y: as many.
        draws: resamples.
    """
    from scipy.stats import kendalltau

    if len(x) < 5:
        return None
    first, second = np.asarray(x, float), np.asarray(y, float)
    tau = float(kendalltau(first, second).statistic)
    if math.isnan(tau):  # all equal
        return None
    rng = np.random.default_rng(0)
    signs = np.sign(first[:, None] - first) * np.sign(second[:, None] - second)
    ties = np.sign(first[:, None] - first) ** 2, np.sign(second[:, None] - second) ** 2
    taus = []
    for _ in range(draws):
        chosen = rng.integers(0, len(first), len(first))
        pairs = np.ix_(chosen, chosen)
        scale = math.sqrt(ties[0][pairs].sum() * ties[1][pairs].sum())
        if scale:
            taus.append(signs[pairs].sum() / scale)
    low, high = np.quantile(taus, [0.025, 0.975])
    return ResultNumber(tau, float(low), float(high))
