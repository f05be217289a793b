"""Loss over a plane through one point: of two random directions, or of two eigenvectors."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from explorer.kinds.axes import PointsAlongX, PointsAlongY, XFrom, XTo, YFrom, YTo, check_axis
from explorer.kinds.facts import AxesFacts
from explorer.kinds.grid import OnGrid, axis_values
from explorer.kinds.kind import Kind
from explorer.kinds.look import LossPlaneLook
from explorer.kinds.numbers import ResultNumbers, loss_numbers
from explorer.kinds.piece import Piece, partial_answer
from explorer.kinds.plane_settings import PlaneSettings
from explorer.kinds.reuse import on_grid
from explorer.kinds.setting import Setting
from explorer.kinds.topology import AT_NOISE_FLOOR, NUMBERS, basin_numbers

SURFACE_PICTURES = ("plane", "basins", "barcode", "merge tree")


@dataclass(frozen=True, kw_only=True)
class SurfaceSettings(OnGrid, PlaneSettings):
    """A plane: point + x * first direction + y * second direction, on a regular grid."""

    x_min: XFrom = -1.0
    x_max: XTo = 1.0
    x_count: PointsAlongX = 51
    y_min: YFrom = -1.0
    y_max: YTo = 1.0
    y_count: PointsAlongY = 51

    def __post_init__(self) -> None:
        """Refuse what makes no grid."""
        super().__post_init__()
        check_axis("x", self.x_min, self.x_max)
        check_axis("y", self.y_min, self.y_max)
        self.require_few_points()

    @property
    def distinguishing_words(self) -> tuple[str, ...]:
        """The size of the grid, the split, and what the axes are."""
        return (self.size_words, *super().distinguishing_words)

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Values along x (X,) and along y (Y,)."""
        return (
            axis_values(self.x_min, self.x_max, self.x_count),
            axis_values(self.y_min, self.y_max, self.y_count),
        )


@dataclass(frozen=True)
class Surface:
    """Values on a grid; NaN where not computed yet or where the model gave NaN: see `computed`."""

    x: np.ndarray  # (X,)
    y: np.ndarray  # (Y,)
    values: Mapping[
        str, np.ndarray
    ]  # name -> (Y, X): "loss" in the loss's own unit, metrics, "squared_norm"
    computed: np.ndarray  # (Y, X) bool
    facts: AxesFacts = field(default_factory=AxesFacts)

    @property
    def loss(self) -> np.ndarray:
        """Mean loss per example at each point, shape (Y, X)."""
        return self.values["loss"]

    @classmethod
    def from_pieces(cls, settings: SurfaceSettings, pieces: Iterable[Piece]) -> "Surface":
        """The surface as far as the pieces go."""
        answer = partial_answer(settings.shape, ("j", "i"), ("x", "y"), pieces)
        values = {"loss": np.full(settings.shape, np.nan)} | answer.values
        return cls(*settings.axes, values, answer.computed, AxesFacts.of(answer.facts))

    @property
    def numbers(self) -> ResultNumbers:
        """Lowest and highest loss on the plane, that of the model by itself; basins of it all."""
        numbers = loss_numbers(self.loss, self.facts.stand_alone_loss)
        return {**numbers, **basin_numbers(self.values, self.computed)}

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Index and coordinates of each point, (Y, X) each."""
        j, i = np.indices(self.computed.shape)
        return {"i": i, "j": j, "x": self.x[i], "y": self.y[j]}


@dataclass(frozen=True, kw_only=True)
class SurfaceLook(LossPlaneLook):
    """How a surface is drawn: from above or in relief, or its topology."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "plane: the values; basins: which points lie in which basin; barcode: from which to "
            "which level each basin is apart from all deeper ones; merge tree: which joins which.",
            choices=SURFACE_PICTURES,
            sources=dict.fromkeys(SURFACE_PICTURES[1:], "edelsbrunner2002"),
        ),
    ] = SURFACE_PICTURES[0]
    threshold: Annotated[
        float,
        Setting(
            "Least persistence",
            "A basin that joins a deeper one after a smaller rise is part of that; -1: the noise "
            "floor, the median standard error of the loss at the saddles.",
            least=AT_NOISE_FLOOR,
            open_ended=True,
        ),
    ] = AT_NOISE_FLOOR
    decay: Annotated[
        float,
        Setting(
            "Weight decay",
            "Adds two values: decay/2 times the squared norm of all parameters, and that plus the "
            "loss. The stored loss never contains it.",
            least=0,
            open_ended=True,
        ),
    ] = 0.0


def taken_over(settings: SurfaceSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The rows of another plane's answer that stand on this grid, as rows of this one."""
    return on_grid(old, settings.axes, settings.places)


SURFACE = Kind(
    name="surface",
    title="Surface",
    subjects=("point",),
    settings=SurfaceSettings,
    result=Surface,
    facts=AxesFacts,
    version=2,
    numbers=("lowest_loss", "highest_loss", "loss", *NUMBERS),
    columns=("i", "j", "x", "y", "loss"),
    answer="explorer.analysis.surface:answer",
    look=SurfaceLook,
    draw="explorer.render.surface:draw",
    over="explorer.render.overlay:draw_over",
    page="explorer/pages/surface.py",
    icon=":material/landscape:",
    sources=("li2018",),
    of_samples={"x_count": 31, "y_count": 31},
    axes=("x_min", "x_max", "x_count", "y_min", "y_max", "y_count"),
    taken_over="explorer.kinds.surface:taken_over",
    later=("direction", "x_rank", "y_rank", "x_axis", "y_axis", "scaling"),
)
