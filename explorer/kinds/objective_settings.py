"""Which loss is looked at: what the settings of every kind have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.require import one_of, require
from explorer.kinds.seed import MOST_SEED
from explorer.kinds.setting import Setting, Settings, SettingValue

CURVATURE_PRECISIONS = ("float32", "float64")
PRECISIONS = (*CURVATURE_PRECISIONS, "tf32", "bf16")
REDUCED_PRECISIONS = ("tf32", "bf16")  # precisions whose error is measured against float32
BATCHNORM_POLICIES = ("frozen", "recalibrated", "batch")
FROZEN = ("frozen",)  # the only policy under which a loss is differentiated twice
SUBSETS = ("all", "first", "random")


def _count_of_examples(
    label: str, help: str, unused_with: Mapping[str, tuple[SettingValue, ...]]
) -> Setting:
    """A number of examples, to which the data are the end."""
    return Setting(
        label, help, least=2, open_ended=True, unit="examples", step=64, unused_with=unused_with
    )


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
        _count_of_examples("How many", "Examples in the subset.", {"subset": ("all",)}),
    ] = 0
    examples_seed: Annotated[
        int,
        Setting(
            "Seed of the examples",
            "Of the random choice of examples.",
            least=0,
            most=MOST_SEED,
            seed=True,
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
            "frozen: the model's running statistics; recalibrated: recomputed at every point "
            "(Izmailov et al. 2018); batch: each batch by its own statistics.",
            choices=BATCHNORM_POLICIES,
            sources={"recalibrated": "izmailov2018"},
        ),
    ] = "frozen"
    batchnorm_batch: Annotated[
        int,
        _count_of_examples(
            "Examples a batch",
            "Whose statistics normalise them together.",
            {"batchnorm": ("frozen",)},
        ),
    ] = 128
    batchnorm_examples: Annotated[
        int,
        _count_of_examples(
            "Examples in all",
            "Of the split, from its start: seen to recalibrate.",
            {"batchnorm": ("frozen", "batch")},
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
    def revision(self) -> int:
        """How often questions with such settings, and none else of the kind, got other answers."""
        return 0

    @property
    def needs(self) -> Needs:
        """What the answer reads of its points beside parameters and buffers."""
        return Needs()

    @property
    def further_splits(self) -> tuple[str, ...]:
        """Splits of the data, beside that of the loss, that an answer reads where there are any."""
        return ()

    @classmethod
    def possible_subjects(cls) -> tuple[str, ...]:
        """All names that `further_subjects` may have."""
        return ()

    @property
    def further_subjects(self) -> tuple[str, ...]:
        """Names of the subjects, beside those of the kind, that these settings ask for."""
        return ()

    @classmethod
    def usual_batchnorm(cls) -> str:
        """The policy that suits a model with BatchNorm where nobody has chosen one."""
        return "frozen"

    @classmethod
    def subject_sequence(cls) -> str:
        """The name of further subjects of one sort, of which there may be any number; "" without.

        They are points of one answer, in its order, and are named together.
        """
        return ""

    def with_further(self, count: int) -> Self:
        """The settings of a question with so many subjects beside those of the kind.

        Raises:
            ValueError: they want more, or fewer.
        """
        return self

    @property
    def path_shape(self) -> str:
        """The shape of the path that the answer brings bends of; "" where it brings none."""
        return ""

    @property
    def path_words(self) -> str:
        """What that path is called, where it is more than its shape."""
        return ""

    def further_words(self, names: Mapping[str, str], origin: str) -> str:
        """What the further subjects make of the question, in words; "" where there are none.

        Args:
            names: of the further subjects, by their roles.
            origin: name of the first subject of all.
        """
        return ""

    def among_declared(self, names: Sequence[str]) -> Self:
        """The settings, which name one of what a problem declares beside its loss, if any does."""
        return self

    def check_points(self, points: Mapping[str, str]) -> None:
        """Refuse points that make no question with these settings.

        Args:
            points: the point of each subject, by its name.

        Raises:
            ValueError: they do not; each kind says what it refuses.
        """

    @property
    def plane_recipe(self) -> Mapping[str, object] | None:
        """What beside points makes the plane that is asked about; None where there is none."""
        return None

    @property
    def plane_follows_loss(self) -> bool:
        """Whether the axes of that plane are those of its loss and data, as eigenvectors are."""
        return False

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

    def counted_evaluations(self, facts: AnswerFacts) -> float | None:
        """Evaluations that an answer's seconds went into, as its facts count them.

        None: they do not, and its units of work say it; 0: they count but a part of them.
        """
        return None
