"""Figures of stored answers: exact widths, the same bytes again, sentences for what fails."""

import io
import itertools
import json
import re
import shutil
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from explorer.__main__ import main
from explorer.figures import moving
from explorer.figures.bibliography import SOURCES
from explorer.figures.caption import caption, sources
from explorer.figures.files import MAKERS, overlay_files
from explorer.figures.making import figure_file, figure_page
from explorer.figures.moving import moving_figure
from explorer.figures.panels import stored_panels
from explorer.figures.recipe import FIGURE, FigurePanel, FigureStyle, Recipe
from explorer.figures.widths import VENUES
from explorer.kinds import KINDS
from explorer.kinds.experiment import EXPERIMENT
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.setting import setting_fields
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.render.drawing import as_relief
from explorer.render.export.composed import save_drawing
from explorer.render.export.composition import FigureCell, Note, rows_of
from explorer.render.export.fonts import FONTS
from explorer.render.export.latex_overlay import split_words
from explorer.render.export.svg import convert_svg, drawing_size
from explorer.render.export.text_paths import with_text_as_paths
from explorer.render.export.turntable import turning_charts
from store import Catalog
from tests.app_test import AppTest
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import fine, opened, pressed, texts
from tests.tiny import command_line

PAGE = "explorer/pages/figure.py"
TEX = r"$\mathcal{L}(\theta)$"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A surface and a line of the tiny model."""
    folder = tmp_path_factory.mktemp("figures")
    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "tiny")
    add_answer(catalog, SURFACE, SurfaceSettings(x_count=5, y_count=5), (model, ""))
    add_answer(catalog, LINE, LineSettings(x_count=11), (model, ""))
    catalog.close()
    return catalog.folder


@pytest.fixture
def catalog(folder: Path) -> Catalog:
    return Catalog(folder)


def two_panels(catalog: Catalog, **style: object) -> Recipe:
    """The surface from above and the line, with TeX and a note."""
    keys = {question.kind: question.key for question in catalog.questions()[0]}
    panels = (
        FigurePanel(key=keys["surface"], heading=f"Plane {TEX}", notes=(NOTE,)),
        FigurePanel(key=keys["line"], heading="A line"),
    )
    return Recipe(panels=panels, style=FigureStyle(**style), words={"Loss": f"Loss {TEX}"})  # type: ignore[arg-type]


NOTE = Note("here", 0.5, 0.5, (0.4, 0.6))


def test_a_recipe_survives_json(catalog: Catalog) -> None:
    """Written and read it is the same; what is no recipe is refused by the field's name."""
    recipe = two_panels(catalog, width=3.25, columns=1)
    assert Recipe.of(json.loads(json.dumps(recipe.to_json()))) == recipe
    with pytest.raises(ValueError, match="panels"):
        Recipe.of({"panels": 3})
    with pytest.raises(ValueError, match="width must be"):
        FigureStyle(width=0.2)


@pytest.mark.parametrize("tex", [r"$\frac{1$", r"$\nosuchcommand$"])
def test_tex_that_cannot_be_read_is_one_sentence(tex: str) -> None:
    """In a heading, a note and a word of an axis."""
    for refused in (
        lambda: FigurePanel(key="k", heading=tex),
        lambda: FigurePanel(key="k", notes=(Note(tex, 0.1, 0.1),)),
        lambda: Recipe(words={"Loss": tex}),
    ):
        with pytest.raises(ValueError, match=r"TeX .* cannot be read"):
            refused()


def test_tex_that_would_take_minutes_is_refused() -> None:
    """Each group within another doubles the time; what papers have is drawn."""
    for tex, words in (
        ("$" + "{" * 7 + "x" + "}" * 7 + "$", "more than 6 groups within each other"),
        ("$" + r"\left(" * 7 + "x" + r"\right)" * 7 + "$", "more than 6 groups within each other"),
        ("$" + "x" * 1000 + "$", "at most 1,000 letters, got 1,002"),
    ):
        with pytest.raises(ValueError, match=words):
            FigurePanel(key="k", heading=tex)
    FigurePanel(key="k", heading=r"$\sqrt{\frac{\sum_{i=1}^{n}x_{i}^{2}}{n}} \leftarrow \{a\}$")


@pytest.mark.parametrize("width", [3.25, 5.5, 6.75])
def test_the_page_is_exactly_as_wide(catalog: Catalog, width: float) -> None:
    """The width of the PDF's page and of the PNG's pixels, whatever the columns."""
    recipe = two_panels(catalog, width=width, columns=1 if width < 4 else 2)
    assert drawing_size(figure_page(catalog, recipe))[0] == pytest.approx(72 * width)
    pdf = figure_file(catalog, recipe, "pdf")
    box = re.search(rb"/MediaBox \[\s*0 0 ([\d.]+)", pdf)
    assert box is not None
    assert float(box[1]) == pytest.approx(72 * width, abs=0.1)


def test_the_same_recipe_is_the_same_file(catalog: Catalog) -> None:
    """Byte for byte, in every format, though two fonts and TeX are in it."""
    recipe = two_panels(catalog)
    for ending, maker in MAKERS.items():
        assert maker(catalog, recipe, "f") == maker(catalog, recipe, "f"), ending


def test_the_command_makes_the_same_bytes(catalog: Catalog, tmp_path: Path) -> None:
    """Another process, from the stored recipe and from its file; no file is overwritten."""
    recipe = two_panels(catalog, text_size=8.0)
    catalog.add_document(FIGURE, "Paper 1", recipe.to_json())
    catalog.close()
    target, written = tmp_path / "one.pdf", tmp_path / "recipe.json"
    assert command_line("figure", "Paper 1", target, catalog=catalog.folder).returncode == 0
    assert target.read_bytes() == figure_file(catalog, recipe, "pdf")
    catalog.close()
    again = command_line("figure", "Paper 1", target, catalog=catalog.folder)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert command_line("figure", "Paper 1", written, catalog=catalog.folder).returncode == 0
    other = tmp_path / "two.pdf"
    words = ("figure", "Paper 1", other, "--recipe", written)
    assert command_line(*words, catalog=catalog.folder).returncode == 0
    assert other.read_bytes() == target.read_bytes()
    assert "Paper 1" in command_line("figure", catalog=catalog.folder).stdout


@pytest.mark.parametrize("content", ["[" * 100_000, "{", "9" * 5000])
def test_a_file_that_is_no_recipe_is_one_sentence(
    catalog: Catalog, tmp_path: Path, capsys, content: str
) -> None:
    """Nested without end, cut off, a number of thousands of digits: the file is named."""
    file = tmp_path / "recipe.json"
    file.write_text(content)
    words = ["figure", "a", str(tmp_path / "a.pdf"), "--recipe", str(file)]
    assert main(["--catalog", str(catalog.folder), *words]) == 1
    assert f"{file} is no recipe" in capsys.readouterr().err


@pytest.mark.parametrize("font", FONTS)
def test_words_as_outlines_look_as_words(catalog: Catalog, font: str) -> None:
    """No text is left, and the picture is the same but for the edges of the letters.

    The letters are filled as outlines instead of set as text, which moves an edge by less than a
    pixel; a letter at another place would leave pixels that are black in one picture alone.
    """
    recipe = two_panels(catalog, font=font)
    words = figure_page(catalog, recipe)
    outlines = with_text_as_paths(words)
    assert "<text" in words and "<text" not in outlines and "font" not in outlines
    pictures = [convert_svg(page, "png", recipe.style.width, 200) for page in (words, outlines)]
    first, second = (
        np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=int) for png in pictures
    )
    assert np.abs(first - second).max() < 128
    without, _ = split_words(words)
    bare = convert_svg(without, "png", recipe.style.width, 200)
    blank = np.asarray(Image.open(io.BytesIO(bare)).convert("L"), dtype=int)
    assert np.abs(first - blank).max() > 200  # the words do show
    svg = MAKERS[".paths.svg"](catalog, recipe, "f")
    assert b"<text" not in svg and b'width="6.75in"' in svg


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs poppler-utils")
def test_words_are_text_in_embedded_fonts(catalog: Catalog, tmp_path: Path) -> None:
    """Every font of the PDF is embedded, and its words are found."""
    file = tmp_path / "f.pdf"
    file.write_bytes(figure_file(catalog, two_panels(catalog), "pdf"))
    fonts = subprocess.run(["pdffonts", file], capture_output=True, text=True, check=True).stdout
    rows = fonts.splitlines()[2:]
    assert rows
    assert all(" yes yes " in row for row in rows), fonts
    said = subprocess.run(["pdftotext", file, "-"], capture_output=True, text=True, check=True)
    assert "A line" in said.stdout
    assert "(b)" in said.stdout


def test_curves_are_as_high_as_the_plane_beside_them(catalog: Catalog) -> None:
    """The line is drawn again, and the figure is no higher for it."""
    levelled = figure_page(catalog, two_panels(catalog, level=True))
    plain = figure_page(catalog, two_panels(catalog, level=False))
    assert levelled != plain
    assert drawing_size(levelled)[1] == pytest.approx(drawing_size(plain)[1], abs=3)


def test_panels_stand_where_they_fit() -> None:
    """A wide panel begins a row of its own."""
    cells = [FigureCell("", span=span) for span in (1, 2, 1, 1, 3)]
    assert [[cell.span for cell in row] for row in rows_of(cells, 2)] == [[1], [2], [1, 1], [3]]


def test_a_panel_that_cannot_be_drawn_is_named(catalog: Catalog) -> None:
    """An answer that is not there, in the trash, or a look that is none: one sentence."""
    recipe = two_panels(catalog)
    with pytest.raises(ValueError, match="panel 2: the analysis nothing is not in this catalog"):
        figure_page(catalog, recipe.with_panel(1, key="nothing"))
    with pytest.raises(ValueError, match="panel 1: there is no setting 'colour'"):
        figure_page(catalog, recipe.with_panel(0, look={"colour": "red"}))
    with pytest.raises(ValueError, match=r"panel 1: .* cannot be drawn over another picture"):
        figure_page(catalog, recipe.with_panel(0, over=(recipe.panels[1].key,)))
    key = recipe.panels[1].key
    catalog.delete_question(key)
    with pytest.raises(ValueError, match=r"panel 2: .* in the trash"):
        figure_page(catalog, recipe)
    catalog.restore_question(key)
    with pytest.raises(ValueError, match="at least one panel"):
        figure_page(catalog, Recipe())
    with pytest.raises(ValueError, match="no room"):
        figure_page(catalog, replace(recipe, style=FigureStyle(width=1.0, columns=6)))


def test_a_caption_says_what_is_shown(catalog: Catalog) -> None:
    """Model, data, normalisation, seed and precision of each panel; whom its methods are from."""
    said = caption(catalog, two_panels(catalog))
    for words in ("(a) Surface of tiny", "train (40 examples)", "filter", "seed 0", "float32"):
        assert words in said
    assert "@inproceedings{li2018," in sources(catalog, two_panels(catalog))
    assert "edelsbrunner2002" not in sources(catalog, two_panels(catalog))
    tree = two_panels(catalog).with_panel(0, look={"picture": "merge tree"})
    assert "@article{edelsbrunner2002," in sources(catalog, tree)


def test_every_source_that_is_named_is_there() -> None:
    """Of kinds, and of choices of settings and looks."""
    named = {key for kind in KINDS for key in kind.sources}
    for kind in KINDS:
        assert kind.sources or kind is EXPERIMENT, kind.name  # what that shows is the problem's own
        for described in (*setting_fields(kind.settings), *setting_fields(kind.look)):
            named |= set(described.setting.sources.values())
            assert set(described.setting.sources) <= set(described.setting.choices)
    assert named <= set(SOURCES)


def test_the_overlay_writes_all_words_and_the_picture_none(catalog: Catalog) -> None:
    """The PDF has no text left; TeX stays TeX, other words are escaped."""
    recipe = two_panels(catalog).with_panel(1, heading="50 % & more_so")
    files = overlay_files(catalog, recipe, "f")
    assert b"/Font" not in files["f-bare.pdf"]
    tex = files["f.tex"].decode()
    assert "Plane " + TEX in tex
    assert r"50 \% \& more\_so" in tex
    assert tex.count("{") == tex.count("}")


def test_a_bundle_has_everything(catalog: Catalog) -> None:
    """Pictures, words, recipe and the numbers of each panel with where they come from."""
    content = MAKERS[".zip"](catalog, two_panels(catalog), "f")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        assert Recipe.of(json.loads(archive.read("f.json"))) == two_panels(catalog)
    for ending in (
        ".pdf",
        ".svg",
        ".paths.svg",
        ".png",
        ".tex",
        ".bib",
        ".json",
        "-bare.pdf",
        "-caption.txt",
    ):
        assert f"f{ending}" in names
    assert sum(name.endswith(".parquet") for name in names) == 2


def test_a_bundle_unpacks_where_it_lies(catalog: Catalog, tmp_path: Path) -> None:
    """Whatever a figure is called, no name in the bundle leads out of a folder."""
    recipe, target = tmp_path / "recipe.json", tmp_path / "bundle.zip"
    recipe.write_text(json.dumps(two_panels(catalog).to_json()))
    catalog.close()
    words = ["figure", "../a/Paper 1", str(target), "--recipe", str(recipe)]
    assert main(["--catalog", str(catalog.folder), *words]) == 0
    with zipfile.ZipFile(target) as archive:
        assert "---a-Paper-1.pdf" in archive.namelist()
        assert all(".." not in name and name[0] != "/" for name in archive.namelist())


def test_venues_have_widths_and_sources() -> None:
    """Names are each there once, columns are no wider than pages."""
    assert len({venue.name for venue in VENUES}) == len(VENUES)
    assert all(1 < venue.column <= venue.full < 8 and venue.source for venue in VENUES)
    by_name = {venue.name: venue for venue in VENUES}
    assert by_name["ICML"].column == 3.25
    assert by_name["Nature"].full * 25.4 == pytest.approx(183)


def test_the_page_makes_keeps_and_shows_a_figure(folder: Path, catalog: Catalog) -> None:
    """Of the analyses that the address names; a heading is kept, a wrong one is a sentence."""
    keys = [question.key for question in catalog.questions()[0]]
    app = fine(opened(PAGE, panel=keys))  # type: ignore[arg-type]
    (figure,) = [f for f in catalog.documents(FIGURE) if f.name == "Figure 1"]
    assert [panel.key for panel in Recipe.of(figure.content).panels] == keys
    assert figure.id in app.query_params["figure"]
    heading = next(field for field in app.text_input if field.label == "Heading")
    fine(heading.set_value(f"First {TEX}").run())
    kept = Recipe.of(catalog.document(FIGURE, figure.id).content)
    assert kept.panels[0].heading == f"First {TEX}"
    heading = next(field for field in app.text_input if field.label == "Heading")
    heading.set_value(r"$\frac{1$").run()
    assert any("cannot be read" in text for text in texts(app, "error"))
    assert not app.exception
    assert Recipe.of(catalog.document(FIGURE, figure.id).content) == kept


def test_a_relief_turns_in_a_frame_that_stands_still(catalog: Catalog) -> None:
    """Of each frame the picture is another, its size, its place and the colour bar are the same."""
    surface = two_panels(catalog).panels[0]
    panel = FigurePanel(key=surface.key, look={"view": "relief"})
    (stored,) = stored_panels(catalog, Recipe(panels=(panel,)))
    charts = turning_charts(as_relief(stored.draw(catalog)), 5, 3.25, 72)
    drawings = [save_drawing(charts(frame), "svg", 3.25).decode() for frame in range(5)]
    pictures = {re.search(r'href="[^"]*"', drawing)[0] for drawing in drawings}  # type: ignore[index]
    frames = {re.sub(r'href="[^"]*"', "", drawing.split("role-mark")[0]) for drawing in drawings}
    bars = {drawing[drawing.index("role-legend") :] for drawing in drawings}
    assert len(pictures) == 5 and len(frames) == len(bars) == 1


def test_every_frame_is_told_of(catalog: Catalog) -> None:
    """As many pictures as asked for, each different from the one before."""
    recipe = two_panels(catalog).with_panel(0, look={"view": "relief"})
    told: list[tuple[int, int]] = []
    content = moving_figure(
        catalog, recipe, "GIF", frames=4, dpi=60, tell=lambda *now: told.append(now)
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    with Image.open(io.BytesIO(content)) as picture:
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]
    assert len(frames) == 4
    for one, other in itertools.pairwise(frames):
        assert np.abs(one.astype(int) - other).max() > 60


def test_an_animation_can_be_stopped_and_needs_something_that_moves(catalog: Catalog) -> None:
    """What is told may end the work; a figure of curves alone is refused, with the way out."""

    class Stop(Exception):
        pass

    def stop(done: int, of: int) -> None:
        raise Stop

    line = Recipe(panels=two_panels(catalog).panels[1:])
    with pytest.raises(ValueError, match="nothing in this figure moves; show a plane in 3-D"):
        moving_figure(catalog, line, "GIF")
    relief = two_panels(catalog).with_panel(0, look={"view": "relief"})
    with pytest.raises(Stop):
        moving_figure(catalog, relief, "GIF", frames=3, dpi=50, tell=stop)
    with pytest.raises(ValueError, match="GIF or MP4"):
        moving_figure(catalog, relief, "AVI", frames=3)


def test_commands_make_animations(catalog: Catalog, tmp_path: Path, monkeypatch) -> None:
    """Of a stored figure and of an analysis, by the file's ending; nothing is overwritten."""
    monkeypatch.setattr(moving.moving_figure, "__kwdefaults__", {
        **(moving.moving_figure.__kwdefaults__ or {}), "frames": 2, "dpi": 50
    })  # fmt: skip
    recipe = two_panels(catalog).with_panel(0, look={"view": "relief"})
    catalog.add_document(FIGURE, "Moves", recipe.to_json())
    catalog.close()
    words = ["--catalog", str(catalog.folder)]
    assert main([*words, "figure", "Moves", str(tmp_path / "a.gif")]) == 0
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 2
    key = recipe.panels[0].key
    drawn = ["draw", key, str(tmp_path / "b.mp4"), "--look", "view=relief"]
    assert main([*words, *drawn]) == 0
    assert b"ftyp" in (tmp_path / "b.mp4").read_bytes()[:16]
    assert main([*words, *drawn]) == 1


def test_the_page_makes_an_animation_beside_itself(folder: Path, catalog: Catalog) -> None:
    """The button begins; the page answers while it runs; stopped, it says so; nothing is left."""
    recipe = two_panels(catalog).with_panel(0, look={"view": "relief"})
    id = catalog.add_document(FIGURE, "Moves on the page", recipe.to_json())
    app = fine(pressed(opened(PAGE, figure=id), "Make GIF"))
    making = next(iter(app.session_state["kept"]["makings"].values()))
    stop = [button for button in app.button if button.label == "Stop"]
    if stop:  # else it was faster than the page
        app = stop[0].click().run()
    making.thread.join(120)
    assert not making.thread.is_alive()
    app = app.run()
    assert bool(making.content) != (making.error == "it was stopped")
    assert not app.exception


def labelled(app: AppTest, label: str) -> Any:
    """The first text field of that label."""
    return next(field for field in app.text_input if field.label == label)


def kept_recipe(catalog: Catalog, id: str) -> Recipe:
    return Recipe.of(catalog.document(FIGURE, id).content)


def test_every_change_can_be_undone_and_done_again(folder: Path, catalog: Catalog) -> None:
    """A heading, a number, a panel moved: back one by one, forth again; fields follow."""
    recipe = two_panels(catalog)
    id = catalog.add_document(FIGURE, "Undone", recipe.to_json())
    app = fine(opened(PAGE, figure=id))
    assert app.button(key="undo-edit").disabled and app.button(key="redo-edit").disabled
    app = fine(labelled(app, "Heading").set_value("Other").run())
    app = fine(next(n for n in app.number_input if n.label == "Columns").set_value(1).run())
    app = fine(next(b for b in app.button if str(b.key).endswith("-down")).click().run())
    states = [kept_recipe(catalog, id)]
    assert states[0].panels[1].heading == "Other" and states[0].style.columns == 1
    for _ in range(3):
        app = fine(app.button(key="undo-edit").click().run())
        states.append(kept_recipe(catalog, id))
    assert states[-1] == recipe and len({repr(state) for state in states}) == 4
    assert labelled(app, "Heading").value == recipe.panels[0].heading
    assert app.button(key="undo-edit").disabled
    app = fine(app.button(key="redo-edit").click().run())
    assert kept_recipe(catalog, id) == states[2]
    app = fine(labelled(app, "Heading").set_value("Third").run())
    assert app.button(key="redo-edit").disabled


def test_two_windows_of_a_figure_do_not_write_over_each_other(
    folder: Path, catalog: Catalog
) -> None:
    """What the other window has changed stays; this one shows it, and says what to do."""
    id = catalog.add_document(FIGURE, "Twice", two_panels(catalog).to_json())
    first, second = (fine(opened(PAGE, figure=id)) for _ in range(2))
    fine(labelled(first, "Heading").set_value("Of the first").run())
    columns = next(n for n in second.number_input if n.label == "Columns")
    second = fine(columns.set_value(1).run())
    assert any("changed in another window" in text for text in texts(second, "info"))
    assert kept_recipe(catalog, id).panels[0].heading == "Of the first"
    assert labelled(second, "Heading").value == "Of the first"
    columns = next(n for n in second.number_input if n.label == "Columns")
    fine(columns.set_value(1).run())
    assert kept_recipe(catalog, id).style.columns == 1
    assert kept_recipe(catalog, id).panels[0].heading == "Of the first"


def test_a_panel_whose_answer_is_gone_is_told_and_the_others_are_shown(
    folder: Path, catalog: Catalog
) -> None:
    """Deleted in another window: a sentence that names the panel, the rest is still a picture."""
    recipe = two_panels(catalog)
    id = catalog.add_document(FIGURE, "Half", recipe.to_json())
    app = fine(opened(PAGE, figure=id))
    catalog.delete_question(recipe.panels[1].key)
    try:
        app = app.run()
        assert not app.exception
        said = texts(app, "error")
        assert any("Panel 2 cannot be shown" in text and "in the trash" in text for text in said)
        assert len(app.get("image") or app.get("imgs")) == 1
        assert kept_recipe(catalog, id) == recipe
    finally:
        catalog.restore_question(recipe.panels[1].key)
    fine(opened(PAGE, figure=id))


def test_a_letter_without_a_font_leaves_the_others_as_they_are() -> None:
    """The words around it have the width that they have without it, in their own font."""
    font = 'font-family="Liberation Sans, sans-serif" font-size="12px"'
    drawings = [
        f'<svg width="200" height="20"><g><text transform="translate(5,15)" {font}>{words}</text>'
        "</g></svg>"
        for words in ("model A", "model A \u6a21")
    ]
    plain, longer = (
        np.asarray(Image.open(io.BytesIO(convert_svg(svg, "png", 200 / 72, 144))).convert("L"))
        for svg in drawings
    )
    right = np.flatnonzero(plain.min(axis=0) < 128).max() + 1
    assert np.array_equal(plain[:, :right], longer[:, :right])


def test_a_plane_is_turned_to_three_dimensions_by_one_press(folder: Path, catalog: Catalog) -> None:
    """Beside its heading; back again nothing is left of it in the recipe."""
    id = catalog.add_document(FIGURE, "Views", two_panels(catalog).to_json())
    app = fine(opened(PAGE, figure=id))
    (view,) = [one for one in app.segmented_control if one.label == "View"]
    app = fine(view.set_value("relief").run())
    assert kept_recipe(catalog, id).panels[0].look == {"view": "relief"}
    (view,) = [one for one in app.segmented_control if one.label == "View"]
    fine(view.set_value("contour").run())
    assert kept_recipe(catalog, id) == two_panels(catalog)


@pytest.mark.parametrize("words", ["a\0b", "\x1b[31m", "\ud800"])
def test_characters_that_no_file_of_words_has_are_refused(words: str) -> None:
    """In a heading, a note and a word of an axis: an SVG with one could not be opened."""
    makers = (
        lambda: FigurePanel(key="k", heading=words),
        lambda: FigurePanel(key="k", notes=(replace(NOTE, text=words),)),
        lambda: Recipe(words={"Loss": words}),
    )
    for make in makers:
        with pytest.raises(ValueError, match="characters that can be read"):
            make()
