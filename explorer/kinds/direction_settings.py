"""How random directions are drawn, and which eigenvector a direction is."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.seed import MOST_SEED
from explorer.kinds.setting import Setting

BY_GROUP = ("filter", "layer")  # what gives each group of weights the norm of the model's own
NORMALISATIONS = (*BY_GROUP, "raw", "unit")
MOST_RANK = 200  # of an eigenvector: as many are sought, and held
NO_SEED_WITH = {"direction": ("gradient", "eigenvector")}  # directions that nothing is drawn for


def rank_of_eigenvector(label: str, unused_with: dict[str, tuple[str, ...]]) -> Setting:
    """Which eigenvector of the Hessian an axis is."""
    help = "1, 2, ... from the largest eigenvalue on; \N{MINUS SIGN}1, \N{MINUS SIGN}2, ... from "
    return Setting(
        label,
        f"{help}the smallest.",
        least=-MOST_RANK,
        most=MOST_RANK,
        nonzero=True,
        unused_with=unused_with,
    )


@dataclass(frozen=True, kw_only=True)
class DirectionSettings(ObjectiveSettings):
    """How random directions are drawn.

    Source: Li et al. 2018, arXiv:1712.09913, sections 3 and 4.
    """

    seed: Annotated[
        int,
        Setting(
            "Seed",
            "Of the random directions.",
            least=0,
            most=MOST_SEED,
            seed=True,
            unused_with=NO_SEED_WITH,
        ),
    ] = 0
    normalisation: Annotated[
        str,
        Setting(
            "Normalisation",
            "filter: each output filter gets the norm of the model's own (Li et al. 2018); layer: "
            "each tensor does; raw: plain Gaussian; unit: the same, of length 1.",
            choices=NORMALISATIONS,
            sources={"filter": "li2018", "layer": "li2018"},
            unused_with=NO_SEED_WITH,
        ),
    ] = "filter"
    ignore_1d: Annotated[
        bool,
        Setting(
            "Keep biases and norm weights fixed",
            "Directions are zero in one-dimensional parameters (Li et al. 2018).",
            unused_with=NO_SEED_WITH,
        ),
    ] = True

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and how directions are drawn."""
        return (*super().distinguishing_words, self.normalisation, f"seed {self.seed}")
