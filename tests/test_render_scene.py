"""The scene keeps to the measured values, and stills and mesh files show them."""

import io
import json
import math

import numpy as np
import pytest
from PIL import Image
from pyvista import read

from explorer.kinds.grid import coarse_to_fine
from explorer.kinds.surface import SurfaceLook
from explorer.render.marks.scale import colour_scale
from explorer.render.marks.ticks import AXIS_TICKS, VALUE_TICKS, tick_labels, ticks
from explorer.render.relief3d import scene as scenes
from explorer.render.relief3d.camera import HOME_CAMERA
from explorer.render.relief3d.client import renderer
from explorer.render.relief3d.height import HIGHEST, LOWEST, HeightField
from explorer.render.relief3d.mesh import write_mesh
from explorer.render.relief3d.still import still_picture

X, Y = np.linspace(-1.0, 1.0, 21), np.linspace(-2.0, 3.0, 17)
BOWL = 0.01 + np.add.outer((Y / 3) ** 2, X**2)


def field(z: np.ndarray = BOWL, **settings: object) -> HeightField:
    return HeightField(X, Y, z, **settings)  # type: ignore[arg-type]


def test_whole_surface_has_every_point_once_and_no_value_of_its_own() -> None:
    """Each grid point is one mesh point with its measured loss; two triangles per cell."""
    mesh = scenes.build_scene(field()).surface
    assert mesh.n_points == BOWL.size
    assert mesh.n_cells == 2 * 20 * 16
    assert set(np.asarray(mesh["loss"])) == set(BOWL.ravel())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_a_hole(bad: float) -> None:
    """A bad value takes its point and the triangles around it, and nothing fills the gap."""
    z = BOWL.copy()
    z[5:8, 6:9] = bad
    scene = scenes.build_scene(field(z))
    assert scene.surface.n_points == BOWL.size - 9
    assert set(np.asarray(scene.surface["loss"])) == set(z[np.isfinite(z)])
    area = np.array([X[7], Y[6], 0.0])
    place = field().place(area[0], area[1], BOWL[6, 7])
    centres = scene.surface.cell_centers().points
    assert np.linalg.norm(centres[:, :2] - place[:2], axis=1).min() > 0.05
    assert scene.field.notes == ["9 points without a finite loss left open"]


def test_one_bad_corner_takes_one_triangle_of_each_cell() -> None:
    """The diagonal turns so that three finite corners keep their triangle: 6 + 2 of 8 remain."""
    z = BOWL.copy()
    z[8, 10] = np.nan
    lost = (
        scenes.build_scene(field()).surface.n_cells - scenes.build_scene(field(z)).surface.n_cells
    )
    assert lost == 4


def test_log_leaves_zero_and_below_open_and_says_so() -> None:
    """log10 exists for positive losses only."""
    z = BOWL.copy()
    z[0, 0], z[0, 1] = 0.0, -1.0
    heights = field(z, log=True)
    assert np.isnan(heights.heights[0, :2]).all()
    assert np.array_equal(heights.heights[1], np.log10(z[1]))
    assert heights.notes == ["2 points with a loss of 0 or below left open"]
    assert scenes.build_scene(heights).surface.n_points == BOWL.size - 2


@pytest.mark.parametrize("log", [False, True])
def test_clip_cuts_at_its_level(log: bool) -> None:
    """Nothing stands above the clip; what is below keeps its loss; the cut edge has the clip's."""
    scene = scenes.build_scene(field(log=log, clip=0.5))
    losses = np.asarray(scene.surface["loss"])
    # Interpolated points: rounding of a product of float64, in log mode through a power.
    assert losses.max() == pytest.approx(0.5, rel=1e-9)
    assert (losses < 0.4999).sum() == (BOWL < 0.4999).sum()
    assert scene.surface.bounds[5] == pytest.approx(HIGHEST, abs=1e-6)  # VTK stores float32
    assert scene.surface.bounds[4] == pytest.approx(LOWEST, abs=1e-6)


def test_clip_below_everything_leaves_an_empty_scene() -> None:
    """Nothing to show is not an error: in a growing surface the first points may be high."""
    scene = scenes.build_scene(field(clip=0.001))
    assert scene.surface.n_points == 0
    assert len(still_picture(scene, size=(64, 48))) > 0


@pytest.mark.parametrize("z", [np.zeros_like(BOWL), np.full_like(BOWL, 3e8), BOWL * 1e300])
def test_flat_and_huge_losses_make_a_scene(z: np.ndarray) -> None:
    """No division by a range of zero, no overflow."""
    scene = scenes.build_scene(field(z))
    assert np.isfinite(scene.surface.points).all()
    assert np.isfinite(np.asarray(scene.surface["Normals"])).all()


def test_growing_surface_joins_what_is_computed() -> None:
    """Half computed, coarse to fine: only computed losses, all of them, no far bridges."""
    computed = np.zeros(BOWL.shape, dtype=bool)
    computed[tuple(coarse_to_fine(BOWL.shape)[: BOWL.size // 2].T)] = True
    scene = scenes.build_scene(field(np.where(computed, BOWL, np.nan), computed=computed))
    assert set(np.asarray(scene.surface["loss"])) == set(BOWL[computed])
    assert (np.asarray(scene.surface["Normals"])[:, 2] > 0).all()  # all triangles face up
    far = np.zeros(BOWL.shape, dtype=bool)
    far[:2], far[-2:] = True, True  # 13 rows apart
    assert scenes.build_scene(field(computed=far)).surface.n_cells == 2 * 2 * 20


def test_contours_are_at_their_levels() -> None:
    """Vertices lie at the levels of the picture from above, apart from the lift off the surface."""
    contoured_field = field(contours=5)
    lines = scenes.build_scene(contoured_field).lines
    scale = colour_scale(BOWL, SurfaceLook())
    assert scale is not None and contoured_field.levels.tolist() == scale.ticks(5)
    levels = contoured_field.place(0.0, 0.0, contoured_field.levels)[:, 2]
    rim = scenes.build_scene(field(contours=0)).lines.n_cells  # drawn last
    heights = [lines.points[line][:, 2] for line in scenes.polylines(lines)[:-rim]]
    shadows = [line for line in heights if line.max() < LOWEST / 2]
    on_surface = [line for line in heights if line.max() > LOWEST / 2]
    assert len(on_surface) == len(shadows) >= len(levels) > 2
    gaps = [np.abs(line[:, None] - levels).min(axis=1).max() for line in on_surface]
    assert max(gaps) <= scenes.LINE_LIFT


def test_json_round_trip_keeps_every_bit() -> None:
    """NaN, Inf, mask, markers and traces survive the pipe, and so does the key."""
    z = BOWL.copy()
    z[0, :3] = np.nan, np.inf, -np.inf
    computed = np.arange(z.size).reshape(z.shape) % 3 > 0
    heights = field(z, computed=computed, log=True, clip=0.7, markers=((0.0, 0.0, "a", "#ff0000"),))
    again = HeightField.from_json(heights.to_json())
    assert np.array_equal(again.z, z, equal_nan=True)
    assert np.array_equal(again.computed, computed)
    assert again.markers == heights.markers
    assert again.key == heights.key != field(z).key


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"colour_map": "jet"}, "colour_map"),
        ({"clip": 0.0, "log": True}, "clip"),
        ({"contours": -1}, "contours"),
        ({"computed": np.ones((2, 2))}, "computed"),
    ],
)
def test_bad_settings_are_refused(bad: dict, word: str) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=word):
        field(**bad)


def test_ticks_are_those_of_the_contour_plot() -> None:
    """The same values and words along x, y and the loss; in log mode at log10 of the loss."""
    heights = field(log=True)
    for axis, along in (("x", X), ("y", Y)):
        wanted = ticks(float(along[0]), float(along[-1]), False, AXIS_TICKS)
        assert [text for _, text in heights.ticks[axis]] == tick_labels(wanted)
    scale = colour_scale(BOWL, SurfaceLook(log=True))
    assert scale is not None
    losses = ticks(scale.low, scale.high, True, VALUE_TICKS)
    assert [text for _, text in heights.ticks["z"]] == tick_labels(losses)
    for (at, _), loss in zip(heights.ticks["z"], losses, strict=True):
        assert at == pytest.approx(float(heights.place(0.0, 0.0, np.log10(loss))[2]))


def test_vtp_has_what_was_measured_at_its_points(tmp_path) -> None:
    """x, y and loss as measured, unclipped, in the view's shape; a hole where it was not finite."""
    z = BOWL.copy()
    z[3, 3], z[0, 0] = np.nan, -0.5
    write_mesh(scenes.build_scene(field(z, clip=0.3)), tmp_path / "a.vtp", "vtp")
    mesh = read(tmp_path / "a.vtp")
    finite = z[np.isfinite(z)]
    assert mesh.n_points == finite.size
    assert sorted(mesh["loss"]) == sorted(finite)
    assert (mesh["y"].min(), mesh["y"].max()) == (-2, 3)
    assert mesh.bounds[:4] == pytest.approx((-1, 1, -1, 1), abs=1e-6)
    assert np.isnan(mesh["log10_loss"]).sum() == 1


@pytest.mark.parametrize("format", ["ply", "gltf", "glb"])
def test_shape_files_read_back(format: str, tmp_path) -> None:
    """The file holds the shape as shown; glTF has y up and keeps the colours."""
    scene = scenes.build_scene(field(clip=0.8))
    write_mesh(scene, tmp_path / f"a.{format}", format)
    mesh = read(tmp_path / f"a.{format}")
    if format in ("gltf", "glb"):
        mesh = mesh.combine().extract_surface(algorithm="dataset_surface")
        mesh.rotate_x(90, inplace=True)
        colours = next(mesh[name] for name in mesh.array_names if "COLOR" in name.upper())
        assert len(np.unique(np.asarray(colours), axis=0)) > 50
    assert mesh.n_cells == scene.surface.n_cells
    assert mesh.bounds == pytest.approx(scene.surface.bounds, abs=1e-5)  # float32 in the files


def test_still_shows_the_surface_from_the_camera() -> None:
    """Not blank, many colours, another picture from another place, clear where it is open."""
    if not renderer().opengl().ok:
        pytest.skip("this machine has no OpenGL")
    scene = scenes.build_scene(field(markers=((0.0, 0.0, "here", "#ff0000"),)))
    home = {**HOME_CAMERA}
    away = {**home, "position": (-3.0, -3.0, 4.0)}
    first, second = (
        np.asarray(Image.open(io.BytesIO(still_picture(scene, camera, (320, 240)))).convert("RGB"))
        for camera in (home, away)
    )
    assert first.shape == (240, 320, 3)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 500
    assert (first != second).any(axis=2).mean() > 0.1
    clear = Image.open(io.BytesIO(still_picture(scene, home, (320, 240), None, 2.0)))
    assert clear.size == (640, 480)
    assert clear.mode == "RGBA"
    assert np.asarray(clear)[0, 0, 3] == 0


def test_traces_are_tubes_on_the_surface_or_at_their_own_height() -> None:
    """A trace without heights follows the surface, one with heights does not; holes part it."""
    along = np.linspace(-0.9, 0.9, 31)
    on_it = tuple((float(x), 0.0, math.nan) for x in along)
    above = tuple((float(x), 0.0, 0.9) for x in along)
    plain = scenes.build_scene(field())
    one, other = (scenes.build_scene(field(traces=((line, "#ff0000"),))) for line in (on_it, above))
    assert plain.markers.n_points == 0 and one.markers.n_points == other.markers.n_points > 0
    heights = other.field
    top = float(heights.place(0.0, 0.0, 0.9)[2])
    assert np.asarray(other.markers.points)[:, 2] == pytest.approx(top + scenes.TRACE, abs=0.01)
    under = [heights.place(x, 0.0, heights.height_under(x, 0.0))[2] for x in along]
    z = np.asarray(one.markers.points)[:, 2]
    assert z.min() == pytest.approx(min(under), abs=0.02)
    assert (np.asarray(one.markers["colours"])[0] == [255, 0, 0]).all()
    hole = field().z.copy()
    hole[:, hole.shape[1] // 2] = math.nan
    parted = scenes.build_scene(field(hole, traces=((on_it, "#ff0000"),)))
    assert 0 < parted.markers.n_points < one.markers.n_points
    again = HeightField.from_json(json.loads(json.dumps(other.field.to_json())))
    assert again.traces == other.field.traces and again.key == other.field.key
