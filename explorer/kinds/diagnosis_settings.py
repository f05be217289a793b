"""At which snapshots of a run symptoms are measured, and which learning rates are tried."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np

from explorer.kinds.curvature_settings import CurvatureSettings, SearchSteps, Tolerance, probe_count
from explorer.kinds.matrix import PASSES_PER_PRODUCT
from explorer.kinds.require import require
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import OfRuns, RunSnapshots

PRODUCTS_PER_SEARCH = 60  # about, for both ends of the spectrum
RANGE_STARTS = ("last", "first")


@dataclass(frozen=True, kw_only=True)
class DiagnosisSettings(OfRuns, CurvatureSettings):
    """Symptoms at some snapshots of one run, and short trainings at several learning rates."""

    held_out: Annotated[
        str,
        Setting("Held-out data", "The split whose loss is compared with that of the data."),
    ] = "test"
    most_snapshots: Annotated[
        int,
        Setting(
            "Snapshots",
            "Evenly spread over the run at most so many, its first and its final one among them; "
            "1: the final one alone.",
            least=1,
            most=500,
            unit="snapshots",
            moves_points=True,
        ),
    ] = 9
    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int, probe_count("Random vectors of the density, from which the median comes.", least=1)
    ] = 3
    density_steps: Annotated[
        int,
        Setting("Steps of a probe", "Of Lanczos, for the density.", least=5, most=1000),
    ] = 40
    rate_least: Annotated[
        float, Setting("Lowest rate", "Of the learning-rate range test.", above=0, open_ended=True)
    ] = 1e-3
    rate_most: Annotated[
        float, Setting("Highest rate", "Of the learning-rate range test.", above=0, open_ended=True)
    ] = 10.0
    rate_count: Annotated[
        int,
        Setting("Rates", "Evenly spaced on a log scale.", least=2, most=200, unit="rates"),
    ] = 13
    rate_steps: Annotated[
        int,
        Setting("Steps at each rate", "Of SGD without momentum.", least=1, most=100_000),
    ] = 50
    rate_batch: Annotated[
        int,
        Setting("Batch size", "Of these steps; 0: all examples.", least=0, open_ended=True),
    ] = 64
    rate_orders: Annotated[
        int,
        Setting(
            "Batch orders",
            "So many orders of the batches, the same ones at each rate.",
            least=1,
            most=50,
            unused_with={"rate_batch": (0,)},
        ),
    ] = 3
    rate_start: Annotated[
        str,
        Setting("From", "The snapshot that each training starts at.", choices=RANGE_STARTS),
    ] = RANGE_STARTS[0]
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Refuse rates that do not increase."""
        super().__post_init__()
        require(
            self.rate_least < self.rate_most,
            "rate_least must be below rate_most",
            f"{self.rate_least:g}, {self.rate_most:g}",
        )

    @property
    def further_splits(self) -> tuple[str, ...]:
        """The held-out data, which are read too."""
        return (self.held_out,)

    @property
    def rates(self) -> np.ndarray:
        """The learning rates of the range test, (rate_count,)."""
        return np.geomspace(self.rate_least, self.rate_most, self.rate_count)

    @property
    def orders(self) -> int:
        """How many orders of batches each rate is tried with: all examples have but one."""
        return self.rate_orders if self.rate_batch else 1

    @property
    def snapshots(self) -> int:
        """How many snapshots are looked at."""
        return sum(self.lengths)

    @property
    def units(self) -> int:
        """Each snapshot, then each learning rate."""
        return self.snapshots + self.rate_count

    def wanted_of(self, run: RunSnapshots) -> RunSnapshots:
        """Some snapshots of the run, evenly spread from its final one back to its first."""
        count = len(run.points)
        if count <= self.most_snapshots:
            return run
        places = np.linspace(count - 1, 0, self.most_snapshots).round().astype(int)[::-1]
        points, states = (
            tuple(values[place] for place in places)
            for values in (run.points, run.optimiser_states)
        )
        return dataclasses.replace(run, points=points, optimiser_states=states)

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about one run.

        Raises:
            ValueError: there are several.
        """
        require(len(runs) == 1, "a diagnosis must be of one run", len(runs))
        return super().about(runs)

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples it takes."""
        size = max(1, parameters)
        products = min(PRODUCTS_PER_SEARCH, size) + min(self.probes * self.density_steps, size)
        share = min(1.0, self.rate_batch / max(1, examples)) if self.rate_batch else 1.0
        trained = self.rate_count * self.orders * (1 + 3 * self.rate_steps * share)
        return float(self.snapshots * PASSES_PER_PRODUCT * products + trained)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the rates, the seed."""
        rates = f"rates {self.rate_least:g} to {self.rate_most:g}"
        return (*super().distinguishing_words, rates, f"seed {self.seed}")
