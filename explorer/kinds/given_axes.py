"""Axes that the user gives: the difference of two points, or a direction that is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.direction_settings import DirectionSettings
from explorer.kinds.setting import Setting

GIVEN = "given"  # of all sorts of directions
DIFFERENCE = "difference"  # of two points, which an axis leads along
GIVEN_AXES = (DIFFERENCE, "stored")
SECOND_AXES = (*GIVEN_AXES, "random")
SCALINGS = ("raw", "unit", "filter")
NOT_GIVEN = {"direction": ("random", "gradient", "eigenvector")}


def given_axis(label: str, axes: tuple[str, ...]) -> Setting:
    """What an axis is, where the user gives it."""
    random = "; random: drawn from a seed and normalised" if "random" in axes else ""
    return Setting(
        label,
        "difference: from a start point to an end point; stored: a direction from a file, or one "
        f"that an analysis was made along{random}.",
        choices=axes,
        unused_with=NOT_GIVEN,
    )


@dataclass(frozen=True, kw_only=True)
class GivenAxisSettings(DirectionSettings):
    """Directions of any sort, the first of which may be given."""

    x_axis: Annotated[str, given_axis("x axis", GIVEN_AXES)] = DIFFERENCE
    scaling: Annotated[
        str,
        Setting(
            "Scaling",
            "Of given axes. raw: one unit is the whole difference, or the stored direction as it "
            "is; unit: one unit is a distance of 1; filter: each output filter gets the norm of "
            "the model's own (Li et al. 2018).",
            choices=SCALINGS,
            sources={"filter": "li2018"},
            unused_with=NOT_GIVEN,
        ),
    ] = "raw"

    def __post_init__(self) -> None:
        """A seed is of no use where nothing is drawn."""
        super().__post_init__()
        if self.given_axes and "random" not in self.given_axes.values():
            self.reset_unused("seed", "normalisation", "ignore_1d")

    @classmethod
    def possible_subjects(cls) -> tuple[str, ...]:
        """Both ends of a difference, and a stored direction."""
        return ("x_start", "x_end", "x_stored")

    @property
    def given_axes(self) -> Mapping[str, str]:
        """What each axis is, by its letter, where the axes are given; else none.

        Raises:
            NotImplementedError: these are no kind's settings.
        """
        raise NotImplementedError

    @property
    def further_subjects(self) -> tuple[str, ...]:
        """The points and directions that the axes are made of."""
        names: list[str] = []
        for axis, sort in self.given_axes.items():
            if sort == DIFFERENCE:
                names += [f"{axis}_start", f"{axis}_end"]
            elif sort == "stored":
                names.append(f"{axis}_stored")
        return tuple(names)

    @property
    def given_words(self) -> str:
        """What the axes are, as "difference and random"."""
        return " and ".join(self.given_axes.values())

    def further_words(self, names: Mapping[str, str], origin: str) -> str:
        """What given axes are made of, as "x to B, y from A to C"; from the origin is not said."""
        words: dict[str, list[str]] = {}
        for role, name in names.items():
            axis, _, part = role.partition("_")
            parts = words.setdefault(axis, [])
            if part == "stored":
                parts.append(name)
            elif part == "end":
                parts.append(f"to {name}")
            elif name != origin:
                parts.append(f"from {name}")
        return ", ".join(" ".join([axis, *parts]) for axis, parts in words.items())
