"""How minima are connected: by lines, curves, permutations, averages."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.connection import CONNECTION
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.ensemble import ENSEMBLE
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.kinds.manifold import MANIFOLD
from explorer.kinds.manifold_settings import ManifoldSettings
from explorer.kinds.result import Result
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    number_of,
)

BETWEEN = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=31)
CURVE = ConnectionSettings(shape="bezier", bends=1)
BAND = ConnectionSettings(minimised="band", bends=3, steps=600)
ALIGNED_COPY = "1"  # the name of the copy that the first search of an alignment brings
B, C = SampleSubject("mlp_b"), SampleSubject("mlp_c")
NARROW_A, NARROW_B = SampleSubject("narrow_a"), SampleSubject("narrow_b")


def _monotone(results: Sequence[Result]) -> list[Proof]:
    return [
        Proof(
            "largest rise of the train loss on the way from start to end",
            number_of(results, 0, "largest_rise"),
            high=1e-3,
            expected="none (0.0000 in 12 recipes measured before)",
        )
    ]


def _bezier(results: Sequence[Result]) -> list[Proof]:
    straight, curved = (number_of(results, place, "saddle") for place in (0, 2))
    return [
        Proof(
            "highest train loss on the straight line",
            straight,
            0.3,
            expected="a barrier (measured before: .82 to 1.12)",
        ),
        Proof(
            "highest train loss along the trained curve",
            curved,
            high=0.03,
            expected="about as low as the ends (measured before: .0117)",
        ),
    ]


def _band(results: Sequence[Result]) -> list[Proof]:
    return [
        Proof(
            "highest train loss along the elastic band",
            number_of(results, 0, "saddle"),
            high=0.01,
            expected="nearly as low as the ends (measured before: .0037 at ends of .0037)",
        ),
        Proof(
            "its length over the distance of the ends",
            number_of(results, 0, "arc_length") / number_of(results, 0, "distance"),
            1.0,
            2.0,
            "a little longer than the straight line (measured before: 1.3)",
        ),
    ]


def _stable_to_noise(results: Sequence[Result]) -> list[Proof]:
    first, later = (100 * number_of(results, place, "error_rise") for place in (0, 1))
    return [
        Proof(
            "rise of the train error between two runs that part at step 0, in %",
            first,
            2.0,
            expected="a barrier (measured before: 11.1)",
        ),
        Proof(
            "the same for two runs that part at step 100, in %",
            later,
            high=2.0,
            expected="none: Frankle et al. call below 2 % stable (measured before: .3)",
        ),
    ]


def _symmetric(results: Sequence[Result]) -> list[Proof]:
    return [
        Proof(
            "largest change of any output",
            number_of(results, 0, "output_change"),
            high=1e-4,
            expected="rounding (measured before: 8e-6 in float32)",
        ),
        Proof(
            "distance of the permuted copy from the model",
            number_of(results, 0, "aligned_distance"),
            10.7,
            expected="more than the norm of the weights (measured before: 14.6 against 10.7)",
        ),
        Proof(
            "log10 of the number of such copies",
            number_of(results, 0, "log10_permutations"),
            2 * 35.42 - 0.1,
            2 * 35.42 + 0.1,
            "2 log10(32!) = 70.84; of a hundred channels log10(100!) = 157.97",
        ),
    ]


def _aligned(results: Sequence[Result]) -> list[Proof]:
    before, after = (number_of(results, place, "barrier") for place in (0, 2))
    return [
        Proof(
            "barrier before, over that to the permuted copy",
            before / max(after, 1e-4),
            10.0,
            expected="10 times lower at least (measured before: 28 to 37 times)",
        ),
        Proof(
            "barrier to the permuted copy",
            after,
            high=0.1,
            expected="almost none (measured before: .012 to .047)",
        ),
    ]


def _width(results: Sequence[Result]) -> list[Proof]:
    narrow, wide = (number_of(results, place, "barrier") for place in (0, 1))
    return [
        Proof(
            "barrier between networks of width 16, over that of width 32",
            narrow / wide,
            1.3,
            expected="the narrower, the higher (measured before: 1.74 at 16, .42 at 64)",
        )
    ]


def _ensemble(results: Sequence[Result]) -> list[Proof]:
    together, alone = (
        number_of(results, 0, name) for name in ("ensemble_accuracy", "mean_member_accuracy")
    )
    return [
        Proof(
            "test accuracy of the ensemble minus the mean of its members",
            together - alone,
            0.01,
            expected="better together (measured before: .833 against .74 to .81)",
        ),
        Proof(
            "test loss of the ensemble over that of its best member",
            number_of(results, 0, "ensemble_loss") / number_of(results, 0, "best_member_loss"),
            high=0.97,
            expected="lower than each",
        ),
    ]


def _manifold(results: Sequence[Result]) -> list[Proof]:
    dimension, expected = (
        number_of(results, 0, name) for name in ("manifold_dimension", "expected_dimension")
    )
    return [
        Proof(
            "directions that change no output, minus parameters minus constraints",
            dimension - expected,
            0.0,
            expected="at least 0: p - nC dimensions, and more where examples are alike",
        ),
        Proof(
            "zeros of the Hessian, over parameters minus constraints",
            number_of(results, 0, "zero_modes") / expected,
            1.0,
            1.1,
            "1: as many as the manifold has dimensions, but for what is nearly 0",
        ),
        Proof(
            "highest loss on the walk",
            number_of(results, 0, "walk_loss"),
            high=1e-7,
            expected="none to speak of: no output changes",
        ),
        Proof(
            "distance walked from the start",
            number_of(results, 0, "walk_distance"),
            0.9,
            expected="about a third of the norm of the weights, 3.5",
        ),
    ]


def _aligned_questions(first: SampleSubject, second: SampleSubject) -> tuple[SampleQuestion, ...]:
    copy = replace(second, question=1, point=ALIGNED_COPY)
    return (
        SampleQuestion(INTERPOLATION, BETWEEN, (first, second), "as they were trained"),
        SampleQuestion(ALIGNMENT, AlignmentSettings(), (first, second), "matching"),
        SampleQuestion(INTERPOLATION, BETWEEN, (first, copy), "to the permuted copy"),
    )


CONNECTIVITY = (
    Phenomenon(
        name="monotone-line",
        title="From start to end the loss falls all along the straight line",
        group=Group.CONNECTIVITY,
        text=(
            "The straight line from a network's random start to where training left it crosses no "
            "hill: the loss falls monotonically, though training itself took another, bent way."
        ),
        loose=(
            "It is a property of common recipes, not of networks: Lucas et al. found settings in "
            "which it fails. Here it held for every recipe that was tried, so no counterexample is "
            "promised."
        ),
        sources=("Goodfellow et al. 2015", "Lucas et al. 2021"),
        seconds=0.1,
        questions=(
            SampleQuestion(
                INTERPOLATION,
                replace(BETWEEN, x_count=50),
                (SampleSubject("mlp_a", step=0), SampleSubject("mlp_a")),
            ),
        ),
        prove=_monotone,
        rows=("1.1", "3.42"),
    ),
    Phenomenon(
        name="mode-connectivity",
        title="Minima that a straight line keeps apart are connected by a curve",
        group=Group.CONNECTIVITY,
        text=(
            "Two networks trained from different starts. On the straight line between them the "
            "loss rises far above both; a curve with a single bend, trained so that the loss along "
            "it is low, connects them at the loss of the ends."
        ),
        loose=(
            "A path test of 'at most 1.1 times the ends' rejects a path at 100 % accuracy when the "
            "ends are close to 0: an absolute bound decides here. Why such curves exist is an open "
            "question."
        ),
        sources=("Garipov et al. 2018", "Draxler et al. 2018"),
        seconds=0.6,
        questions=(
            SampleQuestion(INTERPOLATION, BETWEEN, (B, C), "straight line"),
            SampleQuestion(CONNECTION, CURVE, (B, C), "training the curve"),
            SampleQuestion(
                INTERPOLATION,
                replace(BETWEEN, shape="bezier", bends=1),
                (B, C, SampleSubject("mlp_b", question=1, point="01")),
                "along the curve",
            ),
        ),
        prove=_bezier,
        rows=("0.40", "0.86", "1.6", "1.27", "1.28", "1.29", "3.43", "3.44", "3.45"),
    ),
    Phenomenon(
        name="elastic-band",
        title="An elastic band between minima sinks nearly to their own loss",
        group=Group.CONNECTIVITY,
        text=(
            "A chain of networks between two minima, each moved down the part of its gradient that "
            "is across the chain, with new ones inserted where it is high. It comes to rest within "
            "a hundredth of the loss of its ends, where the straight line is at .8: the minima "
            "belong to one connected low region."
        ),
        loose="For deep networks on CIFAR the saddle is low, not always as low as the ends.",
        sources=("Draxler et al. 2018",),
        seconds=0.4,
        questions=(SampleQuestion(CONNECTION, BAND, (B, C)),),
        prove=_band,
        rows=("0.42", "1.6", "1.30"),
    ),
    Phenomenon(
        name="noise-stability",
        title="Runs that part late end in one linearly connected basin",
        group=Group.CONNECTIVITY,
        text=(
            "A run is copied at step k and both copies go on with the examples in another order. "
            "Parted at the start they end with a barrier between them, parted after 100 steps "
            "without one: after a short while the noise of SGD no longer decides the basin."
        ),
        loose=(
            "'Networks of one initialisation are linearly connected' is true only beyond a certain "
            "step, which grows with the learning rate: with a rate of .05 these nets are stable "
            "from the first step on."
        ),
        sources=("Frankle et al. 2020",),
        seconds=0.1,
        questions=(
            SampleQuestion(
                INTERPOLATION,
                BETWEEN,
                (SampleSubject("split_a"), SampleSubject("split_b0")),
                "parted at step 0",
            ),
            SampleQuestion(
                INTERPOLATION,
                BETWEEN,
                (SampleSubject("split_a"), SampleSubject("split_b100")),
                "parted at step 100",
            ),
        ),
        prove=_stable_to_noise,
        rows=("0.43", "0.44", "1.32", "1.33"),
    ),
    Phenomenon(
        name="permutation-symmetry",
        title="Swapping neurons changes all weights and no output",
        group=Group.CONNECTIVITY,
        text=(
            "The neurons of a layer have no order: exchanged together with their weights in and "
            "out they compute the same. Each layer of n neurons has n! such copies, so weights of "
            "two runs cannot be compared one by one."
        ),
        sources=("Hecht-Nielsen 1990",),
        seconds=0.1,
        questions=(
            SampleQuestion(ALIGNMENT, AlignmentSettings(method="random", restarts=1), (B, B)),
        ),
        prove=_symmetric,
        rows=("2.8", "2.9", "2.10"),
    ),
    Phenomenon(
        name="alignment",
        title="After matching their neurons two networks are almost linearly connected",
        group=Group.CONNECTIVITY,
        text=(
            "The second network is replaced by that permuted copy of it whose weights are most "
            "like the first one's. The copy computes the same, but the straight line to it hardly "
            "has a barrier: most of what separated the two was a matter of order."
        ),
        loose=(
            "It needs width: between narrow residual networks a barrier remains (Jordan et al. "
            "2023), and for the smallest nets there are counterexamples."
        ),
        sources=("Entezari et al. 2022", "Ainsworth et al. 2023", "Jordan et al. 2023"),
        seconds=0.1,
        questions=_aligned_questions(B, C),
        prove=_aligned,
        rows=("0.45", "2.10"),
    ),
    Phenomenon(
        name="width-and-barriers",
        title="The wider the network, the lower the barrier",
        group=Group.CONNECTIVITY,
        text=(
            "Between two networks of width 16, trained by one recipe from two starts, the loss on "
            "the straight line rises higher than between two of width 32."
        ),
        loose="Two pairs show a tendency; the curve over widths is on the page Minima.",
        sources=("Entezari et al. 2022",),
        seconds=0.1,
        questions=(
            SampleQuestion(INTERPOLATION, BETWEEN, (NARROW_A, NARROW_B), "width 16"),
            SampleQuestion(INTERPOLATION, BETWEEN, (B, C), "width 32"),
        ),
        prove=_width,
        rows=("0.33", "2.11", "3.38"),
    ),
    Phenomenon(
        name="fast-ensembles",
        title="Snapshots of one run with a cyclical rate make an ensemble",
        group=Group.CONNECTIVITY,
        text=(
            "A learning rate that rises and falls leads training from one low place to the next "
            "without leaving the connected valley. The snapshots at its lows err differently, and "
            "together predict better than each alone."
        ),
        loose=(
            "Independent runs differ more and make better ensembles for the same number of members "
            "(measured before: .858 against .833), at a full training each."
        ),
        sources=("Garipov et al. 2018", "Fort et al. 2019"),
        seconds=0.1,
        questions=(
            SampleQuestion(
                ENSEMBLE, EnsembleSettings(split="test", last=3), (SampleSubject("fge"),)
            ),
        ),
        prove=_ensemble,
        rows=("0.41", "0.55", "1.6", "1.31", "1.41"),
    ),
    Phenomenon(
        name="solution-manifold",
        title="With more parameters than constraints the solutions are a manifold",
        group=Group.CONNECTIVITY,
        text=(
            "A network with 760 parameters fits 20 examples of 10 outputs each: two hundred "
            "constraints. Through the solution leads a manifold of at least the difference in "
            "dimensions on which no output changes, and the Hessian has as many zeros. The walk "
            "goes along it, a third of the weights' own length, and the loss stays where it is."
        ),
        loose=(
            "Cooper's theorem is about squared errors fitted exactly; a cross-entropy has no "
            "finite point of zero loss. Here the loss is 2e-9, as low as float32 goes."
        ),
        sources=("Cooper 2018",),
        seconds=1.3,
        questions=(
            SampleQuestion(MANIFOLD, ManifoldSettings(steps=6), (SampleSubject("interpolating"),)),
        ),
        prove=_manifold,
        rows=("0.34", "1.14", "1.30", "2.7", "3.36"),
    ),
)
