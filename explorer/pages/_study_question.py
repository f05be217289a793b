"""A question of any kind for a study: its settings from their own descriptions."""

from collections.abc import Mapping, Sequence

import streamlit as st

from explorer.ask.brought_points import directions_by_model
from explorer.ask.study import (
    EACH,
    START,
    Study,
    StudyModel,
    StudyQuestion,
    StudySubject,
    settings_to_keep,
    study_model,
    usual_subjects,
)
from explorer.ask.subject_names import label_models
from explorer.ask.subjects import point_text
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import KINDS, Kind
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import SettingField, SettingValue, setting_fields
from explorer.pages._forms import checked_settings
from explorer.pages._terms import setting_help
from explorer.pages._text import as_text
from store import Catalog

ACROSS = 4  # settings in a row
SUBJECT_WORDS = {EACH: "each model", START: "start of its training"}


def choose_question(catalog: Catalog, study: Study) -> StudyQuestion:
    """The question that is put together here."""
    titles = {kind.title: kind for kind in KINDS}
    title = st.selectbox("Kind", list(titles), key="study-kind", width=320)
    kind = titles[title]
    own = dict(zip(kind.subjects, usual_subjects(kind), strict=True))
    chosen = _choose_subjects(catalog, kind, own) if len(own) > 1 else list(own.values())
    settings = checked_settings(kind.settings, _choose_settings(kind, _splits(catalog, study)))
    single = len(kind.subjects[: kind.runs_from])
    given = _choose_subjects(catalog, kind, dict.fromkeys(settings.further_subjects, EACH))
    return StudyQuestion(
        kind=kind.name,
        settings=settings_to_keep(kind, settings),
        subjects=(*chosen[:single], *given, *chosen[single:]),
    )


def _choose_subjects(
    catalog: Catalog, kind: Kind, usual: Mapping[str, StudySubject]
) -> list[StudySubject]:
    """Which models or directions subjects are.

    Args:
        catalog: where they are.
        kind: of the question.
        usual: what each is at first, by its name.
    """
    subjects = []
    with st.container(horizontal=True):
        for name, subject in usual.items():
            options = _subject_options(catalog, kind, name)
            if not options:
                st.info(f"No direction is stored that could be {name}: import one, or ask for one.")
                st.stop()
            words = SUBJECT_WORDS[subject] if not isinstance(subject, StudyModel) else ""
            chosen = st.selectbox(
                name.replace("_", " ").capitalize(),
                list(options),
                list(options).index(words) if words in options else 0,
                format_func=as_text,
                key=f"study-{kind.name}-subject-{name}",
                width=240,
            )
            subjects.append(options[chosen])
    return subjects


def _subject_options(catalog: Catalog, kind: Kind, name: str) -> dict[str, StudySubject]:
    """What a subject can be, by label: models, or the directions that are stored."""
    if name.endswith("_stored"):
        imported = label_models(catalog.models(directions=True))
        options: dict[str, StudySubject] = {n: study_model(d) for n, d in imported.items()}
        points_by_model = directions_by_model(catalog)
        for label, model in label_models(catalog.models()).items():
            for point in points_by_model.get(model.id, ()):
                options[f"{label}: {point_text(point)}"] = study_model(model, point.point_id)
        return options
    options = {SUBJECT_WORDS[EACH]: EACH}
    if not kind.whole_run:
        options[SUBJECT_WORDS[START]] = START
    return options | {n: study_model(m) for n, m in label_models(catalog.models()).items()}


def _splits(catalog: Catalog, study: Study) -> list[str]:
    """The splits that the problems of a study's models have, or those of all models."""
    own = {model.id for model in study.models}
    models = catalog.models()
    problems = {m.problem_id for m in models if m.id in own} or {m.problem_id for m in models}
    splits = [ProblemFacts.of(p.facts).splits for p in catalog.problems() if p.id in problems]
    return list(dict.fromkeys(name for names in splits for name in names)) or ["train"]


def _choose_settings(kind: Kind, splits: Sequence[str]) -> dict[str, SettingValue]:
    """All settings that matter beside the others: the kind's own, then those of the loss."""
    shared = {described.name for described in setting_fields(ObjectiveSettings)}
    described_fields = _deciding_first(kind.settings)
    values: dict[str, SettingValue] = {}
    for title, fields in (
        (kind.title, [f for f in described_fields if f.name not in shared]),
        ("Objective", [f for f in described_fields if f.name in shared]),
    ):
        st.caption(title)
        place = 0
        for described in fields:
            # Those that come later are at their defaults as yet.
            if not described.counts({**_defaults(described_fields), **values}):
                continue
            if place % ACROSS == 0:
                columns = st.columns(ACROSS)
            with columns[place % ACROSS]:
                values[described.name] = _control(kind, described, splits)
            place += 1
    return values


def _deciding_first(settings: type) -> list[SettingField]:
    """The settings that are chosen: those that make others useless first, else in their order."""
    fields = [f for f in setting_fields(settings) if not f.setting.filled_in]
    deciding = {name for described in fields for name in described.setting.unused_with}
    return sorted(fields, key=lambda described: described.name not in deciding)


def _defaults(fields: Sequence[SettingField]) -> dict[str, SettingValue]:
    return {described.name: described.default for described in fields}


def _control(kind: Kind, described: SettingField, splits: Sequence[str]) -> SettingValue:
    """The control of one setting; it is kept in no address, unlike those of a kind's own page."""
    setting, key = described.setting, f"study-{kind.name}-{described.name}"
    help = setting_help(described)
    if described.several:
        placeholder = f"All {len(setting.choices)}"
        return tuple(
            st.multiselect(
                setting.label, setting.choices, key=key, placeholder=placeholder, help=help
            )
        )
    if described.type is bool:
        return st.checkbox(setting.label, bool(described.default), key=key, help=help)
    if described.type is str:
        words = list(setting.choices or (splits if described.default in splits else ()))
        if not words:
            return st.text_input(setting.label, str(described.default), key=key, help=help)
        index = words.index(str(described.default)) if described.default in words else 0
        return st.selectbox(
            setting.label,
            words,
            index,
            format_func=lambda w: as_text(w) or "all",
            key=key,
            help=help,
        )
    least, most = described.ends
    return st.number_input(
        setting.label,
        min_value=least,
        max_value=most,
        value=described.type(described.default),
        step=int(setting.step or 1) if described.type is int else setting.step,
        format="%d" if described.type is int else "%.4g",
        key=key,
        help=help,
    )
