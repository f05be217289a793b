"""Settings of kinds that differentiate the loss twice."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.objective_settings import CURVATURE_PRECISIONS, FROZEN, ObjectiveSettings
from explorer.kinds.setting import Setting

MOST_PAIRS, MOST_PROBES = 200, 1000


def eigenvalue_count(label: str, help: str) -> Setting:
    """How many eigenvalues of one end of the spectrum are searched for."""
    return Setting(label, help, least=1, most=MOST_PAIRS, unit="eigenvalues")


def probe_count(help: str, least: int = 2) -> Setting:
    """How many random vectors an estimate is the mean of."""
    return Setting("Probes", help, least=least, most=MOST_PROBES)


SearchSteps = Annotated[
    int,
    Setting(
        "Search steps",
        "Of Lanczos for an eigenvalue (Golub and Van Loan), at most; as many vectors are held.",
        least=10,
        most=2000,
        unit="steps",
    ),
]
Tolerance = Annotated[
    float,
    Setting(
        "Tolerance",
        "Largest residual of an eigenvalue, as a share of the largest absolute eigenvalue.",
        above=0,
        below=1,
    ),
]


@dataclass(frozen=True, kw_only=True)
class CurvatureSettings(ObjectiveSettings):
    """A loss that is differentiated twice: see `ObjectiveSettings.require_curvature`."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the loss and its derivatives; float64 is slower and rounds less.",
            choices=CURVATURE_PRECISIONS,
        ),
    ] = "float32"
    batchnorm: Annotated[
        str,
        Setting(
            "BatchNorm",
            "The model's running statistics, where the loss is differentiated twice.",
            choices=FROZEN,
        ),
    ] = "frozen"
