"""Of which points an ensemble is, and what of their outputs is averaged."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.members import MOST_MEMBERS, OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.path_shape import BENT_SHAPES
from explorer.kinds.setting import Setting

POINTS = "points"
MEMBERS = (POINTS, *BENT_SHAPES)
POOLED = ("automatic", "probabilities", "outputs")


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings(OfMembers, ObjectiveSettings):
    """Of which points an ensemble is, and what of their outputs is averaged."""

    pooled: Annotated[
        str,
        Setting(
            "Averaged",
            "probabilities: softmax of the outputs over their classes (Lakshminarayanan et al. "
            "2017); outputs: as the model gives them; automatic: probabilities where the loss is a "
            "ready cross-entropy, else outputs.",
            choices=POOLED,
            sources={"probabilities": "lakshminarayanan2017"},
        ),
    ] = POOLED[0]

    trajectory: Annotated[
        str,
        Setting(
            "Members",
            "points: those that are chosen; chain, bezier: points at equal steps of t along one "
            "path past them, in their order (Garipov et al. 2018).",
            choices=MEMBERS,
            sources=dict.fromkeys(BENT_SHAPES, "garipov2018"),
            moves_points=True,
        ),
    ] = POINTS
    along: Annotated[
        int,
        Setting(
            "Along the path",
            "Members from its first point to its last, both among them.",
            least=2,
            most=MOST_MEMBERS,
            unit="members",
            unused_with={"trajectory": (POINTS,)},
            moves_points=True,
        ),
    ] = 5

    @property
    def keeps_order(self) -> bool:
        """Whether points are named in the order of a path."""
        return self.trajectory != POINTS

    @property
    def units(self) -> int:
        """Members; with each the ensemble of those up to it."""
        return self.along if self.keeps_order else self.members

    @property
    def t(self) -> tuple[float, ...]:
        """Where the members of a path lie on it; none where they are the points chosen."""
        return tuple(np.linspace(0, 1, self.along).tolist()) if self.keeps_order else ()

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and along which path the members lie."""
        along = (f"{self.along} along a {self.trajectory}",) if self.keeps_order else ()
        return (*super().distinguishing_words, *along)
