"""Labels against the classes that a model has: each must be one, or the example is named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Tensor

from explorer.analysis.objective.dataset import DataError, Span
from explorer.analysis.objective.examples import subset_indices
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import (
    Batch,
    Problem,
    accuracy,
    cross_entropy,
    labels_of,
    pixel_cross_entropy,
    token_cross_entropy,
)


@dataclass(frozen=True)
class _Rule:
    """Where the classes are in the outputs of a ready loss, and what label it leaves out."""

    axis: int
    ignored: int | None = None


RULES: Mapping[object, _Rule] = MappingProxyType(
    {
        cross_entropy: _Rule(1),
        accuracy: _Rule(1),
        token_cross_entropy: _Rule(-1, -100),
        pixel_cross_entropy: _Rule(1, 255),
    }
)


def wrong_label(problem: Problem, outputs: object, batch: Batch) -> tuple[int, str] | None:
    """The first example of a batch whose label is no class, and what to do; None where all are.

    Looked at are the ready losses and metrics of `explorer.problem`; others know their labels.
    `outputs` need not be of the same examples: they tell the number of classes.
    """
    for term in (problem.loss, *problem.metrics.values()):
        plain = term.func if isinstance(term, partial) else term
        rule = RULES.get(plain) if callable(plain) else None
        if rule is None or not isinstance(outputs, Tensor) or outputs.dim() < 2:
            continue
        labels = labels_of(batch)
        if plain is cross_entropy and labels.is_floating_point():
            continue  # shares of the classes
        ignored = rule.ignored
        if isinstance(term, partial):
            ignored = term.keywords.get("ignored", ignored)
        if (wrong := _first_wrong(labels, outputs.shape[rule.axis], ignored)) is not None:
            example, label = wrong
            return example, _sentence(label, outputs.shape[rule.axis], plain is accuracy)
    return None


def require_classes(
    problem: Problem, outputs: object, batch: Batch, split: str, number: Callable[[int], int] = int
) -> None:
    """Refuse a label that is none of the model's classes; see `wrong_label`.

    Args:
        problem: has loss and metrics.
        outputs: of the model on some examples of the split.
        batch: the examples looked at.
        split: their split.
        number: an example's number within the split, of its place in the batch.

    Raises:
        DataError: there is one; it names the split and the example.
    """
    if (wrong := wrong_label(problem, outputs, batch)) is not None:
        drawn = " of those drawn by max_examples" if problem.max_examples else ""
        raise DataError(f"split {split!r}, example {number(wrong[0])}{drawn} {wrong[1]}")


class LabelCheck:
    """Refuses labels that are none of the model's classes, looking at each batch once."""

    def __init__(self, problem: Problem, settings: ObjectiveSettings, available: int) -> None:
        """`available` is how many examples the split has, of which the settings choose some."""
        self._problem = problem
        self._settings = settings
        self._available = available
        self._seen: set[Span] = set()

    def __call__(self, outputs: object, batch: Batch, span: Span) -> None:
        """Look at the labels of the examples in this span.

        Raises:
            DataError: one is no class; it names the split and the example.
        """
        if span in self._seen:
            return
        settings = self._settings
        chosen = subset_indices(self._available, settings, self._problem.batch_size)

        def number(place: int) -> int:
            return span[0] + place if chosen is None else int(chosen[span[0] + place])

        require_classes(self._problem, outputs, batch, settings.split, number)
        self._seen.add(span)


def _first_wrong(labels: Tensor, classes: int, ignored: int | None) -> tuple[int, float] | None:
    """The first example with a label that is no class, and the label."""
    wrong = (labels < 0) | (labels >= classes)
    if labels.is_floating_point():
        wrong |= labels != labels.floor()
    if ignored is not None:
        wrong &= labels != ignored
    rows = wrong.reshape(len(labels), -1)
    if not bool(rows.any()):
        return None
    example = int(rows.any(dim=1).to(torch.int8).argmax())
    values = labels.reshape(len(labels), -1)[example]
    return example, values[rows[example]][0].item()


def _sentence(label: float, classes: int, counts: bool) -> str:
    said = f"has the label {label:g}, but the model has {classes} classes, 0 to {classes - 1}; "
    if label != -100:
        return said + "number the classes from 0, or leave the example out"
    if counts:
        return said + (
            "leave the example out, or write a metric that returns (right answers, how many count)"
        )
    return said + (
        "leave the example out, or take token_cross_entropy as the loss, whose mean leaves it out"
    )
