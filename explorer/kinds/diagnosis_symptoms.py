"""Symptoms: by which numbers each is told, what the landscape says, and what to try."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.kinds import diagnosis_conditions as conditions
from explorer.kinds.diagnosis_conditions import Condition, TrainedBy, Verdict
from explorer.kinds.diagnosis_result import Diagnosis

HERE = "a threshold of this program"
Measure = Callable[[Diagnosis, TrainedBy], Sequence[Condition]]


@dataclass(frozen=True)
class Symptom:
    """What may be wrong with a model or its training."""

    name: str
    title: str
    picture: str  # of the diagnosis, which shows it
    course: tuple[str, ...]  # of that picture the rows that do
    says: str  # what the landscape is like there
    remedies: str
    kinds: tuple[str, ...]  # whose pages show the landscape
    source: str  # of the threshold
    conditions: Measure  # all of them must hold


@dataclass(frozen=True)
class Finding:
    """A symptom with its numbers."""

    symptom: Symptom
    conditions: Sequence[Condition]

    @property
    def verdict(self) -> Verdict:
        """Shown where each number is beyond its threshold; absent where one is not."""
        verdicts = {condition.verdict for condition in self.conditions}
        for verdict in (Verdict.ABSENT, Verdict.OPEN):
            if verdict in verdicts:
                return verdict
        return Verdict.SHOWN

    @property
    def excess(self) -> float:
        """That of the number nearest to saying no; NaN where none was measured."""
        excesses = [c.excess for c in self.conditions if c.verdict is not Verdict.OPEN]
        return min(excesses, default=math.nan)


def findings(diagnosis: Diagnosis, trained: TrainedBy) -> list[Finding]:
    """All symptoms with their numbers, in their order."""
    return [Finding(symptom, symptom.conditions(diagnosis, trained)) for symptom in SYMPTOMS]


SYMPTOMS = (
    Symptom(
        "vanishing",
        "Vanishing gradients",
        "layers",
        (),
        "The surface is all but flat along the first layers' weights: they do not learn, whatever "
        "the rate (Glorot and Bengio 2010).",
        "Skip connections, normalisation (Ioffe and Szegedy 2015), ReLU with He's initial weights "
        "(He et al. 2015).",
        ("line", "surface"),
        HERE,
        conditions.vanishing,
    ),
    Symptom(
        "exploding",
        "Exploding gradients",
        "course",
        ("gradient norm",),
        "The point stands on a cliff: a usual step jumps far away (Pascanu et al. 2013).",
        "Clip the gradient's norm (Pascanu et al. 2013), layer normalisation (Ba et al. 2016), a "
        "smaller initialisation, a lower rate or a warm-up (Goyal et al. 2017).",
        ("line", "surface"),
        HERE,
        conditions.exploding,
    ),
    Symptom(
        "plateau",
        "Plateau",
        "course",
        ("loss", "fall"),
        "Loss and gradient stand still. The end of a successful training looks the same: the loss "
        "there tells which it is.",
        "Noise by smaller batches, second-order steps, another rate or initialisation.",
        ("spectrum", "line"),
        HERE,
        conditions.plateau,
    ),
    Symptom(
        "saddle",
        "Saddle",
        "course",
        ("fall", "lowest"),
        "The gradient is small, yet the loss bends down along some direction (Dauphin et al. "
        "2014).",
        "Noise, which leaves a strict saddle (Jin et al. 2017), momentum, saddle-free Newton steps "
        "(Dauphin et al. 2014); the direction that leads down is on the page Spectrum.",
        ("spectrum", "critical"),
        HERE,
        conditions.saddle,
    ),
    Symptom(
        "sharp",
        "Sharper than the rate allows",
        "course",
        ("highest",),
        "Steps along the sharpest direction grow instead of shrinking; gradient descent then "
        "hovers at the edge of stability (Cohen et al. 2021).",
        "A lower rate, or flatter minima: SAM (Foret et al. 2021), weight decay, augmentation. "
        "Sharpness by itself proves no poor generalisation (Dinh et al. 2017).",
        ("stability", "spectrum", "sharpness"),
        "Cohen et al. 2021",
        conditions.sharp,
    ),
    Symptom(
        "ill_conditioned",
        "Ill-conditioned",
        "course",
        ("condition",),
        "A narrow valley: a rate that the steep directions stand takes about as many steps as this "
        "number for the median one.",
        "Adam (Kingma and Ba 2015), which scales each parameter; normalisation; a schedule for the "
        "rate (Loshchilov and Hutter 2017).",
        ("spectrum", "surface"),
        HERE,
        conditions.ill_conditioned,
    ),
    Symptom(
        "overfit",
        "Overfit",
        "course",
        ("loss",),
        "The minimum of the data lies beside that of the held-out data.",
        "Weight decay (Krogh and Hertz 1992), dropout (Srivastava et al. 2014), augmentation, an "
        "earlier stop, weight averaging (Izmailov et al. 2018), SAM (Foret et al. 2021).",
        ("line", "sharpness"),
        HERE,
        conditions.overfit,
    ),
    Symptom(
        "unstable",
        "Unstable to the order of batches",
        "rates",
        (),
        "From one point the same training ends at other losses: valleys part there, and ends may "
        "have a barrier between them (Frankle et al. 2020).",
        "An ensemble (Lakshminarayanan et al. 2017), regularisation, larger batches, a lower rate.",
        ("interpolation", "surface"),
        HERE,
        conditions.unstable,
    ),
)
