"""What drawing a result gives, and the one way to it for page, thumbnail, file and command line."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, cast

import altair as alt

from explorer.kinds import Kind
from explorer.kinds.kind import named_code
from explorer.kinds.look import Look, SubjectName
from explorer.render.relief3d.relief import Relief

Chart: TypeAlias = alt.LayerChart | alt.VConcatChart | alt.ConcatChart | alt.Chart
Drawing: TypeAlias = Chart | Relief
Draw: TypeAlias = Callable[[object, Look, Sequence[SubjectName]], Drawing]  # of a kind


def as_relief(drawing: Drawing) -> Relief:
    """The drawing, which is in relief.

    Raises:
        TypeError: it is seen from above.
    """
    if not isinstance(drawing, Relief):
        raise TypeError(f"the drawing must be in relief, got {type(drawing).__name__}")
    return drawing


def as_chart(drawing: Drawing) -> Chart:
    """The drawing, which is seen from above.

    Raises:
        TypeError: it is in relief.
    """
    if isinstance(drawing, Relief):
        raise TypeError("the drawing must be a chart, got a relief")
    return drawing


class Written(Protocol):
    """What can be written as Vega-Lite."""

    def to_dict(self, *, validate: bool) -> dict[str, object]:
        """As Vega-Lite, not compared with its schema."""


def unchecked(chart: Chart | Written) -> alt.Chart:
    """The chart as Streamlit reads it, not compared with the schema of Vega-Lite.

    That took longer than all else that a page does; the tests compare a chart of each kind.
    """
    return cast(alt.Chart, _UncheckedChart(chart))


class _UncheckedChart:
    """What can be written as Vega-Lite, and nothing else."""

    def __init__(self, chart: Chart | Written) -> None:
        self._chart = chart

    def to_dict(self) -> dict[str, object]:
        """The chart as Vega-Lite."""
        return self._chart.to_dict(validate=False)


def drawing_of(
    kind: Kind,
    results: object,
    look: Look,
    names: Sequence[SubjectName] = (),
) -> Drawing:
    """The picture of a result, or of several by name in one.

    Args:
        kind: of the results.
        results: what is drawn.
        look: how; of that kind.
        names: of the subjects that the results are about.

    Raises:
        ValueError: the look asks for what the results have not.
    """
    return cast(Draw, named_code(kind.draw))(results, look, names)
