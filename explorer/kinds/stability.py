"""Curvature and gradient noise along a training run, against what its optimiser can stand."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, CurvesLook, LogScale, PlotHeight
from explorer.kinds.setting import Setting
from explorer.kinds.stability_result import Stability, StabilityFacts
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import OPTIMISERS, threshold

STABILITY_PICTURES = ("course", "phase")


@dataclass(frozen=True, kw_only=True)
class StabilityLook(CurvesLook):
    """How curvature along a run is drawn, and the training that it is held against."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "course: all values along the training; phase: the largest eigenvalue against where "
            "snapshots lie along its last eigenvector, where that was asked for.",
            choices=STABILITY_PICTURES,
        ),
    ] = STABILITY_PICTURES[0]
    log: LogScale = True
    height: PlotHeight = 220  # of the largest eigenvalue; half of it of everything else
    optimiser: Annotated[
        str, Setting("Optimiser", "Whose threshold is drawn.", choices=OPTIMISERS)
    ] = OPTIMISERS[0]
    rates: Annotated[
        tuple[float, ...],
        Setting(
            "Learning rates",
            "One, or one a snapshot; none: no threshold.",
            least=0,
            open_ended=True,
        ),
    ] = ()
    momentum: Annotated[float, Setting("Momentum", "beta1 of Adam.", least=0, below=1)] = 0.0
    batch: Annotated[
        int, Setting("Batch size", "Examples of a step; 0: all.", least=0, open_ended=True)
    ] = 0

    @classmethod
    def small(cls, result: Stability) -> "StabilityLook":
        """Its first two plots in the height of one."""
        return cls(width=SMALL_WIDTH, height=2 * SMALL_HEIGHT // 3)

    def thresholds(self, preconditioned: bool) -> np.ndarray | None:
        """Of the largest eigenvalue, one number or one a snapshot; NaN where the rate is 0.

        None without a rate, and for another matrix than is shown.
        """
        if not self.rates or (self.optimiser == "Adam") != preconditioned:
            return None
        own = [threshold(self.optimiser, r, self.momentum) if r > 0 else np.nan for r in self.rates]
        return np.array(own)


STABILITY = Kind(
    name="stability",
    title="Curvature along a run",
    subjects=("run",),
    runs_from=0,
    fewest=3,
    settings=StabilitySettings,
    result=Stability,
    facts=StabilityFacts,
    version=1,
    numbers=(
        *("lambda_max", "highest_lambda_max", "trace", "critical_sharpness"),
        *("gradient_change", "smoothness", "rising_share"),
    ),
    columns=("loss", "lambda_max"),
    answer="explorer.analysis.stability:answer",
    look=StabilityLook,
    draw="explorer.render.stability:draw",
    page="explorer/pages/stability.py",
    icon=":material/ssid_chart:",
    sources=("cohen2021",),
    unit="snapshots",
    later=("preconditioned", "moments", "critical", "step_rate", "projected"),
)
