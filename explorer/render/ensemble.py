"""Ensembles drawn: a value against the number of members, each member alone, how they differ."""

from collections.abc import Mapping, Sequence

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
    ensembles: Ensemble | Mapping[str, Ensemble],
    look: EnsembleLook,
    names: Sequence[SubjectName] = (),
) -> curves.CurvesChart:
    """An Altair chart of the ensembles computed so far.

    Rings are members alone. Of one ensemble the line of their colour is the mean of those known; of
    several each has a colour, and its members' rings. Below stands how much members differ.

    Args:
        ensembles: one, or several by name.
        look: how they are drawn.
        names: of the runs of one, in their order, with their snapshots' steps.

    Raises:
        ValueError: there are none, or one has no such value.
    """
    named = {"": ensembles} if isinstance(ensembles, Ensemble) else dict(ensembles)
    if not named:
        raise ValueError("there must be at least one ensemble, got none")
    for ensemble in named.values():
        if look.value not in ensemble.measured:
            measured = ", ".join(ensemble.measured) or "none yet"
            raise ValueError(f"value must be one of {measured}, got {look.value!r}")
    rows = [_value_row(named, look, names), *_diversity_rows(named, look)]
    largest = max(len(ensemble.computed) for ensemble in named.values())
    span = (1.0, float(max(2, largest)))
    return curves.chart(rows, "Number of members", look.width, look.title, span, whole=True)


def _value_row(
    named: Mapping[str, Ensemble], look: EnsembleLook, names: Sequence[SubjectName]
) -> Row:
    """The value of the ensembles, and of the members alone."""
    curves_by_name: dict[str, Curve] = {}
    spots: list[Spot] = []
    one = len(named) == 1
    for name, ensemble in named.items():
        sizes, computed = ensemble.places["size"].astype(float), ensemble.computed
        alone = ensemble.alone(look.value)
        wanted = one and look.band and look.value == "loss"  # several would hide each other
        band = ensemble.interval if wanted else None
        curves_by_name[TOGETHER if one else name] = Curve(
            sizes,
            ensemble.values[look.value],
            computed,
            visible_band(band, ensemble.loss, computed),
        )
        if one:
            mean = alone[computed].mean() if computed.any() else np.nan
            curves_by_name[ALONE] = Curve(sizes, np.full(len(alone), mean), computed)
        words = member_names(ensemble.settings.lengths, names if one else (), ensemble.settings.t)
        spots += [
            Spot(sizes[at], float(alone[at]), words[at], line=ALONE if one else name)
            for at in computed.nonzero()[0].tolist()
        ]
    colours = COLOURS if one else ()
    return Row(look.value, curves_by_name, look.height, look.log, spots=spots, colours=colours)


def _diversity_rows(named: Mapping[str, Ensemble], look: EnsembleLook) -> list[Row]:
    """How much the members differ, a plot for each measure of that; none before it is known."""
    by_measure: dict[str, dict[str, Curve]] = {}
    for name, ensemble in named.items():
        measure, diversity = ensemble.diversity
        computed = ensemble.computed & np.isfinite(diversity)
        if computed.any():
            sizes = ensemble.places["size"].astype(float)
            curve = Curve(sizes, diversity, computed)
            by_measure.setdefault(measure, {})[name if len(named) > 1 else ""] = curve
    height = round(DIVERSITY_SHARE * look.height)
    return [Row(measure, by_name, height) for measure, by_name in by_measure.items()]
