"""Recipes of training, each trained anew: rates, batches, schedules, decay, dropout, labels."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.result import Result
from explorer.phenomena.experiments import at, experiment_question, points_of
from explorer.phenomena.phenomenon import Group, Phenomenon, Proof

SCALED, EIGHTH, UNSCALED = "rate/batch .00625", "rate/batch .00078", "rate .1"


def _scaling_proofs(results: Sequence[Result]) -> list[Proof]:
    loss = {name: points_of(results, 0, name).y for name in (SCALED, EIGHTH, UNSCALED)}
    curvature = points_of(results, 0, f"λ, {SCALED}").y
    return [
        Proof(
            "largest loss over smallest, of batches 16 to 128 at one rate over batch",
            float(loss[SCALED].max() / loss[SCALED].min()),
            high=2.5,
            expected="about as low (measured before, batches 8 to 64: .10 to .15)",
        ),
        Proof(
            "the same at an eighth of it",
            float(loss[EIGHTH].max() / loss[EIGHTH].min()),
            high=1.2,
            expected="the same (measured before: .88 to .93)",
        ),
        Proof(
            "the same at one rate for all batches",
            float(loss[UNSCALED].max() / loss[UNSCALED].min()),
            3.5,
            expected="far apart",
        ),
        Proof(
            "smallest curvature over largest, of batches 16 to 128 at one rate over batch",
            float(curvature.min() / curvature.max()),
            0.4,
            expected="about as sharp (measured before: 4.5, 4.4, 4.1, 3.4)",
        ),
    ]


def _sensitivity_proofs(results: Sequence[Result]) -> list[Proof]:
    plain, heavy = (points_of(results, 0, name) for name in ("plain", "with momentum .9"))
    best = [float(points.x[np.argmin(points.y)]) for points in (plain, heavy)]
    return [
        Proof("best learning rate", best[0], 0.2, 1.6, expected="measured here first: .8"),
        Proof(
            "loss at a 16th of about the best rate, .05, over the lowest",
            at(plain, 0.05) / float(plain.y.min()),
            10,
            expected="much larger: too slow",
        ),
        Proof(
            "loss at four times the best rate, 3.2",
            at(plain, 3.2),
            1.5,
            expected="about that of knowing nothing, ln 10 = 2.30",
        ),
        Proof(
            "best rate without momentum over that with .9",
            best[0] / best[1],
            3,
            20,
            expected="about 10 = 1/(1 - .9)",
        ),
    ]


def _schedule_proofs(results: Sequence[Result]) -> list[Proof]:
    def end(name: str) -> float:
        return float(points_of(results, 0, name).y[-1])

    growing, decaying, constant, cosine = (
        points_of(results, 1, name)
        for name in ("batch grows instead", "rate decays", "constant", "cosine")
    )
    cycles = points_of(results, 0, "cyclical")
    return [
        Proof(
            "training loss of a constant rate over that of a cosine",
            end("constant") / end("cosine"),
            2.5,
            expected="larger: noise keeps it above (.50 against .04 in a first run)",
        ),
        Proof(
            "loss of a rate that decays over that of a batch that grows instead",
            end("rate decays") / end("batch grows instead"),
            0.7,
            1.4,
            expected="1 (Smith et al. 2018)",
        ),
        Proof(
            "steps of the growing batch over those of the decaying rate",
            float(growing.x[0] / decaying.x[0]),
            high=0.6,
            expected="820 over 1,480",
        ),
        Proof(
            "cyclical: loss at the last peak of the rate over that at its end",
            float(cycles.y[33:36].max() / cycles.y[-1]),
            2.5,
            expected="up and down with the rate",
        ),
        Proof(
            "test loss of the constant rate less that of the cosine",
            float(constant.y[0] - cosine.y[0]),
            0.1,
            expected="higher, a fifth of the training labels being random",
        ),
    ]


def _warm_up_proofs(results: Sequence[Result]) -> list[Proof]:
    names = ("high at once", "warm-up")
    high, warm = (points_of(results, 0, name) for name in names)
    curvatures = [points_of(results, 0, f"λ, {name}") for name in names]
    limit = at(points_of(results, 0, "2/η"), 0)
    return [
        Proof(
            "largest eigenvalue at the start, over 2/η",
            float(curvatures[0].y[0] / limit),
            5,
            expected="far above the edge of stability",
        ),
        Proof(
            "after the warm-up, over 2/η",
            float(curvatures[1].y[-5:].mean() / limit),
            0.8,
            2.0,
            expected="within a factor of two of it (expected before, not run)",
        ),
        Proof(
            "first step at the high rate at once: loss after over before",
            float(high.y[1] / high.y[0]),
            1.02,
            expected="up",
        ),
        Proof(
            "first step of the warm-up: loss after over before",
            float(warm.y[1] / warm.y[0]),
            high=0.95,
            expected="down",
        ),
        Proof(
            "loss after 60 steps: with warm-up over without",
            float(warm.y[-3:].mean() / high.y[-3:].mean()),
            0.4,
            1.6,
            expected="about as low: here descent comes through either way",
        ),
    ]


def _dropout_proofs(results: Sequence[Result]) -> list[Proof]:
    rough = points_of(results, 0, "roughness")
    return [
        Proof("roughness of one mask", at(rough, 1), 0.01, 0.1, expected=".037, measured before"),
        Proof(
            "roughness of one mask over that of a mean over 16",
            at(rough, 1) / at(rough, 16),
            2.5,
            6.5,
            expected="4, the root of 16 (measured before: .037 over .007)",
        ),
    ]


def _decay_proofs(results: Sequence[Result]) -> list[Proof]:
    train, test = (points_of(results, 0, name) for name in ("train", "test"))
    length = points_of(results, 0, "length of the weights")
    return [
        Proof(
            "length of the weights at decay .0001 over that at .03",
            at(length, 1e-4) / at(length, 0.03),
            2,
            expected="shorter with more decay at every step",
        ),
        Proof(
            "train accuracy at decay .0001",
            at(train, 1e-4),
            0.99,
            expected="1: random labels are learnt as well",
        ),
        Proof(
            "best test accuracy less that at decay .0001",
            float(test.y.max()) - at(test, 1e-4),
            0.03,
            expected="better with some decay",
        ),
        Proof(
            "best test accuracy less that at decay .1",
            float(test.y.max()) - at(test, 0.1),
            0.1,
            expected="worse with too much",
        ),
    ]


def _label_proofs(results: Sequence[Result]) -> list[Proof]:
    true, random = (points_of(results, 0, f"{sort} labels") for sort in ("true", "random"))
    length, test = (
        [points_of(results, 0, f"{sort} labels, {what}") for sort in ("true", "random")]
        for what in ("length", "test")
    )
    epochs = [float(p.x[np.argmax(p.y > 0.995)]) for p in (true, random)]
    return [
        Proof(
            "training accuracy with random labels",
            float(random.y[-1]),
            0.995,
            expected="1: all are memorised (Zhang et al. 2017)",
        ),
        Proof(
            "test accuracy after random labels",
            float(test[1].y[-1]),
            0.03,
            0.2,
            expected="chance (measured before: .12)",
        ),
        Proof(
            "epochs to 99.5 %, random over true",
            epochs[1] / epochs[0],
            3,
            expected="several times as long (measured before: 65 against 5)",
        ),
        Proof(
            "length of the weights, random over true",
            float(length[1].y[-1] / length[0].y[-1]),
            1.3,
            expected="longer (measured before: 59 against 17)",
        ),
    ]


RECIPES = (
    Phenomenon(
        name="linear-scaling",
        title="Learning rate over batch size decides, not either alone",
        group=Group.TRAINING,
        text=(
            "Networks on noisy digits after 40 epochs, with batches of 16 to 128. When the rate "
            "grows with the batch they end at about the same training loss and curvature, at each "
            "ratio; when it does not, large batches are far behind."
        ),
        loose=(
            "The rule holds as long as a rate is stable and batches are small against the noise: "
            "ratios eight times as high train badly here with every batch. Large ones take fewer "
            "steps at one number of epochs, which alone explains most of what they lack."
        ),
        sources=("Goyal et al. 2017", "Smith and Le 2018", "Jastrzebski et al. 2018"),
        seconds=3,
        questions=(experiment_question("digits_rates", "scaling", 4),),
        prove=_scaling_proofs,
        rows=("0.46", "0.47", "0.49", "0.51", "0.52", "0.53", "1.23", "1.38", "3.48"),
    ),
    Phenomenon(
        name="learning-rate-sensitivity",
        title="A learning rate is too slow, good, or too high within two decades",
        group=Group.TRAINING,
        text=(
            "The training loss after 60 epochs by learning rate: a slope, a narrow floor, and a "
            "cliff to what knows nothing. Momentum of .9 makes each step ten times as long in the "
            "end, and moves the picture to rates about ten times as small."
        ),
        loose=(
            "The threshold 2/λmax is that of the curvature where training arrives, not of the "
            "start: training goes where its rate is stable, so that rates work that would be too "
            "high at the minimum of a smaller one."
        ),
        sources=("Smith 2017", "Cohen et al. 2021"),
        seconds=2.9,
        questions=(experiment_question("digits_labels", "sensitivity", 9),),
        prove=_sensitivity_proofs,
        rows=("1.34", "2.3", "3.23", "3.47", "3.59"),
    ),
    Phenomenon(
        name="rate-schedules",
        title="A rate that falls lets noise settle; a batch that grows does the same",
        group=Group.TRAINING,
        text=(
            "Five schedules from one high rate. Kept constant, the noise holds the loss up. A "
            "cosine, a rate that is divided by five twice, and a batch that is multiplied by five "
            "instead all bring it down, the last two along the same curve, with half the steps for "
            "the batch. A cyclical rate goes up and down, and the loss with it."
        ),
        loose=(
            "A lower training loss is no better test loss by itself: with noisy labels, going on "
            "at a low rate fits the noise. That cycles 'visit several minima' needs cycles far "
            "longer and ensembles of their ends."
        ),
        sources=("Smith et al. 2018", "Loshchilov and Hutter 2017", "Smith 2017"),
        seconds=3,
        questions=(
            experiment_question("digits_rates", "schedules", 5, "training loss"),
            experiment_question("digits_rates", "ends", 5, "steps and test loss"),
        ),
        prove=_schedule_proofs,
        rows=("0.54", "0.55", "1.40", "1.41", "1.47"),
    ),
    Phenomenon(
        name="warm-up",
        title="A warm-up lowers the curvature before the rate is high",
        group=Group.TRAINING,
        text=(
            "Networks that start from large weights, at a curvature ten times what the rate is "
            "stable at. At the high rate at once the loss first goes up and the network is thrown "
            "to flatter places; with a warm-up the curvature falls while the rate rises, without "
            "that. In the end both stand within a factor of two of the curvature 2/η."
        ),
        loose=(
            "A warm-up is no condition: here the high rate at once comes through as well and ends "
            "as low. It matters where the first jump destroys something, as in deep networks "
            "without normalisation and with adaptive steps."
        ),
        sources=("Goyal et al. 2017", "Gilmer et al. 2022", "Cohen et al. 2021"),
        seconds=2.5,
        questions=(experiment_question("digits_rates", "warm-up", 2),),
        prove=_warm_up_proofs,
        rows=("0.50", "1.39"),
    ),
    Phenomenon(
        name="dropout-masks",
        title="Dropout makes the loss noisy; its mean over masks is smooth",
        group=Group.ARCHITECTURE,
        text=(
            "A network trained with dropout, and the loss on a line through it with new masks at "
            "each point: noise. The mean over ever more masks becomes smooth as the root of their "
            "number."
        ),
        loose=(
            "'Dropout smooths the surface' is true of the mean over all masks. A picture drawn in "
            "training mode shows the opposite, and no curvature can be taken of it: fix the masks, "
            "or evaluate without them."
        ),
        sources=("Srivastava et al. 2014",),
        seconds=1.4,
        questions=(experiment_question("digits_labels", "dropout", 1),),
        prove=_dropout_proofs,
        rows=("0.38", "3.56"),
    ),
    Phenomenon(
        name="weight-decay",
        title="Some weight decay shortens the weights and keeps random labels out",
        group=Group.FLATNESS,
        text=(
            "A fifth of the training labels is random. Without decay the network learns them all; "
            "the more decay, the shorter its weights, until it no longer fits the noise and is "
            "better on new data. Too much, and it learns nothing."
        ),
        loose=(
            "Decay is not flatness: weights in front of a normalisation can shrink without any "
            "change of the function, and curvature then grows. Which decay is best depends on the "
            "learning rate."
        ),
        sources=("Krogh and Hertz 1992", "Zhang et al. 2017"),
        seconds=1.1,
        questions=(experiment_question("digits_labels", "weight decay", 7),),
        prove=_decay_proofs,
        rows=("1.45", "3.51", "3.55"),
    ),
    Phenomenon(
        name="memorisation",
        title="The same network memorises random labels, at a price",
        group=Group.FLATNESS,
        text=(
            "A network that tells digits fits labels that mean nothing just as exactly, and then "
            "knows nothing of new digits: what it can fit does not say how it generalises. It "
            "takes several times as many epochs, and its weights end longer."
        ),
        loose=(
            "'Memorising ends in sharp minima' needs the right measure: once both are fitted to "
            "almost 0, the largest eigenvalues of both are equally small (measured before: .0078 "
            "and .0068). Noise on the weights and their length tell them apart."
        ),
        sources=("Zhang et al. 2017",),
        seconds=1,
        questions=(experiment_question("digits_labels", "random labels", 2),),
        prove=_label_proofs,
        rows=("1.43", "1.44", "1.45", "3.26"),
    ),
)
