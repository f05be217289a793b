"""Asking a question of any kind: each setting is an option, described by what it says of itself."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from cyclopts import App, Group, Parameter

from explorer.ask import questions
from explorer.ask.command_text import option_name
from explorer.ask.subjects import Subject, training_start
from explorer.commands.estimates import print_estimates
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import wait_for_jobs
from explorer.commands.subjects import further_subjects, path_named, subject_named
from explorer.commands.values import named_values, value_of
from explorer.contracts.facts import ProblemFacts
from explorer.kinds import KINDS, Kind, settings_from_json
from explorer.kinds.members import OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import SettingField, setting_fields
from store import Catalog, records

SETTINGS = Group("Settings", sort_key=1)
TYPE_WORDS = {int: "INT", float: "NUMBER", str: "WORD"}


def answer(
    kind: Kind,
    settings: ObjectiveSettings,
    *,
    model: list[str],
    given: Mapping[str, str] | None = None,
    together: bool = False,
    device: str = "auto",
    dry_run: bool = False,
    chosen: Collection[str] = (),
    catalog: Catalog,
) -> int:
    """Ask, and wait with the progress on the terminal; prints the key of each question.

    Args:
        kind: of the question.
        settings: of the kind.
        model: its subjects.
        given: further subjects that the settings ask for, by their names.
        together: whether all models are runs of one question.
        device: that answers.
        dry_run: whether nothing is asked, but told what is stored and how long the rest takes.
        chosen: names of the settings that somebody has chosen.
        catalog: where the answers go.

    Raises:
        ValueError: a setting or subject is refused, or a job failed.
    """
    subjects = [subject_named(catalog, text) for text in model]
    if together and not kind.whole_run:
        raise ValueError(f"--together is for kinds about whole runs, got {kind.name}")
    if isinstance(settings, OfMembers) and not together:
        _check_members(settings, len(subjects))
    if "batchnorm" not in chosen:
        settings = _with_usual_statistics(catalog, settings, subjects[0][0])
    own = len(kind.subjects[: kind.runs_from])
    sequence = kind.settings.subject_sequence()
    if key := (given or {}).get(sequence):
        further: list[Subject | None] = [*path_named(catalog, key, subjects[0], subjects[-1])]
    else:
        further = further_subjects(catalog, settings, given or {})
    asks = [
        [*each[:own], *(subject or each[0] for subject in further), *each[own:]]
        for each in _subjects_of_each(catalog, kind, subjects, together)
    ]
    if dry_run:
        print_estimates(catalog, kind, settings, asks)
        return 0
    keys = [
        questions.ask(catalog, kind, first, settings, point=point, others=others)
        for (first, point), *others in asks
    ]
    jobs = [job.id for key in keys if (job := catalog.active_job_for(key))]
    wait_for_jobs(catalog, jobs, device)
    for key in keys:
        print(key)
    return 0


def _check_members(settings: OfMembers, models: int) -> None:
    """Refuse models of which each would be a question about too few points.

    Raises:
        ValueError: they are such.
    """
    if models > 1 and settings.last < settings.fewest_members:
        raise ValueError(
            f"each model is a question of its own, about {settings.last} of its snapshots: give "
            "--together for one about all models"
        )


def _with_usual_statistics(
    catalog: Catalog, settings: ObjectiveSettings, model: records.Model
) -> ObjectiveSettings:
    """The settings with the policy that suits their kind, of a model with BatchNorm."""
    problem = ProblemFacts.of(catalog.problem(model.problem_id).facts)
    usual = settings.usual_batchnorm()
    return replace(settings, batchnorm=usual) if problem.has_batchnorm else settings


def _subjects_of_each(
    catalog: Catalog, kind: Kind, subjects: list[Subject], together: bool
) -> list[list[Subject]]:
    """The subjects of each question that is asked."""
    if kind.own_second and (len(subjects) == 1 or len({model.id for model, _ in subjects}) > 1):
        return [[subject, training_start(catalog, subject)] for subject in subjects]
    apart = len(kind.subjects) == 1 and not together
    return [[subject] for subject in subjects] if apart else [subjects]


def chosen_settings(
    kind: Kind, options: Mapping[str, object], texts: tuple[str, ...]
) -> ObjectiveSettings:
    """The settings that options and NAME=VALUE say.

    Args:
        kind: of the question.
        options: by the settings' names; None where it was not given.
        texts: as NAME=VALUE.

    Raises:
        ValueError: a value is refused, or given both ways.
    """
    values: dict[str, object] = {**named_values(texts)}
    for name, option in options.items():
        if option is None:
            continue
        if name in values:
            raise ValueError(f"{name} is given by {option_name(name)} and by --set; give it once")
        values[name] = value_of(option) if isinstance(option, str) else option
    return settings_from_json(kind.settings, values)


def help_text(described: SettingField, others: Sequence[SettingField] = ()) -> str:
    """What `--help` says of a setting: label, help, range and unit, choices, its use, default.

    Args:
        described: the setting.
        others: those of the kind, of whose values some make it useless.
    """
    setting = described.setting
    parts = [f"{setting.label}.", setting.help]
    if setting.range_text:
        unit = f" {setting.unit}" if setting.unit else ""
        parts.append(f"{setting.range_text[:1].upper()}{setting.range_text[1:]}{unit}.")
    if setting.choices:
        word = "One of" if len(setting.choices) > 1 else "Always"
        parts.append(f"{word} {', '.join(setting.choices)}.")
    choices = {other.name: other.setting.choices for other in others}
    for name, values in setting.unused_with.items():
        useless = [str(v) for v in values if not choices.get(name) or v in choices[name]]
        if useless:
            parts.append(f"Of no use with {option_name(name)} {' or '.join(useless)}.")
    if not setting.refusal(described.default):  # else it stands for a setting that is of no use
        default = "all" if described.default in ("", ()) else described.default
        parts.append(f"[default: {default}]")
    return " ".join(filter(None, parts))


def command_of(kind: Kind) -> Callable[..., int]:
    """The command that asks a question of a kind: what all have, and an option for each setting."""
    described_fields = [f for f in setting_fields(kind.settings) if not f.setting.filled_in]

    def command(
        *,
        model: list[str],
        together: bool = False,
        set_values: tuple[str, ...] = (),
        device: str = "auto",
        dry_run: bool = False,
        catalog: Catalog,
        **options: object,
    ) -> int:
        given = {name: str(options.pop(name, None) or "") for name in _further_names(kind)}
        return answer(
            kind,
            chosen_settings(kind, options, set_values),
            model=model,
            given={name: text for name, text in given.items() if text},
            together=together,
            device=device,
            dry_run=dry_run,
            chosen={*named_values(set_values), *(n for n, v in options.items() if v is not None)},
            catalog=catalog,
        )

    parameters = [
        *_shared_parameters(kind),
        *map(_subject_parameter, _further_names(kind)),
        *(_option(f, described_fields) for f in described_fields),
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command


def _further_names(kind: Kind) -> list[str]:
    """The options that name subjects which settings ask for."""
    sequence = kind.settings.subject_sequence()
    return [*kind.settings.possible_subjects(), *([sequence] if sequence else [])]


def _shared_parameters(kind: Kind) -> list[inspect.Parameter]:
    """The parameters that questions of all kinds have."""
    several = "several: one question each"
    if kind.own_second:
        several += f", with the first snapshot as {kind.subjects[1]}; or two of one model"
    elif len(kind.subjects) > 1:
        several = "in order, two or more"
    named = f"a model, or NAME@STEP or NAME@FILE for a snapshot of it; {several}"
    return [
        _parameter("model", list[str], Parameter(help=named, metavar="NAME")),
        _parameter(
            "together",
            bool,
            Parameter(help="all models in one question, as runs on one plane", show=kind.whole_run),
            False,
        ),
        _parameter(
            "set_values",
            tuple[str, ...],
            Parameter(
                "--set", help="a setting by its name; again for others", metavar="NAME=VALUE"
            ),
            (),
        ),
        _parameter("device", str, Parameter(help="auto, cpu, cuda or mps"), "auto"),
        _parameter(
            "dry_run", bool, Parameter(help="say what is stored and how long the rest takes"), False
        ),
        inspect.Parameter("catalog", inspect.Parameter.KEYWORD_ONLY, annotation=OpenCatalog),
    ]


def _subject_parameter(name: str) -> inspect.Parameter:
    """The option that names a point or a direction which the settings ask for."""
    if name == "bends":
        words = "the path past which it leads, as the beginning of its key"
        return _parameter(
            name, str | None, Parameter(help=words, metavar="KEY", group=SETTINGS), None
        )
    axis, _, part = name.partition("_")
    default = " (the model itself unless given)" if part == "start" else ""
    roles = {
        "": f"the point that is the {axis}; named as --model",
        "start": f"start point of the difference that is {axis}{default}; named as --model",
        "end": f"end point of the difference that is {axis}; named as --model",
        "stored": f"the direction that is {axis}: an imported one, or NAME@KEY:AXIS of an analysis",
    }
    shown = Parameter(help=roles[part], metavar="NAME", group=SETTINGS)
    return _parameter(name, str | None, shown, None)


def _option(described: SettingField, others: Sequence[SettingField]) -> inspect.Parameter:
    """The option of a setting; its text is read as --set reads it, with the same sentences."""
    text = help_text(described, others)
    if described.type is bool:
        negative = f"--no-{described.name.replace('_', '-')}"
        switch = Parameter(help=text, negative=negative, group=SETTINGS)
        return _parameter(described.name, bool | None, switch, None)
    word = TYPE_WORDS[described.type]
    shown = Parameter(help=text, metavar=word, group=SETTINGS, allow_leading_hyphen=True)
    wanted = list[str] | None if described.several else str | None
    return _parameter(described.name, wanted, shown, None)


def _parameter(
    name: str, wanted: object, shown: Parameter, default: object = inspect.Parameter.empty
) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[wanted, shown])


compute = App("compute")
for _kind in KINDS:
    compute.command(command_of(_kind), name=_kind.name, help=f"{_kind.title}.")
