"""Figures have exactly the width asked for and their fonts inside; tables lose nothing."""

import io
import re
import shutil
import subprocess

import altair as alt
import numpy as np
import pytest
from PIL import Image

from explorer.kinds.grid import axis_values
from explorer.kinds.line import Line
from explorer.kinds.surface import Surface
from explorer.render.export.composed import composed_still
from explorer.render.export.figure import save_figure
from explorer.render.export.fonts import SERIF, font_families
from explorer.render.export.table import point_rows
from explorer.render.export.views import static_spec
from explorer.render.relief3d.height import HeightField
from tests.drawing import drawn_line, drawn_surface, side_by_side

poppler = pytest.mark.skipif(shutil.which("pdffonts") is None, reason="poppler-utils is missing")


def a_surface() -> Surface:
    x, y = axis_values(-1, 1, 9), axis_values(-1, 1, 6)
    loss = 0.1 + x[None, :] ** 2 + 5 * y[:, None] ** 2
    loss[0, 1], loss[4, 5] = np.nan, np.inf
    values = {"loss": loss, "accuracy": 1 / (1 + loss)}
    computed = np.ones(loss.shape, dtype=bool)
    computed[5, 8] = False
    values = {name: np.where(computed, grid, np.nan) for name, grid in values.items()}
    return Surface(x, y, values, computed)


def a_line(directions: int = 1) -> Line:
    x, steep = axis_values(-1, 1, 21), np.arange(1, directions + 1)[:, None]
    values = {"loss": steep * x**2 + 0.1, "accuracy": 1 - steep * x**2 / 9}
    return Line(x, values, np.ones((directions, 21), dtype=bool))


def charts():
    return {
        "surface": drawn_surface(a_surface(), log=True, title="A surface"),
        "lines": drawn_line({"One": a_line(), "Two": a_line()}, second="accuracy"),
    }


def pdf_says(tool: str, content: bytes, tmp_path, *after: str) -> str:
    path = tmp_path / "figure.pdf"
    path.write_bytes(content)
    return subprocess.run(
        [tool, str(path), *after], capture_output=True, text=True, check=True
    ).stdout


@poppler
@pytest.mark.parametrize("name", ["surface", "lines"])
@pytest.mark.parametrize("width", [3.25, 5.5, 6.7654])
def test_pdf_is_exactly_as_wide(name, width, tmp_path):
    """The page is as wide as asked for, to a hundredth of a point."""
    told = pdf_says("pdfinfo", save_figure(charts()[name], "pdf", width), tmp_path)
    page_width = float(re.search(r"Page size:\s+([\d.]+) x", told)[1])
    assert page_width == pytest.approx(72 * width, abs=0.01)


@poppler
@pytest.mark.parametrize(
    "fonts, embedded",
    [
        (SERIF, "STIXGeneral"),
        (("Liberation Sans", "sans-serif"), "LiberationSans"),
        (("No Such Font",), "LiberationSans"),
        (("No Such Font", "serif"), "STIXGeneral"),
        (("monospace",), "DejaVuSansMono"),
    ],
)
def test_pdf_has_its_fonts_and_its_text(fonts, embedded, tmp_path):
    """The font is embedded, also after one that no machine has; titles and ticks are text."""
    content = save_figure(charts()["surface"], "pdf", 3.25, fonts=fonts)
    lines = pdf_says("pdffonts", content, tmp_path).splitlines()[2:]
    assert lines and all(embedded in line and line.split()[-5] == "yes" for line in lines)
    text = pdf_says("pdftotext", content, tmp_path, "-")
    for words in ("A surface", "First direction", "Second direction", "Loss", "−0.5", "NaN, 1"):
        assert words in text


@pytest.mark.parametrize("width, dpi", [(3.25, 300), (6.7, 150), (3.3333, 600)])
def test_png_size_and_resolution(width, dpi):
    """Pixels are width times resolution, and the file says the resolution."""
    image = Image.open(io.BytesIO(save_figure(charts()["lines"], "png", width, dpi=dpi)))
    assert image.width == round(width * dpi)
    assert image.info["dpi"][0] == pytest.approx(dpi, abs=0.05)  # stored in pixels per metre


@pytest.mark.parametrize("name", ["surface", "lines"])
def test_svg_width_and_content(name):
    """The SVG is measured in inches, keeps text, fetches nothing and carries no tooltips' cells."""
    svg = save_figure(charts()[name], "svg", 3.25).decode()
    assert re.match(r'<svg [^>]*width="3\.25in" height="[\d.]+in" viewBox="0 0 234 ', svg)
    assert "<text" in svg and ", sans-serif" in svg
    addresses = re.findall(r'href="(.{5})', svg)
    assert all(address == "data:" for address in addresses)
    assert len(svg) < 120_000


@poppler
def test_composed_still_is_picture_and_vector_text(tmp_path):
    """The picture keeps its pixels; the words of the colour bar are text of the page."""
    file, surface = io.BytesIO(), a_surface()
    Image.new("RGBA", (1200, 900), (10, 120, 200, 128)).save(file, "PNG")
    chart = composed_still(
        file.getvalue(),
        HeightField(surface.x, surface.y, surface.loss, surface.computed, log=True, z_label="Loss"),
        3.25,
    )
    content = save_figure(chart, "pdf", 3.25)
    text = pdf_says("pdftotext", content, tmp_path, "-")
    assert "Loss" in text
    stored = subprocess.run(
        ["pdfimages", "-list", str(tmp_path / "figure.pdf")], capture_output=True, text=True
    ).stdout
    assert re.search(r"\b1200\s+900\b", stored)
    assert Image.open(io.BytesIO(save_figure(chart, "png", 3.25))).width == 975


def test_refusals():
    """Unknown formats, impossible sizes and figures without room for the plot are refused."""
    chart = charts()["surface"]
    for bad in (("gif", 3), ("pdf", 0.1), ("pdf", 99)):
        with pytest.raises(ValueError, match="must be"):
            save_figure(chart, *bad)
    with pytest.raises(ValueError, match="no room"):
        save_figure(chart, "svg", 0.9)
    assert font_families(["Arial", "serif"]) == ("Arial", "STIXGeneral", "serif")


def test_rows_are_one_per_point():
    """Every grid point has one row: indices, coordinates, values; NaN and Inf as they are."""
    surface = a_surface()
    table = point_rows(surface).to_pydict()
    assert list(table) == ["i", "j", "x", "y", "computed", "loss", "accuracy"]
    assert len(table["i"]) == surface.loss.size
    for i, j, x, y, is_computed, loss in zip(*(table[n] for n in list(table)[:6]), strict=True):
        assert (x, y, is_computed) == (surface.x[i], surface.y[j], surface.computed[j, i])
        np.testing.assert_equal(loss, surface.loss[j, i])
    line = a_line(3)
    table = point_rows(line).to_pydict()
    assert list(table) == ["k", "i", "x", "computed", "loss", "accuracy"]
    for k, i, x, _, loss in zip(*(table[n] for n in list(table)[:5]), strict=True):
        assert (x, loss) == (line.x[i], line.loss[k, i])


def test_lines_are_as_thin_as_a_paper_wants():
    """Thin lines, their mean and the legend's strokes are thinner than on a screen."""
    chart = drawn_line(a_line(4), second="accuracy")
    svg = save_figure(chart, "svg", 3.25).decode()
    widths = {float(width) for width in re.findall(r'stroke-width="([\d.]+)"', svg)}
    assert widths and max(widths - {max(widths)}) <= 1 < max(widths) < 5  # the legend's band
    assert "mean of 4 directions" in svg


def panels(count: int) -> alt.ConcatChart:
    return side_by_side([drawn_surface(a_surface(), log=True)] * count, columns=2)


@pytest.mark.parametrize(("count", "width"), [(1, 3.25), (2, 5.5), (3, 5.5), (4, 7.0)])
def test_panels_side_by_side_have_the_width(count: int, width: float) -> None:
    """The search for the plots' size ends for any number of panels."""
    svg = save_figure(panels(count), "svg", width).decode()
    assert f'width="{width:g}in"' in svg and svg.count("Second direction") >= count


@pytest.mark.filterwarnings("ignore:Automatically deduplicated selection")
@pytest.mark.parametrize(("count", "width"), [(2, 3.25), (2, 5.5), (3, 7.0), (4, 7.0), (4, 3.25)])
def test_panels_of_lines_fit_in_a_row(count: int, width: float) -> None:
    """One beside the other, or one sentence with a way out."""
    row = side_by_side([drawn_line(a_line())] * count, columns=count)
    try:
        svg = save_figure(row, "svg", width).decode()
    except ValueError as error:
        assert "fewer panels" in str(error) and width / count < 1.7
    else:
        assert f'width="{width:g}in"' in svg


def test_the_same_figure_is_the_same_file() -> None:
    """Also where Vega has counted on in between."""
    first, _, second = (
        save_figure(charts()[name], "svg", 3.25) for name in ("surface", "lines", "surface")
    )
    assert first == second


@poppler
def test_raised_digits_are_in_a_bundled_font(tmp_path) -> None:
    """A tick of 10⁶ is one text in a font that comes with matplotlib, whatever the machine has."""
    surface = a_surface()
    high = Surface(surface.x, surface.y, {"loss": surface.loss * 1e6}, surface.computed)
    content = save_figure(drawn_surface(high, log=True), "pdf", 3.25)
    assert "10⁶" in pdf_says("pdftotext", content, tmp_path, "-")
    fonts = pdf_says("pdffonts", content, tmp_path).splitlines()[2:]
    assert {line.split()[0].partition("+")[2] for line in fonts} == {"LiberationSans", "DejaVuSans"}


def test_a_figure_has_a_white_page_whatever_the_chart_s_own() -> None:
    """A chart made for a dark page: dark text on white all the same."""
    chart = (
        drawn_surface(a_surface())
        .configure(background="#000000")
        .configure_axis(labelColor="white")
    )
    picture = Image.open(io.BytesIO(save_figure(chart, "png", 3.25))).convert("RGB")
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    svg = save_figure(chart, "svg", 3.25).decode()
    assert 'fill="white"' in svg and "#000000" not in svg.partition("<text")[0]
    assert not re.search(r'<text[^>]*fill="white"', svg)


def test_a_chart_keeps_its_rows_whatever_altair_is_set_to() -> None:
    """Streamlit sets altair's theme and way with data while another session exports: no matter."""
    chart = drawn_line(a_line())
    alone = static_spec(chart)
    alt.data_transformers.register("empty", lambda data: {"name": "elsewhere"})
    with alt.data_transformers.enable("empty"), alt.theme.enable("none"):
        meanwhile = static_spec(chart)
    assert meanwhile == alone and len(alone["datasets"]) > 1


def test_a_long_title_or_name_leaves_room_for_the_plot() -> None:
    """A title takes as many lines as it needs, and says all; a name in a legend ends with it."""
    words = "seven words that many would write above their picture " * 4
    titled = drawn_surface(a_surface(), title=words)
    svg = save_figure(titled, "svg", 3.25).decode()
    assert re.sub('aria-label="[^"]*"', "", svg).count("seven") == 4 and 'viewBox="0 0 234 ' in svg
    named = drawn_line({words: a_line(), "Two": a_line()})
    assert 'viewBox="0 0 234 ' in save_figure(named, "svg", 3.25).decode()
