"""JSON files that are written whole, and read up to a size."""

import errno
import json
import os
import stat
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
        ValueError: it is no JSON, larger than any of ours, or no file but a pipe, a link, a folder.
    """
    try:
        return json.loads(_content(path))
    except RecursionError as error:
        raise ValueError(f"{path} is nested too deeply to be read") from error


def _content(path: Path) -> bytes:
    """What the file holds; nothing that is put in its place is waited for or read without end."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(f"{path} is a link, which none of ours is") from error
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise ValueError(f"{path} is no file")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > MAX_JSON_BYTES:
            raise ValueError(f"{path} is too large to be read")
        return file.read(MAX_JSON_BYTES)
