"""What training does on the surface, and the surface to training."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.interpolation import INTERPOLATION, Interpolation, InterpolationSettings
from explorer.kinds.result import Result
from explorer.kinds.run import RUN, Run, RunSettings
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_result import Stability
from explorer.kinds.stability_settings import StabilitySettings
from explorer.phenomena.flatness import top_of
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

RATE = 0.4  # of the sample eos


def _edge(results: Sequence[Result]) -> list[Proof]:
    stability = answer_of(results, 0, Stability)
    tops = stability.values["lambda_max"]
    late = tops[len(tops) // 2 :]
    return [
        Proof(
            "largest eigenvalue over 2/η, mean of the later half of the run",
            float(np.mean(late) * RATE / 2),
            0.95,
            1.05,
            "1 (measured before: 5.07 ± .05 against 5.0)",
        ),
        Proof(
            "the same at the start",
            float(tops[0] * RATE / 2),
            high=0.9,
            expected="below 1: it climbs there by itself (progressive sharpening)",
        ),
        Proof(
            "last loss over the first",
            float(stability.loss[-1] / stability.loss[0]),
            high=0.5,
            expected="below 1: the loss goes on falling at the edge",
        ),
    ]


def _plane(results: Sequence[Result]) -> list[Proof]:
    facts = answer_of(results, 0, Run).facts
    two, null = (sum(shares[:2]) for shares in (facts.explained, facts.explained_by_random_walk))
    return [
        Proof(
            "share of the variance of the snapshots in two components",
            two,
            0.8,
            1.0,
            "most (measured before: .90 + .075)",
        ),
        Proof(
            "the same of a random walk of as many steps",
            null,
            0.70,
            0.80,
            ".608 + .152 = .76 (Antognini and Sohl-Dickstein 2018): print it beside the other",
        ),
    ]


def _average(results: Sequence[Result]) -> list[Proof]:
    line, stale = (answer_of(results, place, Interpolation) for place in (0, 1))
    last, average = line.values["accuracy"][0], line.values["accuracy"][-1]
    return [
        Proof(
            "test accuracy, averaged weights minus the last ones",
            float(average - last),
            0.03,
            expected="better (measured before: .911 against .831)",
        ),
        Proof(
            "the same without statistics recomputed for the average",
            float(stale.values["accuracy"][-1] - stale.values["accuracy"][0]),
            high=float(average - last),
            expected="less (measured before: .894)",
        ),
        Proof(
            "largest eigenvalue, averaged weights over the last ones",
            number_of(results, 3, "lambda_max") / number_of(results, 2, "lambda_max"),
            high=0.8,
            expected="flatter (measured before: .87 against 1.86 to 2.11)",
        ),
    ]


def _own_statistics(sample: str, words: str) -> SampleQuestion:
    settings = InterpolationSettings(
        split="test", x_min=0.0, x_max=1.0, x_count=11, batchnorm="recalibrated"
    )
    return SampleQuestion(
        INTERPOLATION, settings, (SampleSubject("swa_sgd"), SampleSubject(sample)), words
    )


TRAINING = (
    Phenomenon(
        name="edge-of-stability",
        title="Gradient descent sharpens until 2/η and stays there",
        group=Group.TRAINING,
        text=(
            "Full-batch gradient descent with step η is unstable where the curvature exceeds 2/η. "
            "Training does not end below: the largest eigenvalue climbs to that value by itself "
            "and hovers there, while the loss goes on falling with ups and downs."
        ),
        loose=(
            "With a cross-entropy fitted to the end it does not show here: its curvature goes to 0 "
            "with the loss."
        ),
        sources=("Cohen et al. 2021",),
        seconds=0.9,
        questions=(SampleQuestion(STABILITY, StabilitySettings(), (SampleSubject("eos"),)),),
        prove=_edge,
        rows=("0.53", "1.7", "1.8", "1.34", "1.35", "3.47"),
    ),
    Phenomenon(
        name="trajectory-plane",
        title="Training moves in few directions, but so does a random walk",
        group=Group.TRAINING,
        text=(
            "The principal components of a run's snapshots: two of 3,466 explain nearly all of the "
            "way. A random walk in as many dimensions is explained by two components to three "
            "quarters, so only what is more than that says something of training."
        ),
        loose="A share of variance without the random walk's beside it proves no low dimension.",
        sources=("Li et al. 2018", "Antognini and Sohl-Dickstein 2018"),
        seconds=0.2,
        questions=(
            SampleQuestion(RUN, RunSettings(x_count=21, y_count=21), (SampleSubject("mlp_a"),)),
        ),
        prove=_plane,
        rows=("0.72", "0.73", "3.2"),
    ),
    Phenomenon(
        name="weight-averaging",
        title="The average of the last steps is better and flatter than the last step",
        group=Group.TRAINING,
        text=(
            "SGD with a constant rate circles around a low place. The mean of where it was lies in "
            "the middle: higher test accuracy, smaller curvature, for nothing but the averaging."
        ),
        loose=(
            "BatchNorm's statistics are of no averaged network: they must be recomputed on a copy, "
            "or a quarter of the gain is lost here. The gain is over a last step at a high rate; a "
            "rate that falls to 0 has most of it too (measured before without BatchNorm: .875 by "
            "the average, .854 by a cosine, .804 by the last step)."
        ),
        sources=("Izmailov et al. 2018",),
        seconds=0.3,
        questions=(
            _own_statistics("swa_bn", "to the average"),
            _own_statistics("swa_stale", "to the average with stale statistics"),
            top_of("swa_sgd", "last step"),
            top_of("swa_bn", "average"),
        ),
        prove=_average,
        rows=("0.58", "0.63", "1.31"),
    ),
)
