"""How the local learning coefficient is sampled: chains, their steps, and what holds them back."""

import math
from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.curvature_settings import CurvatureSettings
from explorer.kinds.require import require
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting

FEWEST_EXAMPLES = 2  # whose logarithm is above 0
PASSES_PER_GRADIENT = 3  # forward passes that a step takes, about


@dataclass(frozen=True, kw_only=True)
class LearningCoefficientSettings(CurvatureSettings):
    """Chains of stochastic gradient Langevin dynamics about a point."""

    precision: Annotated[
        str,
        Setting(
            "Precision",
            "Of the loss, its gradient and the chains.",
            choices=("float32", "float64"),
        ),
    ] = "float32"
    chains: Annotated[
        int,
        Setting("Chains", "Each from the point, with noise of its own.", least=2, most=100),
    ] = 4
    draws: Annotated[
        int,
        Setting("Draws", "Of each chain, after those at its start.", least=2, most=100_000),
    ] = 400
    burn_in: Annotated[
        int,
        Setting(
            "Burn-in",
            "Draws at the start of each chain that are shown and not averaged.",
            least=0,
            most=100_000,
            unit="draws",
        ),
    ] = 200
    steps_per_draw: Annotated[
        int,
        Setting(
            "Steps each",
            "Of a draw; its loss is the mean of their mini-batches' losses.",
            least=1,
            most=1000,
            unit="steps",
        ),
    ] = 5
    step_size: Annotated[
        float,
        Setting(
            "Step size",
            "Of Langevin dynamics (Welling and Teh 2011): half of it times the gradient, and noise "
            "of this variance.",
            above=0,
            most=1,
            step=1e-5,
        ),
    ] = 1e-4
    localisation: Annotated[
        float,
        Setting(
            "Localisation γ",
            "Of the term γ/2 times the squared distance from the point, which holds chains near it "
            "(Lau et al. 2023).",
            least=0,
            open_ended=True,
            step=10.0,
        ),
    ] = 100.0
    temperature: Annotated[
        float,
        Setting(
            "Temperature",
            "In units of log n for n examples: at 1 the inverse temperature is 1 / log n.",
            above=0,
            open_ended=True,
            step=0.1,
        ),
    ] = 1.0
    batch_examples: Annotated[
        int,
        Setting(
            "Batch size",
            "Examples of each step; their gradient stands for that of all. Of a loss that counts "
            "tokens or pixels few examples bias the estimate, where their counts differ.",
            least=1,
            most=1_000_000,
            unit="examples",
        ),
    ] = 64
    seed: Seed = 0

    @property
    def units(self) -> int:
        """Its chains."""
        return self.chains

    @property
    def recorded(self) -> int:
        """Draws of a chain, those of its burn-in included."""
        return self.burn_in + self.draws

    def scale(self, examples: int) -> float:
        """N beta: examples times the inverse temperature 1 / (temperature log n).

        Raises:
            ValueError: there are too few examples for a logarithm above 0.
        """
        require(
            examples >= FEWEST_EXAMPLES,
            f"the learning coefficient needs {FEWEST_EXAMPLES} examples or more",
            examples,
        )
        return examples / (self.temperature * math.log(examples))

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the chains take."""
        share = min(1.0, self.batch_examples / max(1, examples))
        steps = self.chains * self.recorded * self.steps_per_draw
        return 1 + PASSES_PER_GRADIENT * share * steps

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, the chains, their step size and what holds them."""
        return (
            *super().distinguishing_words,
            f"{self.chains} chains of {self.draws}",
            f"step {self.step_size:g}",
            f"γ {self.localisation:g}",
            f"seed {self.seed}",
        )
