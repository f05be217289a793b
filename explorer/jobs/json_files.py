"""JSON files that are written whole, and read up to a size."""

import json
from pathlib import Path

from explorer.codec import JsonValue
from explorer.jobs.whole_file import write_whole

MAX_JSON_BYTES = 1 << 28  # of a JSON file that is read: more is none of ours


def write_json(path: Path, value: JsonValue) -> None:
    """Write the file whole or not at all."""
    write_whole(path, json.dumps(value).encode())


def read_json(path: Path) -> object:
    """The file's value, or None where there is no such file.

    Raises:
        ValueError: it is no JSON, or larger than any of ours.
    """
    try:
        return json_value(path)
    except FileNotFoundError:
        return None


def json_value(path: Path) -> object:
    """The file's value, which may be null.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no JSON, or larger than any of ours.
    """
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise ValueError(f"{path} is too large to be read")
        return json.loads(path.read_text())
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be read") from error
