"""Values as JSON has them."""

import math
from collections.abc import Mapping
from json import dumps

from explorer.commands.tables import text_of


def print_json(content: object) -> None:
    """Print values as JSON, with each letter as it is."""
    print(dumps(json_value(content), ensure_ascii=False, allow_nan=False, indent=1))


def json_value(value: object) -> object:
    """A value as JSON has it; what it lacks, as NaN and the infinities, as words."""
    if isinstance(value, float) and not math.isfinite(value):
        return text_of(value)
    if isinstance(value, Mapping):
        return {str(name): json_value(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(entry) for entry in value]
    return value if value is None or isinstance(value, bool | int | float | str) else text_of(value)
