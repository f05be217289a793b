"""NAME=VALUE, as settings and arguments are typed on the command line."""

from collections.abc import Iterable
from json import JSONDecodeError

from explorer.codec import JsonValue, json_of
from explorer.wording import is_utf8


def named_values(texts: Iterable[str]) -> dict[str, JsonValue]:
    """The values of NAME=VALUE by name; each a JSON value, or a plain word.

    Raises:
        ValueError: one has no name, or is no text.
    """
    values: dict[str, JsonValue] = {}
    for text in texts:
        if not is_utf8(text):
            raise ValueError(f"a setting must be UTF-8, got {text!a}")
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"a setting must be NAME=VALUE, got {text!r}")
        values[name] = value_of(value)
    return values


def value_of(text: str) -> JsonValue:
    """A JSON value, or a plain word.

    Raises:
        ValueError: it is nested too deeply, or a number of too many digits.
    """
    try:
        value: JsonValue = json_of(text)
    except JSONDecodeError:
        return text
    return value
