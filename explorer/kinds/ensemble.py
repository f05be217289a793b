"""Predictions of several points averaged: deep ensembles, snapshots of a cyclic schedule."""

from dataclasses import dataclass

from explorer.kinds.ensemble_result import Ensemble, EnsembleFacts
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import CurvesLook, ValueName


@dataclass(frozen=True, kw_only=True)
class EnsembleLook(CurvesLook):
    """How the value of an ensemble is drawn against the number of its members."""

    value: ValueName = "loss"


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
    overlaid=True,
    page="explorer/pages/ensemble.py",
    icon=":material/groups:",
    sources=("lakshminarayanan2017",),
    unit="members",
)
