"""Where rows and entries come from that this catalog did not make itself."""

import json
from collections.abc import Collection, Iterable

from store.database_file import Cursor
from store.records import Json
from store.rows import is_among


def either_of(provenances: Iterable[Json]) -> dict[str, str]:
    """What is sure of rows that come from some of these: "cpu or gpu" where they differ."""
    texts: dict[str, list[str]] = {}
    for provenance in provenances:
        for name, value in provenance.items():
            text = value if isinstance(value, str) else json.dumps(value)
            if text not in texts.setdefault(name, []):
                texts[name].append(text)
    return {name: " or ".join(several) for name, several in texts.items()}


def origins_of(cursor: Cursor, what: str, ids: Collection[str]) -> dict[str, str]:
    """The shared catalogs that those of these models or analyses came from that did, by id."""
    condition, values = is_among("id", ids, "VARCHAR")
    query = f"SELECT id, shared FROM origins WHERE what = ? AND {condition}"  # noqa: S608
    return dict(cursor.execute(query, [what, *values]).fetchall())


def make_own(cursor: Cursor, what: str, ids: Collection[str]) -> None:
    """Have these models or analyses be this catalog's own, wherever they came from."""
    condition, values = is_among("id", ids, "VARCHAR")
    cursor.execute(f"DELETE FROM origins WHERE what = ? AND {condition}", [what, *values])  # noqa: S608
