"""A coloured mesh as glTF 2.0. NumPy only."""

import base64
import json
import struct
from collections.abc import Mapping

import numpy as np

from explorer.kinds.provenance import PROGRAM, VERSION

UPRIGHT = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # rows of (x, y, z) @ this: (x, z, -y)
FLOAT, SHORT, WHOLE = 5126, 5123, 5125  # component types
ARRAY, ELEMENT = 34962, 34963  # targets


def gltf_bytes(
    points: np.ndarray,
    normals: np.ndarray,
    colours: np.ndarray,
    triangles: np.ndarray,
    *,
    binary: bool,
    extras: Mapping[str, object],
) -> bytes:
    """The mesh in one file, y up.

    Own code: vtkGLTFWriter 9.7 does not normalise vertex colours, and VTK cannot read its .glb.
    Source: glTF 2.0 specification, sections 3.7.2 (colours are linear) and 4.4 (GLB container).

    Args:
        points: (N, 3).
        normals: (N, 3) of length 1.
        colours: (N, 3) uint8.
        triangles: (T, 3) indices of points.
        binary: GLB instead of JSON.
        extras: JSON values that the file carries about itself.
    """
    share = np.asarray(colours) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    painted = np.insert(np.rint(linear * 65535).astype("<u2"), 3, 65535, axis=1)
    blocks = {  # name -> array, component type, type; all lengths are multiples of 4
        "POSITION": ((points @ UPRIGHT).astype("<f4"), FLOAT, "VEC3"),
        "NORMAL": ((normals @ UPRIGHT).astype("<f4"), FLOAT, "VEC3"),
        "COLOR_0": (painted, SHORT, "VEC4"),
        "indices": (np.asarray(triangles).astype("<u4").ravel(), WHOLE, "SCALAR"),
    }
    views, accessors, body = [], [], b""
    for number, (name, (array, component, kind)) in enumerate(blocks.items()):
        target = ELEMENT if name == "indices" else ARRAY
        views.append(
            {"buffer": 0, "byteOffset": len(body), "byteLength": array.nbytes, "target": target}
        )
        accessors.append(
            {
                "bufferView": number,
                "componentType": component,
                "count": len(array),
                "type": kind,
            }
        )
        body += array.tobytes()
    placed = blocks["POSITION"][0]
    accessors[0] |= {"min": placed.min(0).tolist(), "max": placed.max(0).tolist()}
    accessors[2]["normalized"] = True
    attributes = {name: place for place, name in enumerate(blocks) if name != "indices"}
    rough = {"metallicFactor": 0.0, "roughnessFactor": 0.7}
    buffer: dict[str, object] = {"byteLength": len(body)}
    if not binary:
        encoded = base64.b64encode(body).decode("ascii")
        buffer["uri"] = f"data:application/octet-stream;base64,{encoded}"
    document = {
        "asset": {"version": "2.0", "generator": f"{PROGRAM} {VERSION}", "extras": dict(extras)},
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
