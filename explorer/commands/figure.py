"""Making a figure that was put together on its page, or that a recipe file describes."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from explorer.codec import json_of
from explorer.commands.output_file import check_output_file
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import counting
from explorer.wording import file_word, message
from store import Catalog, write_new


def figure(
    name: str = "",
    file: Path | None = None,
    /,
    *,
    recipe: Annotated[
        Path | None, Parameter(help="a recipe to follow, instead of a stored one")
    ] = None,
    catalog: OpenCatalog,
) -> int:
    """Make a stored figure, byte for byte as its page does; without a name, list them.

    Args:
        name: of the figure.
        file: ends in .pdf, .svg, .paths.svg (words as outlines, which need no font), .png, .txt
            (caption), .bib (sources), .json (recipe) or .zip (all of these, a LaTeX overlay, the
            numbers), .gif or .mp4 (3-D panels turn, paths grow); NAME.pdf here if not given; never
            overwritten.
        recipe: a JSON file as .json gives it.
        catalog: where the figure and its answers are.

    Raises:
        ValueError: no such ending, figure or recipe, or a panel cannot be drawn.
        FileExistsError: a file of that name is there.
    """
    from explorer.figures.files import MAKERS, maker_of
    from explorer.figures.moving import MOVING, moving_figure
    from explorer.figures.recipe import FIGURE, Recipe
    from explorer.render.relief3d.client import RenderError

    if not name:
        return _list_figures(catalog)
    target = file or Path(f"{name}.pdf")
    check_output_file(target, (*MAKERS, *MOVING))
    content = _recipe_content(recipe) if recipe else catalog.document_named(FIGURE, name).content
    own_recipe = Recipe.of(content)
    try:
        if target.suffix in MOVING:
            with counting(name) as tell:
                file_content = moving_figure(catalog, own_recipe, MOVING[target.suffix], tell=tell)
        else:
            file_content = maker_of(target.name)(catalog, own_recipe, file_word(name))
    except RenderError as error:
        raise ValueError(str(error)) from error
    write_new(target, file_content)
    print(message(str(target)))
    return 0


def _recipe_content(file: Path) -> object:
    """The JSON values of a recipe file.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json_of(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is no recipe: {error}") from error


def _list_figures(catalog: Catalog) -> int:
    from explorer.figures.recipe import FIGURE

    figures = catalog.documents(FIGURE)
    for document in figures:
        print(message(document.name))
    if not figures:
        print("no figures yet: the page Figure makes them", file=sys.stderr)
    return 0
