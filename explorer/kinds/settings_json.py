"""Settings from JSON values, as they are stored, sent to a worker or typed by a user."""

import json
import math
import sys
from collections.abc import Mapping
from typing import TypeVar

from explorer.kinds.setting import SettingField, Settings, setting_field

S = TypeVar("S", bound=Settings)


def settings_from_json(settings: type[S], values: Mapping[str, object]) -> S:
    """The settings of that class from JSON values; what is not given keeps its default.

    Raises:
        ValueError: an unknown name, or a value of another type; the message names it.
    """
    return settings(
        **{name: typed_value(setting_field(settings, name), v) for name, v in values.items()}
    )


def typed_value(described: SettingField, value: object) -> object:
    """A JSON value as the setting has it: whole floats become int, int float; else it must fit.

    Raises:
        ValueError: it is of another type.
    """
    if not described.several:
        return _entry(described, value)
    if not isinstance(value, list | tuple):
        example = json.dumps([value], default=str)
        raise ValueError(f"{described.name} must be a list, as {example}, got {value!r}")
    return tuple(_entry(described, entry) for entry in value)


def _entry(described: SettingField, value: object) -> object:
    wanted = described.type
    is_bool = isinstance(value, bool)
    if isinstance(value, wanted) and is_bool == (wanted is bool):
        return value
    if isinstance(value, (int, float)) and not is_bool:
        if wanted is float and abs(value) <= sys.float_info.max:
            return float(value)
        if wanted is int and math.isfinite(value) and value == int(value):
            return int(value)
    raise ValueError(f"{described.name} must be of type {wanted.__name__}, got {value!r}")
