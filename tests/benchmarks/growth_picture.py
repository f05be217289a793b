"""The picture of what grows: time and memory against the doubling, each over its first value."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.growth import LEAST, MEMORY, TIME
from tests.benchmarks.report import Row, Size

FORMATS = (".svg", ".pdf", ".png")
PROPORTION = "in proportion"


def draw(rows: Sequence[Row], file: Path) -> None:
    """Write the picture of the rows; those without figures are left out.

    Raises:
        ValueError: the file's name ends in no format.
    """
    import vl_convert  # a GPU machine may lack it

    if file.suffix not in FORMATS:
        raise ValueError(f"a picture's name must end in {', '.join(FORMATS)}, got {file.name}")
    write = getattr(vl_convert, f"vegalite_to_{file.suffix[1:]}")
    options = {"scale": 2} if file.suffix == ".png" else {}
    content = write(specification(rows), **options)
    file.write_bytes(content.encode() if isinstance(content, str) else content)


def specification(rows: Sequence[Row]) -> dict[str, Any]:
    """The picture in Vega-Lite: a panel for time and one for memory."""
    return {
        "hconcat": [panel(rows, quantity) for quantity in (TIME, MEMORY)],
        "resolve": {"scale": {"color": "shared"}},
        "config": {"font": "sans-serif", "view": {"stroke": None}, "background": "white"},
    }


def panel(rows: Sequence[Row], quantity: str) -> dict[str, Any]:
    """Lines over the doublings, and the line of what grows in proportion."""
    values = [
        {
            "what": row.what,
            "times": each.size / row.sizes[0].size,
            "taken": ratio(row, each, quantity),
        }
        for row in rows
        if row.sizes and f"the {quantity} " in row.measure
        for each in row.sizes
    ]
    most = max((value["times"] for value in values), default=1)
    x = {"field": "times", "type": "quantitative", "title": "size / smallest size"}
    y = {"field": "taken", "type": "quantitative", "title": f"{quantity} / at the smallest size"}
    doublings = [2**power for power in range(int(most).bit_length())]
    x |= {
        "scale": {"type": "log", "base": 2, "nice": False},
        "axis": {"values": doublings, "grid": False},
    }
    y |= {"scale": {"type": "log", "base": 2}, "axis": {"gridOpacity": 0.4}}
    proportional = [{"times": times, "taken": times} for times in (1, most)]
    return {
        "width": 300,
        "height": 260,
        "title": quantity,
        "layer": [
            {
                "data": {"values": proportional},
                "mark": {"type": "line", "strokeDash": [4, 4], "color": "gray"},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": values},
                "mark": {"type": "line", "point": True},
                "encoding": {"x": x, "y": y, "color": {"field": "what", "title": None}},
            },
        ],
    }


def ratio(row: Row, size: Size, quantity: str) -> float:
    """The middle value over that of the smallest size."""
    least = LEAST[quantity]
    return max(size.taken[1], least) / max(row.sizes[0].taken[1], least)
