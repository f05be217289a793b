"""Flat and sharp minima, and what they say of generalisation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from explorer.kinds.eigenvalues import outliers
from explorer.kinds.interpolation import INTERPOLATION, Interpolation, InterpolationSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.result import Result
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.spectrum_result import Spectrum
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
    number_of,
)

SLICE = LineSettings(x_count=41)
TOP = SharpnessSettings(measures=("lambda_max",))
EXACT = SpectrumSettings(top=15, bottom=1, probes=0)
PROBED = SpectrumSettings(top=1, bottom=1, probes=20)
TEST_ERROR = 0.021  # standard error of an accuracy of .8 over 360 test examples


def top_of(sample: str, words: str) -> SampleQuestion:
    """The question for the largest eigenvalue of a sample."""
    subject = SampleSubject(sample)
    return SampleQuestion(SHARPNESS, TOP, (subject, subject), words)


def slice_of(sample: str, words: str) -> SampleQuestion:
    """The question for the loss of a sample along a random direction."""
    return SampleQuestion(LINE, SLICE, (SampleSubject(sample),), words)


def _ratio(results: Sequence[Result], over: int, under: int, name: str) -> float:
    return number_of(results, over, name) / number_of(results, under, name)


def _batch(results: Sequence[Result]) -> list[Proof]:
    return [
        Proof(
            "largest eigenvalue, full batch over batches of 16, at one train loss of .02",
            _ratio(results, 1, 0, "lambda_max"),
            1.5,
            expected="sharper with large batches (measured before: 3.39 against 1.67)",
        ),
        Proof(
            "the same after 1,500 steps each, whatever the loss",
            _ratio(results, 3, 2, "lambda_max"),
            1.5,
            expected="sharper with large batches (measured before: 1.20 against .44)",
        ),
    ]


def _gap(results: Sequence[Result]) -> list[Proof]:
    line = answer_of(results, 0, Interpolation)
    small, large = line.values["accuracy"][0], line.values["accuracy"][-1]
    return [
        Proof(
            "test accuracy, batches of 16 minus full batch, at one train loss of .02",
            float(small - large),
            -2 * TEST_ERROR,
            2 * TEST_ERROR,
            "within two standard errors of 360 test examples (measured before: .805 and .804)",
        )
    ]


def _dinh(results: Sequence[Result]) -> list[Proof]:
    sharpness = answer_of(results, 0, Sharpness)

    def ratio(name: str) -> float:
        return sharpness.of(name, rescaled=True).value / sharpness.of(name).value

    return [
        Proof(
            "largest eigenvalue, of the rescaled network over the network",
            ratio("lambda_max"),
            3.0,
            expected="many times larger; as the square of the factor where one layer decides "
            "(measured before: 11.4)",
        ),
        Proof(
            "the same of the eigenvalue scaled by the weights",
            ratio("scaled_lambda_max"),
            0.99,
            1.01,
            "unchanged (measured before: to 3e-7)",
        ),
    ]


def _outliers(results: Sequence[Result]) -> list[Proof]:
    proofs = []
    for place, classes in enumerate((3, 5, 10)):
        spectrum = answer_of(results, place, Spectrum)
        proofs.append(
            Proof(
                f"eigenvalues before the widest gap, {classes} classes",
                float(outliers(spectrum.eigenvalues[0][: EXACT.top], spectrum.tolerance) or 0),
                classes - 1,
                classes - 1,
                "one less than classes (measured before: gaps of 2.8, 2.2, 1.7 times)",
            )
        )
    return proofs


def _exact_trace(results: Sequence[Result]) -> list[Proof]:
    spectrum = answer_of(results, 0, Spectrum)
    _, every, _ = spectrum.of(MatrixRole.ALL)
    probes = [
        len(nodes) and float(nodes @ weights) * len(every) for nodes, weights in spectrum.probes
    ]
    mean, error = np.mean(probes), np.std(probes, ddof=1) / np.sqrt(len(probes))
    return [
        Proof(
            "probes' mean trace, in standard errors from the exact one",
            float(abs(mean - every.sum()) / error),
            high=3.5,
            expected="chance alone (measured before: 24.8 ± .45 against 26.19)",
        )
    ]


def _sam(results: Sequence[Result]) -> list[Proof]:
    return [
        Proof(
            "largest eigenvalue, SAM with radius .1 over momentum",
            _ratio(results, 1, 0, "lambda_max"),
            high=0.7,
            expected="flatter (measured before: .25 against .44)",
        ),
        Proof(
            "the same, ASAM over momentum",
            _ratio(results, 2, 0, "lambda_max"),
            high=0.7,
            expected="flatter (measured before with radius 1: .22 against .44)",
        ),
    ]


def _labels(results: Sequence[Result]) -> list[Proof]:
    def widest(place: int) -> float:
        return answer_of(results, place, Sharpness).of("pac_bayes").value

    return [
        Proof(
            "1/σ² of the most noise that the fit bears, random labels over true ones",
            widest(0) / widest(1),
            1.2,
            expected="less noise is borne (measured before: error 4.9 against 1.5 % at σ = .08)",
        ),
        Proof(
            "largest eigenvalue, random labels over true ones",
            _ratio(results, 2, 3, "lambda_max"),
            0.5,
            2.0,
            "about equal: it does not tell them apart (measured before: .0078 and .0068)",
        ),
    ]


FLATNESS = (
    Phenomenon(
        name="batch-size-and-sharpness",
        title="Large batches end in sharper minima",
        group=Group.FLATNESS,
        text=(
            "One network on 600 digits with a fifth of the labels wrong, trained in batches of 16 "
            "and in one batch of all. Where both have one train loss, the large batch stands in "
            "the sharper place."
        ),
        loose=(
            "Sharpness must be compared at one train loss: of a cross-entropy all curvature goes "
            "to 0 with the loss. And Keskar's measure is a box of ε(|w|+1), not an eigenvalue. "
            "One run of each is shown; over seeds they scatter by up to a sixth (measured before)."
        ),
        sources=("Keskar et al. 2017", "Hochreiter and Schmidhuber 1997"),
        seconds=1.3,
        questions=(
            top_of("small_batch", "batches of 16, loss .02"),
            top_of("large_batch", "full batch, loss .02"),
            top_of("small_batch_1500", "batches of 16, 1,500 steps"),
            top_of("large_batch_1500", "full batch, 1,500 steps"),
            slice_of("small_batch", "batches of 16, loss .02"),
            slice_of("large_batch", "full batch, loss .02"),
        ),
        cover=5,
        prove=_batch,
        rows=("0.13", "0.14", "0.46", "0.51", "0.52", "3.35", "3.48"),
    ),
    Phenomenon(
        name="generalisation-gap",
        title="At one train loss no gap between batch sizes shows here",
        group=Group.FLATNESS,
        text=(
            "Large batches end in sharper minima; the popular conclusion is that they generalise "
            "worse. "
            "Between the two networks of one train loss no difference of test accuracy shows that "
            "360 test examples could tell from chance."
        ),
        loose=(
            "That none shows does not prove that there is none: with 360 test examples a gap of "
            "less than four points is not seen, and most of the paper's are no larger. A gap at a "
            "fixed number of steps or epochs is one of training, not of flatness alone."
        ),
        sources=("Keskar et al. 2017",),
        seconds=0.1,
        questions=(
            SampleQuestion(
                INTERPOLATION,
                InterpolationSettings(split="test", x_min=0.0, x_max=1.0, x_count=21),
                (SampleSubject("small_batch"), SampleSubject("large_batch")),
            ),
        ),
        prove=_gap,
        rows=("0.14", "0.48"),
    ),
    Phenomenon(
        name="reparameterisation",
        title="The same function can be made arbitrarily sharp",
        group=Group.FLATNESS,
        text=(
            "In a ReLU network one layer's weights can be multiplied and the next one's divided by "
            "a factor: no output changes, the largest eigenvalue does, with the square of the "
            "factor. Measures that scale with the weights do not."
        ),
        loose="So 'flat minima generalise' means nothing before it says by which measure.",
        sources=("Dinh et al. 2017", "Kwon et al. 2021"),
        seconds=0.3,
        questions=(
            SampleQuestion(
                SHARPNESS,
                SharpnessSettings(
                    subset="first",
                    examples=200,
                    rescaling="layer",
                    measures=("lambda_max", "scaled_lambda_max"),
                ),
                (SampleSubject("narrow_a"), SampleSubject("narrow_a")),
            ),
            *(
                SampleQuestion(
                    LINE,
                    replace(SLICE, normalisation="raw", x_min=-0.5, x_max=0.5),
                    (SampleSubject(sample),),
                    words,
                )
                for sample, words in (("narrow_a", "network"), ("narrow_rescaled", "rescaled"))
            ),
        ),
        cover=2,
        prove=_dinh,
        rows=("0.15", "0.16", "0.82", "1.19", "3.34"),
    ),
    Phenomenon(
        name="outliers",
        title="The Hessian has as many outliers as classes but one",
        group=Group.FLATNESS,
        text=(
            "Of the many eigenvalues almost all lie near 0; a few stand apart. For 3, 5 and 10 "
            "classes the widest gap comes after 2, 4 and 9 eigenvalues."
        ),
        loose=(
            "It held for these ReLU networks, with inputs that are not centred, noisy labels and "
            "weight decay. With centred inputs and tanh, at the start of training, or where the "
            "loss is fitted to 0, no gap was there; with label smoothing it came after as many as "
            "classes (all measured before). Other networks in the literature have C of them."
        ),
        sources=("Sagun et al. 2017", "Ghorbani et al. 2019"),
        seconds=4,
        questions=tuple(
            SampleQuestion(
                SPECTRUM, EXACT, (SampleSubject(f"outliers_c{classes}"),), f"{classes} classes"
            )
            for classes in (3, 5, 10)
        ),
        prove=_outliers,
        rows=("0.17", "0.18", "0.24", "3.15"),
    ),
    Phenomenon(
        name="stochastic-trace",
        title="A few random products give the trace of the Hessian",
        group=Group.FLATNESS,
        text=(
            "The mean of z'Hz over random sign vectors z is the trace, and its spread says how "
            "sure that is: the exact trace of a small network lies within the error that its "
            "probes tell."
        ),
        sources=("Hutchinson 1989", "Ubaru et al. 2017"),
        seconds=1.4,
        questions=(SampleQuestion(SPECTRUM, PROBED, (SampleSubject("outliers_c3"),)),),
        prove=_exact_trace,
        rows=("0.25", "0.28"),
    ),
    Phenomenon(
        name="sharpness-aware",
        title="Sharpness-aware minimisation ends flatter",
        group=Group.FLATNESS,
        text=(
            "SAM takes its gradient not where the network stands but a step up the slope from it. "
            "By one recipe, and at much the same train loss, it and its scale-invariant form ASAM "
            "end where the largest eigenvalue is smaller."
        ),
        loose="Each step costs two gradients instead of one.",
        sources=("Foret et al. 2021", "Kwon et al. 2021"),
        seconds=0.2,
        questions=(
            top_of("optimiser_momentum", "momentum"),
            top_of("optimiser_sam", "SAM, radius .1"),
            top_of("optimiser_asam", "ASAM, radius .5"),
            slice_of("optimiser_momentum", "momentum"),
            slice_of("optimiser_sam", "SAM, radius .1"),
        ),
        cover=4,
        prove=_sam,
        rows=("0.56", "0.57", "0.62", "1.42", "3.33", "3.51"),
    ),
    Phenomenon(
        name="random-labels",
        title="Random labels are learnt too, in a place that bears less noise",
        group=Group.FLATNESS,
        text=(
            "The same network fits true labels and labels drawn at random, both without an error. "
            "What it learnt from random labels generalises to nothing, and breaks under less noise "
            "in the weights."
        ),
        loose=(
            "The usual claim that memorised labels lie in a sharp minimum does not show in the "
            "largest eigenvalue, which is about equal: it needs the noise borne, or the norm."
        ),
        sources=("Zhang et al. 2017",),
        seconds=0.5,
        questions=(
            SampleQuestion(
                SHARPNESS,
                SharpnessSettings(measures=("pac_bayes",)),
                (SampleSubject("random_labels"), SampleSubject("random_labels")),
                "random labels",
            ),
            SampleQuestion(
                SHARPNESS,
                SharpnessSettings(measures=("pac_bayes",)),
                (SampleSubject("true_labels"), SampleSubject("true_labels")),
                "true labels",
            ),
            top_of("random_labels", "random labels"),
            top_of("true_labels", "true labels"),
            slice_of("random_labels", "random labels"),
            slice_of("true_labels", "true labels"),
        ),
        cover=4,
        prove=_labels,
        rows=("1.43", "1.44", "1.45"),
    ),
)
