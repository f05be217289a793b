"""A coloured mesh as glTF 2.0. NumPy only."""

import base64
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from explorer.kinds.provenance import PROGRAM, VERSION

UPRIGHT = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])  # rows of (x, y, z) @ this: (x, z, -y)
FLOAT, SHORT, WHOLE = 5126, 5123, 5125  # component types
ARRAY, ELEMENT = 34962, 34963  # targets
INDICES = "indices"
DATA_URI = "data:application/octet-stream;base64"


@dataclass(frozen=True)
class BufferArray:
    """An array of the mesh as it lies in the file; its length is a multiple of 4 bytes."""

    array: np.ndarray
    component: int  # type of its numbers
    kind: str  # of its rows
    target: int = ARRAY
    about: Mapping[str, object] = field(default_factory=dict)  # what its accessor says besides


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
    placed = (points @ UPRIGHT).astype("<f4")
    ends = {"min": placed.min(0).tolist(), "max": placed.max(0).tolist()}
    blocks = {
        "POSITION": BufferArray(placed, FLOAT, "VEC3", about=ends),
        "NORMAL": BufferArray((normals @ UPRIGHT).astype("<f4"), FLOAT, "VEC3"),
        "COLOR_0": BufferArray(_linear_colours(colours), SHORT, "VEC4", about={"normalized": True}),
        INDICES: BufferArray(np.asarray(triangles).astype("<u4").ravel(), WHOLE, "SCALAR", ELEMENT),
    }
    body = b"".join(block.array.tobytes() for block in blocks.values())
    uri = "" if binary else f"{DATA_URI},{base64.b64encode(body).decode('ascii')}"
    head = json.dumps(_document(blocks, uri, extras)).encode()
    return _container(head, body) if binary else head


def _linear_colours(colours: np.ndarray) -> np.ndarray:
    """The sRGB colours (N, 3) as linear ones (N, 4) of 16 bits, opaque."""
    share = np.asarray(colours) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.insert(np.rint(linear * 65535).astype("<u2"), 3, 65535, axis=1)


def _document(
    blocks: Mapping[str, BufferArray], uri: str, extras: Mapping[str, object]
) -> dict[str, object]:
    """What the file says of its arrays, which lie one after the other in one buffer."""
    lengths = [block.array.nbytes for block in blocks.values()]
    starts = [sum(lengths[:place]) for place in range(len(lengths))]
    attributes = {name: place for place, name in enumerate(blocks) if name != INDICES}
    primitive = {"attributes": attributes, "indices": list(blocks).index(INDICES), "material": 0}
    rough = {"metallicFactor": 0.0, "roughnessFactor": 0.7}
    return {
        "asset": {"version": "2.0", "generator": f"{PROGRAM} {VERSION}", "extras": dict(extras)},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "surface"}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [{"pbrMetallicRoughness": rough, "doubleSided": True}],
        "accessors": [
            {
                "bufferView": place,
                "componentType": block.component,
                "count": len(block.array),
                "type": block.kind,
                **block.about,
            }
            for place, block in enumerate(blocks.values())
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": start, "byteLength": length, "target": block.target}
            for block, start, length in zip(blocks.values(), starts, lengths, strict=True)
        ],
        "buffers": [{"byteLength": sum(lengths)} | ({"uri": uri} if uri else {})],
    }


def _container(head: bytes, body: bytes) -> bytes:
    """The document and the buffer as GLB."""
    head += b" " * (-len(head) % 4)
    chunks = struct.pack("<II", len(head), 0x4E4F534A) + head
    chunks += struct.pack("<II", len(body), 0x004E4942) + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
