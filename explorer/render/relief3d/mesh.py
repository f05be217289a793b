"""Mesh files of a scene: vtp, stl, ply, gltf and glb. Needs no OpenGL.

All have the shape and the coordinates of the 3-D view, and say what these are in the data's units.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyvista as pv

from explorer.codec import Json
from explorer.kinds.provenance import PROGRAM
from explorer.kinds.require import one_of
from explorer.render.relief3d.gltf import gltf_bytes
from explorer.render.relief3d.height import HIGHEST, LOWEST, HeightField
from explorer.render.relief3d.scene import Scene, uncut_mesh
from explorer.render.relief3d.solid import closed_solid

FORMATS = ("vtp", "stl", "ply", "gltf", "glb")
Notes: TypeAlias = Mapping[str, Any]  # JSON values that a file carries about itself
HEADER_BYTES = 80  # bytes of a binary STL before the number of triangles


def write_mesh(scene: Scene, path: Path, format: str, provenance: Notes | None = None) -> None:
    """Write the surface as a mesh file, from arrays of its own: no export changes another.

    "vtp" (ParaView): not clipped, with arrays x, y, loss and log10_loss (NaN where the loss is not
    positive) at its points. "stl": a closed solid, see `closed_solid`. "ply", "gltf", "glb": the
    shape as shown with its colours.

    Args:
        scene: the surface.
        path: where to.
        format: one of FORMATS.
        provenance: JSON values of `explorer.kinds.provenance.document`.

    Raises:
        ValueError: another format, or a surface without a single triangle.
    """
    one_of("format", format, FORMATS)
    file_notes = {**(provenance or {}), "coordinates": coordinate_notes(scene.field)}
    if format == "stl":
        path.write_bytes(_stl_bytes(closed_solid(scene.field), _first_key(file_notes)))
        return
    mesh = uncut_mesh(scene.field) if format == "vtp" else scene.surface.copy(deep=True)
    if mesh.n_cells == 0:
        raise ValueError("a mesh needs at least three neighbours with a finite loss, got none")
    if format == "vtp":
        _with_measurements(mesh, file_notes).save(path)
    elif format == "ply":
        path.write_bytes(_ply_bytes(mesh, file_notes))
    else:
        points, colours = np.asarray(mesh.points), np.asarray(mesh["colours"])
        binary = format == "glb"
        path.write_bytes(
            gltf_bytes(
                points,
                _normals(mesh),
                colours,
                mesh.regular_faces,
                binary=binary,
                extras=file_notes,
            )
        )


def coordinate_notes(field: HeightField) -> dict[str, Json]:
    """What the coordinates of the view are in the data's units: ends of each axis in both.

    Between them both are linear; z is that of log10 of the value on a log scale.
    """
    low, high = field.range
    named = (
        ("x", field.x_label, (-1.0, 1.0), field.x[[0, -1]].tolist()),
        ("y", field.y_label, (-1.0, 1.0), field.y[[0, -1]].tolist()),
        ("z", field.z_label, (LOWEST, HIGHEST), [low, high]),
    )
    return {
        axis: {"name": name, "view": list(view), "data": data}
        | ({"log10": field.log} if axis == "z" else {})
        for axis, name, view, data in named
    }


def _normals(mesh: pv.PolyData) -> np.ndarray:
    """Normals (N, 3) of length 1; upwards where a point has none."""
    normals = np.array(mesh["Normals"], dtype=np.float64)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    bad = ~(lengths[:, 0] > 0)
    normals[bad], lengths[bad] = (0.0, 0.0, 1.0), 1.0
    return normals / lengths


def _with_measurements(mesh: pv.PolyData, file_notes: Notes) -> pv.PolyData:
    """The mesh with what was measured at its points."""
    losses = np.asarray(mesh["loss"])
    with np.errstate(divide="ignore", invalid="ignore"):
        mesh["log10_loss"] = np.where(losses > 0, np.log10(losses), np.nan)
    for name in ("height", "Normals"):
        del mesh.point_data[name]
    mesh.field_data["provenance"] = [json.dumps(file_notes)]
    return mesh


def _first_key(file_notes: Notes) -> str:
    """The key of the first analysis that the notes name; "" where they name none."""
    keys = (str(one["key"]) for one in file_notes.get("analyses", ()))
    return next(filter(None, keys), "")


def _stl_bytes(corners: np.ndarray, key: str) -> bytes:
    """Triangles (T, 3, 3) as binary STL; the header has room for the question's key."""
    header = f"key={key} x,y=-1..1" if key else f"{PROGRAM} x,y=-1..1"
    edges = corners[:, 1:].astype(np.float64) - corners[:, :1]
    normals = np.cross(edges[:, 0], edges[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    facet = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    facets = np.zeros(len(corners), dtype=facet)
    facets["normal"], facets["corners"] = normals, corners
    count = np.array([len(facets)], dtype="<u4").tobytes()
    return (
        header.encode("ascii", "replace")[:HEADER_BYTES].ljust(HEADER_BYTES)
        + count
        + facets.tobytes()
    )


def _ply_bytes(mesh: pv.PolyData, file_notes: Notes) -> bytes:
    """The mesh as binary PLY with normals and colours; its provenance in a comment."""
    faces = mesh.regular_faces
    names = ("x", "y", "z", "nx", "ny", "nz")
    head = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {json.dumps(file_notes)}",
        f"element vertex {mesh.n_points}",
        *(f"property float {name}" for name in names),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    vertices = np.zeros(mesh.n_points, dtype=[("at", "<f4", 6), ("colour", "u1", 3)])
    vertices["at"] = np.hstack([mesh.points, _normals(mesh)])
    vertices["colour"] = mesh["colours"]
    corners = np.zeros(len(faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    corners["count"], corners["corners"] = 3, faces
    return "\n".join(head).encode("ascii") + vertices.tobytes() + corners.tobytes()
