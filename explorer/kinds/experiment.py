"""What a problem file measures itself: its experiments, as answers like all others."""

from dataclasses import dataclass, replace

from explorer.kinds.experiment_result import COLUMNS, ExperimentFacts, ExperimentResult
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, Look, PlotHeight


@dataclass(frozen=True, kw_only=True)
class ExperimentLook(Look):
    """How an experiment is drawn: a plot for each of its panels."""

    height: PlotHeight = 300

    @classmethod
    def small(cls, result: ExperimentResult) -> "ExperimentLook":
        """All panels, small together."""
        panels = max(1, len({series.panel for series in result.facts.series}))
        height = max(60, SMALL_HEIGHT // panels)
        return replace(cls.usual(result), width=SMALL_WIDTH, height=height)


EXPERIMENT = Kind(
    name="experiment",
    title="Experiment",
    subjects=("point",),
    settings=ExperimentSettings,
    result=ExperimentResult,
    facts=ExperimentFacts,
    version=1,
    numbers=("measured_points",),
    columns=tuple(COLUMNS),
    answer="explorer.analysis.experiment:answer",
    look=ExperimentLook,
    draw="explorer.render.experiment:draw",
    page="explorer/pages/experiment.py",
    icon=":material/science:",
    unit="parts",
    own_pace=True,
)
