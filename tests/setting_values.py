"""Values of settings, made from what the settings say of themselves: no table names one."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator

from explorer.kinds import Kind
from explorer.kinds.members import OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import (
    SettingError,
    SettingField,
    SettingValue,
    setting_field,
    setting_fields,
)

FEW = 3  # of whatever a setting counts, where it may be so few
NAMES = ("test", "further")  # of what has no list of choices: splits, tensors


def small_settings(kind: Kind) -> ObjectiveSettings:
    """Settings of a kind that ask for little, of a model with BatchNorm: few points, steps."""
    settings: ObjectiveSettings = kind.settings(batchnorm=kind.settings.usual_batchnorm())
    if isinstance(settings, OfMembers):  # of a run alone, which is one point unless more are taken
        settings = dataclasses.replace(settings, last=settings.fewest_members)
    for field in setting_fields(kind.settings):
        if field.type is int and not field.several and int(getattr(settings, field.name)) > FEW:
            fewest = max(FEW, math.ceil(field.setting.least or 0))
            with contextlib.suppress(ValueError):  # one that does not fit the others stays
                settings = dataclasses.replace(settings, **{field.name: fewest})
    return settings


def other_values(field: SettingField) -> list[SettingValue]:
    """Values of a setting that it takes and that are not its default."""
    if field.several:  # two: of one run alone, its length is none of the settings
        entries = other_values(dataclasses.replace(field, several=False, default=""))
        return [(entry, entry) for entry in entries]  # type: ignore[misc]
    setting, default = field.setting, field.default
    if field.type is bool:
        return [not default]
    if field.type is str:
        return [word for word in setting.choices or NAMES if word != default]
    near = default if isinstance(default, int | float) else 1
    numbers = (near + 1, near - 1, near * 1.5, near / 2, 1, 2, 3, setting.least, setting.most)
    values = [field.type(number) for number in numbers if number is not None]
    return [value for value in values if value != default and not setting.refusal(value)]


def companions(kind: Kind, field: SettingField) -> dict[str, SettingValue]:
    """Other settings beside which a setting matters; those that have a default that does not."""
    values: dict[str, SettingValue] = {}
    own = {described.name for described in setting_fields(kind.settings)}
    for name, unused in field.setting.unused_with.items():
        if name not in own:
            continue
        other = setting_field(kind.settings, name)
        useful = [value for value in (other.default, *other_values(other)) if value not in unused]
        if useful:
            values = {**companions(kind, other), **values, name: useful[0]}
    return values


def settings_beside(kind: Kind, field: SettingField) -> dict[str, SettingValue]:
    """All settings of a kind by name, so that the one of the field matters where it can."""
    settings = _accepted(kind, companions(kind, field))
    assert settings is not None, field.name
    return dataclasses.asdict(settings)


def changed_settings(kind: Kind) -> Iterator[tuple[SettingField, ObjectiveSettings]]:
    """For each setting of a kind that can have another value: settings where it has."""
    for field in setting_fields(kind.settings):
        for value in other_values(field):
            settings = _accepted(kind, {**companions(kind, field), field.name: value})
            if settings is not None:
                yield field, settings
                break


def _accepted(kind: Kind, values: dict[str, SettingValue]) -> ObjectiveSettings | None:
    """Settings of those values, and of others where they ask for them; None if they do not fit."""
    try:
        settings: ObjectiveSettings = kind.settings(**values)
    except SettingError as error:
        if error.name in values:
            return None
        other = setting_field(kind.settings, error.name)
        return _accepted(kind, {**values, error.name: other_values(other)[0]})
    except ValueError:
        return None
    return settings


def bad_values(field: SettingField) -> list[object]:
    """Values that a setting refuses: of other types, out of its range, not among its choices."""
    setting = field.setting
    if field.several:
        entry = dataclasses.replace(field, several=False, default="")
        return [5, None, *((bad,) for bad in bad_values(entry))]
    if field.type is bool:
        return [1, 0.0, "yes", None]
    if field.type is str:
        return [3, None, True, *(["no such word"] if setting.choices else [])]
    wrong: list[object] = [True, "1", None, math.nan, math.inf, -math.inf]
    if field.type is int:
        wrong += [2.5, *([0] if setting.nonzero else [])]
        wrong += [] if setting.least is None else [int(setting.least) - 1]
        return wrong + ([] if setting.most is None else [int(setting.most) + 1])
    wrong += [] if setting.least is None else [math.nextafter(setting.least, -math.inf)]
    wrong += [] if setting.most is None else [math.nextafter(setting.most, math.inf)]
    return wrong + [end for end in (setting.above, setting.below) if end is not None]
