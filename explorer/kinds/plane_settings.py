"""Which plane through a point: of two random directions, two eigenvectors, or two given axes."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.direction_settings import NO_SEED_WITH, rank_of_eigenvector
from explorer.kinds.eigenvalues import rank_words
from explorer.kinds.given_axes import (
    DIFFERENCE,
    GIVEN,
    SECOND_AXES,
    GivenAxisSettings,
    given_axis,
)
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.require import require
from explorer.kinds.setting import Setting

PLANES = ("random", "eigenvector", GIVEN)  # what a plane's axes are
NO_RANK_WITH = {"direction": ("random", GIVEN)}


@dataclass(frozen=True, kw_only=True)
class PlaneSettings(GivenAxisSettings):
    """The plane through a point of two random directions, two eigenvectors or two given axes."""

    orthogonal: Annotated[
        bool,
        Setting(
            "Make the axes orthogonal",
            "The second direction is made orthogonal to the first before it is scaled. Random "
            "directions are nearly orthogonal already; the badge shows their cosine.",
            unused_with=NO_SEED_WITH,
        ),
    ] = False
    direction: Annotated[
        str,
        Setting(
            "Axes",
            "random: two directions drawn from a seed and normalised (Li et al. 2018); "
            "eigenvector: two eigenvectors of the Hessian, of length 1; given: differences of "
            "points, or stored directions.",
            choices=PLANES,
        ),
    ] = "random"
    x_rank: Annotated[int, rank_of_eigenvector("Rank of x", NO_RANK_WITH)] = 1
    y_rank: Annotated[int, rank_of_eigenvector("Rank of y", NO_RANK_WITH)] = 2
    y_axis: Annotated[str, given_axis("y axis", SECOND_AXES)] = DIFFERENCE

    def __post_init__(self) -> None:
        """Refuse what makes no two axes."""
        super().__post_init__()
        if self.direction != "eigenvector":
            return
        must = "x_rank and y_rank must be two different ranks"
        require(self.x_rank != self.y_rank, must, f"{self.x_rank} and {self.y_rank}")
        self.require_curvature()

    @classmethod
    def possible_subjects(cls) -> tuple[str, ...]:
        """Those of both axes."""
        return (*super().possible_subjects(), "y_start", "y_end", "y_stored")

    @property
    def given_axes(self) -> Mapping[str, str]:
        """What each axis is, by its letter, where the axes are given; else none."""
        return {"x": self.x_axis, "y": self.y_axis} if self.direction == GIVEN else {}

    @property
    def plane_recipe(self) -> Mapping[str, object]:
        """How its axes are made."""
        own = {f.name for f in dataclasses.fields(PlaneSettings)}
        loss = {f.name for f in dataclasses.fields(ObjectiveSettings)}
        return {"sort": "axes"} | {name: getattr(self, name) for name in own - loss}

    @property
    def plane_follows_loss(self) -> bool:
        """Whether its axes are eigenvectors."""
        return self.direction == "eigenvector"

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and what the axes are."""
        if self.direction == GIVEN:
            return (self.split, self.given_words)
        if self.direction == "random":
            return super().distinguishing_words
        return (
            self.split,
            f"{self.direction} {rank_words(self.x_rank)} and {rank_words(self.y_rank)}",
        )
