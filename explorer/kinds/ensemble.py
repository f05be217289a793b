"""Predictions of several points averaged: deep ensembles, snapshots of a cyclic schedule."""

from dataclasses import dataclass

from explorer.kinds.ensemble_result import Ensemble, EnsembleFacts
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, Look, PlotHeight, ValueName


@dataclass(frozen=True, kw_only=True)
class EnsembleLook(Look):
    """How the value of an ensemble is drawn against the number of its members."""

    value: ValueName = "loss"
    height: PlotHeight = 300

    @classmethod
    def small(cls, result: Ensemble) -> "EnsembleLook":
        """The losses."""
        return cls(width=SMALL_WIDTH, height=SMALL_HEIGHT)


ENSEMBLE = Kind(
    name="ensemble",
    title="Ensemble",
    subjects=("run",),
    runs_from=0,
    settings=EnsembleSettings,
    result=Ensemble,
    facts=EnsembleFacts,
    version=1,
    numbers=(
        "ensemble_loss",
        "ensemble_accuracy",
        "mean_member_loss",
        "best_member_loss",
        "mean_member_accuracy",
        "disagreement",
        "spread",
    ),
    columns=("loss", "member_loss"),
    answer="explorer.analysis.ensemble:answer",
    look=EnsembleLook,
    draw="explorer.render.ensemble:draw",
    page="explorer/pages/ensemble.py",
    icon=":material/groups:",
    sources=("lakshminarayanan2017",),
    unit="members",
)
