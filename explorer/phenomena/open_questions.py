"""What is not understood yet: grokking, basins of language models, contrastive losses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.kinds.averaging import AVERAGING
from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.averaging_settings import AveragingSettings
from explorer.kinds.interpolation import INTERPOLATION, Interpolation, InterpolationSettings
from explorer.kinds.learning_coefficient import LEARNING_COEFFICIENT
from explorer.kinds.learning_coefficient_settings import LearningCoefficientSettings
from explorer.kinds.result import Result
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

BETWEEN = InterpolationSettings(x_min=0.0, x_max=1.0, x_count=21)
TESTED = InterpolationSettings(split="test", x_min=0.0, x_max=1.0, x_count=21)
BY_HEART, UNDERSTOOD = SampleSubject("grokking", step=200), SampleSubject("grokking")
NOISE = SharpnessSettings(measures=("lambda_max", "pac_bayes"))
SORTER = SampleSubject("sorter")
UP, DOWN_A, DOWN_B = (
    SampleSubject("sorter_down_a", step=0),  # the sorter, before it was tuned
    SampleSubject("sorter_down_a"),
    SampleSubject("sorter_down_b"),
)
REVERSED = replace(TESTED, split="reversed")  # upwards, where the copies sort downwards
ADDED = AveragingSettings(split="reversed", method="task_arithmetic", coefficient=0.2)
SORTER_PARAMETERS = 7130
LENGTH = 0.25  # of a step up the gradient, and of noise to compare it with
BASIN = SharpnessSettings(
    measures=("sam", "average", "sigma_basin"),
    rho=LENGTH,
    noise=LENGTH / SORTER_PARAMETERS**0.5,
    subset="first",
    examples=128,
)
GRID = SurfaceSettings(x_count=9, y_count=9)
CHAINS = LearningCoefficientSettings(
    precision="float64",
    draws=1000,
    burn_in=500,
    step_size=2e-3,
    localisation=3.0,  # with less, chains drift along what changes nothing and never mix
    batch_examples=1000,  # more than there are: all, without the noise of batches
)
LONGER = replace(CHAINS, step_size=3e-3)


def _grokking_proofs(results: Sequence[Result]) -> list[Proof]:
    line, tested = (answer_of(results, place, Interpolation) for place in (0, 1))
    norms = np.sqrt(line.values["squared_norm"])
    return [
        Proof(
            "train accuracy after 200 steps",
            float(line.values["accuracy"][0]),
            0.99,
            expected="known by heart (measured before: from step 50 on)",
        ),
        Proof(
            "test accuracy there",
            float(tested.values["accuracy"][0]),
            high=0.1,
            expected="not understood",
        ),
        Proof(
            "test accuracy after 3,500 steps",
            float(tested.values["accuracy"][-1]),
            0.95,
            expected="understood (measured before: at step 2,300)",
        ),
        Proof(
            "norm of the weights, late over early",
            float(norms[-1] / norms[0]),
            high=0.99,
            expected="smaller: weight decay leads there (Liu et al. 2023)",
        ),
        Proof(
            "largest eigenvalue, late over early",
            number_of(results, 3, "lambda_max") / number_of(results, 2, "lambda_max"),
            high=0.5,
            expected="flatter",
        ),
        Proof(
            "1/σ² of the most noise that the fit bears, late over early",
            number_of(results, 3, "pac_bayes") / number_of(results, 2, "pac_bayes"),
            high=0.5,
            expected="more noise is borne",
        ),
    ]


def _basin_proofs(results: Sequence[Result]) -> list[Proof]:
    worst, random, width = (
        number_of(results, 0, name) for name in ("sam", "average", "sigma_basin")
    )
    return [
        Proof(
            "standard deviation of noise that half of the draws bear",
            width,
            0.015,
            0.06,
            "some hundredths (measured before: collapse between .04 and .16)",
        ),
        Proof(
            "rise of the loss by noise as long as a step of .25",
            random,
            high=0.01,
            expected="none: most directions are flat",
        ),
        Proof(
            "rise by a step of .25 up the gradient, over that",
            worst / random,
            100.0,
            expected="a spike (measured before: it shows at a 20th of the basin's width)",
        ),
        Proof(
            "noise as long as that step over what half of the draws bear",
            LENGTH / SORTER_PARAMETERS**0.5 / width,
            high=0.2,
            expected="far inside the basin",
        ),
    ]


def _tuned_proofs(results: Sequence[Result]) -> list[Proof]:
    forgotten = answer_of(results, 1, Interpolation)
    halves = [
        answer_of(results, place, Interpolation).values["accuracy"][TESTED.x_count // 2]
        for place in (1, 2)
    ]
    return [
        Proof(
            "rise of the train error between two fine-tuned copies, in %",
            100 * number_of(results, 0, "error_rise"),
            high=2.0,
            expected="below 2 %, which Frankle et al. 2020 call connected (measured before: 0)",
        ),
        Proof(
            "highest train loss between them",
            number_of(results, 0, "saddle"),
            high=0.1,
            expected="low all along (measured before: .07)",
        ),
        Proof(
            "accuracy of sorting upwards after tuning to sort downwards",
            float(forgotten.values["accuracy"][-1]),
            high=0.3,
            expected="forgotten (measured before: .19)",
        ),
        Proof(
            "the better accuracy of the two tasks halfway between sorter and tuned copy",
            float(max(halves)),
            high=0.7,
            expected="neither task: the two are not connected by a straight line",
        ),
        Proof(
            "accuracy upwards of the sorter with a fifth of both tuned ones added",
            float(answer_of(results, 3, Averaging).of(Role.AVERAGE, "accuracy")[0]),
            high=0.7,
            expected="ruined: what is added contradicts what is there (.98 before)",
        ),
        Proof(
            "distance of the two copies over that from the sorter",
            number_of(results, 0, "distance") / number_of(results, 1, "distance"),
            high=0.8,
            expected="below √2 = 1.41 of unrelated ways: both went the same way",
        ),
    ]


def _contrastive_proofs(results: Sequence[Result]) -> list[Proof]:
    planes = [answer_of(results, place, Surface) for place in (0, 1)]
    middle = GRID.y_count // 2, GRID.x_count // 2
    losses = [plane.loss[middle] for plane in planes]
    right = planes[1].values["recognised"]
    return [
        Proof(
            "test images whose other form is the nearest of 128",
            float(right[middle]),
            0.4,
            expected="half, where guessing is .008 (.50 in the sample's recipe)",
        ),
        Proof(
            "the same at the plane's corners",
            float(np.mean([right[y, x] for y in (0, -1) for x in (0, -1)])),
            high=0.3,
            expected="less: the surface is about this, without labels",
        ),
        Proof(
            "points of the plane with a lower train loss than the encoder's",
            float((planes[0].loss < losses[0]).sum()),
            high=0.0,
            expected="none: the encoder stands in the bowl's lowest place",
        ),
        Proof(
            "highest loss on the plane",
            float(planes[0].loss.max()),
            high=7.0,
            expected="about guessing, ln 255 = 5.54: unit vectors bound it",
        ),
    ]


def _coefficient_proofs(results: Sequence[Result]) -> list[Proof]:
    def halved(place: int, parameters: int) -> float:
        return number_of(results, place, "learning_coefficient") / (parameters / 2)

    return [
        Proof(
            "learning coefficient of linear regression over half its parameters",
            halved(0, 11),
            0.92,
            0.99,
            "1 as n grows: all directions count; .95 at this n, localisation and step, in closed "
            "form",
        ),
        Proof(
            "the same of a deep linear network",
            halved(1, 36),
            0.65,
            0.73,
            "(36 - 9)/36 = .75 as n grows: nine directions change nothing; .68 at this n, "
            "localisation and step, in closed form",
        ),
        Proof(
            "largest R-hat of the chains",
            max(number_of(results, place, "r_hat") for place in (0, 1)),
            high=1.1,
            expected="about 1 where chains mix (Vehtari et al. 2021)",
        ),
    ]


def _bears(subject: SampleSubject, words: str) -> SampleQuestion:
    return SampleQuestion(SHARPNESS, NOISE, (subject, BY_HEART), words)  # the run's first snapshot


OPEN_QUESTIONS = (
    Phenomenon(
        name="grokking",
        title="Long after it fits, a network understands, in a flatter place of smaller weights",
        group=Group.BEYOND,
        text=(
            "Addition modulo 31 from half of its table. After 200 steps the half is known by heart "
            "and the rest is not; weight decay goes on, and thousands of steps later the rest is "
            "known too. Weights there are slightly smaller, curvature is less, and the fit bears "
            "more noise. On the straight way the test error stays at guessing for half of it, and "
            "then falls, while the train loss crosses a hill."
        ),
        loose=(
            "Why it takes so long, and when it happens at all, is an open question: without weight "
            "decay it did not happen here, nor with a smaller rate within 4,000 steps."
        ),
        sources=("Power et al. 2022", "Liu et al. 2023"),
        seconds=0.4,
        questions=(
            SampleQuestion(INTERPOLATION, BETWEEN, (BY_HEART, UNDERSTOOD), "train"),
            SampleQuestion(INTERPOLATION, TESTED, (BY_HEART, UNDERSTOOD), "test"),
            _bears(BY_HEART, "after 200 steps"),
            _bears(UNDERSTOOD, "after 3,500 steps"),
        ),
        prove=_grokking_proofs,
        rows=("0.84",),
    ),
    Phenomenon(
        name="sigma-basin",
        title="A transformer stands in a basin in most directions, on a spike in the worst",
        group=Group.BEYOND,
        text=(
            "A causal transformer of 7,130 weights that sorts digits. Noise of .03 in every weight "
            "costs at most a tenth of its accuracy in half of all draws: most directions are flat. "
            "A step up the gradient ruins it at a tenth of that length: the worst direction is a "
            "spike."
        ),
        loose=(
            "What random directions show says nothing of chosen ones. That larger models have "
            "wider basins is measured on language models with billions of weights; of sorters of "
            "width 16, 32 and 64 only the second bore more noise than the one before."
        ),
        sources=("Chen et al. 2025",),
        seconds=0.5,
        questions=(SampleQuestion(SHARPNESS, BASIN, (SORTER, SORTER)),),
        prove=_basin_proofs,
        rows=("0.85",),
    ),
    Phenomenon(
        name="fine-tuning",
        title="Fine-tuned copies of one model share a basin, and have forgotten",
        group=Group.BEYOND,
        text=(
            "The sorter, tuned twice to sort downwards, with batches in another order. No barrier "
            "stands between the two copies. Between the sorter and a copy there is one: halfway "
            "neither task is done, and at the end the first one is forgotten."
        ),
        loose=(
            "One basin is one basin of one task. Averages of fine-tuned models and sums of task "
            "vectors work where tasks do not contradict each other; these two do, so that a fifth "
            "of the second one's task vectors, added, ruins the first."
        ),
        sources=("Neyshabur et al. 2020", "Wortsman et al. 2022", "Ilharco et al. 2023"),
        seconds=0.7,
        questions=(
            SampleQuestion(INTERPOLATION, BETWEEN, (DOWN_A, DOWN_B), "between the copies"),
            SampleQuestion(INTERPOLATION, REVERSED, (UP, DOWN_A), "upwards"),
            SampleQuestion(INTERPOLATION, TESTED, (UP, DOWN_A), "downwards"),
            SampleQuestion(AVERAGING, ADDED, (UP, DOWN_A, DOWN_B), "task arithmetic, upwards"),
        ),
        prove=_tuned_proofs,
        rows=("0.43", "0.85"),
    ),
    Phenomenon(
        name="contrastive-loss",
        title="A loss without labels has a surface too, of whole batches",
        group=Group.BEYOND,
        text=(
            "An encoder that learns to recognise an image in two changed forms among a batch of "
            "128. Each example's loss depends on all others of its batch, so the surface is over "
            "fixed batches; it is one bowl around the encoder, of train and of test images."
        ),
        loose=(
            "It is no surface of the data alone: another batch size is another loss. How such "
            "surfaces differ from those of supervised losses is an open question."
        ),
        sources=("Chen et al. 2020",),
        seconds=0.3,
        questions=tuple(
            SampleQuestion(
                SURFACE,
                SurfaceSettings(x_count=9, y_count=9, split=split),
                (SampleSubject("contrastive"),),
                split,
            )
            for split in ("train", "test")
        ),
        prove=_contrastive_proofs,
        rows=("0.83",),
    ),
    Phenomenon(
        name="learning-coefficient",
        title="A learning coefficient counts the directions that matter",
        group=Group.FLATNESS,
        text=(
            "Chains of Langevin dynamics around a minimum: how much their loss is above it, on the "
            "scale n/ln n, is half the number of parameters where the loss is a plain bowl, and "
            "less where it is degenerate. Of linear regression it is half of 11. A deep linear "
            "network of 36 weights computes the same for every change of basis between its layers, "
            "nine directions, and has half of 27."
        ),
        loose=(
            "The estimate depends on step size, localisation and length of the chains: with the "
            "usual localisation of 100 it came out at a fifth to a half of that here, because it "
            "holds chains close to the point. The 3 used here still takes 5 to 9 % away, which the "
            "interval over chains does not know. Only where chains mix, steps are small and the "
            "hold is weak is it what theory means."
        ),
        sources=("Lau et al. 2023", "Welling and Teh 2011"),
        seconds=16,
        questions=tuple(
            SampleQuestion(LEARNING_COEFFICIENT, settings, (SampleSubject(sample),), words)
            for settings, sample, words in (
                (CHAINS, "linear_regression", "linear regression"),
                (LONGER, "deep_linear", "deep linear network"),
            )
        ),
        prove=_coefficient_proofs,
    ),
)
