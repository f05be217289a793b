"""What initial weights and activations do to gradients on their way through the layers."""

import math
from collections.abc import Sequence

from explorer.kinds.diagnosis import DIAGNOSIS
from explorer.kinds.diagnosis_result import Diagnosis
from explorer.kinds.diagnosis_settings import DiagnosisSettings
from explorer.kinds.result import Result
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

STARTS = DiagnosisSettings()
GUESSING = math.log(10)  # the loss of equal logits


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


def _exploding_proofs(results: Sequence[Result]) -> list[Proof]:
    loud, usual = (number_of(results, place, "gradient_norm") for place in (0, 1))
    losses = (answer_of(results, place, Diagnosis).rate_losses for place in (0, 1))
    best = [float(own.mean(axis=1).min()) for own in losses]
    return [
        Proof(
            "norm of the gradient, weights four times He's",
            loud,
            1e2,
            expected="above 100 (measured before: 680 of a shallower network)",
        ),
        Proof(
            "the same, He's initial weights",
            usual,
            high=10.0,
            expected="of order 1",
        ),
        Proof(
            "lowest loss of short trainings at any learning rate, weights four times He's",
            best[0],
            GUESSING - 0.01,
            GUESSING + 0.05,
            "ln 10 = 2.303, guessing: the first step throws the weights away, and units are dead",
        ),
        Proof(
            "the same, He's initial weights",
            best[1],
            high=GUESSING - 0.1,
            expected="below: it learns",
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
        seconds=2.9,
        questions=(
            SampleQuestion(DIAGNOSIS, STARTS, (SampleSubject("init_bad"),), "sigmoid"),
            SampleQuestion(DIAGNOSIS, STARTS, (SampleSubject("init_good"),), "ReLU"),
        ),
        prove=_vanishing_proofs,
        rows=("0.32", "3.46", "3.49"),
    ),
    Phenomenon(
        name="exploding-gradients",
        title="Large initial weights make gradients explode",
        group=Group.ARCHITECTURE,
        text=(
            "ReLU layers pass on what is large as it is: with weights four times those of He each "
            "of eleven layers makes signals four times larger on their way forth and gradients on "
            "their way back. The start is a cliff: at whatever rate, the first step throws the "
            "weights away and leaves units that no example wakes. Clipping the gradient, "
            "normalisation or smaller weights avoid it."
        ),
        loose=(
            "A large norm is no fault of its own: it grows with the scale of the loss. What counts "
            "is what a step makes of it, which the learning-rate range test shows."
        ),
        sources=("Pascanu et al. 2013", "He et al. 2015"),
        seconds=1.2,
        questions=(
            SampleQuestion(DIAGNOSIS, STARTS, (SampleSubject("init_loud"),), "four times"),
            SampleQuestion(DIAGNOSIS, STARTS, (SampleSubject("init_good"),), "He's weights"),
        ),
        prove=_exploding_proofs,
        rows=("3.50",),
    ),
)
