"""A pinned answer as a panel of the page Compare, under a label that tells it from the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.kinds import Kind, kind_named
from explorer.kinds.look import Look, PlaneLook
from explorer.pages._facts import distinguishing_words
from explorer.pages._links import Subjects, analysis_name, links_of
from explorer.wording import printable
from store import Catalog, records

if TYPE_CHECKING:
    from explorer.kinds.result import Result
    from explorer.render.drawing import Drawing

LABEL_LETTERS = 160


@dataclass(frozen=True)
class Panel:
    """A pinned answer and what it is called here."""

    catalog: Catalog
    question: records.Question
    label: str

    @property
    def kind(self) -> Kind:
        """The kind of analysis."""
        return kind_named(self.question.kind)

    @cached_property
    def result(self) -> "Result":
        """The answer, as far as it is stored."""
        return questions.result_of(self.catalog, self.question)

    @property
    def progress(self) -> str:
        """How much of it is computed; empty of a whole answer."""
        question = self.question
        if question.status == "complete":
            return ""
        return self.kind.count_text(question.units_done, question.units)

    @property
    def is_plane(self) -> bool:
        """Whether it can be seen from above or in relief."""
        return issubclass(self.kind.look, PlaneLook)

    @property
    def is_plane_of_losses(self) -> bool:
        """Whether it has a difference to another, point by point."""
        from explorer.render.plane import is_plane_of_losses

        return is_plane_of_losses(self.result)

    def draw(self, look: Look) -> "Drawing":
        """Its picture.

        Raises:
            ValueError: the look asks for what it has not.
        """
        from explorer.render.drawing import drawing_of

        names = subject_names(self.catalog, self.question)
        return drawing_of(self.kind, self.result, look, names)


def panels_of(catalog: Catalog, pinned: Sequence[records.Question]) -> list[Panel]:
    """The answers by labels that tell them apart; one whose model is damaged is left out."""
    subjects = Subjects(catalog)
    noted = catalog.annotations("analysis", [question.key for question in pinned])
    labels = {
        key: printable(analysis_name(link, noted[key]), LABEL_LETTERS)
        for key, link in links_of(pinned, subjects).items()
    }
    questions = [question for question in pinned if question.key in labels]
    labels = _told_apart(labels, {q.key: distinguishing_words(q) for q in questions})
    labels = _told_apart(labels, {question.key: question.key[:6] for question in questions})
    return [Panel(catalog, question, labels[question.key]) for question in questions]


def _told_apart(labels: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    """The labels; of several that are equal each with words of its own."""
    several = {label for label in labels.values() if [*labels.values()].count(label) > 1}
    return {
        key: f"{label} ({words[key]})" if label in several else label
        for key, label in labels.items()
    }
