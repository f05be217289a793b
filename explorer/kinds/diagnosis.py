"""A diagnosis: symptoms of a model or a run, by their numbers, and a learning-rate range test."""

from dataclasses import dataclass, replace
from typing import Annotated

from explorer.kinds.diagnosis_conditions import TrainedBy
from explorer.kinds.diagnosis_result import COLUMNS, Diagnosis, DiagnosisFacts
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, Look, PlotHeight
from explorer.kinds.setting import Setting
from explorer.kinds.stability_threshold import OPTIMISERS

DIAGNOSIS_PICTURES = ("symptoms", "course", "layers", "histograms", "rates")
COURSE_ROWS = ("loss", "gradient norm", "fall", "highest", "lowest", "condition")


@dataclass(frozen=True, kw_only=True)
class DiagnosisLook(Look):
    """Which picture of a diagnosis is drawn, and the training that it is held against."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "symptoms: each number over its threshold; course: numbers along the run; layers: "
            "gradient norms; histograms: of the gradient's entries by layer; rates: the "
            "learning-rate range test.",
            choices=DIAGNOSIS_PICTURES,
        ),
    ] = DIAGNOSIS_PICTURES[0]
    height: PlotHeight = 300
    course: Annotated[
        tuple[str, ...],
        Setting("Course of", "The numbers drawn along the run.", choices=COURSE_ROWS),
    ] = ()
    snapshot: Annotated[
        int,
        Setting("Snapshot", "Of the histograms; -1: the last.", least=-1, open_ended=True),
    ] = -1
    rate: Annotated[
        float,
        Setting(
            "Learning rate", "That the run was trained by; 0: unknown.", least=0, open_ended=True
        ),
    ] = 0.0
    optimiser: Annotated[
        str, Setting("Optimiser", "Whose threshold counts.", choices=OPTIMISERS)
    ] = OPTIMISERS[0]
    momentum: Annotated[float, Setting("Momentum", "beta1 of Adam.", least=0, below=1)] = 0.0

    @property
    def trained(self) -> TrainedBy:
        """The training that symptoms are held against."""
        return TrainedBy(self.rate, self.optimiser, self.momentum)

    @classmethod
    def small(cls, result: Diagnosis) -> "DiagnosisLook":
        """The symptoms."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


DIAGNOSIS = Kind(
    name="diagnosis",
    title="Diagnosis",
    subjects=("run",),
    runs_from=0,
    settings=DiagnosisSettings,
    result=Diagnosis,
    facts=DiagnosisFacts,
    version=1,
    numbers=(
        *("gradient_ratio", "gradient_norm", "foretold_fall", "lambda_max", "lambda_min"),
        *("median_condition", "held_out_gap", "best_rate", "rising_rate"),
    ),
    columns=tuple(COLUMNS),
    answer="explorer.analysis.diagnosis:answer",
    look=DiagnosisLook,
    draw="explorer.render.diagnosis:draw",
    page="explorer/pages/diagnosis.py",
    icon=":material/stethoscope:",
    sources=("cohen2021", "smith2017"),
    own_pace=True,
    unit="parts",
)
