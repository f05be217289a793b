"""Figures that move: panels in three dimensions turn once around, paths grow to their ends."""

from collections.abc import Callable, Iterator

from explorer.figures.making import (
    compose_page,
    levelled_cells,
    page_style,
    panel_cell,
    shown_panels,
)
from explorer.figures.panels import StoredPanel
from explorer.figures.recipe import Recipe
from explorer.render.drawing import Drawing
from explorer.render.export.animation import ANIMATION_FORMATS, HOLD, joined_pictures
from explorer.render.export.svg import POINTS, convert_svg
from explorer.render.export.turntable import DPI, FRAMES, TURN_SECONDS, turning_charts
from explorer.render.relief3d.relief import Relief
from store import Catalog

MOVING = {f".{format.lower()}": format for format in ANIMATION_FORMATS}  # by the file's ending


def moving_figure(
    catalog: Catalog,
    recipe: Recipe,
    format: str,
    *,
    frames: int = FRAMES,
    dpi: int = DPI,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> bytes:
    """The figure as a GIF or an MP4.

    Args:
        catalog: that has the answers.
        recipe: what is shown, and how.
        format: "GIF" or "MP4".
        frames: in one turn, and from a path's start to its end.
        dpi: of the pictures.
        tell: called with how many frames are drawn of how many; what it raises ends the work.

    Raises:
        ValueError: nothing in it moves, a panel cannot be drawn, or it is none of these formats.
        NoOpenGL: this machine cannot draw a panel in three dimensions.
        RenderError: the renderer failed.
    """
    if not 2 <= frames <= 720:
        raise ValueError(f"frames must be from 2 to 720, got {frames}")
    panels = shown_panels(catalog, recipe)
    draws = [frame_drawer(catalog, recipe, panel, frames, dpi) for panel in panels]
    if not any(draws):
        raise ValueError(
            "nothing in this figure moves; show a plane in 3-D, or draw a run's path on one"
        )
    grows = any(panel.moment_count(catalog) > 1 for panel in panels)
    pages = _frame_pages(catalog, recipe, panels, draws, frames)
    pngs = (convert_svg(page, "png", recipe.style.width, dpi) for page in pages)
    hold = HOLD if grows else 0.0
    return joined_pictures(pngs, frames, format, seconds=TURN_SECONDS, hold=hold, tell=tell)


def frame_drawer(
    catalog: Catalog, recipe: Recipe, panel: StoredPanel, frames: int, dpi: int
) -> Callable[[int], Drawing] | None:
    """What draws a panel at a frame; None where it stands still."""
    drawing = panel.draw(catalog)
    if isinstance(drawing, Relief):
        width = page_style(recipe.style).cell_width(panel.panel.span) / POINTS
        return turning_charts(drawing, frames, width, dpi)
    last = panel.moment_count(catalog) - 1
    if last < 1:
        return None
    return lambda frame: panel.draw(catalog, round(frame * last / (frames - 1)))


def _frame_pages(
    catalog: Catalog,
    recipe: Recipe,
    panels: list[StoredPanel],
    draws: list[Callable[[int], Drawing] | None],
    frames: int,
) -> Iterator[str]:
    """The page of each frame; what stands still is drawn once."""
    style = page_style(recipe.style)
    cells = [
        panel_cell(catalog, recipe, place, panel, style, draw and _at(draw, 0))
        for place, (panel, draw) in enumerate(zip(panels, draws, strict=True))
    ]
    cells = levelled_cells(catalog, recipe, panels, cells, style)
    yield compose_page(recipe, cells, style)
    for frame in range(1, frames):
        for place, draw in enumerate(draws):
            if draw:
                cells[place] = panel_cell(
                    catalog, recipe, place, panels[place], style, _at(draw, frame)
                )
        yield compose_page(recipe, cells, style)


def _at(draw: Callable[[int], Drawing], frame: int) -> Callable[[], Drawing]:
    return lambda: draw(frame)
