"""Mesh files: whole, alike after any other export, in the view's coordinates, and closed solids."""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyvista import read

from explorer.kinds.grid import coarse_to_fine
from explorer.kinds.provenance import Provenance, document
from explorer.render.relief3d import scene as scenes
from explorer.render.relief3d.height import HIGHEST, LOWEST, HeightField
from explorer.render.relief3d.mesh import FORMATS, write_mesh
from explorer.render.relief3d.solid import PLATE_THICKNESS, closed_solid

X, Y = np.linspace(-1.0, 1.0, 21), np.linspace(-2.0, 3.0, 17)
BOWL = 0.01 + np.add.outer((Y / 3) ** 2, X**2)
KEY = "0123456789abcdef" * 4
TOLD = document([Provenance('Surface of <bob\'s & "net">\u2603', "surface, version 1", KEY)])
SIZES = {5121: 1, 5123: 2, 5125: 4, 5126: 4}
PARTS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def field(z: np.ndarray = BOWL, **settings: Any) -> HeightField:
    return HeightField(X, Y, z, **settings)


def holes() -> np.ndarray:
    z = BOWL.copy()
    z[5:8, 6:9], z[0, 0], z[16, 3], z[9, 20] = np.nan, np.inf, -np.inf, 0.0
    return z


FIELDS = {
    "bowl": field(),
    "clipped": field(clip=0.5),
    "log": field(log=True),
    "holes": field(holes()),
    "holes on a log scale": field(holes(), log=True, clip=0.9),
    "flat": field(np.full_like(BOWL, 3.0)),
    "huge": field(BOWL * 1e300),
    "narrow": HeightField(X[:2], Y, BOWL[:, :2]),
}


def document_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """JSON and buffer of a glTF or GLB, after the container was checked."""
    if not content.startswith(b"glTF"):
        header = json.loads(content)
        return header, base64.b64decode(header["buffers"][0]["uri"].partition(",")[2])
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content)) and length % 4 == 0
    size, kind = struct.unpack_from("<I4s", content, 12)
    assert kind == b"JSON" and size % 4 == 0
    rest, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert kind == b"BIN\0" and 28 + size + rest == length
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def check_gltf(content: bytes) -> dict[str, Any]:
    """The document, which must be valid by the specification's chapters 3.6 and 3.7."""
    header, body = document_of(content)
    assert header["asset"]["version"] == "2.0"
    assert header["buffers"][0]["byteLength"] == len(body)
    arrays = []
    for accessor in header["accessors"]:
        view = header["bufferViews"][accessor["bufferView"]]
        size, parts = SIZES[accessor["componentType"]], PARTS[accessor["type"]]
        assert view["byteLength"] == accessor["count"] * parts * size
        assert view["byteOffset"] % size == 0
        assert view["byteOffset"] + view["byteLength"] <= len(body)
        kind = {5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
        held = np.frombuffer(body, kind, accessor["count"] * parts, view["byteOffset"])
        arrays.append(held.reshape(-1, parts))
    (primitive,) = header["meshes"][0]["primitives"]
    points, normals, colours = (
        arrays[primitive["attributes"][n]] for n in ("POSITION", "NORMAL", "COLOR_0")
    )
    corners = arrays[primitive["indices"]].ravel()
    assert len(points) == len(normals) == len(colours)
    assert len(corners) % 3 == 0 and corners.max() < len(points)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(np.linalg.norm(normals.astype(float), axis=1), 1, atol=1e-6)
    bounds = header["accessors"][primitive["attributes"]["POSITION"]]
    assert bounds["min"] == points.min(0).tolist() and bounds["max"] == points.max(0).tolist()
    return header


def check_closed(corners: np.ndarray) -> float:
    """The volume of a solid, of which every edge must belong to two triangles, once each way."""
    flat = np.ascontiguousarray(corners.reshape(-1, 3) + 0.0)  # one zero
    _, index = np.unique(flat.view(np.dtype((np.void, 12))).ravel(), return_inverse=True)
    triangles = index.reshape(-1, 3)
    first, second = (triangles[:, turn].ravel() for turn in ([0, 1, 2], [1, 2, 0]))
    assert (first != second).all()  # no triangle without an area
    count = len(index)
    ways, times = np.unique(first * count + second, return_counts=True)
    assert (times == 1).all()
    assert np.array_equal(ways, np.sort(second * count + first))
    a, b, c = np.moveaxis(corners.astype(float), 1, 0)
    return float((a * np.cross(b, c)).sum() / 6)


def stl_corners(content: bytes) -> np.ndarray:
    (count,) = struct.unpack_from("<I", content, 80)
    assert len(content) == 84 + 50 * count
    facet = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    facets = np.frombuffer(content, facet, count, 84)
    sides = facets["corners"].astype(float)
    normals = np.cross(sides[:, 1] - sides[:, 0], sides[:, 2] - sides[:, 0])
    assert ((normals * facets["normal"]).sum(1) > 0).all()
    return facets["corners"]


@pytest.mark.parametrize("name", FIELDS)
def test_every_export_is_valid_after_every_other(name: str, tmp_path: Path) -> None:
    """One scene, all formats twice in turn: the second time the same bytes; glTF as specified."""
    scene = scenes.build_scene(FIELDS[name])
    contents: dict[str, bytes] = {}
    for turn in range(2):
        for format in FORMATS if turn == 0 else reversed(FORMATS):
            write_mesh(scene, tmp_path / f"a.{format}", format, TOLD)
            content = (tmp_path / f"a.{format}").read_bytes()
            assert contents.setdefault(format, content) == content, format
    for format in ("gltf", "glb"):
        check_gltf(contents[format])
    assert check_closed(stl_corners(contents["stl"])) > 0


@pytest.mark.parametrize("name", FIELDS)
def test_a_solid_is_closed_and_fills_its_box(name: str) -> None:
    """It stands on the floor of the view's box, and nothing of it is outside."""
    corners = closed_solid(FIELDS[name])
    volume = check_closed(corners)
    assert corners.dtype == np.float32
    low, high = corners.min((0, 1)), corners.max((0, 1))
    assert low.tolist() == [-1, -1, 0] and high[:2].tolist() == [1, 1]
    assert high[2] == pytest.approx(HIGHEST, abs=1e-6) or name == "flat"
    assert PLATE_THICKNESS * 4 <= volume <= HIGHEST * 4


def test_what_is_open_in_the_view_is_a_pit() -> None:
    """A point that is not finite stands at the plate, its neighbours at their own height."""
    z = BOWL.copy()
    z[8, 10] = np.nan
    heights = field(z)
    corners = closed_solid(heights).reshape(-1, 3)
    at = heights.place(X[10], Y[8], 0.0)[:2]
    here = corners[np.abs(corners[:, :2] - at).max(axis=1) < 1e-6]
    assert set(here[:, 2]) <= {np.float32(PLATE_THICKNESS), np.float32(0)}
    tops = {float(height) for height in np.unique(corners[:, 2])}
    assert min(height for height in tops if height > PLATE_THICKNESS + 1e-6) >= LOWEST - 1e-6


def test_a_large_solid_is_closed() -> None:
    """401 x 401 points, rough ones."""
    axis = np.linspace(-1, 1, 401)
    z = np.random.default_rng(0).lognormal(sigma=3, size=(401, 401))
    corners = closed_solid(HeightField(axis, axis, z, log=True))
    assert len(corners) == 2 * 400 * 400 + 3 * 4 * 400
    assert check_closed(corners) > 0


def test_a_solid_of_a_growing_surface_is_that_of_its_finest_complete_level() -> None:
    """Points beyond the level change nothing; before the first level there is none, and why."""
    computed = np.zeros(BOWL.shape, dtype=bool)
    order = coarse_to_fine(BOWL.shape)
    computed[tuple(order[:30].T)] = True
    solid = closed_solid(field(np.where(computed, BOWL, np.nan), computed=computed))
    assert check_closed(solid) > 0 and len(solid) < len(closed_solid(field())) / 4
    computed[tuple(order[5:].T)] = False
    with pytest.raises(ValueError, match="got 5 of 357 points"):
        closed_solid(field(computed=computed))
    with pytest.raises(ValueError, match="finite loss, got none"):
        closed_solid(field(np.full_like(BOWL, np.nan)))


def test_meshes_say_what_they_are_of_and_in_which_units(tmp_path: Path) -> None:
    """Key, title and the data's ends beside the view's, in each format's own place."""
    scene = scenes.build_scene(field(log=True, x_label="First direction", z_label="Loss"))
    headers: dict[str, Any] = {}
    for format in FORMATS:
        write_mesh(scene, tmp_path / f"a.{format}", format, TOLD)
    for format in ("gltf", "glb"):
        content = (tmp_path / f"a.{format}").read_bytes()
        headers[format] = document_of(content)[0]["asset"]["extras"]
    vtp = read(tmp_path / "a.vtp")
    headers["vtp"] = json.loads(vtp.field_data["provenance"][0])
    lines = (tmp_path / "a.ply").read_bytes().split(b"\n")
    (comment,) = [line for line in lines if line.startswith(b"comment ")]
    headers["ply"] = json.loads(comment.removeprefix(b"comment "))
    for format, told in headers.items():
        assert told["analyses"] == TOLD["analyses"], format
        x, z = told["coordinates"]["x"], told["coordinates"]["z"]
        assert x == {"name": "First direction", "view": [-1, 1], "data": [-1, 1]}
        assert z["log10"] and z["view"] == [LOWEST, HIGHEST]
        assert z["data"] == pytest.approx([np.log10(BOWL.min()), np.log10(BOWL.max())])
    header = (tmp_path / "a.stl").read_bytes()[:80]
    assert KEY.encode() in header and not header.startswith(b"solid")
    # The same shape: all in the coordinates of the view.
    for format in ("vtp", "ply"):
        mesh = read(tmp_path / f"a.{format}")
        assert mesh.bounds == pytest.approx(scene.surface.bounds, abs=1e-6)


def test_no_nan_gets_into_a_scene_of_nothing(tmp_path: Path) -> None:
    """Without one finite triangle each format says so."""
    scene = scenes.build_scene(field(np.full_like(BOWL, np.inf)))
    for format in FORMATS:
        with pytest.raises(ValueError, match="finite loss, got none"):
            write_mesh(scene, tmp_path / f"a.{format}", format)
    assert not list(tmp_path.iterdir())


def test_ply_is_read_by_another_library(tmp_path: Path) -> None:
    """Points, triangles and colours are those of the scene."""
    scene = scenes.build_scene(field())
    write_mesh(scene, tmp_path / "a.ply", "ply")
    mesh = read(tmp_path / "a.ply")
    assert (mesh.n_points, mesh.n_cells) == (scene.surface.n_points, scene.surface.n_cells)
    colours = next(mesh[name] for name in mesh.array_names if "RGB" in name.upper())
    assert np.array_equal(np.asarray(colours)[:, :3], scene.surface["colours"])
    assert io.BytesIO((tmp_path / "a.ply").read_bytes()).readline() == b"ply\n"
