"""Facts that are kept as JSON: how every record of them is read again."""

from dataclasses import dataclass
from typing import Self

from explorer.codec import Json, from_json


@dataclass(frozen=True)
class StoredFacts:
    """A record of facts; what another version has added stays among its `others`."""

    @classmethod
    def of(cls, facts: Json) -> Self:
        """The facts as they are stored, or as a piece brings them.

        Raises:
            ValueError: they are none; the sentence names the field.
        """
        return from_json(cls, facts, ignore_unknown=True)
