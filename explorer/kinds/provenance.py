"""Where the numbers of an exported file come from, in the words that the file carries."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from explorer.codec import JsonValue

PROGRAM, VERSION = "Loss Surface Explorer", "0.11"


@dataclass(frozen=True)
class Provenance:
    """What was asked, about what, and with what it was computed; all of it JSON values."""

    title: str  # "Surface of mlp_b"
    kind: str
    key: str  # of the question
    models: tuple[str, ...] = ()
    points: tuple[str, ...] = ()  # hashes of parameters and buffers
    settings: Mapping[str, object] = field(default_factory=dict)
    data: Mapping[str, object] = field(default_factory=dict)  # the split that the loss is over
    problem: Mapping[str, object] = field(default_factory=dict)  # file, its hash, arguments, loss
    computed: Mapping[str, object] = field(default_factory=dict)  # device, versions

    def to_json(self) -> dict[str, JsonValue]:
        """Plain JSON values; NaN and the infinities as the words NaN, inf and -inf."""
        return {name: _plain(entry) for name, entry in asdict(self).items()}


def document(analyses: Sequence[Provenance]) -> dict[str, object]:
    """What a file says of itself: the program and its version, and each analysis in it.

    Nothing in it is of the moment of the export: the same picture is the same file.
    """
    return {"program": f"{PROGRAM} {VERSION}", "analyses": [one.to_json() for one in analyses]}


def text(analyses: Sequence[Provenance]) -> str:
    """The document as one line of JSON."""
    return json.dumps(document(analyses), ensure_ascii=False, allow_nan=False, sort_keys=True)


def titles(analyses: Sequence[Provenance]) -> str:
    """What the analyses are called, as one line."""
    return " ".join("; ".join(dict.fromkeys(one.title for one in analyses)).split())


def _plain(value: object) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    return value if isinstance(value, str | int | float | None) else str(value)
