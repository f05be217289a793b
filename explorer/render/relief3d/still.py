"""Stills of a scene: pictures without text. Only this needs OpenGL."""

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import pyvista as pv  # what draws in it is loaded when it is first named: a second

from explorer.render.marks.colours import colour_table
from explorer.render.relief3d.camera import HOME_CAMERA, Camera, view_angle
from explorer.render.relief3d.height import HeightField
from explorer.render.relief3d.scene import AMBIENT, LIGHTS, SHINE, SPECULAR, Scene

LINE_WIDTH, WALL_LINE_WIDTH = 3.2, 2.6  # widths, in the pixels of supersampling: 1.3 and 1 shown


def still_picture(
    scene: Scene,
    camera: Camera | None = None,
    size: tuple[int, int] = (1200, 900),
    background: str | None = "white",
    scale: float = 1.0,
) -> bytes:
    """The scene as PNG, without text; `background` None is transparent.

    `size` times `scale` is the size in pixels; line widths grow with the scale. Needs OpenGL.
    """
    pixels = [max(16, round(side * scale)) for side in size]
    plotter = pv.Plotter(off_screen=True, window_size=pixels, lighting="none")
    try:
        _furnish_plotter(plotter, scene, camera or HOME_CAMERA, pixels, background, scale)
        picture = plotter.screenshot(transparent_background=background is None, return_img=True)
    finally:
        plotter.close()  # a plotter left open keeps 24 MB
    return _png_bytes(np.asarray(picture))


def _furnish_plotter(
    plotter: "pv.Plotter",
    scene: Scene,
    camera: Camera,
    pixels: list[int],
    background: str | None,
    scale: float,
) -> None:
    """Put the scene, light and camera into the plotter."""
    plotter.renderer.background_color = pv.Color(background or "white")
    plotter.enable_anti_aliasing("ssaa")
    for direction, strength in LIGHTS:
        light = pv.Light(position=direction, light_type="camera light", intensity=strength)
        plotter.add_light(light)
    for name in visible_walls(camera["position"]):
        _add_wall(plotter, scene.walls[name], _wall_colour(background), scale)
    for mesh in (scene.surface, scene.markers):
        if mesh.n_points:
            _add_solid(plotter, mesh, scene.field)
    if scene.lines.n_points:
        plotter.add_mesh(
            scene.lines,
            scalars="colours",
            rgb=True,
            line_width=LINE_WIDTH * scale,
            lighting=False,
            copy_mesh=True,
        )
    view = plotter.camera
    view.position, view.focal_point = camera["position"], camera["focal_point"]
    view.up = camera["up"]
    view.view_angle = view_angle(pixels[0] / pixels[1])
    plotter.reset_camera_clipping_range()


def _add_wall(plotter: "pv.Plotter", segments: np.ndarray, colour: str, scale: float) -> None:
    """Add a wall's lines along the ticks, segments (S, 2, 3)."""
    plotter.add_mesh(
        pv.line_segments_from_points(segments.reshape(-1, 3)),
        color=colour,
        line_width=WALL_LINE_WIDTH * scale,
        lighting=False,
    )


def _add_solid(plotter: "pv.Plotter", mesh: pv.PolyData, field: HeightField) -> None:
    """Add a lit mesh: the surface coloured pixel by pixel, markers in their own colour."""
    add_mesh = partial(
        plotter.add_mesh,
        mesh,
        ambient=AMBIENT,
        diffuse=1.0,
        specular=SPECULAR,
        specular_power=SHINE,
    )
    if "shade" in mesh.point_data:
        table = pv.LookupTable(values=np.insert(colour_table(field.colour_map), 3, 255, axis=1))
        actor = add_mesh(scalars="shade", cmap=table, clim=(0, 1), show_scalar_bar=False)
    else:
        actor = add_mesh(scalars="colours", rgb=True)
    actor.prop.interpolation = "Phong"


def visible_walls(position: Sequence[float]) -> list[str]:
    """Names of the floor and of the two walls behind the scene, seen from the position."""
    return ["floor", "x-" if position[0] >= 0 else "x+", "y-" if position[1] >= 0 else "y+"]


def _wall_colour(background: str | None) -> str:
    if background is None:
        return "#b4b4b4"
    red, green, blue = pv.Color(background).float_rgb
    return "#c6c9d0" if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "#454a54"


def _png_bytes(picture: np.ndarray) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG", compress_level=6)
    return out.getvalue()
