"""Settings of a regular axis: its ends and how many points are along it."""

from typing import Annotated

from explorer.kinds.require import require
from explorer.kinds.setting import Setting

LARGEST_COORDINATE = 1e30  # of a coordinate: beyond, float32 parameters overflow anyway
MOST_POINTS = 2001  # along an axis


def points_along(axis: str) -> Setting:
    """The number of points along an axis of a grid."""
    help = "Evenly spaced, both ends included."
    return Setting(f"Points along {axis}", help, least=2, most=MOST_POINTS, short="Points", step=10)


def axis_end(
    label: str, help: str = "An end of the axis; 0 is the model, 1 a whole direction from it."
) -> Setting:
    """An end of an axis."""
    return Setting(label, help, least=-LARGEST_COORDINATE, most=LARGEST_COORDINATE)


PointsAlongX = Annotated[int, points_along("x")]
PointsAlongY = Annotated[int, points_along("y")]
XFrom = Annotated[float, axis_end("x from")]
XTo = Annotated[float, axis_end("x to")]
YFrom = Annotated[float, axis_end("y from")]
YTo = Annotated[float, axis_end("y to")]


def check_axis(name: str, low: float, high: float) -> None:
    """Refuse a range that makes no axis.

    Raises:
        ValueError: it does not increase.
    """
    require(low < high, f"the range of {name} must increase", f"{low} to {high}")
