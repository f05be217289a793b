"""The renderer: a child process that answers one JSON request per line. VTK may crash only here.

Request: {"method": "scene" | "still" | "export" | "ping" | "probe", "field": HeightField.to_json(),
...}.
Reply: {"ok": true, ...} or {"ok": false, "error": one sentence}. The process ends when its input is
closed, so it never outlives the app.
"""

import base64
import json
import os
import signal
import sys
import time
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeAlias

os.environ.setdefault("VTK_SMP_BACKEND_IN_USE", "Sequential")  # a copy has no threads of a pool
if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

import numpy as np
import pyvista as pv

from explorer.render.marks.colours import colour_table
from explorer.render.relief3d import camera
from explorer.render.relief3d import scene as scenes
from explorer.render.relief3d.height import HIGHEST, LOWEST, HeightField, base64_text
from explorer.render.relief3d.mesh import write_mesh
from explorer.render.relief3d.still import still_picture

METHODS = ("scene", "still", "export", "ping", "probe")
PROBE_SECONDS = 60  # after which a trial of OpenGL is ended
MOST_FILES = 4096  # descriptors that a copy may have inherited
SCENES_KEPT = 8  # a still usually follows the scene it shows
RenderRequest: TypeAlias = Mapping[str, Any]  # JSON values that the client wrote, see its methods


def scene_arrays(scene: scenes.Scene) -> dict[str, object]:
    """The scene as JSON values for the viewer: arrays in base64, little-endian."""
    field = scene.field
    low, high = field.range
    return {
        "id": field.key,
        "surface": _mesh_arrays(scene.surface, "shade"),
        "markers": _mesh_arrays(scene.markers, "colours"),
        "pins": [
            {"at": at, "label": label, "colour": colour}
            for at, label, colour in scenes.marker_places(field)
        ],
        "lines": _line_arrays(scene.lines),
        "walls": {name: base64_text(segments, "<f4") for name, segments in scene.walls.items()},
        "ticks": field.ticks,
        "labels": {"x": field.x_label, "y": field.y_label, "z": field.z_label},
        "grid": {
            "x": field.x.tolist(),
            "y": field.y.tolist(),
            "loss": base64_text(field.z, "<f4"),
            "heights": base64_text(field.place(0.0, 0.0, field.heights)[..., 2], "<f4"),
        },
        "box": {"lowest": LOWEST, "highest": HIGHEST, "low": low, "high": high},
        "clipped": bool((field.heights > field.ceiling).any()),
        "lut": base64_text(colour_table(field.colour_map), "u1"),
        "notes": field.notes,
        "home": camera.HOME_CAMERA,
        "lens": {"angle": camera.VIEW_ANGLE, "narrowest": camera.NARROWEST},
        "light": {
            "ambient": scenes.AMBIENT,
            "specular": scenes.SPECULAR,
            "shine": scenes.SHINE,
            "lights": scenes.LIGHTS,
        },
    }


def _line_arrays(lines: pv.PolyData) -> dict[str, object]:
    """Points of all lines one after the other, how many each has, and its colour."""
    cells = scenes.polylines(lines) if lines.n_points else []
    points = lines.points[np.concatenate(cells)] if cells else np.empty((0, 3))
    colours = lines.cell_data["colours"] if cells else np.empty((0, 3))
    return {
        "points": base64_text(points, "<f4"),
        "lengths": base64_text(np.array([len(cell) for cell in cells]), "<u4"),
        "colours": base64_text(colours, "u1"),
    }


def _mesh_arrays(mesh: pv.PolyData, colours: str) -> dict[str, object] | None:
    """Positions, normals, triangles and colours: shade as uint16, or red green blue as uint8."""
    if mesh.n_points == 0:
        return None
    painted = np.asarray(mesh[colours])
    if colours == "shade":
        text = base64_text(np.rint(65535 * painted), "<u2")
    else:
        text = base64_text(painted, "u1")
    return {
        "positions": base64_text(mesh.points, "<f4"),
        "normals": base64_text(np.rint(32767 * np.asarray(mesh["Normals"])), "<i2"),
        "colours": text,
        "triangles": base64_text(mesh.regular_faces, "<u4"),
    }


class RequestHandler:
    """RequestHandler requests, and keeps the last scenes."""

    def __init__(self) -> None:
        self._scenes: OrderedDict[str, scenes.Scene] = OrderedDict()

    def scene(self, request: RenderRequest) -> dict[str, object]:
        """The scene as arrays."""
        return {"scene": scene_arrays(self._kept_scene(request))}

    def still(self, request: RenderRequest) -> dict[str, object]:
        """A PNG in base64."""
        wanted = {name: request[name] for name in ("camera", "background", "scale")}
        size = (int(request["size"][0]), int(request["size"][1]))
        png = still_picture(self._kept_scene(request), size=size, **wanted)
        return {"png": base64.b64encode(png).decode("ascii")}

    def export(self, request: RenderRequest) -> dict[str, object]:
        """A mesh file, complete or absent: written beside its place and renamed."""
        path = Path(request["path"])
        partial = path.with_name(f".{path.stem}.partial.{request['format']}")
        try:
            write_mesh(
                self._kept_scene(request), partial, request["format"], request.get("provenance")
            )
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return {"path": str(path)}

    def ping(self, request: RenderRequest) -> dict[str, object]:
        """The process's number."""
        return {"pid": os.getpid()}

    def probe(self, request: RenderRequest) -> dict[str, object]:
        """How a copy of this process ended in which OpenGL was tried: 0, or less a signal."""
        pv.Plotter  # noqa: B018 - what draws is loaded here: the copy has it, and the first still
        if sys.platform != "linux":  # elsewhere a copy may not draw; this process may end by it
            _draw_once()
            return {"status": 0}
        copy = os.fork()
        if not copy:
            _try_opengl()
        return {"status": _exit_status(copy)}

    def _kept_scene(self, request: RenderRequest) -> scenes.Scene:
        field = HeightField.from_json(request["field"])
        scene = self._scenes.pop(field.key, None) or scenes.build_scene(field)
        self._scenes[field.key] = scene
        while len(self._scenes) > SCENES_KEPT:
            self._scenes.popitem(last=False)
        return scene


def serve(requests: TextIO, replies: TextIO) -> None:
    """Answer until the input ends. A request that fails gets its reason."""
    answers = RequestHandler()
    methods = {name: getattr(answers, name) for name in METHODS}
    for line in requests:
        try:
            request = json.loads(line)
            reply = {"ok": True, **methods[request["method"]](request)}
        except Exception as error:  # whatever it was, the app shall read it
            traceback.print_exc()
            reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _draw_once() -> None:
    """Draw one small picture; without OpenGL this process ends by a signal."""
    field = HeightField(np.arange(2), np.arange(2), np.eye(2))
    still_picture(scenes.build_scene(field), size=(32, 32))


def _try_opengl() -> NoReturn:
    """Draw once and end, holding nothing that another process waits for."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    os.closerange(3, MOST_FILES)
    status = 1
    try:
        _draw_once()
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def _exit_status(process: int) -> int:
    """How a copy of this process ended; it is ended where that takes too long."""
    deadline = time.monotonic() + PROBE_SECONDS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    return -signal.SIGKILL


def main() -> None:
    """Serve on stdin and stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the app, which closes our input
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what VTK and its libraries print must not come between the replies
    serve(sys.stdin, replies)


if __name__ == "__main__":
    main()
