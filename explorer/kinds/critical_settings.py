"""Where searches for critical points begin, and how they go on."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.curvature_settings import (
    CurvatureSettings,
    SearchSteps,
    Tolerance,
    eigenvalue_count,
    probe_count,
)
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.matrix import (
    MAX_DENSE_PARAMETERS,
    PASSES_PER_PRODUCT,
)
from explorer.kinds.objective_settings import CURVATURE_PRECISIONS
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import OfRuns, spans

METHODS = ("newton_mr", "gradient_norm")
USUAL_STEPS_SHARE = 0.2  # of the steps that a search may take (measured on a digits classifier)
PROBE_STEPS = 80  # of Lanczos for each probe of the index


@dataclass(frozen=True, kw_only=True)
class CriticalSettings(OfRuns, CurvatureSettings):
    """Where searches begin, how they go on, and how exactly their ends are looked at."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the loss and its derivatives: gradients near 0 drown in float32's rounding.",
            choices=CURVATURE_PRECISIONS,
        ),
    ] = "float64"
    method: Annotated[
        str,
        Setting(
            "Method",
            "newton_mr: Newton steps by MINRES (Roosta et al. 2018), drawn to saddles as much as "
            "to minima; gradient_norm: L-BFGS on half the squared norm of the gradient (Frye et "
            "al. 2019). Neither samples critical points evenly.",
            choices=METHODS,
        ),
    ] = "newton_mr"
    starts: Annotated[
        int,
        Setting(
            "Starts",
            "Each run's final model, and copies of it with noise; other snapshots come besides.",
            least=1,
            most=1000,
            in_links=True,
        ),
    ] = 5
    every: Annotated[
        int,
        Setting(
            "Every",
            "So many snapshots are a start, counted back from each run's final one.",
            least=1,
            most=1_000_000,
            unit="snapshots",
            in_links=True,
        ),
    ] = 1
    noise: Annotated[
        float,
        Setting(
            "Noise",
            "Of a copy, in root mean squares of each tensor.",
            above=0,
            most=100,
            unused_with={"starts": (1,)},
        ),
    ] = 0.5
    steps: Annotated[
        int, Setting("Steps", "Of a search, at most.", least=5, most=500, unit="steps")
    ] = 100
    products: Annotated[
        int,
        Setting(
            "Products",
            "With the Hessian for a Newton step, at most.",
            least=1,
            most=2000,
            unit="products",
        ),
    ] = 200
    target: Annotated[
        float,
        Setting("Target", "Norm of the gradient that ends a search.", above=0, open_ended=True),
    ] = 1e-8
    bottom: Annotated[
        int,
        eigenvalue_count(
            "Smallest",
            "Eigenvalues found where the matrix is not small: a sure lower bound of the index.",
        ),
    ] = 10
    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int,
        probe_count(
            "Random vectors that estimate the index where the matrix is not small (Ubaru et al. "
            "2017)."
        ),
    ] = 10
    seed: Seed = 0

    @property
    def search_starts(self) -> list[tuple[int, int]]:
        """Where each search begins: at a snapshot, counted over all runs, or at a copy of it.

        Copy 0 is the snapshot itself, others are of a run's final one and come last, so that more
        of them leave the others their numbers.
        """
        runs = spans(self.lengths or (1,))
        own = [
            (at, 0) for run in runs for at in range(run.start, run.stop) if self._is_start(run, at)
        ]
        return own + [(run.stop - 1, copy) for copy in range(1, self.starts) for run in runs]

    def run_of(self, unit: int) -> int:
        """The run, counted from 0, whose parameters a search begins with."""
        snapshot, _ = self.search_starts[unit]
        runs = spans(self.lengths or (1,))
        return next(place for place, run in enumerate(runs) if run.start <= snapshot < run.stop)

    def _is_start(self, run: slice, snapshot: int) -> bool:
        return bool((run.stop - 1 - snapshot) % self.every == 0)

    @property
    def units(self) -> int:
        """Searches."""
        return len(self.search_starts)

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all searches take, where they end as usual."""
        size = max(1, parameters)
        each = min(self.products, size) + 3 if self.method == "newton_mr" else 2
        index_products = (
            size if size <= MAX_DENSE_PARAMETERS else self.room + self.probes * PROBE_STEPS
        )
        return (
            PASSES_PER_PRODUCT
            * self.units
            * (USUAL_STEPS_SHARE * self.steps * each + index_products)
        )

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the method and the seed."""
        return (*super().distinguishing_words, self.method, f"seed {self.seed}")

    def counted_evaluations(self, facts: AnswerFacts) -> float:
        """Passes of the products that the facts count."""
        return float(PASSES_PER_PRODUCT * facts.product_count)
