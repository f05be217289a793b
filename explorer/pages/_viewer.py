"""The interactive 3-D view of a surface as a component of our own."""

from collections.abc import Callable, Mapping

import streamlit as st

from explorer.render.relief3d import viewer

# Once per process, at import: registering again on every rerun is warned about.
_VIEWER = st.components.v2.component(
    "surface_viewer",
    html=viewer.HTML,
    css=viewer.CSS,
    js=viewer.script(),
)


def surface_viewer(
    scene: Mapping[str, object],
    key: str,
    *,
    height: int = 520,
    dark: bool | None = None,
    camera: Mapping[str, object] | None = None,
    link: str | None = None,
    still: str | None = None,
    on_camera_change: Callable[[], None] | None = None,
) -> dict[str, object] | None:
    """The camera after the user's last move (`position`, `focal_point`, `up`), None before it.

    A scene that changes under the same key is redrawn in place and keeps the camera. The script
    reruns once at the end of a move; use a fragment where a rerun is expensive.

    Args:
        scene: from `explorer.render.relief3d.client.Renderer.scene`.
        key: of the widget.
        height: in pixels.
        dark: whether the page is dark; None reads it from the page's background.
        camera: where to stand at first, if not at the scene's own place.
        link: viewers with the same word share one camera.
        still: picture (data URI) to show where the browser has no WebGL2.
        on_camera_change: called before the rerun.
    """
    result = _VIEWER(
        key=key,
        data={
            "scene": dict(scene),
            "height": height,
            "dark": dark,
            "camera": camera and dict(camera),
            "link": link,
            "still": still,
        },
        on_camera_change=on_camera_change or (lambda: None),
    )
    moved_camera = result.get("camera")
    return dict(moved_camera) if moved_camera else None
