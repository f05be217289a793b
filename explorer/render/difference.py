"""Two models' losses along a line, and below them their difference with its interval."""

from collections.abc import Mapping, Sequence

from explorer.kinds.difference import Difference, DifferenceLook
from explorer.kinds.look import SubjectName
from explorer.render.marks import curves
from explorer.render.marks.curve import Curve, Row, Spot

UNNAMED = (SubjectName("first"), SubjectName("second"))


def draw(
    lines: Difference | Mapping[str, Difference],
    look: DifferenceLook,
    names: Sequence[SubjectName] = (),
) -> curves.CurvesChart:
    """An Altair chart of the points computed so far.

    The band is the 95 % interval from differences example by example; the dashed line is at 0.

    Args:
        lines: a comparison; of several, the two losses are told apart by the comparison's name too.
        look: how they are drawn.
        names: of the two models.

    Raises:
        ValueError: nothing to draw.
    """
    named = {"": lines} if isinstance(lines, Difference) else dict(lines)
    if not named:
        raise ValueError("lines must hold at least one comparison, got none")
    losses = {
        loss_name: Curve(line.x, line.values[f"loss_{which}"], line.computed)
        for name, line in named.items()
        for loss_name, which in zip(
            _loss_names(name, names or UNNAMED), ("first", "second"), strict=True
        )
    }
    differences = {
        name: Curve(line.x, line.loss, line.computed, line.paired_interval if look.band else None)
        for name, line in named.items()
    }
    low = min(float(line.x[0]) for line in named.values())
    high = max(float(line.x[-1]) for line in named.values())
    zero = Spot(low, 0.0, "no difference", to=(high, 0.0))
    rows = [
        Row("loss", losses, look.height, look.log),
        Row("difference", differences, look.height, spots=[zero]),
    ]
    return curves.chart(rows, "Distance along the direction", look.width, look.title)


def _loss_names(name: str, names: Sequence[SubjectName]) -> tuple[str, str]:
    """What the curves of both models' losses are called; never the same."""
    first, second = (subject.text for subject in names)
    if first == second:
        first, second = f"{first} (first)", f"{second} (second)"
    return (f"{name}, {first}", f"{name}, {second}") if name else (first, second)
