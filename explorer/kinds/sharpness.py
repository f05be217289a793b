"""How sharp a point is, by every published measure, and whether a rescaling moves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_WIDTH, Look, PlotWidth
from explorer.kinds.measures import MEASURE_PLACES
from explorer.kinds.setting import Setting
from explorer.kinds.sharpness_result import Sharpness, SharpnessFacts
from explorer.kinds.sharpness_settings import SharpnessSettings

SHARPNESS_PICTURES = ("values", "ratios", "direction")


@dataclass(frozen=True, kw_only=True)
class SharpnessLook(Look):
    """Which picture of sharpness is drawn: of values, of ratios, or along a worst direction."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "values: with their intervals; ratios: rescaled over as it was; direction: the loss "
            "along a worst direction.",
            choices=SHARPNESS_PICTURES,
        ),
    ] = SHARPNESS_PICTURES[0]
    measure: Annotated[
        str, Setting("Found by", "Whose worst direction.", choices=tuple(MEASURE_PLACES))
    ] = "sam"
    width: PlotWidth = 600

    @classmethod
    def small(cls, result: Sharpness) -> "SharpnessLook":
        """The loss along a worst direction, where one is known and finite."""
        for measure in result.directions:
            if np.isfinite(result.along(measure.name)[1]).all():
                return cls(picture="direction", measure=measure.name, width=SMALL_WIDTH)
        return cls(width=SMALL_WIDTH)


def taken_over(settings: SharpnessSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows at the point itself of an answer of other measures or with another rescaling.

    A measure's first unit is that at the point: a rescaled one comes after it.
    """
    places = np.array([MEASURE_PLACES[name] for name in settings.chosen])
    first = {int(i): int(old["unit"][old["i"] == i].min()) for i in np.unique(old["i"])}
    own = np.array([first[int(i)] == unit for i, unit in zip(old["i"], old["unit"], strict=True)])
    kept_rows = own.astype(bool) & np.isin(old["i"], places)
    rows = {name: values[kept_rows] for name, values in old.items()}
    rows["unit"] = np.searchsorted(places, rows["i"]).astype(old["unit"].dtype)
    return rows


SHARPNESS = Kind(
    name="sharpness",
    title="Sharpness",
    subjects=("point", "start"),  # the second: initial parameters, or the point where unknown
    settings=SharpnessSettings,
    result=Sharpness,
    facts=SharpnessFacts,
    version=2,  # 1 had two measures less
    numbers=tuple(MEASURE_PLACES),
    columns=("role", "i", "why", "at", "value", "low", "high"),
    answer="explorer.analysis.sharpness:answer",
    look=SharpnessLook,
    draw="explorer.render.sharpness:draw",
    overlaid=True,
    page="explorer/pages/sharpness.py",
    icon=":material/change_history:",
    sources=("keskar2017", "foret2021", "kwon2021", "andriushchenko2023"),
    axes=("rescaling", "alpha", "measures"),
    later=("measures", "sphere", "sphere_draws"),
    taken_over="explorer.kinds.sharpness:taken_over",
    joined="from",
    own_second=True,
    unit="measures",
)
