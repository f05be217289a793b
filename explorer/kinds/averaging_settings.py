"""How several points of one problem become one: averages, soups, merges of task vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from explorer.kinds.members import OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.path_shape import BENT_SHAPES, BEZIER
from explorer.kinds.require import require
from explorer.kinds.seed import MOST_SEED
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import RunSnapshots

METHOD_WORDS = {  # method -> what the point that it makes is called
    "uniform": "uniform average",
    "greedy": "greedy soup",
    "slerp": "SLERP",
    "path": "point of a path",
    "task_arithmetic": "task arithmetic",
    "ties": "TIES merge",
    "dare": "DARE merge",
}
METHODS = tuple(METHOD_WORDS)
ORDERED_METHODS = ("slerp", "path")  # that lead from the first point to the last
TASK_METHODS = ("task_arithmetic", "ties", "dare")  # they add task vectors to a base
CRITERIA = ("loss", "accuracy")
ORIGINS = ("zero", "base")
BASE = "base"  # the further subject
STATISTICS = ("recalibrated", "frozen")


def _not(*methods: str) -> dict[str, tuple[str, ...]]:
    """The methods beside which a setting of these alone is of no use."""
    return {"method": tuple(method for method in METHODS if method not in methods)}


@dataclass(frozen=True, kw_only=True)
class AveragingSettings(OfMembers, ObjectiveSettings):
    """How several points become one, and over which data that is measured."""

    batchnorm: Annotated[
        str,
        Setting(
            "BatchNorm",
            "Of the average. recalibrated: its running statistics are recomputed (Izmailov et al. "
            "2018); frozen: they are the mean of the ingredients'. A net without is left alone.",
            choices=STATISTICS,
            sources={"recalibrated": "izmailov2018"},
        ),
    ] = "recalibrated"
    method: Annotated[
        str,
        Setting(
            "Method",
            "uniform: the mean (of models a soup, Wortsman et al. 2022; of a run's tail SWA, "
            "Izmailov et al. 2018); greedy: the mean of those that help (Wortsman et al. 2022); "
            "slerp: on the great circle of two (Shoemake 1985); path: on the curve whose ends and "
            "bends they are (Garipov et al. 2018); task_arithmetic, ties, dare: what each adds to "
            "a base (Ilharco et al. 2023; Yadav et al. 2023; Yu et al. 2024).",
            choices=METHODS,
            sources={
                "uniform": "wortsman2022",
                "greedy": "wortsman2022",
                "slerp": "shoemake1985",
                "path": "garipov2018",
                "task_arithmetic": "ilharco2023",
                "ties": "yadav2023",
                "dare": "yu2024",
            },
            moves_points=True,
        ),
    ] = METHODS[0]
    criterion: Annotated[
        str,
        Setting(
            "Sorted by",
            "Best first; each is kept if the soup gets no worse by this, on the data chosen.",
            choices=CRITERIA,
            unused_with=_not("greedy"),
            moves_points=True,
        ),
    ] = CRITERIA[0]
    fraction: Annotated[
        float,
        Setting(
            "Fraction",
            "Of the way from the first point to the last: of the angle, or t of a path.",
            least=0,
            most=1,
            step=0.05,
            unused_with=_not(*ORDERED_METHODS),
            moves_points=True,
        ),
    ] = 0.5
    shape: Annotated[
        str,
        Setting(
            "Path",
            "bezier: a smooth curve that its bends pull; chain: straight lines from bend to bend.",
            choices=BENT_SHAPES,
            unused_with=_not("path"),
            moves_points=True,
        ),
    ] = BEZIER
    origin: Annotated[
        str,
        Setting(
            "Turned about",
            "zero: the angle is between the weights; base: between what each adds to a base.",
            choices=ORIGINS,
            unused_with=_not("slerp"),
            moves_points=True,
        ),
    ] = ORIGINS[0]
    coefficient: Annotated[
        float,
        Setting(
            "Coefficient",
            "Of what is added to the base. 1 is usual of TIES, 0.4 of task arithmetic with several "
            "tasks (Yadav et al. 2023).",
            least=-10,
            most=10,
            step=0.1,
            unused_with=_not(*TASK_METHODS),
            moves_points=True,
        ),
    ] = 1.0
    keep: Annotated[
        float,
        Setting(
            "Kept share",
            "Of each task vector the entries of largest size; 0.2 is usual (Yadav et al. 2023).",
            above=0,
            most=1,
            step=0.05,
            unused_with=_not("ties"),
            moves_points=True,
        ),
    ] = 0.2
    drop: Annotated[
        float,
        Setting(
            "Drop rate",
            "The share of each task vector's entries that become 0 at random; the others are "
            "divided by what is left of 1 (Yu et al. 2024).",
            least=0,
            below=1,
            step=0.05,
            unused_with=_not("dare"),
            moves_points=True,
        ),
    ] = 0.5
    seed: Annotated[
        int,
        Setting(
            "Seed",
            "Of the entries that are dropped.",
            least=0,
            most=MOST_SEED,
            seed=True,
            unused_with=_not("dare"),
        ),
    ] = 0

    @classmethod
    def possible_subjects(cls) -> tuple[str, ...]:
        """The base."""
        return (BASE,)

    @property
    def further_subjects(self) -> tuple[str, ...]:
        """The base, where the method has one."""
        return (BASE,) if self.method in TASK_METHODS or self.origin == BASE else ()

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about these runs.

        Raises:
            ValueError: as for all members, or they are not the two that SLERP is of.
        """
        settings = super().about(runs)
        count = settings.members
        must = "SLERP must be of two points; choose uniform for more"
        require(self.method != "slerp" or count == 2, must, count)
        return settings

    @property
    def keeps_order(self) -> bool:
        """Whether the method leads from the first point to the last."""
        return self.method in ORDERED_METHODS

    @property
    def fewest_members(self) -> int:
        """Two; of a base one task vector is enough."""
        return 1 if self.method in TASK_METHODS else super().fewest_members

    def further_words(self, names: Mapping[str, str], origin: str) -> str:
        """The base, as "base B"."""
        return ", ".join(f"{role} {name}" for role, name in names.items())

    def check_beside(self, points: Sequence[str], runs: Sequence[RunSnapshots]) -> None:
        """Refuse a base that is among the ingredients: it would add nothing to itself.

        Raises:
            ValueError: it is.
        """
        for run in runs:
            if set(points) & set(run.points):
                raise ValueError(
                    f"the base must be another point than the ingredients, got one of {run.name} "
                    "for both; leave it out of them"
                )

    @property
    def trials(self) -> int:
        """How many further ingredients a greedy soup tries; 0 for other methods."""
        return max(0, self.members - 1) if self.method == "greedy" else 0

    @property
    def units(self) -> int:
        """The ingredients, the base if there is one, the trials, the average."""
        return self.members + len(self.further_subjects) + self.trials + 1

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split and the method."""
        return (*super().distinguishing_words, METHOD_WORDS[self.method])
