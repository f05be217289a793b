"""The local learning coefficient of a point: how fast the volume of low loss about it shrinks."""

from dataclasses import dataclass, replace

from explorer.kinds.facts import AnswerFacts
from explorer.kinds.kind import Kind
from explorer.kinds.learning_coefficient_result import COLUMNS, LearningCoefficient
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, Look, PlotHeight


@dataclass(frozen=True, kw_only=True)
class LearningCoefficientLook(Look):
    """How chains are drawn: the estimate so far, their losses, how far they have gone."""

    height: PlotHeight = 260  # of the estimate; the others are half as high

    @classmethod
    def small(cls, result: LearningCoefficient) -> "LearningCoefficientLook":
        """All plots, small together."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT // 2)


LEARNING_COEFFICIENT = Kind(
    name="learning_coefficient",
    title="Learning coefficient",
    subjects=("point",),
    settings=LearningCoefficientSettings,
    result=LearningCoefficient,
    facts=AnswerFacts,
    version=2,
    numbers=("learning_coefficient", "r_hat"),
    columns=COLUMNS,
    answer="explorer.analysis.learning_coefficient:answer",
    look=LearningCoefficientLook,
    draw="explorer.render.learning_coefficient:draw",
    page="explorer/pages/learning_coefficient.py",
    icon=":material/water_drop:",
    sources=("lau2023", "vehtari2021"),
    unit="chains",
    own_pace=True,
)
