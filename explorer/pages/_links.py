"""The way from a stored analysis to its page: what it is about, in words and as an address."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from explorer.ask.stored_paths import KEY_LETTERS, bringer_of, curve_label, path_of
from explorer.ask.subject_names import all_labels
from explorer.ask.subjects import named_points, point_text
from explorer.kinds import KINDS, Kind, kind_named, settings_from_json, unreadable
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import setting_fields
from explorer.kinds.trajectory import OfRuns
from explorer.pages._address import CURVES_KEY
from explorer.pages._text import as_text
from explorer.wording import printable
from store import Catalog, UnknownEntry, records
from store.annotations import Annotation


@dataclass(frozen=True)
class Link:
    """Where an analysis is shown."""

    kind: Kind
    words: str  # its subjects, as on the command line: cards are narrow
    parameters: dict[str, str | list[str]]  # of its page's address


class Subjects:
    """The models and points that links name, each read once while a page is made."""

    def __init__(self, catalog: Catalog) -> None:
        """The models of today."""
        self.labels = all_labels(catalog)  # as pages list them
        self._models = {model.id: model for model in catalog.models()}
        self._steps: dict[tuple[str, str], int | str] = {}
        self._catalog = catalog

    def label(self, id: str, name: str) -> str:
        """What a model is called on pages; a deleted one by no other's name."""
        label = self.labels.get(id, printable(name))
        alone = id in self.labels or label not in self.labels.values()
        return label if alone else f"{label} ({id[:6]})"

    def model(self, id: str) -> records.Model:
        """The model of that id, also a deleted one."""
        if id not in self._models:
            self._models[id] = self._catalog.model(id)
        return self._models[id]

    def step(self, model_id: str, id: str) -> int | str:
        """What tells a point from others of its model, as pages list it."""
        if (model_id, id) not in self._steps:
            for brought in self._catalog.answer_points(model_id=model_id):
                self._steps[model_id, brought.point_id] = point_text(brought)
            for point in self._catalog.points(model_id):
                step = printable(point.label) if point.step is None else point.step
                self._steps[model_id, point.point_id] = step
        if (model_id, id) not in self._steps:
            self._steps[model_id, id] = printable(self._catalog.point(id).label)
        return self._steps[model_id, id]

    def bringer(self, points: Sequence[tuple[str, str]]) -> str:
        """Key of the answer that brought these points, model and id each; "" if there is none."""
        return bringer_of(self._catalog, points)

    def curve(self, points: Sequence[tuple[str, str]]) -> str:
        """What a plane's page calls the trained path past these points; "" if none was stored."""
        (first_model, first), *bends, (last_model, _) = points
        question = self._catalog.question(self.bringer(bends))
        path = path_of(self._catalog, question, first) if question else None
        return curve_label(self.model(first_model), self.model(last_model), path) if path else ""


def link_to(question: records.Question, subjects: Subjects) -> Link:
    """The way to an analysis.

    Args:
        question: its question.
        subjects: of its catalog.
    """
    kind = kind_named(question.kind)
    named = zip(question.model_ids, question.model_names, strict=True)
    models = [subjects.label(id, name) for id, name in named]
    settings = settings_from_json(kind.settings, question.settings)
    points = named_points(kind, settings, question.point_ids)
    subject_words: list[str] = []
    steps: list[int | str | None] = []
    for name, model_id, id in zip(models, question.model_ids, points, strict=True):
        final = subjects.model(model_id).point_id == id
        step = subjects.step(model_id, id)
        subject_words.append(name if final else f"{name}@{step}")
        # Pages about two points do not start at final ones.
        steps.append(None if final and (len(kind.subjects) == 1 or kind.whole_run) else step)
    words = kind.joined_names(subject_words, settings)
    parameters = link_parameters(question, models, steps)
    if sequence := settings.subject_sequence():
        own = len(kind.subjects)
        bends = list(zip(question.model_ids[own:], question.point_ids[own:], strict=True))
        parameters.pop(sequence, None)
        if key := subjects.bringer(bends):
            parameters[sequence] = key[:KEY_LETTERS]
    if isinstance(settings, OfRuns) and settings.keeps_order and not kind.own_page:
        runs = len(kind.single_subjects(settings))
        path = zip(question.model_ids[runs:], question.point_ids[runs:], strict=True)
        if curve := subjects.curve(list(path)):
            parameters = {n: v for n, v in parameters.items() if n not in ("runs", "trajectory")}
            parameters[CURVES_KEY] = curve
    return Link(kind, words, parameters)


def links_of(questions: Iterable[records.Question], subjects: Subjects) -> dict[str, Link]:
    """The ways to analyses, by key; without those that this version cannot show, and damaged ones.

    Args:
        questions: theirs.
        subjects: of their catalog.
    """
    links: dict[str, Link] = {}
    for question in questions:
        if not unreadable(question.kind, question.settings):
            with contextlib.suppress(UnknownEntry):  # damaged: the others are shown
                links[question.key] = link_to(question, subjects)
    return links


def analysis_name(link: Link, annotation: Annotation, short: bool = False) -> str:
    """What an analysis is called: as somebody has named it, else by its kind and subjects.

    Args:
        link: to it.
        annotation: what is noted of it.
        short: the subjects alone, where an icon stands for the kind.
    """
    return annotation.name or (link.words if short else f"{link.kind.title} of {link.words}")


def show_link(link: Link, label: str, **options: Any) -> None:
    """The way to an analysis, with its kind's icon.

    Args:
        link: where it is shown.
        label: Markdown.
        options: of `st.page_link`, as its help and another icon.
    """
    options = {"icon": link.kind.icon, "query_params": link.parameters, **options}
    st.page_link(link.kind.page, label=label, **options)


def address_of(question: records.Question, subjects: Subjects) -> str | None:
    """The address of an analysis, from the app's own on; None where this version cannot show it."""
    link = links_of([question], subjects).get(question.key)
    if link is None:
        return None
    return f"/{Path(link.kind.page).stem}?{urlencode(link.parameters, doseq=True)}"


def parameter_names(kind: Kind, settings: ObjectiveSettings) -> list[tuple[str, str]]:
    """The names of model and step in an address, for each subject that is one point."""
    single = kind.single_subjects(settings)
    if settings.subject_sequence():  # which is named as a whole
        single = kind.subjects
    others = [(name, f"{name}_step") for name in single[1:]]
    return [("model", "step"), *others]


def link_parameters(
    question: records.Question, names: Sequence[str], steps: Sequence[int | str | None]
) -> dict[str, str | list[str]]:
    """The URL parameters under which a page shows a question.

    Args:
        question: the question.
        names: of its models, as pages list them.
        steps: of its points, or their files' names; None for a final one.
    """
    kind = kind_named(question.kind)
    settings = settings_from_json(kind.settings, question.settings)
    changed = _changed_settings(kind, question.settings)
    if len(kind.subjects) > 1 and not kind.whole_run:  # there a page may have another default
        changed["batchnorm"] = question.settings["batchnorm"]
    about: dict[str, object] = {}
    single = max(1, len(kind.single_subjects(settings)))
    places = zip(parameter_names(kind, settings), names[:single], steps[:single], strict=False)
    for (name, step_name), model, step in places:
        about |= {name: model} | ({} if step is None else {step_name: step})
    further = zip(names[single:], steps[single:], strict=True)
    texts = [name if step is None else f"{name}@{step}" for name, step in further]
    runs = {"runs": texts} if texts else {}
    return _as_parameters(about | changed) | runs


def _changed_settings(kind: Kind, settings: Mapping[str, object]) -> dict[str, object]:
    """The settings that an address must name: those that are not at their default, and some."""
    return {
        described.name: value
        for described in setting_fields(kind.settings)
        if (value := settings.get(described.name)) is not None
        and not described.setting.filled_in
        and (described.setting.in_links or value != described.default)
    }


def pair_parameters(kind: Kind, settings: ObjectiveSettings) -> dict[str, str | list[str]]:
    """What an address of a kind about two points says beside them.

    Args:
        kind: whose page it is.
        settings: of the kind; BatchNorm is named, for which a page may have another default.
    """
    values = vars(settings)
    return _as_parameters({**_changed_settings(kind, values), "batchnorm": values["batchnorm"]})


def _as_parameters(values: Mapping[str, object]) -> dict[str, str | list[str]]:
    """Values as an address writes them; lists without anything are left out."""
    parameters: dict[str, str | list[str]] = {}
    for name, value in values.items():
        if isinstance(value, list | tuple):
            if value:
                parameters[name] = list(map(str, value))
        else:
            parameters[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return parameters


def kind_link(
    kind: Kind,
    label: str,
    model: str,
    *,
    step: int | str | None = None,
    settings: ObjectiveSettings | None = None,
    help: str | None = None,
) -> None:
    """The way to what a kind can ask about a model.

    Args:
        kind: whose page it is.
        label: Markdown.
        model: as pages list it.
        step: of its point, or its name; None for the final one.
        settings: of the kind, where they are not the usual ones.
        help: more words.
    """
    parameters: dict[str, object] = {"model": model} | ({} if step is None else {"step": step})
    if settings is not None:
        parameters |= _changed_settings(kind, vars(settings))
    show_link(Link(kind, "", _as_parameters(parameters)), label, help=help)


def kind_links(name: str) -> None:
    """Links to what can be asked about the model of that name, as pages list it."""
    with st.container(horizontal=True):
        for kind in filter(lambda kind: kind.own_page, KINDS):
            kind_link(kind, f"{kind.title} of {as_text(name)}", name)
