"""NAME=VALUE, as settings and arguments are typed on the command line."""

import json
from collections.abc import Iterable


def named_values(texts: Iterable[str]) -> dict[str, object]:
    """The values of NAME=VALUE by name; each a JSON value, or a plain word.

    Raises:
        ValueError: one has no name.
    """
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"a setting must be NAME=VALUE, got {text!r}")
        values[name] = value_of(value)
    return values


def value_of(text: str) -> object:
    """A JSON value, or a plain word."""
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError:
        return text
    return value
