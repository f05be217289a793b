"""Exported files say where they come from, and are read plainly by others."""

import io
import json
import math
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas
import pyarrow.parquet
import pytest
from PIL import Image

from explorer.kinds.provenance import Provenance, document
from explorer.kinds.surface import Surface
from explorer.render.export.figure import save_figure
from explorer.render.export.table import export_files, to_csv, to_parquet

NAMES = ('bob\'s "net" <&> \\ {x}', "=cmd|' /C calc'!A0", "\u2603 \x07]]>\nsecond line")
TOLD = Provenance(
    title=f"Surface of {NAMES[0]} and {NAMES[2]}",
    kind="surface, version 1",
    key="ab" * 32,
    models=NAMES[:1],
    points=("cd" * 32,),
    settings={"x_count": 3, "reach": math.inf},
    data={"split": "train", "fingerprint": "ef" * 32},
    computed={"device": "cpu", "torch": "2.13.0"},
)
poppler = pytest.mark.skipif(shutil.which("pdfinfo") is None, reason="poppler-utils is missing")


def dots() -> alt.Chart:
    return alt.Chart(alt.Data(values=[{"x": 1, "y": 2}])).mark_point().encode(x="x:Q", y="y:Q")


def small() -> alt.Chart:
    return dots().properties(width=200, height=100)


def a_surface() -> Surface:
    x = np.array([0.1, 1 / 3, 1e-300])
    loss = np.array([[math.nan, math.inf, -math.inf], [1 / 3, 1e-308, 0.1 + 0.2]])
    return Surface(x, x[:2], {"loss": loss}, np.ones((2, 3), dtype=bool))


def test_nothing_is_of_the_moment_of_the_export() -> None:
    """The same picture is the same file, and what it says is what was asked and computed."""
    for format in ("svg", "png"):
        first, second = (save_figure(small(), format, 3, provenance=[TOLD]) for _ in range(2))
        assert first == second
    (told,) = document([TOLD])["analyses"]
    assert told["settings"]["reach"] == "inf" and told["computed"]["device"] == "cpu"
    json.dumps(told, allow_nan=False)


def test_svg_holds_it_as_metadata() -> None:
    """Names with quotes, brackets and control characters leave it well-formed."""
    content = save_figure(small(), "svg", 3, provenance=[TOLD])
    root = ElementTree.fromstring(content)
    told = root.find("{http://www.w3.org/2000/svg}metadata")
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert told is not None and title is not None and told.text
    assert json.loads(told.text) == document([TOLD])
    assert NAMES[0] in (title.text or "")
    assert save_figure(small(), "svg", 3).count(b"<metadata") == 0


def test_png_holds_it_as_text() -> None:
    """The picture stays as it is."""
    plain = save_figure(small(), "png", 3)
    told = save_figure(small(), "png", 3, provenance=[TOLD])
    with Image.open(io.BytesIO(told)) as picture, Image.open(io.BytesIO(plain)) as before:
        picture.load()
        assert json.loads(picture.info["Provenance"]) == document([TOLD])
        assert picture.info["Keywords"] == TOLD.key
        assert picture.info["dpi"] == before.info["dpi"]
        assert np.array_equal(np.asarray(picture), np.asarray(before))


@poppler
def test_pdf_holds_it_as_information(tmp_path: Path) -> None:
    """Other programs read title, key and the whole of it; the page is the same."""
    path = tmp_path / "a.pdf"
    path.write_bytes(save_figure(small(), "pdf", 3, provenance=[TOLD]))
    done = subprocess.run(
        ["pdfinfo", "-custom", str(path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    said = re.search(r"^Provenance: +(\{.*\})$", done.stdout, re.MULTILINE)
    assert said and json.loads(said[1]) == document([TOLD])
    assert re.search(rf"^Keywords: +{TOLD.key}$", done.stdout, re.MULTILINE)
    text = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True)
    assert text.stderr == "" and "x" in text.stdout


def test_a_plain_read_csv_reads_it() -> None:
    """Header first, model and point in columns, NaN and the infinities and every digit kept."""
    surface = a_surface()
    content = to_csv(surface, TOLD)
    read = pandas.read_csv(io.BytesIO(content))
    assert list(read.columns) == ["i", "j", "x", "y", "computed", "loss", "model", "point"]
    assert set(read["model"]) == {NAMES[0]} and set(read["point"]) == set(TOLD.points)
    np.testing.assert_array_equal(read["loss"], surface.loss.ravel())
    np.testing.assert_array_equal(read["x"], np.tile(surface.x, 2))
    assert read["computed"].dtype == bool


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_name_is_a_formula(start: str) -> None:
    """A spreadsheet shows the name as text; numbers, negative ones too, stay numbers."""
    told = Provenance("", "", "k", models=(f"{start}cmd|' /C calc'!A0",), points=("p",))
    values = {"loss": np.array([[-1.5, 2.0]]), "=1+1": np.array([[0.0, 1.0]])}
    surface = Surface(np.array([-1.0, 1.0]), np.array([0.0]), values, np.ones((1, 2), dtype=bool))
    read = pandas.read_csv(io.BytesIO(to_csv(surface, told)))
    assert set(read["model"]) == {f"'{told.models[0]}"}
    assert read["loss"].tolist() == [-1.5, 2.0] and "'=1+1" in read.columns
    parquet = pyarrow.parquet.read_table(io.BytesIO(to_parquet(surface, told)))
    assert parquet["model"][0].as_py() == told.models[0]  # no spreadsheet runs that


def test_a_metric_named_like_a_coordinate_takes_no_place() -> None:
    """Both are there."""
    values = {"loss": np.ones((1, 2)), "x": np.array([[5.0, 6.0]]), "model": np.zeros((1, 2))}
    surface = Surface(np.array([-1.0, 1.0]), np.array([0.0]), values, np.ones((1, 2), dtype=bool))
    read = pandas.read_csv(io.BytesIO(to_csv(surface, TOLD)))
    assert read["x"].tolist() == [-1, 1] and read["x (value)"].tolist() == [5, 6]
    assert read["model"].tolist() == [0, 0] and set(read["model (subject)"]) == {NAMES[0]}


def test_beside_a_csv_lies_where_it_comes_from() -> None:
    """A document of its own; Parquet holds it."""
    files: dict[str, Any] = export_files(a_surface(), TOLD, "a.csv")
    assert list(files) == ["a.csv", "a.csv.json"]
    assert json.loads(files["a.csv.json"]) == document([TOLD])
    (parquet,) = export_files(a_surface(), TOLD, "a.parquet").values()
    metadata = pyarrow.parquet.read_table(io.BytesIO(parquet)).schema.metadata
    assert json.loads(metadata[b"provenance"]) == document([TOLD])
    assert metadata[b"question"].decode() == TOLD.key
    with pytest.raises(ValueError, match=r"must end in \.csv or \.parquet"):
        export_files(a_surface(), TOLD, "a.xlsx")
