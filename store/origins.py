"""Where rows come from whose pieces do not name them one by one."""

import json
from collections.abc import Iterable

from store.records import Json


def either_of(provenances: Iterable[Json]) -> dict[str, str]:
    """What is sure of rows that come from some of these: "cpu or gpu" where they differ."""
    texts: dict[str, list[str]] = {}
    for provenance in provenances:
        for name, value in provenance.items():
            text = value if isinstance(value, str) else json.dumps(value)
            if text not in texts.setdefault(name, []):
                texts[name].append(text)
    return {name: " or ".join(several) for name, several in texts.items()}
