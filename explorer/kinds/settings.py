"""Settings that several kinds share; each checks itself, and says what its question takes."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explorer.kinds.eigenvalues import rank_words

CURVATURE_PRECISIONS = ("float32", "float64")
PRECISIONS = (*CURVATURE_PRECISIONS, "tf32", "bf16")
REDUCED_PRECISIONS = ("tf32", "bf16")  # precisions whose error is measured against float32
BATCHNORM_POLICIES = ("frozen", "recalibrated", "batch")
SUBSETS = ("all", "first", "random")
LARGEST_COORDINATE = 1e30  # of a coordinate: beyond, float32 parameters overflow anyway
PLANES = ("random", "eigenvector")  # what a plane's axes are
NORMALISATIONS = ("filter", "layer", "raw")
MOST_RANK = 200  # of an eigenvector: as many are sought, and held


def require(holds: bool, must: str, got: Any) -> None:
    """Refuse a setting in one sentence.

    Raises:
        ValueError: when `holds` is false: "`must`, got `got`".
    """
    if not holds:
        raise ValueError(f"{must}, got {got}")


def one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ValueError: the message lists the choices.
    """
    require(value in choices, f"{name} must be one of {', '.join(choices)}", repr(value))


@dataclass(frozen=True)
class Needs:
    """What an answer reads of its points beside parameters and buffers."""

    optimiser_states: tuple[str, ...] = ()  # hash of each point's, "" without; none: not read


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings:
    """Which loss is looked at, and how exactly.

    A setting that has no effect beside the others takes its default, so that it is in no key twice.
    """

    split: str = "train"  # a split that the problem declares
    subset: str = "all"  # which examples of it: all, the first ones, or random ones
    examples: int = 0  # how many, where not all
    examples_seed: int = 0  # of the random choice
    precision: str = "float32"  # of the forward pass; parameters are float32 at least, sums float64
    batchnorm: str = "frozen"  # running statistics of the centre; or recalibrated, or the batch's
    batchnorm_batch: int = 128  # examples whose statistics normalise them together
    batchnorm_examples: int = 1024  # of the split, from its start: seen to recalibrate

    def __post_init__(self) -> None:
        """Refuse what cannot be answered; write each number in one way, as it is part of a key."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is float and isinstance(value, (int, float)):
                object.__setattr__(self, field.name, float(value) + 0.0)  # -0.0 becomes 0.0
        require(bool(self.split), "split must name a split of the data", repr(self.split))
        one_of("precision", self.precision, PRECISIONS)
        self._check_subset()
        self._check_batchnorm()

    def _check_subset(self) -> None:
        one_of("subset", self.subset, SUBSETS)
        if self.subset == "all":
            self.reset_unused("examples", "examples_seed")
            return
        require(self.examples >= 2, "examples must be at least 2 in a subset", self.examples)
        seed_fits("examples_seed", self.examples_seed)
        if self.subset == "first":
            self.reset_unused("examples_seed")

    def _check_batchnorm(self) -> None:
        one_of("batchnorm", self.batchnorm, BATCHNORM_POLICIES)
        if self.batchnorm == "frozen":
            self.reset_unused("batchnorm_batch")
        if self.batchnorm != "recalibrated":
            self.reset_unused("batchnorm_examples")
        for name in ("batchnorm_batch", "batchnorm_examples"):
            require(getattr(self, name) >= 2, f"{name} must be at least 2", getattr(self, name))

    def require_curvature(self) -> None:
        """Refuse what second derivatives cannot be had with.

        Reduced products hide a residual of up to 30 times what is reported; statistics of a batch
        would move with the parameters.
        """
        one_of("precision", self.precision, CURVATURE_PRECISIONS)
        one_of("batchnorm", self.batchnorm, ("frozen",))

    def require_within(self, **ranges: tuple[float, float]) -> None:
        """Refuse settings outside their ranges, both ends included."""
        for name, (least, most) in ranges.items():
            value = getattr(self, name)
            require(least <= value <= most, f"{name} must be from {least:,} to {most:,}", value)

    def reset_unused(self, *names: str) -> None:
        """Give settings that have no effect beside the others their default."""
        for field in dataclasses.fields(self):
            if field.name in names:
                object.__setattr__(self, field.name, field.default)

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

    def counted_evaluations(self, facts: Mapping[str, Any]) -> float | None:
        """Evaluations that an answer's seconds went into, as its facts count them.

        None: they do not, and its units of work say it; 0: they count but a part of them.
        """
        return None


def seed_fits(name: str, seed: int) -> None:
    """Refuse a seed that NumPy's generators do not take."""
    require(0 <= seed < 2**32, f"{name} must be a whole number from 0 to 2^32 - 1", seed)


@dataclass(frozen=True, kw_only=True)
class DirectionSettings(ObjectiveSettings):
    """How random directions are drawn.

    Source: Li et al. 2018, arXiv:1712.09913, sections 3 and 4.
    """

    seed: int = 0
    normalisation: str = "filter"
    ignore_1d: bool = True  # biases and normalisation weights do not move

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        super().__post_init__()
        seed_fits("seed", self.seed)
        one_of("normalisation", self.normalisation, NORMALISATIONS)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, and how directions are drawn."""
        return (*super().distinguishing_words, self.normalisation, f"seed {self.seed}")


@dataclass(frozen=True, kw_only=True)
class PlaneSettings(DirectionSettings):
    """The plane of two random directions through a point, or of two eigenvectors of the Hessian.

    Eigenvectors have length 1 and go by rank: 1, 2, ... from the largest eigenvalue on, -1, -2, ...
    from the smallest.
    """

    orthogonal: bool = False  # make the second direction orthogonal to the first before normalising
    direction: str = "random"  # of both axes; or "eigenvector", without seed and normalisation
    x_rank: int = 1
    y_rank: int = 2

    def __post_init__(self) -> None:
        """Refuse what makes no two axes."""
        super().__post_init__()
        one_of("direction", self.direction, PLANES)
        check_rank("x_rank", self.x_rank)
        check_rank("y_rank", self.y_rank)
        if self.direction == "random":
            self.reset_unused("x_rank", "y_rank")
            return
        must = "x_rank and y_rank must be two different ranks"
        require(self.x_rank != self.y_rank, must, f"{self.x_rank} and {self.y_rank}")
        self.reset_unused("seed", "normalisation", "ignore_1d", "orthogonal")
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


def check_rank(name: str, rank: int) -> None:
    """Refuse a rank of an eigenvalue that is none, or beyond what is sought."""
    must = f"{name} must be from 1 to {MOST_RANK}, or from -1 to -{MOST_RANK} from below"
    require(1 <= abs(rank) <= MOST_RANK, must, rank)


def check_axis(name: str, low: float, high: float, count: int) -> None:
    """Refuse a range or a number of points that makes no axis.

    Raises:
        ValueError: not finite, not increasing, too large, or a count outside 2 to 2,001.
    """
    require(
        math.isfinite(low) and math.isfinite(high),
        f"the range of {name} must be finite",
        f"{low} to {high}",
    )
    require(low < high, f"the range of {name} must increase", f"{low} to {high}")
    within = max(abs(low), abs(high)) <= LARGEST_COORDINATE
    require(
        within, f"the range of {name} must lie within ±{LARGEST_COORDINATE:g}", f"{low} to {high}"
    )
    require(2 <= count <= 2001, f"the number of points along {name} must be from 2 to 2001", count)
