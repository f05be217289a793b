"""An average and what it is made of as rows: what is drawn and told of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.averaging_settings import METHOD_WORDS
from explorer.kinds.look import SubjectName
from explorer.kinds.members import member_names
from explorer.render.marks.ticks import number_text

KIND_WORDS = {
    Role.INGREDIENT: "ingredient",
    Role.BASE: "base",
    Role.TRIAL: "tried, left out",
    Role.AVERAGE: "average",
}
KEPT_WORDS = "tried, kept"


@dataclass(frozen=True, kw_only=True)
class AveragingRow:
    """What is drawn and told of a point; one that has no place draws an empty chart."""

    name: str = ""
    kind: str = KIND_WORDS[Role.INGREDIENT]
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    value_words: str = ""
    distance_words: str = ""


def row_names(averaging: Averaging, names: Sequence[SubjectName] = ()) -> list[str]:
    """What each row is called; no two alike.

    Args:
        averaging: the answer.
        names: of the subjects in their order: the base if there is one, then the runs.
    """
    singles = len(averaging.settings.further_subjects)
    members = member_names(averaging.settings.lengths, names[singles:])
    base = names[0].text if singles and names else "base"
    words, used = [], set[str]()
    for unit, role in enumerate(averaging.roles):
        if role == Role.INGREDIENT:
            text = members[unit]
        elif role == Role.BASE:
            text = base if base == "base" else f"{base} (base)"
        elif role == Role.TRIAL:
            tried = averaging.values["tried"][unit]
            trial = unit - averaging.settings.members + 1
            text = f"trial {trial}" if np.isnan(tried) else f"+ {members[int(tried)]}"
        else:
            text = METHOD_WORDS[averaging.settings.method]
        while text in used:
            text += "\N{ZERO WIDTH SPACE}"
        used.add(text)
        words.append(text)
    return words


def averaging_rows(
    averaging: Averaging, value: str, names: Sequence[SubjectName] = ()
) -> list[AveragingRow]:
    """What is drawn and told of each row that is computed.

    Raises:
        ValueError: there is no such value.
    """
    if value not in averaging.values:
        raise ValueError(f"value must be one of {', '.join(averaging.values)}, got {value!r}")
    nothing = np.full(len(averaging.loss), np.nan)
    low, high = (averaging.interval if value == "loss" else None) or (nothing, nothing)
    rows = []
    for unit, name in enumerate(row_names(averaging, names)):
        if not averaging.computed[unit]:
            continue
        number = float(averaging.values[value][unit])
        rows.append(
            AveragingRow(
                name=name,
                kind=kind_words(averaging, unit),
                value=number,
                low=float(low[unit]),
                high=float(high[unit]),
                value_words=_with_interval(number, float(low[unit]), float(high[unit])),
                distance_words=number_text(float(averaging.values["distance"][unit]), 4),
            )
        )
    return rows


def kind_words(averaging: Averaging, unit: int) -> str:
    """What a row is about, in words."""
    role = Role(int(averaging.roles[unit]))
    kept = role == Role.TRIAL and averaging.values["kept"][unit] == 1
    return KEPT_WORDS if kept else KIND_WORDS[role]


def _with_interval(value: float, low: float, high: float) -> str:
    words = number_text(value, 5)
    if math.isfinite(low) and math.isfinite(high) and high > low:
        words += f" ({number_text(low, 4)} to {number_text(high, 4)})"
    return words
