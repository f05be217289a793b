"""Values of settings, made from what the settings say of themselves: no table names one."""

import contextlib
import dataclasses
import math

from explorer.kinds import Kind
from explorer.kinds.setting import SettingField, SettingValue, setting_fields
from explorer.kinds.settings import ObjectiveSettings

FEW = 5  # of whatever a setting counts, where it may be so few
NAMES = ("other", "further")  # of what has no list of choices: splits, tensors


def small_settings(kind: Kind) -> ObjectiveSettings:
    """Settings of a kind that ask for little: few points, probes, steps."""
    settings: ObjectiveSettings = kind.settings()
    for field in setting_fields(kind.settings):
        if field.type is int and not field.several and int(getattr(settings, field.name)) > FEW:
            fewest = max(FEW, math.ceil(field.setting.least or 0))
            with contextlib.suppress(ValueError):  # one that does not fit the others stays
                settings = dataclasses.replace(settings, **{field.name: fewest})
    return settings


def other_value(field: SettingField) -> SettingValue:
    """A value of a setting that is allowed and is not its default."""
    if field.several:
        entry = dataclasses.replace(field, several=False, default=())
        return (_entry(entry),)
    return _entry(field)


def _entry(field: SettingField) -> SettingValue:
    setting = field.setting
    if field.type is bool:
        return not field.default
    if field.type is str:
        return next(word for word in setting.choices or NAMES if word != field.default)
    near = field.default if isinstance(field.default, int | float) else 1
    values = (near + 1, near - 1, near * 1.5, near / 2, 1, 2, setting.least, setting.most)
    wanted = (field.type(value) for value in values if value is not None)
    return next(v for v in wanted if v != field.default and not setting.refusal(v))


def bad_values(field: SettingField) -> list[object]:
    """Values that a setting refuses: of other types, out of its range, not among its choices."""
    if field.several:
        entry = dataclasses.replace(field, several=False, default=())
        return [5, None, *((bad,) for bad in bad_values(entry))]
    if field.type is bool:
        return [1, 0.0, "yes", None]
    if field.type is str:
        return [3, None, True, *(["no such word"] if field.setting.choices else [])]
    wrong: list[object] = [True, "1", None, math.nan, math.inf, -math.inf]
    wrong += [2.5] if field.type is int else []
    setting = field.setting
    ends = ((setting.least, -1), (setting.above, 0), (setting.most, 1), (setting.below, 0))
    beyond = [end + step for end, step in ends if end is not None]
    return [*wrong, *(field.type(value) for value in beyond), *([0] if setting.nonzero else [])]
