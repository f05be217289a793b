"""How exactly curvature is found at each snapshot of a run."""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from explorer.kinds.curvature_settings import CurvatureSettings, SearchSteps, Tolerance, probe_count
from explorer.kinds.objective_settings import Needs
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting
from explorer.kinds.trajectory import OfRuns, RunSnapshots

PASSES_PER_SNAPSHOT = 200  # evaluations of the loss, about
PASSES_PER_GRADIENT = 3
STEP_PLACES = 8  # along a step, evenly spaced, the last one its end


@dataclass(frozen=True, kw_only=True)
class StabilitySettings(OfRuns, CurvatureSettings):
    """How exactly curvature is found at each snapshot of a run."""

    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300
    probes: Annotated[
        int, probe_count("Random vectors of the trace (Hutchinson 1989) and the effective rank.")
    ] = 10
    seed: Seed = 0
    preconditioned: Annotated[
        bool,
        Setting(
            "Precondition by second moments",
            "Adam's steps see P^-½ H P^-½ with P = √v + ε of each snapshot (Cohen et al. 2022). "
            "This is another question than that about the Hessian H itself.",
        ),
    ] = False
    critical: Annotated[
        bool,
        Setting(
            "Critical sharpness",
            "Also 2 over the least step along the update at which the loss is above that of the "
            "snapshot (Kalra et al. 2026): of gradient descent, or of Adam without momentum where "
            "preconditioned. It takes losses alone.",
        ),
    ] = False
    step_rate: Annotated[
        float,
        Setting(
            "Along a step",
            "Learning rate of the longest step along the update on which losses and gradients are "
            "compared with the snapshot's (Santurkar et al. 2018 go to 4 times that of training); "
            "0: none.",
            least=0,
            open_ended=True,
            step=0.01,
        ),
    ] = 0.0
    projected: Annotated[
        bool,
        Setting(
            "Projection",
            "Also where each snapshot lies along the top eigenvector of its run's last one (Damian "
            "et al. 2023).",
            unused_with={"preconditioned": (True,)},
        ),
    ] = False
    moments: Annotated[
        tuple[str, ...],
        Setting(
            "Moments",
            "Hash of each snapshot's second moments, empty without.",
            unused_with={"preconditioned": (False,)},
            filled_in=True,
        ),
    ] = ()

    @property
    def needs(self) -> Needs:
        """Each snapshot's optimiser state, where the Hessian is preconditioned by it."""
        return Needs(optimiser_states=self.moments)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, whether the Hessian is preconditioned, what is measured too, the seed."""
        preconditioned = ("preconditioned",) if self.preconditioned else ()
        words = {
            "critical sharpness": self.critical,
            f"steps of {self.step_rate:g}": bool(self.step_rate),
            "projection": self.projected,
        }
        more = [word for word, is_measured in words.items() if is_measured]
        return (*super().distinguishing_words, *preconditioned, *more, f"seed {self.seed}")

    def about(self, runs: Sequence[RunSnapshots]) -> Self:
        """The settings about these runs, with the second moments of their snapshots if wanted.

        Raises:
            ValueError: a run has no second moments at all.
        """
        divided = super().about(runs)
        if not self.preconditioned:
            return divided
        for run in runs:
            if not any(run.optimiser_states):
                raise ValueError(
                    f"no snapshot of {run.name} has Adam's second moments; record its run by "
                    "Recorder(..., optimizer_state=True) with snapshot(..., optimizer=optimizer), "
                    "and import it again"
                )
        moments = itertools.chain.from_iterable(run.optimiser_states for run in runs)
        return dataclasses.replace(divided, moments=tuple(moments))

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss all snapshots take."""
        along = PASSES_PER_GRADIENT * STEP_PLACES if self.step_rate else 0
        projected = PASSES_PER_SNAPSHOT * len(self.lengths) if self.projected else 0
        return float((PASSES_PER_SNAPSHOT + along) * self.units + projected)

    @property
    def units(self) -> int:
        """Snapshots of all runs; one unit of work each."""
        return sum(self.lengths)
