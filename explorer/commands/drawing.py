"""Drawing an analysis into a file, as its page does."""

import dataclasses
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from explorer.ask import questions
from explorer.ask.provenance import provenance_of
from explorer.ask.subject_names import subject_names
from explorer.commands.analyses import question_by_key
from explorer.commands.output_file import check_output_file
from explorer.commands.parameters import OpenCatalog
from explorer.commands.progress import counting
from explorer.commands.values import named_values
from explorer.kinds import kind_named, look_from_json
from store import write_new

FORMATS = (".pdf", ".svg", ".png", ".gif", ".mp4")


def draw(
    key: str,
    file: Path,
    /,
    *,
    width: float = 6.5,
    dpi: int = 300,
    look: Annotated[list[str] | None, Parameter(name="--look")] = None,
    catalog: OpenCatalog,
) -> int:
    """Draw an analysis as a figure of an exact width, or as one that moves.

    Args:
        key: of the analysis, or its beginning.
        file: ends in .pdf, .svg or .png, or in .gif or .mp4: a relief turns once around, paths grow
            from their start to their end; never overwritten.
        width: of the figure, in inches.
        dpi: dots per inch of a PNG, and of a relief.
        look: how it is drawn, as NAME=VALUE: picture=pairs, log=true, view=relief, width=500; what
            is not named is as usual.
        catalog: where the analysis is.

    Raises:
        ValueError: no such ending, analysis or look, or this machine cannot draw it.
        FileExistsError: a file of that name is there.
    """
    from explorer.figures.moving import MOVING, moving_figure
    from explorer.figures.recipe import FigurePanel, FigureStyle, Recipe
    from explorer.render.drawing import drawing_of
    from explorer.render.export.composed import save_drawing
    from explorer.render.relief3d.client import RenderError

    check_output_file(file, FORMATS)
    question = question_by_key(catalog, key)
    result, kind = questions.result_of(catalog, question), kind_named(question.kind)
    usual = dataclasses.asdict(kind.look.usual(result))
    own_look = look_from_json(kind, {**usual, **named_values(look or ())})
    try:
        if file.suffix in MOVING:
            panel = FigurePanel(key=question.key, look=named_values(look or ()))
            style = FigureStyle(width=width, columns=1)
            with counting(question.title) as tell:
                recipe = Recipe(panels=(panel,), style=style)
                content = moving_figure(catalog, recipe, MOVING[file.suffix], tell=tell)
        else:
            drawing = drawing_of(kind, result, own_look, subject_names(catalog, question))
            provenance = [provenance_of(catalog, question)]
            content = save_drawing(drawing, file.suffix[1:], width, dpi, provenance=provenance)
    except RenderError as error:
        raise ValueError(str(error)) from error
    write_new(file, content)
    return 0
