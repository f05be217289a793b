"""From where along a solution manifold a walk goes, how far, and how exactly it stays on it."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.curvature_settings import CurvatureSettings
from explorer.kinds.matrix import PASSES_PER_PRODUCT
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting

MOST_PARAMETERS = 5000  # of a model whose Jacobian and Hessian are made whole
HESSIAN_PLACES = 3  # of a walk at which the Hessian's zeros are counted: start, middle, end


@dataclass(frozen=True, kw_only=True)
class ManifoldSettings(CurvatureSettings):
    """A walk on which the outputs for all examples stay what they are, or the targets."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of outputs and derivatives: the rank of a Jacobian drowns in float32's rounding.",
            choices=("float64",),
        ),
    ] = "float64"
    steps: Annotated[
        int,
        Setting("Steps", "Of the walk; each begins where the last ended.", least=1, most=1000),
    ] = 30
    step_length: Annotated[
        float,
        Setting(
            "Step length",
            "Before the correction, in norms of the parameters; a step that cannot be corrected is "
            "halved.",
            above=0,
            most=10,
            step=0.01,
        ),
    ] = 0.05
    most_loss: Annotated[
        float,
        Setting(
            "Most loss",
            "Of a point that counts as one of zero loss: a squared error is first corrected to 0 "
            "from there. Other losses have no such end: their walk keeps the outputs.",
            above=0,
            open_ended=True,
        ),
    ] = 1e-3
    target: Annotated[
        float,
        Setting(
            "Target",
            "Mean square of what corrections leave of the outputs' differences, where they can.",
            above=0,
            open_ended=True,
        ),
    ] = 1e-16
    rank_tolerance: Annotated[
        float,
        Setting(
            "Zero singular value",
            "As a share of the largest one of the Jacobian: smaller ones count as 0.",
            above=0,
            below=1,
        ),
    ] = 1e-8
    zero_tolerance: Annotated[
        float,
        Setting(
            "Zero eigenvalue",
            "As a share of the largest absolute one of the Hessian: smaller ones count as 0.",
            above=0,
            below=1,
        ),
    ] = 1e-6
    seed: Seed = 0

    @property
    def units(self) -> int:
        """Places: where the walk begins, and the end of each step."""
        return self.steps + 1

    @property
    def hessian_units(self) -> tuple[int, ...]:
        """The places at which the Hessian's zeros are counted."""
        share = HESSIAN_PLACES - 1
        return tuple(dict.fromkeys(self.steps * place // share for place in range(HESSIAN_PLACES)))

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the whole walk takes."""
        size = min(max(1, parameters), MOST_PARAMETERS)
        hessians = PASSES_PER_PRODUCT * size * len(self.hessian_units)
        jacobians = PASSES_PER_PRODUCT * min(size, max(1, examples)) * self.units
        return float(hessians + jacobians)

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the length of the walk and the seed."""
        return (*super().distinguishing_words, f"{self.steps} steps", f"seed {self.seed}")
