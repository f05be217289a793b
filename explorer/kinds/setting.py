"""What a setting says of itself: label, help, range, unit; read by checks, forms, commands, links.

A kind's settings are a frozen dataclass over `Settings` whose fields carry a `Setting`:
`x_count: Annotated[int, Setting("Points along x", least=2, most=2001)] = 51`.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Annotated, get_args, get_origin, get_type_hints

from explorer.wording import few

SettingValue = bool | int | float | str | tuple[int, ...] | tuple[str, ...]
MOST_CHOICES_LISTED = 8  # of more, a sentence names the first ones


class SettingError(ValueError):
    """A value that a setting does not take; `name` is the setting's, `refusal` says why."""

    def __init__(self, name: str, refusal: str) -> None:
        """The sentence is both, one after the other."""
        super().__init__(name, refusal)
        self.name, self.refusal = name, refusal

    def __str__(self) -> str:
        """The whole sentence."""
        return f"{self.name} {self.refusal}"


@dataclass(frozen=True)
class Setting:
    """The description of one setting.

    It takes its default where it is of no use beside the others, so that it is in no key twice.
    """

    label: str
    help: str = ""
    _: KW_ONLY
    least: float | None = None  # the range of a number: `least` and `most` are in it,
    most: float | None = None
    above: float | None = None  # `above` and `below` are not
    below: float | None = None
    open_ended: bool = False  # that a number has no end, or one alone, is meant
    nonzero: bool = False  # ranks: 1, 2, ... from above, -1, -2, ... from below
    choices: tuple[str, ...] = ()  # of a word, or of each of several
    unit: str = ""  # what a number counts or is measured in
    step: float | None = None  # by which a form's buttons change it
    short: str = ""  # the label where there is little room
    unused_with: Mapping[str, tuple[SettingValue, ...]] = field(default_factory=dict, hash=False)
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)  # choice -> whom it cites
    where_none: str = "all"  # what it stands for where nothing is chosen
    filled_in: bool = False  # from the subjects: nobody chooses it
    seed: bool = False  # of random draws: another one gives another sample of the same thing
    moves_points: bool = False  # it only says which points are measured, or how they are come by
    in_links: bool = False  # in every address: a page may have another default

    @property
    def range_text(self) -> str:
        """The range in words, as "from 2 to 2,001"; empty where there is none."""
        least, most, above, below = map(_number, (self.least, self.most, self.above, self.below))
        if self.nonzero:
            return f"from 1 to {most}, or from -1 to {least} from below"
        if least and most:
            return f"from {least} to {most}"
        if above and below:
            return f"between {above} and {below}"
        ends = {"above": above, "at least": least, "below": below, "at most": most}
        return " and ".join(f"{word} {end}" for word, end in ends.items() if end)

    @property
    def lowest(self) -> float | None:
        """The lower end of the range, whether it is in it or not; None where there is none."""
        return self.above if self.least is None else self.least

    @property
    def highest(self) -> float | None:
        """The upper end of the range, whether it is in it or not; None where there is none."""
        return self.below if self.most is None else self.most

    @property
    def choices_text(self) -> str:
        """The choices, or the first ones of many."""
        many = len(self.choices) > MOST_CHOICES_LISTED
        return few(list(self.choices)) if many else ", ".join(self.choices)

    def refusal(self, value: SettingValue) -> str:
        """Why a value is refused, as "must be from 2 to 2,001, got 1"; empty where it is not."""
        if isinstance(value, tuple):
            refusals = (self.refusal(entry) for entry in value)
            return next((refusal for refusal in refusals if refusal), "")
        if isinstance(value, str):
            wrong = bool(self.choices) and value not in self.choices
            return f"must be one of {self.choices_text}, got {value!r}" if wrong else ""
        if isinstance(value, float) and not math.isfinite(value):
            return f"must be finite, got {value}"
        return "" if self._in_range(value) else f"must be {self.range_text}, got {value}"

    def _in_range(self, value: float) -> bool:
        return (
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and not (self.nonzero and value == 0)
        )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.10g}"


@dataclass(frozen=True)
class SettingField:
    """A setting of a class of settings: its name, its type, its default, its description."""

    name: str
    type: type  # bool, int, float or str; of several values that of each
    several: bool  # whether it is a tuple of them
    default: SettingValue
    setting: Setting

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Between what a control lets a number be: its range, stretched to hold the default.

        An end that is not in the range is one that the check refuses; so is a default outside of
        it, which stands for a setting that is of no use yet.
        """
        low, high = self.setting.lowest, self.setting.highest
        if isinstance(self.default, int | float):
            low = None if low is None else min(low, self.default)
            high = None if high is None else max(high, self.default)
        return (_of_type(self.type, low), _of_type(self.type, high))

    def counts(self, values: Mapping[str, object]) -> bool:
        """Whether it matters beside these values of other settings."""
        rules = self.setting.unused_with.items()
        return not any(values.get(name) in unused for name, unused in rules if name in values)


def _of_type(number: type, end: float | None) -> float | None:
    return None if end is None else int(end) if number is int else float(end)


def setting_fields(settings: type) -> tuple[SettingField, ...]:
    """The settings of a class in their order.

    Raises:
        TypeError: a field has no description, no default, or is a number without its range.
    """
    return _fields_of(settings)


@functools.cache
def _fields_of(settings: type) -> tuple[SettingField, ...]:
    hints = get_type_hints(settings, include_extras=True)
    return tuple(_setting_field(f, hints[f.name]) for f in dataclasses.fields(settings))


def setting_field(settings: type, name: str) -> SettingField:
    """One setting of a class.

    Raises:
        ValueError: there is none of that name; the message lists them.
    """
    for described in setting_fields(settings):
        if described.name == name:
            return described
    fields = (field for field in setting_fields(settings) if not field.setting.filled_in)
    names = ", ".join(field.name for field in fields)
    raise ValueError(f"there is no setting {name!r}; there are {names}")


def _setting_field(settings_field: "dataclasses.Field[SettingValue]", hint: object) -> SettingField:
    settings = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Setting)]
    name, default = settings_field.name, settings_field.default
    if get_origin(hint) is not Annotated or len(settings) != 1:
        raise TypeError(f"the setting {name} must be Annotated with its Setting")
    if default is dataclasses.MISSING:
        raise TypeError(f"the setting {name} must have a default")
    plain = get_args(hint)[0]
    several = get_origin(plain) is tuple
    entry = get_args(plain)[0] if several else plain
    ends = settings[0].lowest, settings[0].highest
    if entry in (int, float) and None in ends and not settings[0].open_ended:
        raise TypeError(f"the setting {name} must say its range, or that it is open-ended")
    return SettingField(name, entry, several, default, settings[0])


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What settings of all kinds have in common: each is checked by its own description."""

    def __post_init__(self) -> None:
        """Refuse values out of range; write each number in one way, as it is part of a key.

        A setting that is of no use beside the others takes its default.

        Raises:
            SettingError: a value is not among the choices or outside the range.
        """
        cls: type = type(self)
        described_fields = setting_fields(cls)
        for described in described_fields:
            value = getattr(self, described.name)
            if described.type is float and isinstance(value, (int, float)):
                object.__setattr__(self, described.name, float(value) + 0.0)  # -0.0 becomes 0.0
        unused = [f for f in described_fields if not f.counts(vars(self))]
        for described in described_fields:
            value = getattr(self, described.name)
            spared = described in unused and value == described.default
            if not spared and (refusal := described.setting.refusal(value)):
                raise SettingError(described.name, refusal)
        self.reset_unused(*(described.name for described in unused))

    def reset_unused(self, *names: str) -> None:
        """Give settings that have no effect beside the others their default."""
        for name in names:
            object.__setattr__(self, name, setting_field(type(self), name).default)
