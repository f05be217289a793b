"""How far around a point sharpness is looked for, and how exactly."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.curvature_settings import CurvatureSettings, SearchSteps, probe_count
from explorer.kinds.measures import MEASURE_PLACES, MEASURES_IN_READING_ORDER, STANDARD
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting

PASSES_PER_MEASURE = 200  # evaluations of the loss, about
RESCALINGS = ("none", "layer", "neuron")
LARGEST = 1e6  # of a length


def length(label: str, help: str) -> Setting:
    """How far something reaches, in the measure that the help names."""
    return Setting(label, help, above=0, most=LARGEST)


@dataclass(frozen=True, kw_only=True)
class SharpnessSettings(CurvatureSettings):
    """How far around the point is looked, and how exactly.

    Source of defaults: rho 0.05, Foret et al. 2021; adaptive_rho 0.5 and eta 0.01, Kwon et al.
    2021; box 1e-3, Keskar et al. 2017; drop 0.1, Jiang et al. 2020. The others are choices.
    """

    box: Annotated[
        float,
        length(
            "Keskar's box",
            "A share of abs(w) + 1 (Keskar et al. 2017); a second measure has half of it.",
        ),
    ] = 1e-3
    rho: Annotated[
        float,
        length(
            "SAM's rho",
            "Length of the step up the gradient; also of m-sharpness (Foret et al. 2021).",
        ),
    ] = 0.05
    batch_examples: Annotated[
        int,
        Setting(
            "m",
            "Examples a batch of m-sharpness (Foret et al. 2021).",
            least=1,
            most=1_000_000,
            unit="examples",
        ),
    ] = 128
    adaptive_rho: Annotated[
        float,
        length("ASAM's rho", "In coordinates scaled by abs(w) + eta (Kwon et al. 2021)."),
    ] = 0.5
    eta: Annotated[
        float,
        Setting(
            "ASAM's eta",
            "Added to abs(w) (Kwon et al. 2021); a second measure has eta 0.",
            least=0,
            most=LARGEST,
        ),
    ] = 0.01
    max_rho: Annotated[
        float,
        length("Adaptive rho, max norm", "A share of each parameter (Andriushchenko et al. 2023)."),
    ] = 0.01
    euclid_rho: Annotated[
        float, length("Adaptive rho, Euclidean", "Norm of d / abs(w) (Andriushchenko et al. 2023).")
    ] = 0.5
    ascent: Annotated[
        int,
        Setting(
            "Ascent steps",
            "Of the adaptive worst cases (Andriushchenko et al. 2023).",
            least=1,
            most=1000,
            unit="steps",
        ),
    ] = 20
    restarts: Annotated[
        int,
        Setting(
            "Restarts", "Of the worst cases; the first from the model itself.", least=1, most=100
        ),
    ] = 3
    noise: Annotated[
        float,
        length("Noise", "Standard deviation of the average cases (Andriushchenko et al. 2023)."),
    ] = 0.01
    radius: Annotated[float, length("Ball's radius", "Norm of the perturbation.")] = 0.5
    draws: Annotated[
        int,
        Setting(
            "Draws",
            "Pairs of opposite perturbations in each mean.",
            least=2,
            most=10_000,
            unit="pairs",
        ),
    ] = 20
    sphere: Annotated[
        float, length("Sphere's radius", "Norm of each perturbation of the measures on the sphere.")
    ] = 0.01
    sphere_draws: Annotated[
        int,
        Setting("Sphere's draws", "Perturbations of one length.", least=2, most=10_000),
    ] = 100
    probes: Annotated[
        int, probe_count("Random vectors for sums over the spectrum (Hutchinson 1989).")
    ] = 10
    steps: Annotated[
        int,
        Setting(
            "Lanczos steps",
            "Of each probe, for the quadrature of the spectrum (Ubaru et al. 2017).",
            least=5,
            most=500,
            unit="steps",
        ),
    ] = 80
    room: SearchSteps = 200
    z: Annotated[
        float,
        length(
            "z",
            "Of the effective dimension: eigenvalues above it count most (Maddox et al. 2020).",
        ),
    ] = 1.0
    drop: Annotated[
        float,
        Setting(
            "Allowed drop",
            "Of the accuracy, for the PAC-Bayes sigma (Jiang et al. 2020).",
            above=0,
            below=1,
        ),
    ] = 0.1
    delta: Annotated[
        float,
        Setting(
            "delta",
            "The PAC-Bayes bounds hold with probability 1 - delta (McAllester 1999).",
            above=0,
            below=1,
        ),
    ] = 0.05
    rescaling: Annotated[
        str,
        Setting(
            "Rescale",
            "All measures again at other parameters of the same function (Dinh et al. 2017): what "
            "comes out of a layer before a ReLU is multiplied and what goes into the next is "
            "divided, by one factor a layer or one a neuron.",
            choices=RESCALINGS,
        ),
    ] = "none"
    alpha: Annotated[
        float,
        Setting(
            "Factor",
            "Of a layer; of neurons the largest, theirs being drawn (Dinh et al. 2017).",
            above=1,
            most=1000,
            unused_with={"rescaling": ("none",)},
        ),
    ] = 5.0
    seed: Seed = 0
    measures: Annotated[
        tuple[str, ...],
        Setting(
            "Measures",
            "Those to compute; the standard ones where none is chosen, which leave out the plain "
            "box, the sphere, SAM's gradient, critical sharpness and the sigma-basin. What is "
            "known is never computed again.",
            choices=tuple(measure.name for measure in MEASURES_IN_READING_ORDER),
            where_none="the standard ones",
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Name measures in one order, each once, and none where it is the standard ones."""
        super().__post_init__()
        named = tuple(name for name in MEASURE_PLACES if name in self.measures)
        object.__setattr__(self, "measures", named if named != STANDARD else ())

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names of the measures asked for, in the order of their units."""
        return self.measures or STANDARD

    @property
    def units(self) -> int:
        """Each measure asked for; with a rescaling, each again at the rescaled point."""
        return len(self.chosen) * (1 if self.rescaling == "none" else 2)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the measures if they are some, the rescaling if there is one, the seed."""
        some = (", ".join(self.measures),) if self.measures else ()
        rescaled = (f"rescaled by {self.rescaling}",) if self.rescaling != "none" else ()
        return (*super().distinguishing_words, *some, *rescaled, f"seed {self.seed}")

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all measures take."""
        return float(PASSES_PER_MEASURE * self.units)
