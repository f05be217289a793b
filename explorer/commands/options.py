"""The options of a question's command: those of all kinds, one for each setting and subject."""

import inspect
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Group, Parameter

from explorer.ask.command_text import option_name
from explorer.commands.parameters import OpenCatalog
from explorer.kinds import Kind
from explorer.kinds.setting import SettingField, setting_fields

SETTINGS = Group("Settings", sort_key=1)
ENGINE_HELP = (
    "a Ray cluster that answers, auto or HOST:PORT, instead of this machine's devices; elsewhere: "
    "an engine that you start on the catalog's folder, as by sbatch"
)
DEVICE_HELP = (
    "auto, cpu, cuda, mps or a list with a worker for each, as cuda:0,cuda:2 or cpu,cpu; where the "
    "app runs, its choice on the page Jobs counts"
)
TYPE_WORDS = {int: "INT", float: "NUMBER", str: "WORD"}


def parameters_of(kind: Kind) -> list[inspect.Parameter]:
    """The parameters of the command that asks a question of a kind."""
    described_fields = [f for f in setting_fields(kind.settings) if not f.setting.filled_in]
    return [
        *_shared_parameters(kind),
        *map(_subject_parameter, further_names(kind)),
        *(_option(described, described_fields) for described in described_fields),
    ]


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
        default = setting.where_none if described.default in ("", ()) else described.default
        parts.append(f"[default: {default}]")
    return " ".join(filter(None, parts))


def further_names(kind: Kind) -> list[str]:
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
        _parameter("device", str, Parameter(help=DEVICE_HELP), "auto"),
        _parameter("engine", str, Parameter(help=ENGINE_HELP, metavar="ADDRESS"), ""),
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
    annotation = list[str] | None if described.several else str | None
    return _parameter(described.name, annotation, shown, None)


def _parameter(
    name: str, wanted: object, shown: Parameter, default: object = inspect.Parameter.empty
) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=Annotated[wanted, shown])
