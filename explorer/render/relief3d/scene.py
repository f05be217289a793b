"""The one 3-D scene behind stills, mesh files and the viewer. Needs no OpenGL."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyvista as pv

from explorer.kinds.grid import COARSEST_STRIDE
from explorer.render.marks.colours import colour_table
from explorer.render.relief3d.height import HIGHEST, HeightField

LINE_LIFT = 0.004  # of contour lines off the surface, along its normal; on it they would flicker
FLOOR_LIFT = 0.001
TRACE = 0.009  # radius of a trace
PIN, STICK = 0.026, 0.17  # radius of a marker's head, and its height above the point

# Lights stand with the camera: direction in view coordinates, strength. The viewer shades alike.
AMBIENT, SPECULAR, SHINE = 0.36, 0.10, 24.0
LIGHTS = (((-0.45, 0.65, 0.75), 0.62), ((0.75, 0.05, 0.55), 0.22))


@dataclass(frozen=True)
class Scene:
    """A height field as geometry in scene coordinates."""

    field: HeightField
    surface: pv.PolyData  # point arrays: loss, height, shade, colours, Normals
    lines: (
        pv.PolyData
    )  # contour lines on the surface and on the floor, and the rim; cell array: colours
    markers: pv.PolyData  # pins and traces; point arrays: colours, Normals
    walls: Mapping[
        str, np.ndarray
    ]  # "floor", "x-", "x+", "y-", "y+" -> segments (S, 2, 3) along ticks


def build_scene(field: HeightField) -> Scene:
    """The scene of a height field; empty where nothing can be shown."""
    uncut = uncut_mesh(field)
    surface = _clip_mesh(uncut, field) if uncut.n_points else uncut
    if surface.n_points:
        shade = field.shade(surface["height"])
        surface["shade"] = np.clip(shade, 0, 1)
        surface["colours"] = colour_table(field.colour_map)[
            np.rint(255 * surface["shade"]).astype(int)
        ]
    return Scene(
        field, surface, _contour_lines(surface, field), _marks(field), _wall_segments(field)
    )


def triangles(field: HeightField) -> np.ndarray:
    """Corners (T, 3) of the surface as flat grid indices, counter-clockwise seen from above.

    A triangle with a corner that is not finite is left out. While points are missing, the computed
    ones are joined (Delaunay), across no more than the coarsest stride of the computing order.
    """
    corners = _grid_triangles(field.heights) if field.computed.all() else _sparse_triangles(field)
    return corners[np.isfinite(field.heights.ravel()[corners]).all(axis=1)]


def _grid_triangles(heights: np.ndarray) -> np.ndarray:
    """Two triangles per cell, split along the flatter diagonal; a hole in a corner takes one."""
    index = np.arange(heights.size).reshape(heights.shape)
    a, b, c, d = (
        i.ravel() for i in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:])
    )
    flat = heights.ravel()
    rise_ad, rise_bc = (
        np.nan_to_num(abs(flat[p] - flat[q]), nan=np.inf) for p, q in ((a, d), (b, c))
    )
    along_ad = (rise_ad <= rise_bc)[:, None]
    first = np.where(along_ad, np.stack([a, b, d], 1), np.stack([a, b, c], 1))
    second = np.where(along_ad, np.stack([a, d, c], 1), np.stack([b, d, c], 1))
    return np.concatenate([first, second])


def _sparse_triangles(field: HeightField) -> np.ndarray:
    """Delaunay triangles of the computed points, long ones left out."""
    from scipy.spatial import Delaunay  # half a second that most starts need not pay

    places = np.argwhere(field.computed)[:, ::-1]  # (P, 2) column, row
    if len(places) < 3 or (np.ptp(places, axis=0) == 0).any():
        return np.empty((0, 3), dtype=int)
    if np.linalg.matrix_rank(places - places[0]) < 2:
        return np.empty((0, 3), dtype=int)
    simplices = Delaunay(places).simplices
    corners = places[simplices]
    simplices = simplices[(np.ptp(corners, axis=1) <= COARSEST_STRIDE).all(axis=1)]
    (ux, uy), (vx, vy) = (places[simplices[:, k]].T - places[simplices[:, 0]].T for k in (1, 2))
    simplices[ux * vy < uy * vx] = simplices[ux * vy < uy * vx][:, ::-1]
    return np.flatnonzero(field.computed)[simplices]


def uncut_mesh(field: HeightField) -> pv.PolyData:
    """The mesh before cutting; every point is a grid point, with its measured loss."""
    corners = triangles(field)
    if len(corners) == 0:
        return pv.PolyData()
    used, corners = np.unique(corners, return_inverse=True)
    rows, columns = np.divmod(used, field.x.size)
    heights = field.heights.ravel()[used]
    points = field.place(field.x[columns], field.y[rows], heights)
    faces = np.insert(corners.reshape(-1, 3), 0, 3, axis=1)  # VTK: count, then corners
    mesh = pv.PolyData(points, faces=faces.ravel())
    mesh["loss"], mesh["height"] = field.z.ravel()[used], heights
    mesh["x"], mesh["y"] = field.x[columns], field.y[rows]
    return mesh.compute_normals(
        cell_normals=False,
        split_vertices=False,
        consistent_normals=False,
        non_manifold_traversal=False,
    )


def _clip_mesh(mesh: pv.PolyData, field: HeightField) -> pv.PolyData:
    """The part at or below the clip level; the cut runs where the flat triangles meet it."""
    if not (mesh["height"] > field.ceiling).any():
        return mesh
    below = mesh.clip_scalar(scalars="height", value=field.ceiling, invert=True)
    if below.n_cells == 0:
        return pv.PolyData()
    below = below.triangulate()
    # New points on the edge have the clip's loss; VTK finds them only to the digits of float32.
    below["height"] = np.minimum(below["height"], field.ceiling)
    below["loss"] = field.loss_at(below["height"])
    lengths = np.linalg.norm(below["Normals"], axis=1, keepdims=True)
    below["Normals"] = below["Normals"] / np.maximum(lengths, 1e-12)
    return below


def _contour_lines(surface: pv.PolyData, field: HeightField) -> pv.PolyData:
    """Contour lines on the surface, their shadows on the floor, the rim of surface and holes."""
    if surface.n_points == 0:
        return pv.PolyData()
    parts = []
    levels = field.levels.tolist()
    if levels:
        on_surface = surface.contour(levels, scalars="height")
        if on_surface.n_cells:
            on_surface = on_surface.strip(max_length=100_000)
            colours = _line_colours(on_surface, field)
            on_floor = on_surface.copy()
            on_floor.points[:, 2] = FLOOR_LIFT
            parts = [(_lift_lines(on_surface), _ink_colours(colours)), (on_floor, colours)]
    rim = surface.extract_feature_edges(
        boundary_edges=True, feature_edges=False, manifold_edges=False, non_manifold_edges=False
    )
    if rim.n_cells:
        parts.append((_lift_lines(rim), _ink_colours(_line_colours(rim, field))))
    return _join_lines(parts)


def _line_colours(lines: pv.PolyData, field: HeightField) -> np.ndarray:
    """Colour (L, 3) uint8 of each line, by the height at its first point."""
    first = [line[0] for line in polylines(lines)]
    shade = np.clip(field.shade(lines["height"][first]), 0, 1)
    return colour_table(field.colour_map)[np.rint(255 * shade).astype(int)]


def _ink_colours(colours: np.ndarray) -> np.ndarray:
    """The colours darker, and the darkest lighter, so that a line shows on its own surface."""
    light = colours @ np.array([0.30, 0.59, 0.11]) / 255
    towards = np.where(light[:, None] < 0.30, 255, 0)
    share = np.where(light[:, None] < 0.30, 0.38, 0.42)
    return np.rint(colours * (1 - share) + towards * share).astype(np.uint8)


def _lift_lines(lines: pv.PolyData) -> pv.PolyData:
    lines = lines.copy()
    lines.points = lines.points + LINE_LIFT * np.asarray(lines["Normals"])
    return lines


def polylines(lines: pv.PolyData) -> list[np.ndarray]:
    """Point indices of each line."""
    offsets = pv.convert_array(lines.GetLines().GetOffsetsArray())
    indices = pv.convert_array(lines.GetLines().GetConnectivityArray())
    return np.split(indices, offsets[1:-1])


def _join_lines(parts: list[tuple[pv.PolyData, np.ndarray]]) -> pv.PolyData:
    """All lines in one mesh with one colour each."""
    points, cells, start = [], [], 0
    for lines, _ in parts:
        points.append(np.asarray(lines.points, dtype=np.float32))
        cells += [np.concatenate([[len(line)], line + start]) for line in polylines(lines)]
        start += lines.n_points
    if not cells:
        return pv.PolyData()
    lines_mesh = pv.PolyData(np.concatenate(points), lines=np.concatenate(cells))
    lines_mesh.cell_data["colours"] = np.concatenate([colours for _, colours in parts])
    return lines_mesh


def _marks(field: HeightField) -> pv.PolyData:
    """Pins and traces in one mesh."""
    parts = [*_marker_pins(field), *_trace_tubes(field)]
    return pv.merge(parts, merge_points=False) if parts else pv.PolyData()


def _trace_tubes(field: HeightField) -> list[pv.PolyData]:
    """A tube along each trace, in as many parts as holes leave of it."""
    tubes = []
    for line, colour in field.traces:
        x, y, value = np.array(line).T
        on_surface = np.array([field.height_under(a, b) for a, b in zip(x, y, strict=True)])
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.log10(value) if field.log else value
        heights = np.where(np.isnan(value), on_surface, own)
        places = field.place(x, y, heights) + np.array([0, 0, TRACE])
        inside = (np.abs(places[:, :2]) <= 1).all(axis=1)
        drawn = np.isfinite(places).all(axis=1) & (heights <= field.ceiling) & inside
        for part in np.split(np.arange(len(x)), np.flatnonzero(~drawn)):
            part = part[drawn[part]]
            if len(part) > 1:
                tube = pv.MultipleLines(places[part]).tube(radius=TRACE, n_sides=10).triangulate()
                tube["Normals"] = tube["TubeNormals"]
                tubes.append(_painted(tube, colour))
    return tubes


def _painted(part: pv.PolyData, colour: str) -> pv.PolyData:
    rgb = np.frombuffer(bytes.fromhex(colour.removeprefix("#")), dtype=np.uint8)
    part["colours"] = np.tile(rgb, (part.n_points, 1))
    return part


def _marker_pins(field: HeightField) -> list[pv.PolyData]:
    """A pin for each marker: it stands on the surface, or on the floor where that is open."""
    parts = []
    for (x, y, top), _, colour in marker_places(field):
        head = pv.Sphere(radius=PIN, center=(x, y, top), theta_resolution=24, phi_resolution=16)
        middle = (x, y, top - STICK / 2)
        stick = pv.Cylinder(
            center=middle, direction=(0, 0, 1), radius=PIN / 5, height=STICK, resolution=12
        )
        for part in (head, stick.triangulate().compute_normals(cell_normals=False)):
            parts.append(_painted(part, colour))
    return parts


def marker_places(field: HeightField) -> list[tuple[tuple[float, float, float], str, str]]:
    """Head in scene coordinates, label and colour of each marker inside the grid."""
    places = []
    for x, y, label, colour in field.markers:
        if not (field.x[0] <= x <= field.x[-1] and field.y[0] <= y <= field.y[-1]):
            continue
        height = field.height_under(x, y)
        across, along, up = field.place(np.float64(x), np.float64(y), np.float64(height))
        on_surface = math.isfinite(height) and height <= field.ceiling
        top = (float(up) if on_surface else 0.0) + STICK
        places.append(((float(across), float(along), top), label, colour))
    return places


def _wall_segments(field: HeightField) -> dict[str, np.ndarray]:
    """Outline and tick lines of the floor and the four walls; a view shows the two far walls."""
    ticks = {axis: [at for at, _ in ticks] for axis, ticks in field.ticks.items()}
    ends = {"x": (-1.0, 1.0), "y": (-1.0, 1.0), "z": (0.0, HIGHEST)}

    def plane(first: str, second: str, fixed: str, at: float) -> np.ndarray:
        segments = []
        for along, across in ((first, second), (second, first)):
            for place in sorted({*ends[across], *ticks[across]}):
                start, end = ({along: e, across: place, fixed: at} for e in ends[along])
                segments.append([[p[axis] for axis in "xyz"] for p in (start, end)])
        return np.array(segments, dtype=np.float32)

    return {
        "floor": plane("x", "y", "z", 0.0),
        **{f"x{s}": plane("y", "z", "x", at) for s, at in (("-", -1.0), ("+", 1.0))},
        **{f"y{s}": plane("x", "z", "y", at) for s, at in (("-", -1.0), ("+", 1.0))},
    }
