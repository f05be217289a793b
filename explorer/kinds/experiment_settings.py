"""Which of a problem's own experiments is run, how much of it, and by which random numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Self

from explorer.kinds.objective_settings import FROZEN, ObjectiveSettings
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting
from explorer.wording import counted

MOST_PARTS = 10_000  # as explorer.experiment has it


@dataclass(frozen=True, kw_only=True)
class ExperimentSettings(ObjectiveSettings):
    """An experiment by its name; its code decides what it does with data and model."""

    subset: Annotated[
        str, Setting("Examples", "An experiment has all of the data.", choices=("all",))
    ] = "all"
    precision: Annotated[
        str,
        Setting(
            "Precision",
            "An experiment computes in the types of its own model and data.",
            choices=("float32",),
        ),
    ] = "float32"
    batchnorm: Annotated[
        str,
        Setting(
            "BatchNorm", "An experiment does with statistics as its code says.", choices=FROZEN
        ),
    ] = "frozen"
    experiment: Annotated[
        str,
        Setting(
            "Experiment",
            "One that the problem declares, by its name; empty: its first one.",
            where_none="first",
        ),
    ] = ""
    part_count: Annotated[
        int,
        Setting(
            "Parts",
            "Of the experiment, from its first on; it declares how many there are.",
            least=1,
            most=MOST_PARTS,
            unit="parts",
        ),
    ] = 1
    seed: Seed = 0

    def among_declared(self, names: Sequence[str]) -> Self:
        """With the name of the first experiment where none is given: one question, not two."""
        return self if self.experiment else replace(self, experiment=next(iter(names), ""))

    @property
    def units(self) -> int:
        """Its parts."""
        return self.part_count

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the experiment, how much of it, and the seed."""
        name = self.experiment or "first experiment"
        count = counted(self.part_count, "part")
        return (*super().distinguishing_words, name, count, f"seed {self.seed}")
