"""How a path between two points is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.objective_settings import CURVATURE_PRECISIONS, ObjectiveSettings
from explorer.kinds.path_shape import BENT_SHAPES, BEZIER, CHAIN, MOST_BENDS
from explorer.kinds.require import require
from explorer.kinds.seed import Seed
from explorer.kinds.setting import Setting
from explorer.wording import counted

EXPECTED, LARGEST, BAND = "expected", "largest", "band"
TRAININGS = (EXPECTED, LARGEST, BAND)
CANDIDATES = 9  # places among which the largest loss of a batch is looked for
PASSES = 3  # that a loss and its gradient cost, in passes without
CONSTANT_UNTIL, FALLING_UNTIL, LAST_SHARE = 0.5, 0.9, 0.01  # of the learning rate's schedule


@dataclass(frozen=True, kw_only=True)
class ConnectionSettings(ObjectiveSettings):
    """Which path is trained between two points, by which loss, and how long.

    Batches of a model with BatchNorm are normalised by their own statistics while it is trained;
    the losses along the path are measured by the policy.
    """

    minimised: Annotated[
        str,
        Setting(
            "Minimise",
            "expected: the loss at a random place of the path (Garipov et al. 2018); largest: at "
            "the highest of a few places; band: a nudged elastic band, whose pivots descend "
            "across the path and are inserted where it is high (Draxler et al. 2018).",
            choices=TRAININGS,
            sources={EXPECTED: "garipov2018", BAND: "draxler2018"},
            moves_points=True,
        ),
    ] = EXPECTED
    shape: Annotated[
        str,
        Setting(
            "Path",
            "bezier: a smooth curve that its bends pull; chain: straight lines from bend to bend. "
            "A band is a chain.",
            choices=BENT_SHAPES[::-1],
            unused_with={"minimised": (BAND,)},
            moves_points=True,
        ),
    ] = BEZIER
    bends: Annotated[
        int,
        Setting(
            "Bends",
            "Points between both ends that are trained; of a band, at the beginning.",
            least=1,
            most=MOST_BENDS,
            moves_points=True,
        ),
    ] = 1
    most_bends: Annotated[
        int,
        Setting(
            "At most",
            "Pivots of a band, those inserted with the others.",
            least=1,
            most=MOST_BENDS,
            unused_with={"minimised": (EXPECTED, LARGEST)},
            moves_points=True,
        ),
    ] = 9
    steps: Annotated[
        int,
        Setting(
            "Steps",
            "Of the descent, at most.",
            least=1,
            most=1_000_000,
            unit="steps",
            moves_points=True,
        ),
    ] = 2000
    every: Annotated[
        int,
        Setting(
            "Every",
            "So many steps the losses along the path are measured, and the path is kept.",
            least=1,
            most=100_000,
            unit="steps",
            moves_points=True,
        ),
    ] = 100
    t_count: Annotated[
        int,
        Setting(
            "Points along the path",
            "Where its loss is measured.",
            least=3,
            most=1001,
            moves_points=True,
        ),
    ] = 21
    learning_rate: Annotated[
        float,
        Setting(
            "Learning rate",
            "Constant for half of the steps, then falling to 1 % of it (Garipov et al. 2018).",
            above=0,
            most=1000,
            moves_points=True,
        ),
    ] = 0.05
    momentum: Annotated[
        float,
        Setting(
            "Momentum",
            "Of the descent.",
            least=0,
            below=1,
            moves_points=True,
        ),
    ] = 0.9
    weight_decay: Annotated[
        float,
        Setting(
            "Weight decay",
            "Half of it times the path's squared norm is added.",
            least=0,
            most=100,
            moves_points=True,
        ),
    ] = 1e-4
    batch_examples: Annotated[
        int,
        Setting(
            "Batch",
            "Examples of a step.",
            least=1,
            open_ended=True,
            unit="examples",
            moves_points=True,
        ),
    ] = 64
    tolerance: Annotated[
        float,
        Setting(
            "Good enough",
            "The training ends where no loss along the path is above the higher end by more. Below "
            "0: all steps are taken.",
            least=-1,
            open_ended=True,
            moves_points=True,
        ),
    ] = 0.01
    precision: Annotated[
        str,
        Setting("Precision", "Of the loss and its gradients.", choices=CURVATURE_PRECISIONS),
    ] = "float32"
    seed: Seed = 0

    def __post_init__(self) -> None:
        """Refuse a band that begins with more pivots than it may have."""
        super().__post_init__()
        if self.minimised == BAND:
            most = f"bends must be at most the {self.most_bends} pivots that the band may have"
            require(self.bends <= self.most_bends, most, self.bends)

    def check_points(self, points: Mapping[str, str]) -> None:
        """Refuse the same point twice.

        Raises:
            ValueError: it is.
        """
        if len(set(points.values())) < len(points):
            raise ValueError(
                "a path must lead from one point to another, got the same twice; choose another"
            )

    @classmethod
    def usual_batchnorm(cls) -> str:
        """Recomputed: statistics between two points are those of neither."""
        return "recalibrated"

    @property
    def path_shape(self) -> str:
        """The shape of the path; a band is a chain."""
        return CHAIN if self.minimised == BAND else self.shape

    @property
    def path_words(self) -> str:
        """Its shape and by which loss it was trained."""
        return {
            EXPECTED: self.shape,
            LARGEST: f"minimax {self.shape}",
            BAND: "elastic band",
        }[self.minimised]

    @property
    def units(self) -> int:
        """Measurements of the path: before the first step, and after every so many."""
        return 1 + -(-self.steps // self.every)

    @property
    def t(self) -> np.ndarray:
        """The places along the path, from 0 to 1, (T,)."""
        return np.linspace(0, 1, self.t_count)

    def step_after(self, unit: int) -> int:
        """How many steps are taken by the end of a unit of work."""
        return min(unit * self.every, self.steps)

    def rate_at(self, step: int) -> float:
        """The learning rate of a step.

        Source: Garipov et al. 2018, arXiv:1802.10026, the public code's schedule.
        """
        at = step / self.steps
        if at <= CONSTANT_UNTIL:
            return self.learning_rate
        fallen = (at - CONSTANT_UNTIL) / (FALLING_UNTIL - CONSTANT_UNTIL)
        share = max(LAST_SHARE, 1 - (1 - LAST_SHARE) * fallen)
        return self.learning_rate * share

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss over all examples the training takes."""
        share = self.batch_examples / max(1, examples)
        each = {EXPECTED: PASSES, LARGEST: PASSES + CANDIDATES, BAND: PASSES * self.most_bends}
        return self.units * self.t_count + self.steps * share * each[self.minimised]

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The split, what is trained, and the seed."""
        bends = counted(self.bends, "bend")
        return (*super().distinguishing_words, self.path_words, bends, f"seed {self.seed}")
