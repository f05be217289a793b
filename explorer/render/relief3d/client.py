"""The door to the renderer process: scenes, stills and mesh files. No pyvista, no streamlit."""

import atexit
import base64
import json
import os
import signal
import sys
import threading
import types
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.codec import Json
from explorer.render.relief3d.camera import Camera
from explorer.render.relief3d.height import HeightField
from explorer.render.relief3d.renderer_child import RendererChild, RenderError

KEPT_ANSWERS = 24  # answers kept: a page asks for the same picture on every rerun
PROBE_SECONDS = 90.0  # for a trial of OpenGL, which ends itself before
APT_COMMAND = "apt-get install --no-install-recommends libegl1 libgl1-mesa-dri"
REGISTRY = "_loss_surface_explorer_renderer"  # a module without a file: no reload removes it


class NoOpenGL(RenderError):
    """This machine cannot draw stills; the message says what to install."""


@dataclass(frozen=True)
class OpenGL:
    """Whether stills can be drawn here; if not, why, and what helps."""

    ok: bool
    reason: str = ""
    remedy: str = ""


class Renderer:
    """One renderer process, started when needed, again when it died. Threads take turns."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Nothing starts yet. `environment` is added to the child's."""
        self._child = RendererChild({**os.environ, **(environment or {})})
        self._probe_lock = threading.Lock()
        self._kept_lock = threading.Lock()
        self._opengl: OpenGL | None = None
        self._kept: OrderedDict[str, Json] = OrderedDict()

    def scene(self, field: HeightField, timeout: float = 60.0) -> Json:
        """The scene as JSON values for `surface_viewer`. Needs no OpenGL.

        Raises:
            RenderError: the renderer failed.
        """
        scene = self._reply_to("scene", field, timeout=timeout)["scene"]
        assert isinstance(scene, dict)  # of our own process
        return scene

    def still(
        self,
        field: HeightField,
        camera: Camera | None = None,
        size: tuple[int, int] = (1200, 900),
        *,
        background: str | None = "white",
        scale: float = 1.0,
        timeout: float = 60.0,
    ) -> bytes:
        """A picture (PNG) of the scene without text, of size * scale pixels.

        `background` None is transparent.

        Raises:
            NoOpenGL: this machine cannot draw.
            RenderError: the renderer failed.
        """
        opengl = self.opengl()
        if not opengl.ok:
            raise NoOpenGL(f"{opengl.reason}; {opengl.remedy}")
        reply = self._reply_to(
            "still",
            field,
            timeout=timeout,
            camera=None if camera is None else dict(camera),
            size=list(size),
            background=background,
            scale=scale,
        )
        return base64.b64decode(str(reply["png"]))

    def export(
        self,
        field: HeightField,
        path: Path,
        format: str,
        timeout: float = 60.0,
        *,
        provenance: Mapping[str, object] | None = None,
    ) -> Path:
        """The mesh file written: "vtp", "stl", "ply", "gltf" or "glb". Needs no OpenGL.

        `provenance`: JSON values that it carries, of `explorer.kinds.provenance.document`.

        Raises:
            RenderError: the renderer failed, or could not write there.
        """
        reply = self._reply_to(
            "export",
            field,
            timeout=timeout,
            keep=False,
            path=str(Path(path).resolve()),
            format=format,
            provenance=None if provenance is None else dict(provenance),
        )
        return Path(str(reply["path"]))

    def ping(self, timeout: float = 60.0) -> int:
        """The process number of the child, which is running then.

        Raises:
            RenderError: it cannot be started.
        """
        return int(str(self._child.reply_to({"method": "ping"}, timeout)["pid"]))

    def opengl(self) -> OpenGL:
        """Whether this machine can draw stills: tried once, in a copy of the child.

        VTK fails by a segmentation fault, which nothing can catch.
        """
        with self._probe_lock:
            if self._opengl is None:
                self._opengl = self._probe_opengl()
            return self._opengl

    @property
    def tried_opengl(self) -> OpenGL | None:
        """What the trial gave, which takes a second; None before its end."""
        return self._opengl

    def close(self) -> None:
        """End the child; the next request starts another."""
        self._child.end()

    def _probe_opengl(self) -> OpenGL:
        try:
            status = int(str(self._child.reply_to({"method": "probe"}, PROBE_SECONDS)["status"]))
        except RenderError as error:
            return OpenGL(False, f"no picture can be drawn here: {error}", _REMEDY)
        if status == 0:
            return OpenGL(True)
        how = f"ended with code {status}"
        if status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        return OpenGL(
            False, f"no picture can be drawn here: OpenGL does not work (a trial {how})", _REMEDY
        )

    def _reply_to(
        self, method: str, field: HeightField, *, timeout: float, keep: bool = True, **rest: object
    ) -> Json:
        """The reply to a request about a height field, from those kept if it is there."""
        key = json.dumps([method, field.key, rest], sort_keys=True)
        with self._kept_lock:
            if keep and key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        reply = self._child.reply_to({"method": method, "field": field.to_json(), **rest}, timeout)
        with self._kept_lock:
            if keep:
                self._kept[key] = reply
            while len(self._kept) > KEPT_ANSWERS:
                self._kept.popitem(last=False)
        return reply


_REMEDY = (
    f"on Debian, `{APT_COMMAND}` brings what it needs; the interactive view and mesh files work "
    "without it"
)


def renderer() -> Renderer:
    """The renderer of this process, the same through reruns and code reloads."""
    home = sys.modules.setdefault(REGISTRY, types.ModuleType(REGISTRY))
    with _LOCK:
        if not hasattr(home, "renderer"):
            home.renderer = Renderer()  # type: ignore[attr-defined]
            atexit.register(home.renderer.close)
        return home.renderer


_LOCK = threading.Lock()
