"""Settings that several kinds share, each described once, and what their question takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.eigenvalues import rank_words
from explorer.kinds.setting import Setting, SettingError, Settings

CURVATURE_PRECISIONS = ("float32", "float64")
PRECISIONS = (*CURVATURE_PRECISIONS, "tf32", "bf16")
REDUCED_PRECISIONS = ("tf32", "bf16")  # precisions whose error is measured against float32
BATCHNORM_POLICIES = ("frozen", "recalibrated", "batch")
FROZEN = ("frozen",)  # the only policy under which a loss is differentiated twice
SUBSETS = ("all", "first", "random")
LARGEST_COORDINATE = 1e30  # of a coordinate: beyond, float32 parameters overflow anyway
MOST_POINTS = 2001  # along an axis
PLANES = ("random", "eigenvector")  # what a plane's axes are
NORMALISATIONS = ("filter", "layer", "raw")
MOST_RANK = 200  # of an eigenvector: as many are sought, and held
MOST_SEED = 2**32 - 1  # that NumPy's generators take
NO_SEED_WITH = {"direction": ("gradient", "eigenvector")}  # directions that nothing is drawn for


def points_along(axis: str) -> Setting:
    """The number of points along an axis of a grid."""
    help = "Evenly spaced, both ends included."
    return Setting(f"Points along {axis}", help, least=2, most=MOST_POINTS, short="Points", step=10)


def axis_end(label: str) -> Setting:
    """An end of an axis."""
    return Setting(label, least=-LARGEST_COORDINATE, most=LARGEST_COORDINATE)


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


PointsAlongX = Annotated[int, points_along("x")]
PointsAlongY = Annotated[int, points_along("y")]
XFrom = Annotated[float, axis_end("x from")]
XTo = Annotated[float, axis_end("x to")]
YFrom = Annotated[float, axis_end("y from")]
YTo = Annotated[float, axis_end("y to")]
Seed = Annotated[
    int, Setting("Seed", "Of everything that is drawn at random.", least=0, most=MOST_SEED)
]
SearchSteps = Annotated[
    int,
    Setting(
        "Search steps",
        "Of Lanczos for an eigenvalue, at most; as many vectors are held.",
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


def require(holds: bool, must: str, got: object) -> None:
    """Refuse a setting in one sentence.

    Raises:
        ValueError: when `holds` is false: "`must`, got `got`".
    """
    if not holds:
        raise ValueError(f"{must}, got {got}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        SettingError: the message lists the choices.
    """
    if value not in choices:
        raise SettingError(name, f"must be one of {', '.join(choices)}, got {value!r}")


@dataclass(frozen=True)
class Needs:
    """What an answer reads of its points beside parameters and buffers."""

    optimiser_states: tuple[str, ...] = ()  # hash of each point's, "" without; none: not read


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings(Settings):
    """Which loss is looked at, and how exactly."""

    split: Annotated[str, Setting("Data", "A split that the problem declares.")] = "train"
    subset: Annotated[
        str,
        Setting(
            "Examples",
            "All of the split; or fewer, for a quicker answer with a stated error: random ones "
            "give an unbiased estimate, the first ones do if the data lie in random order.",
            choices=SUBSETS,
        ),
    ] = "all"
    examples: Annotated[
        int,
        Setting(
            "How many",
            "Examples in the subset.",
            least=2,
            unit="examples",
            step=64,
            unused_with={"subset": ("all",)},
        ),
    ] = 0
    examples_seed: Annotated[
        int,
        Setting(
            "Seed of the examples",
            "Of the random choice of examples.",
            least=0,
            most=MOST_SEED,
            short="Seed",
            unused_with={"subset": ("all", "first")},
        ),
    ] = 0
    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the forward pass; parameters are float32 at least, sums float64. tf32 and bf16 are "
            "quicker on hardware that has them; their error against float32 is measured and shown.",
            choices=PRECISIONS,
        ),
    ] = "float32"
    batchnorm: Annotated[
        str,
        Setting(
            "BatchNorm",
            "frozen: the model's running statistics; recalibrated: recomputed at every point; "
            "batch: each batch by its own statistics.",
            choices=BATCHNORM_POLICIES,
        ),
    ] = "frozen"
    batchnorm_batch: Annotated[
        int,
        Setting(
            "Examples a batch",
            "Whose statistics normalise them together.",
            least=2,
            unit="examples",
            step=64,
            unused_with={"batchnorm": ("frozen",)},
        ),
    ] = 128
    batchnorm_examples: Annotated[
        int,
        Setting(
            "Examples in all",
            "Of the split, from its start: seen to recalibrate.",
            least=2,
            unit="examples",
            step=64,
            unused_with={"batchnorm": ("frozen", "batch")},
        ),
    ] = 1024

    def __post_init__(self) -> None:
        """Refuse what cannot be answered."""
        super().__post_init__()
        require(bool(self.split), "split must name a split of the data", repr(self.split))

    def require_curvature(self) -> None:
        """Refuse what second derivatives cannot be had with.

        Reduced products hide a residual of up to 30 times what is reported; statistics of a batch
        would move with the parameters.
        """
        one_of("precision", self.precision, CURVATURE_PRECISIONS)
        one_of("batchnorm", self.batchnorm, FROZEN)

    @property
    def units(self) -> int:
        """Units of work of the whole answer.

        Raises:
            NotImplementedError: these are no kind's settings; each kind says what a unit is.
        """
        raise NotImplementedError

    @property
    def needs(self) -> Needs:
        """What the answer reads of its points beside parameters and buffers."""
        return Needs()

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """What tells one question of a kind from another, in reading order."""
        return (self.split,)

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the whole answer takes.

        Args:
            parameters: that the model has.
            examples: that the loss is a mean of.
        """
        return float(self.units)

    def counted_evaluations(self, facts: Mapping[str, object]) -> float | None:
        """Evaluations that an answer's seconds went into, as its facts count them.

        None: they do not, and its units of work say it; 0: they count but a part of them.
        """
        return None


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
            unused_with=NO_SEED_WITH,
        ),
    ] = 0
    normalisation: Annotated[
        str,
        Setting(
            "Normalisation",
            "filter: each output filter gets the norm of the model's own (Li et al. 2018); layer: "
            "each tensor does; raw: plain Gaussian.",
            choices=NORMALISATIONS,
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


@dataclass(frozen=True, kw_only=True)
class PlaneSettings(DirectionSettings):
    """The plane of two random directions through a point, or of two eigenvectors of the Hessian."""

    orthogonal: Annotated[
        bool,
        Setting(
            "Make the axes orthogonal",
            "The second direction is made orthogonal to the first before it is normalised. Random "
            "directions are nearly orthogonal already; the badge shows their cosine.",
            unused_with=NO_SEED_WITH,
        ),
    ] = False
    direction: Annotated[
        str,
        Setting(
            "Axes",
            "random: two directions drawn from a seed and normalised (Li et al. 2018); "
            "eigenvector: two eigenvectors of the Hessian, of length 1.",
            choices=PLANES,
        ),
    ] = "random"
    x_rank: Annotated[int, rank_of_eigenvector("Rank of x", {"direction": ("random",)})] = 1
    y_rank: Annotated[int, rank_of_eigenvector("Rank of y", {"direction": ("random",)})] = 2

    def __post_init__(self) -> None:
        """Refuse what makes no two axes."""
        super().__post_init__()
        if self.direction == "random":
            return
        must = "x_rank and y_rank must be two different ranks"
        require(self.x_rank != self.y_rank, must, f"{self.x_rank} and {self.y_rank}")
        self.require_curvature()

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and what the axes are."""
        if self.direction == "random":
            return super().distinguishing_words
        return (
            self.split,
            f"{self.direction} {rank_words(self.x_rank)} and {rank_words(self.y_rank)}",
        )


def check_axis(name: str, low: float, high: float) -> None:
    """Refuse a range that makes no axis.

    Raises:
        ValueError: it does not increase.
    """
    require(low < high, f"the range of {name} must increase", f"{low} to {high}")
