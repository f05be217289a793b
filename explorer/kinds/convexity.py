"""How convex the loss is over a plane: extreme eigenvalues everywhere."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from explorer.kinds.axes import PointsAlongX, PointsAlongY
from explorer.kinds.curvature_settings import CurvatureSettings, SearchSteps, Tolerance
from explorer.kinds.facts import AxesFacts
from explorer.kinds.grid import STRIDES, level_indices
from explorer.kinds.kind import Kind
from explorer.kinds.look import ContourLines, PlaneLook, ValueName
from explorer.kinds.numbers import ResultNumber, ResultNumbers
from explorer.kinds.piece import Piece
from explorer.kinds.surface import Surface, SurfaceSettings

PASSES_PER_POINT = 150  # evaluations of the loss that a search for both ends takes, about

VALUE_WORDS = {  # what a reader knows values by
    "lambda_min": "smallest eigenvalue",
    "lambda_max": "largest eigenvalue",
    "residual_min": "residual, smallest",
    "residual_max": "residual, largest",
    "lanczos_steps": "Lanczos steps",
}
VALUE_COLUMNS = ("ratio", "lambda_min", "lambda_max", "residual_min", "residual_max")


@dataclass(frozen=True, kw_only=True)
class ConvexitySettings(CurvatureSettings, SurfaceSettings):
    """The plane of a surface, and how exactly eigenvalues are found at each of its points.

    Statistics are those of the centre.
    """

    x_count: PointsAlongX = 13
    y_count: PointsAlongY = 13
    tolerance: Tolerance = 1e-3
    room: SearchSteps = 300

    def evaluations(self, parameters: int, examples: int) -> float:
        """About how many evaluations of the loss the searches at all points take."""
        return float(PASSES_PER_POINT * self.units)


@dataclass(frozen=True, kw_only=True)
class ConvexityFacts(AxesFacts):
    """What holds for the whole map."""

    tolerance: float = 0.0  # of a residual, in largest absolute eigenvalues


@dataclass(frozen=True)
class Convexity(Surface):
    """Eigenvalues on a grid; NaN where not computed yet, or where the loss is not finite."""

    facts: ConvexityFacts = ConvexityFacts()

    @classmethod
    def from_pieces(cls, settings: SurfaceSettings, pieces: Iterable[Piece]) -> "Convexity":
        """The map as far as the pieces go, the ratio first among its values."""
        all_pieces = list(pieces)
        plane = Surface.from_pieces(settings, all_pieces)
        empty = np.full(settings.shape, np.nan)
        values = {name: plane.values.get(name, empty) for name in VALUE_COLUMNS} | dict(
            plane.values
        )
        return cls(plane.x, plane.y, values, plane.computed, ConvexityFacts.of_pieces(all_pieces))

    @property
    def convex(self) -> np.ndarray:
        """Where the smallest eigenvalue is not below 0 by more than its residual, (Y, X) bool."""
        with np.errstate(invalid="ignore"):
            is_above_error = self.values["lambda_min"] >= -self.values["residual_min"]
        return np.asarray(self.computed & is_above_error)

    @property
    def has_eigenvalues(self) -> np.ndarray:
        """Where there are eigenvalues, (Y, X) bool."""
        return np.asarray(self.computed & np.isfinite(self.values["ratio"]))

    @property
    def numbers(self) -> ResultNumbers:
        """How much of the plane is convex, and the ratio of the extreme eigenvalues on it."""
        ratios = self.values["ratio"][self.has_eigenvalues]
        if not len(ratios):
            return {}
        return {
            "convex_share": ResultNumber(float(self.convex[self.has_eigenvalues].mean())),
            "median_ratio": ResultNumber(float(np.median(ratios))),
            "largest_ratio": ResultNumber(float(ratios.max())),
        }

    @property
    def converged(self) -> np.ndarray:
        """Where both residuals are within the tolerance, (Y, X) bool."""
        ends = np.abs([self.values["lambda_min"], self.values["lambda_max"]]).max(axis=0)
        worst = np.maximum(self.values["residual_min"], self.values["residual_max"])
        with np.errstate(invalid="ignore"):
            return np.asarray(self.has_eigenvalues & (worst <= self.facts.tolerance * ends))


@dataclass(frozen=True, kw_only=True)
class ConvexityLook(PlaneLook):
    """How a map of eigenvalues is drawn."""

    value: ValueName = "ratio"
    levels: ContourLines = 8


def ratio(lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """abs(lambda_min / lambda_max); NaN where both are 0.

    Near 0 the loss is almost convex, at 1 it curves down as much as up, above it is mostly concave.
    Where the smallest eigenvalue is positive it is the inverse of the condition number.

    Source: Li et al. 2018, arXiv:1712.09913, section 6.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.abs(np.asarray(lowest, dtype=np.float64) / highest))


def neighbours(shape: tuple[int, int], places: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The unit from whose eigenvectors each unit's search begins, (P,); -1 for the first.

    It is the nearest point of the next coarser level; on the coarsest level, the middle. So it is
    given by the grid alone, and a search does not depend on what was computed when.

    Args:
        shape: rows and columns of the grid.
        places: column and row of each unit, (P,) each.
    """
    column, row = places
    units = np.empty(shape, dtype=np.int64)
    units[row, column] = np.arange(len(row))
    neighbour_units = np.zeros(len(row), dtype=np.int64)
    coarser = [[level_indices(count, stride) for stride in STRIDES] for count in shape]
    for unit, (j, i) in enumerate(zip(row, column, strict=True)):
        levels = zip(*coarser, strict=True)
        depth = next(n for n, (js, is_) in enumerate(levels) if j in js and i in is_)
        if depth:
            js, is_ = (along[depth - 1] for along in coarser)
            neighbour_units[unit] = units[
                js[np.abs(js - j).argmin()], is_[np.abs(is_ - i).argmin()]
            ]
    neighbour_units[0] = -1
    return neighbour_units


CONVEXITY = Kind(
    name="convexity",
    title="Convexity map",
    subjects=("point",),
    settings=ConvexitySettings,
    result=Convexity,
    facts=ConvexityFacts,
    version=1,
    numbers=("convex_share", "median_ratio", "largest_ratio"),
    columns=("i", "j", "x", "y", "ratio"),
    answer="explorer.analysis.convexity:answer",
    look=ConvexityLook,
    draw="explorer.render.convexity:draw",
    over="explorer.render.overlay:draw_over",
    page="explorer/pages/convexity.py",
    icon=":material/south_america:",
    sources=("li2018",),
    later=("direction", "x_rank", "y_rank", "x_axis", "y_axis", "scaling"),
)
