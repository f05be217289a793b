"""Ensembles drawn: a value against the number of members, each member alone, how they differ."""

from collections.abc import Sequence

import numpy as np

from explorer.kinds.ensemble import EnsembleLook
from explorer.kinds.ensemble_result import Ensemble
from explorer.kinds.look import SubjectName
from explorer.kinds.members import member_names
from explorer.render.marks import curves
from explorer.render.marks.colours import BLUE, ORANGE
from explorer.render.marks.curve import Curve, Row, Spot, visible_band

TOGETHER, ALONE = "ensemble of the first members", "members alone, and their mean"
COLOURS = (BLUE, ORANGE)
DIVERSITY_SHARE = 0.45  # of the height of the first plot


def draw(
    ensemble: Ensemble, look: EnsembleLook, names: Sequence[SubjectName] = ()
) -> curves.CurvesChart:
    """An Altair chart of the ensembles computed so far.

    Rings are the members alone, and the line of their colour is the mean of those known. Below
    stands how much the members differ.

    Args:
        ensemble: the members.
        look: how they are drawn.
        names: of the runs in their order, with their snapshots' steps.

    Raises:
        ValueError: there is no such value.
    """
    if look.value not in ensemble.measured:
        measured = ", ".join(ensemble.measured) or "none yet"
        raise ValueError(f"value must be one of {measured}, got {look.value!r}")
    rows = [_value_row(ensemble, look, names)]
    name, diversity = ensemble.diversity
    computed = ensemble.computed & np.isfinite(diversity)
    if computed.any():
        sizes = ensemble.places["size"].astype(float)
        curve = Curve(sizes, diversity, computed)
        rows.append(Row(name, {"": curve}, round(DIVERSITY_SHARE * look.height)))
    count = len(ensemble.computed)
    span = (1.0, float(max(2, count)))
    return curves.chart(rows, "Number of members", look.width, look.title, span)


def _value_row(ensemble: Ensemble, look: EnsembleLook, names: Sequence[SubjectName]) -> Row:
    """The value of the ensembles, and of the members alone."""
    value, computed = look.value, ensemble.computed
    sizes, alone = ensemble.places["size"].astype(float), ensemble.alone(value)
    band = visible_band(ensemble.interval, ensemble.loss, computed) if value == "loss" else None
    mean = np.full(len(alone), alone[computed].mean() if computed.any() else np.nan)
    curves_by_name = {
        TOGETHER: Curve(sizes, ensemble.values[value], computed, band),
        ALONE: Curve(sizes, mean, computed),
    }
    words = member_names(ensemble.settings.lengths, names)
    spots = [
        Spot(size, float(alone[place]), words[place], line=ALONE)
        for place, size in enumerate(sizes.tolist())
        if computed[place]
    ]
    return Row(value, curves_by_name, look.height, spots=spots, colours=COLOURS)
