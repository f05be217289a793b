"""Groups of curves drawn: the middle of each with its band, over the axis that all share."""

from collections.abc import Mapping

import numpy as np

from explorer.kinds.groups import GroupProfile, Profiles
from explorer.kinds.look import CurvesLook
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve, Row


def draw_groups(
    groups: Mapping[str, GroupProfile], drawn: Profiles, look: CurvesLook
) -> curves.CurvesChart:
    """A curve for each group, with its band.

    Args:
        groups: by name, at least one.
        drawn: what they are the groups of.
        look: how; its log scale is that of the values.
    """
    by_name = {name: _curve(group, drawn.floor) for name, group in groups.items()}
    row = Row(drawn.value, by_name, look.height, look.log and not drawn.signed)
    return curves.chart([row], drawn.x_title, look.width, look.title)


def _curve(group: GroupProfile, floor: float) -> Curve:
    has_band = np.isfinite(group.low).any()
    band = (np.maximum(group.low, floor), np.maximum(group.high, floor)) if has_band else None
    return Curve(group.x, np.maximum(group.middle, floor), group.computed, band)
