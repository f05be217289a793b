"""What architecture does to loss surfaces."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.result import Result
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.phenomena.phenomenon import (
    Group,
    Phenomenon,
    Proof,
    SampleQuestion,
    SampleSubject,
    answer_of,
)

GRID = SurfaceSettings(x_count=11, y_count=11)


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
        seconds=8,
        questions=(
            SampleQuestion(SURFACE, GRID, (SampleSubject("deep_residual"),), "with skips"),
            SampleQuestion(SURFACE, GRID, (SampleSubject("deep_plain"),), "without"),
        ),
        prove=_skip_proofs,
        rows=("0.30", "0.32", "0.71", "1.36"),
    ),
)
