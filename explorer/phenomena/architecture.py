"""What architecture does to loss surfaces."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.kinds.line import LINE, Line, LineSettings
from explorer.kinds.result import Result
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.phenomena.flatness import slice_of, top_of
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

GRID = SurfaceSettings(x_count=11, y_count=11)
ALONG = LineSettings(x_count=41)
BATCH, BATCHES = 64, 4  # examples of each, and how many
SLOPE = SharpnessSettings(measures=("gradient_norm",))


def _skip_proofs(results: Sequence[Result]) -> list[Proof]:
    residual, plain = (answer_of(results, place, Surface).loss for place in (0, 1))
    decades = [float(np.log10(loss.max() / loss.min())) for loss in (residual, plain)]
    low = [float(np.mean(loss < 1)) for loss in (residual, plain)]
    return [
        Proof(
            "largest loss on the plane: without skip connections over with",
            float(plain.max() / residual.max()),
            100.0,
            expected="many times larger (measured before: 2.9e7 against 95)",
        ),
        Proof(
            "decades that the plain network's plane spans, over the residual one's",
            decades[1] / decades[0],
            1.5,
            expected="more than the residual one's",
        ),
        Proof(
            "share of the residual network's plane with a loss below 1, over the plain one's",
            low[0] / max(low[1], 1 / residual.size),
            2.0,
            expected="larger with skip connections (measured before: 17 % against 1 %)",
        ),
    ]


def _batchnorm_proofs(results: Sequence[Result]) -> list[Proof]:
    normed, plain = (number_of(results, place, "loss") for place in (0, 1))
    return [
        Proof(
            "train loss with BatchNorm after 300 steps at a rate of 1",
            normed,
            high=0.15,
            expected="trained (measured before: at most .007 at rates from .3 to 3)",
        ),
        Proof(
            "the same of its twin without",
            plain,
            2.0,
            expected="not trained: log(10) = 2.30 is guessing (measured before: NaN)",
        ),
    ]


def _dropout_proofs(results: Sequence[Result]) -> list[Proof]:
    dropout, plain = (number_of(results, place, "lambda_max") for place in (0, 1))
    return [
        Proof(
            "largest eigenvalue, trained with dropout over trained without",
            dropout / plain,
            high=0.85,
            expected="flatter (measured before, half left out: .144 against .292)",
        )
    ]


def _conv_proofs(results: Sequence[Result]) -> list[Proof]:
    residual, plain = (answer_of(results, place, Surface).loss for place in (0, 1))
    low = [float(np.mean(loss < 1)) for loss in (residual, plain)]
    return [
        Proof(
            "largest loss on the plane: VGG-like over residual",
            float(plain.max() / residual.max()),
            3.0,
            expected="higher without skips (Li et al. 2018)",
        ),
        Proof(
            "share of the plane with a loss below 1: residual over VGG-like",
            low[0] / low[1],
            1.5,
            expected="a wider valley (measured here first)",
        ),
    ]


def _filter_proofs(results: Sequence[Result]) -> list[Proof]:
    losses = [answer_of(results, place, Surface).loss for place in range(4)]
    apart = [np.median(np.maximum(a, b) / np.minimum(a, b)) for a, b in (losses[:2], losses[2:])]
    return [
        Proof(
            "filter-normalised planes of both: median factor between their losses",
            float(apart[0]),
            1.0,
            1.001,
            "1: the planes are the same (measured before: to 3.6e-7)",
        ),
        Proof(
            "planes along raw directions: the same",
            float(apart[1]),
            2.0,
            expected="far apart (measured before, of another network: 70)",
        ),
    ]


def _batches_proofs(results: Sequence[Result]) -> list[Proof]:
    every = answer_of(results, 0, Line)
    ends = np.array(
        [answer_of(results, place, Line).loss[0, -1] for place in range(1, BATCHES + 1)]
    )
    deviation = every.values["loss_se"][0, -1] * np.sqrt(every.facts.examples or np.nan)
    error = float(deviation / np.sqrt(BATCH))
    return [
        Proof(
            "spread of the loss over four batches, at the end of the line, over the standard error "
            "of a mean of 64 there",
            float(np.std(ends, ddof=1)) / error,
            0.27,
            1.77,
            "1 but for the chance of four: 95 % of such spreads (χ² with 3 degrees of freedom)",
        ),
        Proof(
            "mean of the batches' losses less that of all examples there, in its standard errors",
            float(ends.mean() - every.loss[0, -1]) / (error / np.sqrt(BATCHES)),
            -3.0,
            3.0,
            "0 but for chance: batches are unbiased",
        ),
    ]


def _shift_proofs(results: Sequence[Result]) -> list[Proof]:
    train, test = (answer_of(results, place, Surface) for place in (0, 1))
    gap = float(test.loss.min() - train.loss.min())
    corners = float(np.median(test.loss / train.loss))
    return [
        Proof(
            "lowest test loss on the plane minus lowest train loss",
            gap,
            0.02,
            expected="above 0: what the network fits it knows less of",
        ),
        Proof(
            "norm of the test loss's gradient where training ended, over that of the train loss's",
            number_of(results, 3, "gradient_norm") / number_of(results, 2, "gradient_norm"),
            10.0,
            expected="many times larger: the minimum of one surface is none of the other",
        ),
        Proof(
            "median of test loss over train loss on the whole plane",
            corners,
            0.8,
            1.25,
            "about 1: far from the minimum the two surfaces are alike",
        ),
    ]


ARCHITECTURE = (
    Phenomenon(
        name="skip-connections",
        title="Skip connections make the surface smooth",
        group=Group.ARCHITECTURE,
        text=(
            "Two networks with the same thirty layers of width 32, trained by the same recipe: one "
            "adds to each layer's output its input, the other does not. On the same kind of "
            "filter-normalised plane the residual network stands in a wide valley, the plain one "
            "in a narrow pit among cliffs that span many decades."
        ),
        loose=(
            "A plane shows two of thirty thousand directions: a smooth plane proves no smooth "
            "surface, and how rough the plain network looks depends on its initialisation."
        ),
        sources=("Li et al. 2018",),
        seconds=1.2,
        questions=(
            SampleQuestion(SURFACE, GRID, (SampleSubject("deep_residual"),), "with skips"),
            SampleQuestion(SURFACE, GRID, (SampleSubject("deep_plain"),), "without"),
        ),
        prove=_skip_proofs,
        rows=("0.30", "0.32", "0.71", "1.36"),
    ),
    Phenomenon(
        name="vgg-and-resnet",
        title="A convolutional network with skips stands in a wider valley",
        group=Group.ARCHITECTURE,
        text=(
            "Two small convolutional networks on 8 x 8 digits, one VGG-like, one with skip "
            "connections, by one recipe. On filter-normalised planes the loss rises more steeply "
            "around the plain one."
        ),
        loose="At this depth both train well; the difference grows with depth.",
        sources=("Li et al. 2018",),
        seconds=2.2,
        questions=(
            SampleQuestion(SURFACE, GRID, (SampleSubject("conv_residual"),), "residual"),
            SampleQuestion(SURFACE, GRID, (SampleSubject("conv_plain"),), "VGG-like"),
        ),
        prove=_conv_proofs,
        rows=("0.31", "0.71", "3.40"),
    ),
    Phenomenon(
        name="batchnorm",
        title="BatchNorm trains at rates that its twin does not survive",
        group=Group.ARCHITECTURE,
        text=(
            "Eight hidden layers, three hundred steps at a learning rate of 1. With BatchNorm the "
            "network is trained; without it stays at guessing, on a surface that is flat around "
            "where it stopped."
        ),
        loose=(
            "How smooth the surface is along the way cannot be compared where one of the two does "
            "not train: a flat plateau looks smooth."
        ),
        sources=("Santurkar et al. 2018", "Ghorbani et al. 2019"),
        seconds=0.4,
        questions=(
            SampleQuestion(SURFACE, GRID, (SampleSubject("bn_deep"),), "with BatchNorm"),
            SampleQuestion(SURFACE, GRID, (SampleSubject("bn_twin"),), "without"),
        ),
        prove=_batchnorm_proofs,
        rows=("0.35", "3.41"),
    ),
    Phenomenon(
        name="dropout",
        title="Dropout ends in a flatter place",
        group=Group.ARCHITECTURE,
        text=(
            "Trained while a third of its neurons are left out at random, the network ends where "
            "the largest eigenvalue of its whole loss is smaller than without."
        ),
        loose=(
            "The two are not at one train loss: with dropout it is three times as high, and "
            "flatter all the same. With dropout on, the loss itself is random: two evaluations "
            "differ. Curvature is measured with it off, or with fixed masks; here it is off."
        ),
        sources=("Srivastava et al. 2014",),
        seconds=0.3,
        questions=(
            top_of("dropout", "with dropout"),
            top_of("mlp_b", "without"),
            slice_of("dropout", "with dropout"),
            slice_of("mlp_b", "without"),
        ),
        cover=2,
        prove=_dropout_proofs,
        rows=("0.38", "3.56"),
    ),
    Phenomenon(
        name="filter-normalisation",
        title="Raw directions show the scale of the weights, not the surface",
        group=Group.ARCHITECTURE,
        text=(
            "A network and a rescaled copy that computes the same. Along raw random directions the "
            "losses of their planes differ several times over; along filter-normalised ones, whose "
            "parts are as large as the weights that they move, both planes are one."
        ),
        loose=(
            "Tutorials often call by the name of filter normalisation what scales whole layers, as "
            "their example code does."
        ),
        sources=("Li et al. 2018", "Dinh et al. 2017"),
        seconds=0.4,
        questions=tuple(
            SampleQuestion(
                SURFACE,
                replace(GRID, normalisation=normalisation, ignore_1d=False),
                (SampleSubject(sample),),
                f"{words}, {normalisation}",
            )
            for normalisation in ("filter", "raw")
            for sample, words in (("narrow_a", "network"), ("narrow_rescaled", "rescaled"))
        ),
        prove=_filter_proofs,
        rows=("0.69", "0.70", "1.3", "3.4"),
    ),
    Phenomenon(
        name="mini-batch-surfaces",
        title="Each batch has a surface of its own, scattered around that of all",
        group=Group.TRAINING,
        text=(
            "The loss along one direction, of all training digits and of four random batches of "
            "64. Each step of SGD goes down on another of these curves."
        ),
        sources=("Robbins and Monro 1951", "McCandlish et al. 2018"),
        seconds=0.4,
        questions=(
            SampleQuestion(LINE, ALONG, (SampleSubject("mlp_b"),), "all examples"),
            *(
                SampleQuestion(
                    LINE,
                    replace(ALONG, subset="random", examples=BATCH, examples_seed=seed),
                    (SampleSubject("mlp_b"),),
                    f"batch {seed + 1}",
                )
                for seed in range(BATCHES)
            ),
        ),
        prove=_batches_proofs,
        rows=("0.3",),
    ),
    Phenomenon(
        name="train-and-test",
        title="Other data, another surface: a minimum of one is none of the other",
        group=Group.FLATNESS,
        text=(
            "One plane under two losses: over the training digits and over the test digits. Far "
            "out the surfaces are alike. At the bottom they are not: where the gradient of the one "
            "is all but 0 the other still has a slope, and a higher loss. What generalises is what "
            "stays low when one is exchanged for the other."
        ),
        loose=(
            "On a coarse plane both are lowest at the same point: that the test minimum lies "
            "elsewhere shows in the gradient, not in the picture."
        ),
        sources=("Hochreiter and Schmidhuber 1997", "Keskar et al. 2017"),
        seconds=0.2,
        questions=(
            SampleQuestion(SURFACE, GRID, (SampleSubject("mlp_b"),), "train"),
            SampleQuestion(SURFACE, replace(GRID, split="test"), (SampleSubject("mlp_b"),), "test"),
            *(
                SampleQuestion(
                    SHARPNESS,
                    replace(SLOPE, split=split),
                    (SampleSubject("mlp_b"), SampleSubject("mlp_b")),
                    f"gradient, {split}",
                )
                for split in ("train", "test")
            ),
        ),
        prove=_shift_proofs,
        rows=("0.4", "3.26"),
    ),
)
