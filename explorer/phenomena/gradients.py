"""What initial weights and activations do to gradients on their way through the layers."""

from collections.abc import Sequence

from explorer.kinds.diagnosis import DIAGNOSIS
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.result import Result
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    number_of,
)


def _vanishing_proofs(results: Sequence[Result]) -> list[Proof]:
    bad, good = (number_of(results, place, "gradient_ratio") for place in (0, 1))
    return [
        Proof(
            "gradient of the first layer over that of the last, ten sigmoid layers",
            bad,
            high=1e-6,
            expected="all but nothing (measured before: 1.2e-8)",
        ),
        Proof(
            "the same, ten ReLU layers with He's initial weights",
            good,
            0.1,
            10.0,
            "of order 1 (measured before: .49 of wider layers)",
        ),
    ]


GRADIENTS = (
    Phenomenon(
        name="vanishing-gradients",
        title="Gradients vanish through many sigmoid layers",
        group=Group.ARCHITECTURE,
        text=(
            "On its way back from the loss a gradient is multiplied by each layer's weights and "
            "slope; a sigmoid's slope is a quarter at most. After ten such layers the first one's "
            "gradient is millions of times smaller than the last one's: along its weights the "
            "surface is flat, and no learning rate suits both. ReLU with He's initial weights "
            "keeps the sizes alike."
        ),
        loose=(
            "A ratio of norms says where learning stalls at this point, not that the whole surface "
            "is flat: the last layers learn all the same, and a tensor's norm grows with its size."
        ),
        sources=("Glorot and Bengio 2010", "He et al. 2015"),
        seconds=8,
        questions=(
            SampleQuestion(DIAGNOSIS, DiagnosisSettings(), (SampleSubject("init_bad"),), "sigmoid"),
            SampleQuestion(DIAGNOSIS, DiagnosisSettings(), (SampleSubject("init_good"),), "ReLU"),
        ),
        prove=_vanishing_proofs,
        rows=("0.32", "3.46", "3.49"),
    ),
)
