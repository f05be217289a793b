"""What depth, skip connections and BatchNorm do to curvature."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.eigenvalues import outliers
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.result import Result
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.spectrum_result import Spectrum
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

GRID = SurfaceSettings(x_count=11, y_count=11)
EXACT = SpectrumSettings(top=15, bottom=1, probes=0)
MAP = ConvexitySettings(x_count=3, y_count=3, subset="first", examples=200, tolerance=1e-2)
CLASSES = 5
DEPTHS = {"mlp_a": 2, "deep_plain_06": 6, "deep_plain": 30}  # hidden layers of width 32


def _depth_proofs(results: Sequence[Result]) -> list[Proof]:
    losses = [answer_of(results, place, Surface).loss for place in range(len(DEPTHS))]
    medians = [float(np.median(loss)) for loss in losses]
    low = [float(np.mean(loss < 1)) for loss in losses]
    return [
        Proof(
            "median loss on the plane, 6 layers over 2",
            medians[1] / medians[0],
            3.0,
            expected="much larger (measured before: 5.1 at 2, 71 at 10)",
        ),
        Proof(
            "the same, 30 layers over 6",
            medians[2] / medians[1],
            3.0,
            expected="much larger again (measured before: 680 at 30)",
        ),
        Proof(
            "share of the plane with a loss below 1, 2 layers over 6",
            low[0] / low[1],
            2.0,
            expected="the valley narrows",
        ),
        Proof(
            "lowest train loss, 30 layers over 6",
            float(losses[2].min() / losses[1].min()),
            10.0,
            expected="thirty layers train poorly, six do not",
        ),
        Proof(
            "median |λmin/λmax| on a small plane, 30 layers over 2",
            number_of(results, 4, "median_ratio") / number_of(results, 3, "median_ratio"),
            2.0,
            expected="more saddle-like (measured here first)",
        ),
    ]


def _map_proofs(results: Sequence[Result]) -> list[Proof]:
    residual, plain = (number_of(results, place, "median_ratio") for place in (0, 1))
    return [
        Proof(
            "median |λmin/λmax| on the plane with skip connections",
            residual,
            high=0.2,
            expected="near 0: almost convex",
        ),
        Proof(
            "the same without",
            plain,
            0.3,
            expected="towards 1: it curves down nearly as much as up",
        ),
    ]


def _normed_proofs(results: Sequence[Result]) -> list[Proof]:
    tops, isolated = [], []
    for place in (0, 1):
        spectrum = answer_of(results, place, Spectrum)
        tops.append(spectrum.eigenvalues[0][: EXACT.top])
        isolated.append(float(outliers(tops[-1], spectrum.tolerance) or 0))
    plain, normed = tops
    return [
        Proof(
            "eigenvalues before the widest gap, without BatchNorm",
            isolated[0],
            CLASSES - 1,
            CLASSES - 1,
            "one less than classes",
        ),
        Proof(
            "widest gap between neighbours of the largest eigenvalues, without: factor",
            float((plain[:-1] / plain[1:]).max()),
            2.0,
            expected="a gap (measured before: 2.2)",
        ),
        Proof(
            "the same with BatchNorm",
            float((normed[:-1] / normed[1:]).max()),
            high=1.5,
            expected="none to speak of",
        ),
        Proof(
            "largest eigenvalue over the sixth, without BatchNorm over with",
            float(plain[0] / plain[CLASSES] / (normed[0] / normed[CLASSES])),
            2.0,
            expected="much larger (Ghorbani et al. 2019, section 4)",
        ),
    ]


def _plane(sample: str, depth: int) -> SampleQuestion:
    return SampleQuestion(SURFACE, GRID, (SampleSubject(sample),), f"{depth} layers")


def _map(sample: str, words: str) -> SampleQuestion:
    return SampleQuestion(CONVEXITY, MAP, (SampleSubject(sample),), words)


DEPTH = (
    Phenomenon(
        name="depth-without-skips",
        title="Without skip connections each layer more makes the surface rougher",
        group=Group.ARCHITECTURE,
        text=(
            "Plain networks of width 32 with 2, 6 and 30 hidden layers on the same digits. Around "
            "where training ended the loss of a filter-normalised plane grows by factors with "
            "depth, the low valley shrinks, and away from it the thirty layers curve down nearly "
            "as much as up: saddles all around."
        ),
        loose=(
            "The factors depend on the initialisation, He's for 6 and 30 layers, PyTorch's for 2, "
            "and a filter-normalised step moves every layer, of which there are more. Six layers "
            "train as well as two all the same: roughness far away does not stop training."
        ),
        sources=("Li et al. 2018",),
        seconds=2.6,
        questions=(
            *(_plane(sample, depth) for sample, depth in DEPTHS.items()),
            _map("mlp_a", "curvature, 2 layers"),
            _map("deep_plain", "curvature, 30 layers"),
        ),
        prove=_depth_proofs,
        rows=("0.37", "1.36", "3.39"),
    ),
    Phenomenon(
        name="convexity-map",
        title="With skip connections a plane is almost convex, without it is not",
        group=Group.ARCHITECTURE,
        text=(
            "At each point of a plane the smallest and the largest eigenvalue of the Hessian, and "
            "the ratio of their sizes. Where it is near 0 the loss curves up in what matters; "
            "near 1 it curves down as much. Of thirty layers with skip connections the ratio stays "
            "small, without them it is large everywhere but in the middle."
        ),
        loose=(
            "Negative eigenvalues are there with skip connections too, only small ones: nearly no "
            "point of either plane is convex. Eigenvalues are those of all parameters, of 200 "
            "examples."
        ),
        sources=("Li et al. 2018",),
        seconds=1.1,
        questions=(_map("deep_residual", "with skips"), _map("deep_plain", "without")),
        prove=_map_proofs,
        rows=("0.32", "1.36"),
    ),
    Phenomenon(
        name="batchnorm-outliers",
        title="With BatchNorm no eigenvalues stand apart",
        group=Group.ARCHITECTURE,
        text=(
            "Two networks for five classes by one recipe, one with BatchNorm. Without, four "
            "eigenvalues of the Hessian lie far above the rest, one less than classes. With it "
            "the largest ones fall off evenly, and none is isolated."
        ),
        loose=(
            "It holds for the loss that training sees, normalised by the batch, here by all "
            "examples as one batch. With running statistics frozen another loss is "
            "differentiated. It says nothing of how large the eigenvalues are: the network with "
            "BatchNorm has the larger ones here, at a lower loss."
        ),
        sources=("Ghorbani et al. 2019", "Sagun et al. 2017"),
        seconds=1.5,
        questions=(
            SampleQuestion(SPECTRUM, EXACT, (SampleSubject("outliers_c5"),), "without BatchNorm"),
            SampleQuestion(
                SPECTRUM, EXACT, (SampleSubject("outliers_batchnorm"),), "with BatchNorm"
            ),
        ),
        prove=_normed_proofs,
        rows=("0.36",),
    ),
)
