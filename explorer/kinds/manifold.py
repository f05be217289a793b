"""The solution manifold through a point: its dimension, and a walk along it."""

from dataclasses import dataclass, replace

import numpy as np

from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, LogScale, Look, PlotHeight
from explorer.kinds.manifold_result import Manifold, ManifoldFacts
from explorer.kinds.manifold_settings import ManifoldSettings


@dataclass(frozen=True, kw_only=True)
class ManifoldLook(Look):
    """How a walk is drawn: losses, distance and dimensions along its path."""

    log: LogScale = True
    height: PlotHeight = 260

    @classmethod
    def small(cls, result: Manifold) -> "ManifoldLook":
        """The losses alone would do; all of it small."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT // 2)


def place_text(walk: Manifold, unit: int) -> str:
    """Where the point that a walk brings lies, as "loss 1e-17, 3.2 away"."""
    reached = np.flatnonzero(walk.computed[: unit + 1])
    if not len(reached):
        return ""
    loss, distance = (float(walk.values[name][reached[-1]]) for name in ("loss", "distance"))
    return f"loss {loss:.4g}, {distance:.4g} away"


MANIFOLD = Kind(
    name="manifold",
    title="Solution manifold",
    subjects=("point",),
    settings=ManifoldSettings,
    result=Manifold,
    facts=ManifoldFacts,
    version=1,
    numbers=(
        *("manifold_dimension", "expected_dimension", "jacobian_rank", "zero_modes"),
        *("walk_distance", "walk_loss"),
    ),
    columns=("step", "loss", "rank"),
    answer="explorer.analysis.manifold:answer",
    look=ManifoldLook,
    draw="explorer.render.manifold:draw",
    page="explorer/pages/manifold.py",
    icon=":material/moving:",
    sources=("cooper2018",),
    in_order=True,
    unit="places",
    point_words="end of the walk",
    point_text="explorer.kinds.manifold:place_text",
    own_pace=True,
)
