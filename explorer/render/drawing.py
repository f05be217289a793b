"""What drawing a result gives, and the one way to it for page, thumbnail, file and command line."""

import pandas  # noqa: F401 - whole before altair looks at it: another thread may be at it

# isort: split
from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import altair as alt

from explorer.kinds import Kind
from explorer.kinds.kind import named_code
from explorer.kinds.look import Look, SubjectName
from explorer.render.relief3d.relief import Relief

Chart: TypeAlias = alt.LayerChart | alt.VConcatChart | alt.ConcatChart | alt.Chart
Drawing: TypeAlias = Chart | Relief
Draw: TypeAlias = Callable[[object, Look, Sequence[SubjectName]], Drawing]  # of a kind


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
