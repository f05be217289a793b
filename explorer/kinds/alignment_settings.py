"""How one model's channels are permuted to match another's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.objective_settings import CURVATURE_PRECISIONS, ObjectiveSettings
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting

METHODS = ("weights", "activations", "random")
RANDOM = "random"


@dataclass(frozen=True, kw_only=True)
class AlignmentSettings(ObjectiveSettings):
    """What is made alike, and how often a search for it begins."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the forward pass, in which the permuted copy is compared with the model itself; "
            "matching is in float64 whatever it is.",
            choices=CURVATURE_PRECISIONS,
        ),
    ] = "float64"
    method: Annotated[
        str,
        Setting(
            "Method",
            "weights: the largest inner product of all parameters (Ainsworth et al. 2023, "
            "Algorithm 1); activations: the largest sum of correlations of channels over the data "
            "(Li et al. 2015); random: any permutation, which shows the symmetry.",
            choices=METHODS,
            sources={"weights": "ainsworth2023", "activations": "li2015"},
            moves_points=True,
        ),
    ] = METHODS[0]
    restarts: Annotated[
        int,
        Setting(
            "Restarts",
            "The first search begins at the model as it is, others at a random permutation of it.",
            least=1,
            most=100,
            unit="searches",
            in_links=True,
            moves_points=True,
        ),
    ] = 5
    seed: Seed = 0

    def check_points(self, points: Mapping[str, str]) -> None:
        """Refuse the same model twice, unless it is permuted at random.

        Raises:
            ValueError: they are the same.
        """
        if self.matches and len(set(points.values())) < len(points):
            raise ValueError(
                f"the {' and the '.join(points)} must be two models, got the same twice: choose "
                "another, or the method random"
            )

    @property
    def matches(self) -> bool:
        """Whether a permutation is looked for, not drawn at random."""
        return self.method != RANDOM

    @property
    def units(self) -> int:
        """Searches."""
        return self.restarts

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the method and the seed."""
        return (*super().distinguishing_words, self.method, f"seed {self.seed}")

    def evaluations(self, parameters: int, examples: int) -> float:
        """The loss of each copy, halfway and repaired there; both models' own, and the check's."""
        return 6.0 * self.units + 5
