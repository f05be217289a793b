"""All that can be taken away of a figure: pictures, caption, sources, recipe, numbers, a bundle."""

import io
import json
import zipfile
from collections.abc import Callable

from explorer.ask import questions
from explorer.ask.provenance import provenance_of
from explorer.figures.caption import caption, sources
from explorer.figures.making import figure_file, figure_page
from explorer.figures.panels import readable_question
from explorer.figures.recipe import Recipe
from explorer.render.export.latex_overlay import overlay_tex, split_words
from explorer.render.export.svg import convert_svg
from store import Catalog

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # of all files in a bundle: the same figure is the same file
OUTLINES = ".paths.svg"  # its words need no font
PICTURES = (".pdf", ".svg", OUTLINES, ".png")


def caption_file(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
    """The draft of the caption."""
    return caption(catalog, recipe).encode()


def sources_file(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
    """BibTeX of the methods."""
    return sources(catalog, recipe).encode()


def recipe_file(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
    """The recipe as JSON, from which the figure can be made again."""
    return (json.dumps(recipe.to_json(), ensure_ascii=False, indent=2) + "\n").encode()


def overlay_files(catalog: Catalog, recipe: Recipe, name: str) -> dict[str, bytes]:
    """The drawing without words as a PDF, and the TeX file that writes them over it."""
    page = figure_page(catalog, recipe, glyphs=False)
    bare, words = split_words(page)
    picture = f"{name}-bare.pdf"
    return {
        picture: convert_svg(bare, "pdf", recipe.style.width, recipe.style.dpi),
        f"{name}.tex": overlay_tex(words, page, picture).encode(),
    }


def overlay_bundle(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
    """The overlay's two files as one."""
    return _zip_content(overlay_files(catalog, recipe, name))


def bundle(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
    """Everything as one file: pictures, overlay, caption, sources, recipe, the panels' numbers."""
    from explorer.render.export import table

    files = {f"{name}{end}": _picture(end)(catalog, recipe, name) for end in PICTURES}
    files |= overlay_files(catalog, recipe, name)
    files[f"{name}-caption.txt"] = caption_file(catalog, recipe, name)
    files[f"{name}.bib"] = sources_file(catalog, recipe, name)
    files[f"{name}.json"] = recipe_file(catalog, recipe, name)
    for key in recipe.keys:
        question = readable_question(catalog, key)
        result, provenance = (
            questions.result_of(catalog, question),
            provenance_of(catalog, question),
        )
        stem = f"numbers/{question.kind}-{key[:8]}"
        files[f"{stem}.csv"] = table.to_csv(result, provenance)
        files[f"{stem}.csv.json"] = table.provenance_json(provenance)
        files[f"{stem}.parquet"] = table.to_parquet(result, provenance)
    return _zip_content(files)


def _picture(ending: str) -> Callable[[Catalog, Recipe, str], bytes]:
    def picture(catalog: Catalog, recipe: Recipe, name: str) -> bytes:
        format = ending.rpartition(".")[2]
        return figure_file(catalog, recipe, format, outlines=ending == OUTLINES)

    return picture


# By the ending of a file's name: what makes it of a catalog, a recipe and the figure's name.
MAKERS: dict[str, Callable[[Catalog, Recipe, str], bytes]] = {
    **{ending: _picture(ending) for ending in PICTURES},
    ".txt": caption_file,
    ".bib": sources_file,
    ".json": recipe_file,
    ".zip": bundle,
}


def maker_of(file_name: str) -> Callable[[Catalog, Recipe, str], bytes]:
    """What makes a file of that name, whose longest ending counts.

    Raises:
        ValueError: there is no such ending.
    """
    fitting = [ending for ending in MAKERS if file_name.endswith(ending)]
    if not fitting:
        raise ValueError(f"the file must end in {', '.join(MAKERS)}, got {file_name}")
    return MAKERS[max(fitting, key=len)]


def _zip_content(files: dict[str, bytes]) -> bytes:
    """The files in one, the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
