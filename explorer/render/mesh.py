"""Mesh files of a scene: vtp, stl, ply, gltf and glb. Needs no OpenGL."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv

from explorer.kinds.settings import one_of
from explorer.render.height import HeightField
from explorer.render.scene import Scene, uncut

FORMATS = ("vtp", "stl", "ply", "gltf", "glb")


def export(scene: Scene, path: Path, format: str) -> None:
    """Write the surface as a mesh file.

    "vtp" (ParaView): points (x, y, loss) in their own units, not clipped, with arrays `loss` and
    `log10_loss` (NaN where the loss is not positive). "stl", "ply", "gltf", "glb": the shape as
    shown, the last three with its colours.

    Raises:
        ValueError: another format, or a surface without a single triangle.
    """
    one_of("format", format, FORMATS)
    mesh = _measured(scene.field) if format == "vtp" else scene.surface
    if mesh.n_cells == 0:
        raise ValueError("a mesh needs at least three neighbours with a finite loss, got none")
    if format in ("gltf", "glb"):
        path.write_bytes(_gltf(mesh, binary=format == "glb"))
    elif format == "ply":
        mesh.save(path, texture="colours")
    else:
        mesh.save(path)


def _measured(field: HeightField) -> pv.PolyData:
    """The surface in units of the data."""
    raw = HeightField(field.x, field.y, field.z, field.computed)
    mesh = uncut(raw)
    if mesh.n_points:
        losses = np.asarray(mesh["loss"])
        mesh.points = np.stack([mesh["x"], mesh["y"], losses], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mesh["log10_loss"] = np.where(losses > 0, np.log10(losses), np.nan)
        for name in ("height", "x", "y", "Normals"):
            del mesh.point_data[name]
    return mesh


def _gltf(mesh: pv.PolyData, binary: bool) -> bytes:
    """The mesh as glTF 2.0, y up, in one file.

    Own code: vtkGLTFWriter 9.7 does not normalise vertex colours, and VTK cannot read its .glb.
    Source: glTF 2.0 specification, sections 3.7.2 (colours are linear) and 4.4 (GLB container).
    """
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # rows of (x, y, z) @ this: (x, z, -y)
    points = (np.asarray(mesh.points) @ upright).astype("<f4")
    share = np.asarray(mesh["colours"]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    colours = np.insert(np.rint(linear * 65535).astype("<u2"), 3, 65535, axis=1)
    blocks = {  # name -> array, component type, type
        "POSITION": (points, 5126, "VEC3"),
        "NORMAL": ((np.asarray(mesh["Normals"]) @ upright).astype("<f4"), 5126, "VEC3"),
        "COLOR_0": (colours, 5123, "VEC4"),
        "indices": (mesh.regular_faces.astype("<u4").ravel(), 5125, "SCALAR"),
    }
    views, accessors, body = [], [], b""
    for name, (array, component, kind) in blocks.items():
        target = 34963 if name == "indices" else 34962
        views.append(
            {"buffer": 0, "byteOffset": len(body), "byteLength": array.nbytes, "target": target}
        )
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "componentType": component,
                "count": len(array),
                "type": kind,
            }
        )
        body += array.tobytes()  # all lengths are multiples of 4
    accessors[0] |= {"min": points.min(0).tolist(), "max": points.max(0).tolist()}
    accessors[2]["normalized"] = True
    attributes = {name: place for place, name in enumerate(blocks) if name != "indices"}
    rough = {"metallicFactor": 0.0, "roughnessFactor": 0.7}
    buffer: dict[str, Any] = {"byteLength": len(body)}
    if not binary:
        text = base64.b64encode(body).decode("ascii")
        buffer["uri"] = f"data:application/octet-stream;base64,{text}"
    document = {
        "asset": {"version": "2.0", "generator": "Loss Surface Explorer"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "surface"}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 3, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": rough, "doubleSided": True}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [buffer],
    }
    head = json.dumps(document).encode()
    if not binary:
        return head
    head += b" " * (-len(head) % 4)
    chunks = struct.pack("<II", len(head), 0x4E4F534A) + head
    chunks += struct.pack("<II", len(body), 0x004E4942) + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
