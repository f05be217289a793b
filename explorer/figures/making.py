"""Figures as files: the drawings of a recipe put on one page, in the format that is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from explorer.ask.provenance import provenance_of
from explorer.figures.panels import StoredPanel, as_high, readable_question, stored_panels
from explorer.figures.recipe import FigureStyle, Recipe
from explorer.kinds.provenance import Provenance
from explorer.render.drawing import Drawing
from explorer.render.export.composed import relief_chart
from explorer.render.export.composition import FigureCell, PageStyle, compose, rows_of
from explorer.render.export.figure import require_figure
from explorer.render.export.figure_width import fit_width
from explorer.render.export.fonts import FONTS
from explorer.render.export.metadata import with_provenance
from explorer.render.export.page_text import Pen
from explorer.render.export.paper_style import TextSizes, paper_spec
from explorer.render.export.svg import (
    POINTS,
    convert_svg,
    drawing_size,
    renumber_ids,
    with_raised_digits,
)
from explorer.render.export.text_paths import with_text_as_paths
from explorer.render.relief3d.relief import Relief
from store import Catalog

LEVEL_WITHIN, MOST_TRIES = 1.5, 4  # points, and drawings, until panels of a row are equally high


def figure_file(
    catalog: Catalog,
    recipe: Recipe,
    format: str,
    dpi: int | None = None,
    *,
    outlines: bool = False,
) -> bytes:
    """The figure as a file; the same recipe of the same answers gives the same bytes.

    Args:
        catalog: that has the answers.
        recipe: what is shown, and how.
        format: "pdf", "svg" or "png".
        dpi: of a PNG, where not the recipe's.
        outlines: whether words are the outlines of their letters, which need no font.

    Raises:
        NoOpenGL: this machine cannot draw a panel in three dimensions.
        RenderError: the renderer failed.
        ValueError: a panel cannot be drawn, or axes and legends leave no room.
    """
    style = recipe.style
    require_figure(format, style.width, dpi or style.dpi)
    page = figure_page(catalog, recipe)
    page = with_text_as_paths(page) if outlines else page
    content = convert_svg(page, format, style.width, dpi or style.dpi)
    return with_provenance(content, format, provenances(catalog, recipe))


def provenances(catalog: Catalog, recipe: Recipe) -> list[Provenance]:
    """Where all that the figure shows comes from."""
    return [provenance_of(catalog, readable_question(catalog, key)) for key in recipe.keys]


def figure_page(catalog: Catalog, recipe: Recipe, *, glyphs: bool = True) -> str:
    """The figure as SVG of its final size in points; as `figure_file`.

    Args:
        catalog: that has the answers.
        recipe: what is shown, and how.
        glyphs: whether TeX is drawn; else it stays as it is written.
    """
    style = page_style(recipe.style, glyphs)
    panels = shown_panels(catalog, recipe)
    cells = [panel_cell(catalog, recipe, place, panel, style) for place, panel in enumerate(panels)]
    cells = levelled_cells(catalog, recipe, panels, cells, style)
    return compose_page(recipe, cells, style)


def shown_panels(catalog: Catalog, recipe: Recipe) -> list[StoredPanel]:
    """The panels of a figure that can be made.

    Raises:
        ValueError: there is none, or as for `stored_panels`.
    """
    if not recipe.panels:
        raise ValueError("a figure needs at least one panel; add an analysis")
    return stored_panels(catalog, recipe)


def compose_page(recipe: Recipe, cells: Sequence[FigureCell], style: PageStyle) -> str:
    """The page with these cells."""
    return renumber_ids(compose(cells, style, dict(recipe.words)))


def page_style(style: FigureStyle, glyphs: bool = True) -> PageStyle:
    """Sizes and pen of the page."""
    pen = Pen(FONTS[style.font], glyphs)
    return PageStyle(style.width * POINTS, style.columns, style.gap, style.text_size, pen)


def panel_cell(
    catalog: Catalog,
    recipe: Recipe,
    place: int,
    panel: StoredPanel,
    style: PageStyle,
    draw: Callable[[], Drawing] | None = None,
) -> FigureCell:
    """The panel, drawn as wide as its columns.

    Args:
        catalog: that has what is drawn over it.
        recipe: of the figure.
        place: of the panel in it.
        panel: the panel.
        style: of the page.
        draw: makes its picture, where not the panel itself.

    Raises:
        ValueError: it cannot be drawn; the sentence names it.
    """
    wanted = panel.panel
    try:
        drawing = draw() if draw else panel.draw(catalog)
        svg = _cell_svg(drawing, style.cell_width(wanted.span), recipe.style, style)
    except ValueError as error:
        raise ValueError(f"panel {place + 1}: {error}") from error
    return FigureCell(svg, wanted.heading, recipe.letter(place), wanted.notes, wanted.span)


def _cell_svg(drawing: Drawing, width: float, style: FigureStyle, page: PageStyle) -> str:
    """The drawing as SVG, that wide."""
    if isinstance(drawing, Relief):
        drawing = relief_chart(drawing, width / POINTS, style.dpi)
    sizes = TextSizes(style.text_size, (style.text_size + style.tick_size) / 2, style.tick_size)
    svg = fit_width(paper_spec(drawing, page.pen.fonts, sizes), width)
    return with_raised_digits(svg, page.pen.fonts)


def levelled_cells(
    catalog: Catalog,
    recipe: Recipe,
    panels: Sequence[StoredPanel],
    cells: Sequence[FigureCell],
    style: PageStyle,
) -> list[FigureCell]:
    """The cells, those of curves as high as the highest other of their row if the style says so."""
    levelled = list(cells)
    if not recipe.style.level:
        return levelled
    for row in rows_of(_number_cells(cells), style.columns):
        places = [int(cell.svg) for cell in row]
        highest = max(_height(cells[place]) for place in places)
        for place in places:
            levelled[place] = _raise_cell(
                catalog, recipe, place, panels[place], cells[place], highest
            )
    return levelled


def _number_cells(cells: Sequence[FigureCell]) -> list[FigureCell]:
    """The cells with their places for drawings: to see which stand in one row."""
    return [replace(cell, svg=str(place)) for place, cell in enumerate(cells)]


def _raise_cell(
    catalog: Catalog,
    recipe: Recipe,
    place: int,
    panel: StoredPanel,
    cell: FigureCell,
    target: float,
) -> FigureCell:
    """The cell drawn as high as `target` points, if it is lower and its kind can be."""
    style = page_style(recipe.style)
    for _ in range(MOST_TRIES):
        height = _height(cell)
        if height > target - LEVEL_WITHIN:
            break
        higher = as_high(panel, target / height)
        if higher is panel or higher.look == panel.look:
            break
        raised = panel_cell(catalog, recipe, place, higher, style)
        if _height(raised) > target + LEVEL_WITHIN:
            break
        panel, cell = higher, raised
    return cell


def _height(cell: FigureCell) -> float:
    return drawing_size(cell.svg)[1]
