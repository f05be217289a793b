"""What averaging and merging trained networks gives, and what SAM's radius does."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.averaging import AVERAGING
from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.averaging_settings import AveragingSettings
from explorer.kinds.interpolation import INTERPOLATION, Interpolation
from explorer.kinds.result import Result
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.phenomena.connectivity import ALIGNED_COPY, BETWEEN, NARROW_A, NARROW_B
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

REPAIRED = replace(BETWEEN, repair=True)
COPY = replace(NARROW_B, question=0, point=ALIGNED_COPY)
MEAN = AveragingSettings(split="test", last=3)
START, DOWN_A, DOWN_B = (
    SampleSubject("sorter_down_a", step=0),  # the sorter that both were tuned from
    SampleSubject("sorter_down_a"),
    SampleSubject("sorter_down_b"),
)
PLANE = SurfaceSettings(
    split="test",
    direction="given",
    x_min=-0.25,
    x_max=1.25,
    x_count=13,
    y_min=-0.25,
    y_max=1.25,
    y_count=13,
)
FLATTER = SharpnessSettings(measures=("lambda_max", "average"), noise=0.1)


def _repair_proofs(results: Sequence[Result]) -> list[Proof]:
    lines = [answer_of(results, place, Interpolation) for place in (1, 2, 3, 4)]
    plain, repaired, matched, both = (
        float(line.values["accuracy"][BETWEEN.x_count // 2]) for line in lines
    )
    return [
        Proof(
            "train accuracy halfway, with REPAIR less without",
            repaired - plain,
            0.04,
            expected="better (measured before: .77 against .52)",
        ),
        Proof(
            "train accuracy halfway after matching, without REPAIR",
            matched,
            0.95,
            expected="matching does most of it",
        ),
        Proof(
            "barrier after matching, with REPAIR over without",
            number_of(results, 4, "barrier") / number_of(results, 3, "barrier"),
            high=0.95,
            expected="lower by some more",
        ),
        Proof(
            "train accuracy halfway after both, less after matching alone",
            both - matched,
            -0.002,
            expected="no worse",
        ),
    ]


def _soup_proofs(results: Sequence[Result]) -> list[Proof]:
    soup = answer_of(results, 0, Averaging)
    members, average = (soup.of(role, "accuracy") for role in (Role.INGREDIENT, Role.AVERAGE))
    return [
        Proof(
            "test accuracy of the average less the mean of its ingredients",
            float(average[0] - members.mean()),
            0.01,
            expected="better (measured before, five fine-tunes: .822 against .808)",
        ),
        Proof(
            "test loss of the average over the best ingredient's",
            number_of(results, 0, "average_loss") / number_of(results, 0, "best_member_loss"),
            high=0.97,
            expected="lower than each",
        ),
        Proof(
            "test loss of two fine-tuned sorters' average, over the mean of theirs",
            number_of(results, 1, "average_loss") / number_of(results, 1, "mean_member_loss"),
            1.0,
            1.6,
            "a little higher: one basin, and still no gain",
        ),
    ]


def _plane_proofs(results: Sequence[Result]) -> list[Proof]:
    plane = answer_of(results, 0, Surface)

    def at(x: float, y: float) -> float:
        return float(plane.loss[np.abs(plane.y - y).argmin(), np.abs(plane.x - x).argmin()])

    lowest = np.unravel_index(plane.loss.argmin(), plane.loss.shape)
    return [
        Proof(
            "loss halfway between the two copies, over the mean of theirs",
            at(0.5, 0.5) / ((at(1, 0) + at(0, 1)) / 2),
            high=2.0,
            expected="about as low: they lie in one valley",
        ),
        Proof(
            "loss halfway from the sorter to a copy, over the copy's",
            at(0.5, 0) / at(1, 0),
            10.0,
            expected="many times higher: the sorter lies outside of it",
        ),
        Proof(
            "sum of both coordinates at the plane's lowest place",
            float(plane.x[lowest[1]] + plane.y[lowest[0]]),
            0.9,
            1.75,
            "1 or a little more: on the line through both copies, or beyond",
        ),
    ]


def _radius_proofs(results: Sequence[Result]) -> list[Proof]:
    plain, close, wide = (answer_of(results, place, Sharpness) for place in range(3))
    noise = [each.of("average").value for each in (plain, close, wide)]
    tested = answer_of(results, 3, Interpolation).values["accuracy"]
    return [
        Proof(
            "rise of the loss under noise of .1, radius .1 over momentum",
            noise[1] / noise[0],
            high=0.85,
            expected="less",
        ),
        Proof(
            "the same, radius .5 over momentum",
            noise[2] / noise[0],
            high=0.85,
            expected="less",
        ),
        Proof(
            "test accuracy, radius .5 less momentum",
            float(tested[-1] - tested[0]),
            0.02,
            expected="better (measured before: .877 against .814)",
        ),
        Proof(
            "largest eigenvalue, radius .5 over momentum",
            wide.of("lambda_max").value / plain.of("lambda_max").value,
            1.0,
            expected="larger all the same: at a higher loss a cross-entropy curves more",
        ),
        Proof(
            "train accuracy of radius .5",
            wide.facts.accuracy or float("nan"),
            high=0.98,
            expected="not all: a fifth of the labels is wrong, and some of these are not fitted",
        ),
    ]


def _under_noise(sample: str, words: str) -> SampleQuestion:
    subject = SampleSubject(sample)
    return SampleQuestion(SHARPNESS, FLATTER, (subject, subject), words)


MERGING = (
    Phenomenon(
        name="repair",
        title="Halfway networks have shrunken activations, and rescaling them helps",
        group=Group.CONNECTIVITY,
        text=(
            "Between two networks the activations of a mean of weights vary less than those of "
            "either. REPAIR gives each channel the mean and spread in between the two, by "
            "rescaling. Halfway between two narrow networks that raises the accuracy; after their "
            "neurons are matched little is left to repair, and that little falls too."
        ),
        loose=(
            "It is the accuracy that rises: the highest loss between the networks as they were "
            "trained is no lower with it. The paper's gains are largest for deep and wide networks "
            "with BatchNorm, where matching alone leaves much."
        ),
        sources=("Jordan et al. 2023",),
        seconds=0.3,
        questions=(
            SampleQuestion(ALIGNMENT, AlignmentSettings(), (NARROW_A, NARROW_B), "matching"),
            SampleQuestion(INTERPOLATION, BETWEEN, (NARROW_A, NARROW_B), "as they were trained"),
            SampleQuestion(INTERPOLATION, REPAIRED, (NARROW_A, NARROW_B), "with REPAIR"),
            SampleQuestion(INTERPOLATION, BETWEEN, (NARROW_A, COPY), "matched"),
            SampleQuestion(INTERPOLATION, REPAIRED, (NARROW_A, COPY), "matched, with REPAIR"),
        ),
        prove=_repair_proofs,
        rows=("0.45",),
    ),
    Phenomenon(
        name="model-soup",
        title="The average of networks of one valley can be better than each",
        group=Group.CONNECTIVITY,
        text=(
            "The weights of three snapshots of a run with a cyclical rate, averaged to one "
            "network: a soup. On test digits it has a lower loss than the best of the three and a "
            "higher accuracy, at the cost of one network's prediction."
        ),
        loose=(
            "It needs ingredients that are linearly connected, and is no promise even then: the "
            "average of two fine-tuned sorters is slightly worse than both. An ensemble of the "
            "same members is usually a little better still."
        ),
        sources=("Wortsman et al. 2022", "Izmailov et al. 2018"),
        seconds=0.1,
        questions=(
            SampleQuestion(AVERAGING, MEAN, (SampleSubject("fge"),), "snapshots of a run"),
            SampleQuestion(
                AVERAGING, replace(MEAN, last=1), (DOWN_A, DOWN_B), "two fine-tuned sorters"
            ),
        ),
        prove=_soup_proofs,
        rows=("1.31",),
    ),
    Phenomenon(
        name="merge-plane",
        title="Fine-tuned copies lie in one valley, away from where they came from",
        group=Group.CONNECTIVITY,
        text=(
            "The plane through a sorter, at the origin, and the two copies that were tuned to sort "
            "the other way, at (1, 0) and (0, 1). The loss of the new task has one straight valley "
            "through both copies; the sorter itself stands high on its side. Merges of the two "
            "stay in it when their shares add up to 1."
        ),
        loose=(
            "The axes are differences of points and not at right angles: the copies are closer to "
            "each other than to the sorter. That the valley is straight says nothing of what lies "
            "off the plane."
        ),
        sources=("Neyshabur et al. 2020", "Ilharco et al. 2023"),
        seconds=0.6,
        questions=(SampleQuestion(SURFACE, PLANE, (START, START, DOWN_A, START, DOWN_B)),),
        prove=_plane_proofs,
        rows=("0.43",),
    ),
    Phenomenon(
        name="sam-radius",
        title="A wide radius of SAM keeps it from fitting what is wrong",
        group=Group.FLATNESS,
        text=(
            "SAM with a radius of .1 fits all labels, a fifth of which is wrong, in a flatter "
            "place. With .5 it no longer fits all, and its test accuracy is the best. Both bear "
            "noise in the weights better than momentum."
        ),
        loose=(
            "By the largest eigenvalue the wide radius is the sharpest: its loss is fifty times as "
            "high, and a cross-entropy's curvature goes to 0 with the loss. Measures of flatness "
            "compare networks at one train loss, or say little."
        ),
        sources=("Foret et al. 2021",),
        seconds=0.2,
        questions=(
            _under_noise("optimiser_momentum", "momentum"),
            _under_noise("optimiser_sam", "SAM, radius .1"),
            _under_noise("optimiser_sam_wide", "SAM, radius .5"),
            SampleQuestion(
                INTERPOLATION,
                replace(BETWEEN, split="test", x_count=11),
                (SampleSubject("optimiser_momentum"), SampleSubject("optimiser_sam_wide")),
                "from momentum to SAM, radius .5",
            ),
        ),
        prove=_radius_proofs,
        rows=("0.56", "1.42", "3.51"),
    ),
)
