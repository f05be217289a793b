"""Several losses on one plane: contour lines of one answer over the picture of another."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.ask.overlays import (
    answers_over,
    around_another_point,
    lies_over,
    overlay_words,
)
from explorer.figures.panels import stored_panel
from explorer.figures.recipe import FigurePanel, FigureStyle
from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.projection import PROJECTION, ProjectionSettings
from explorer.kinds.run import RUN, RunSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceLook, SurfaceSettings
from explorer.render import surface as drawn_surface
from explorer.render.drawing import as_chart
from explorer.render.overlay import draw_over
from store import Catalog, records
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import (
    fine,
    one_sentence,
    opened,
    shown_charts,
    texts,
)

SMALL = SurfaceSettings(x_count=5, y_count=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with planes of two losses, and others that are other planes."""
    place = tmp_path_factory.mktemp("overlays")
    catalog = new_catalog(place / "catalog")
    model, other = add_tiny(catalog, place, "one", (0, 1, 2)), add_tiny(catalog, place, "two", (3,))
    train = add_answer(catalog, SURFACE, SMALL, (model, ""))
    eigen = replace(SMALL, direction="eigenvector")
    planes = {
        "test": (SURFACE, replace(SMALL, split="test"), model),
        "finer": (SURFACE, replace(SMALL, x_count=7, y_count=7), model),
        "convexity": (CONVEXITY, ConvexitySettings(x_count=3, y_count=3), model),
        "seed": (SURFACE, replace(SMALL, seed=1), model),
        "model": (SURFACE, SMALL, other),
        "eigen": (SURFACE, eigen, model),
        "eigen test": (SURFACE, replace(eigen, split="test"), model),
        "line": (LINE, LineSettings(x_count=5), model),
        "run": (RUN, RunSettings(x_count=5, y_count=5), model),
        "run test": (RUN, RunSettings(x_count=5, y_count=5, split="test"), model),
    }
    answers = {name: add_answer(catalog, k, s, (m, "")) for name, (k, s, m) in planes.items()}
    keys = {"train": train.key} | {name: answer.key for name, answer in answers.items()}
    catalog.remember("overlay test", keys)
    catalog.close()
    return place / "catalog"


@pytest.fixture
def catalog(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.setenv("EXPLORER_CATALOG", str(folder))
    opened_catalog = Catalog(folder)
    yield opened_catalog
    opened_catalog.close()


def stored(catalog: Catalog, name: str) -> records.Question:
    """The answer of that name."""
    keys: dict[str, str] = catalog.recall("overlay test", {})
    question = catalog.question(keys[name])
    assert question is not None
    return question


@pytest.mark.parametrize(
    ("over", "under", "fits"),
    [
        ("test", "train", True),
        ("finer", "train", True),
        ("convexity", "train", True),
        ("train", "convexity", True),
        ("train", "train", False),
        ("seed", "train", False),
        ("model", "train", False),
        ("eigen", "train", False),
        ("eigen test", "eigen", False),  # eigenvectors of another loss
        ("line", "train", False),
        ("run", "train", False),
        ("train", "run", False),
        ("run test", "run", True),
    ],
)
def test_only_what_is_of_the_same_plane_lies_over_it(
    catalog: Catalog, over: str, under: str, fits: bool
) -> None:
    """Same point, same axes; the loss may be another, unless the axes hang on it."""
    assert lies_over(stored(catalog, over), stored(catalog, under)) is fits


@pytest.mark.parametrize(("name", "fits"), [("train", True), ("eigen", False)])
def test_another_task_has_other_eigenvectors(catalog: Catalog, name: str, fits: bool) -> None:
    """Of one point under two problems a random plane is the same, one of eigenvectors is not."""
    own = stored(catalog, name)
    other = replace(own, key="other", problem_id="other", objective="other")
    assert lies_over(other, own) is fits


@pytest.mark.parametrize(("name", "alike"), [("train", True), ("eigen", False), ("run", False)])
def test_only_axes_that_no_point_decides_are_alike_elsewhere(
    catalog: Catalog, name: str, alike: bool
) -> None:
    """Random ones are those of the seed; eigenvectors and components are of their own points."""
    own = stored(catalog, name)
    other = replace(own, key="other", point_ids=("elsewhere", *own.point_ids[1:]))
    assert around_another_point(other, own) is alike
    assert not around_another_point(own, own) and not lies_over(other, own)


def test_it_is_named_by_what_differs(catalog: Catalog) -> None:
    """The split, the kind; else the settings of the grid."""
    under = stored(catalog, "train")
    names = {n: overlay_words(stored(catalog, n), under) for n in ("test", "convexity", "finer")}
    assert names["test"] == "test" and names["convexity"].startswith("Convexity map")
    assert "7×7" in names["finer"]
    keys = {question.key for question in answers_over(catalog, under, [SURFACE.name])}
    assert keys == {stored(catalog, "test").key, stored(catalog, "finer").key}


def circle(radius: float) -> Surface:
    """Half the squared distance from the middle in units of a radius: level .5 is its circle."""
    axis = np.linspace(-1, 1, 41)
    x, y = np.meshgrid(axis, axis)
    values = {"loss": (x**2 + y**2) / (2 * radius**2)}
    return Surface(axis, axis, values, np.ones(x.shape, dtype=bool))


def data_rows(layer: dict[str, Any], spec: dict[str, Any]) -> list[dict[str, float]]:
    """The rows of a layer, wherever its chart keeps them."""
    data = layer["data"]
    return data["values"] if "values" in data else spec["datasets"][data["name"]]


def test_its_lines_lie_where_its_values_are() -> None:
    """A level's line over another picture is a circle of the radius that the values say."""
    look = SurfaceLook(levels=4)
    base = drawn_surface.draw(circle(0.5), look)
    once = as_chart(draw_over(base, circle(0.8), replace(look, title="wide")))
    twice = as_chart(draw_over(once, circle(0.3), replace(look, title="narrow")))
    spec = twice.to_dict()  # checked against Vega-Lite's schema
    lines = [layer for layer in spec["layer"] if layer["mark"].get("style") == "path"]
    assert len({layer["mark"]["color"] for layer in lines}) == 2
    legends = [
        layer["encoding"]["stroke"]["scale"]
        for layer in spec["layer"]
        if str(layer.get("name", "")).startswith("over")
    ]
    assert [scale["domain"] for scale in legends] == [["wide"], ["narrow"]]
    for layer, scale, radius in zip(lines, legends, (0.8, 0.3), strict=True):
        assert layer["mark"]["color"] == scale["range"][0]
        rows = data_rows(layer, spec)
        distances = np.array([np.hypot(row["x"], row["y"]) for row in rows])
        inside = distances[distances < 0.95]  # the border is drawn as straight as it comes
        levels = inside**2 / (2 * radius**2)
        assert np.abs(levels * 2 - np.rint(levels * 2)).max() < 0.05  # of 0.5, 1, ...


def test_a_relief_has_no_lines_over_it() -> None:
    """One sentence that says what to do."""
    relief = drawn_surface.draw(circle(0.5), SurfaceLook(view="relief"))
    with pytest.raises(ValueError, match="seen from above; choose the view contour"):
        draw_over(relief, circle(0.8), SurfaceLook())


def test_a_figure_s_panel_has_them(catalog: Catalog) -> None:
    """As the page draws them; of another plane the sentence names both."""
    keys = {name: stored(catalog, name).key for name in ("train", "test", "seed")}
    panel = FigurePanel(key=keys["train"], over=(keys["test"],))
    chart = as_chart(stored_panel(catalog, panel, FigureStyle()).draw(catalog))
    assert [str(layer.name) for layer in chart.layer if "over" in str(layer.name)] == ["over-0"]
    with pytest.raises(ValueError, match="is of another plane and cannot be drawn over"):
        stored_panel(catalog, replace(panel, over=(keys["seed"],)), FigureStyle())


def test_a_film_reads_no_answer_twice(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panel that is read draws all its pictures, with what lies over it, from that."""
    keys = [stored(catalog, name).key for name in ("train", "test")]
    panel = stored_panel(catalog, FigurePanel(key=keys[0], over=(keys[1],)), FigureStyle())
    monkeypatch.setattr(Catalog, "values", None)
    for _ in range(2):
        assert "over-0" in [str(layer.name) for layer in as_chart(panel.draw(catalog)).layer]


def test_the_page_offers_them(catalog: Catalog) -> None:
    """Chosen ones are in the address; one that is not there is refused in a sentence."""
    label = f"test ({stored(catalog, 'test').key[:8]})"
    app = fine(opened(SURFACE.page, model="one", x_count="5", y_count="5", over=label))
    (menu,) = [box for box in app.multiselect if box.label == "Contours over it"]
    assert menu.value == [label]
    (chart,) = shown_charts(app)
    assert '"over-0"' in chart.proto.spec
    app = fine(opened(SURFACE.page, model="one", x_count="5", y_count="5", over="accuracy"))
    (chart,) = shown_charts(app)
    assert '"over-0"' in chart.proto.spec  # another value of the same answer
    wrong = opened(SURFACE.page, model="one", x_count="5", y_count="5", over="nothing")
    assert "over in the address must be analyses of this plane" in one_sentence(wrong)


def test_a_picture_with_other_lines_is_another_film(catalog: Catalog) -> None:
    """One that was made is offered for what it shows alone, though the last of the lines stays."""
    model = next(model for model in catalog.models() if model.name == "one")
    add_answer(catalog, PROJECTION, ProjectionSettings(), (model, ""), (model, ""))
    last = f"test ({stored(catalog, 'test').key[:8]})"
    shown = {"model": "one", "x_count": "5", "y_count": "5", "runs": "one"}
    app = fine(opened(SURFACE.page, **shown, over=["accuracy", last]))
    (make,) = [button for button in app.button if _makes_film(button)]
    app = fine(make.click().run())
    (making,) = app.session_state["kept"]["makings"].values()
    making.thread.join(120)
    app = fine(app.run())
    assert making.content and not [button for button in app.button if _makes_film(button)]
    (menu,) = [box for box in app.multiselect if box.label == "Contours over it"]
    app.query_params["over"] = [last]  # as the browser does
    app = fine(menu.set_value([last]).run())
    assert [button for button in app.button if _makes_film(button)]


def _makes_film(button: Any) -> bool:
    """Whether it makes that of the paths."""
    return str(button.key).startswith("make-projection")


def test_a_figure_says_what_is_drawn_over_it(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's provenance has each answer that it shows."""
    shown: list[list[str]] = []

    def note(name: str, draw: object, questions: Iterable[records.Question], key: str = "") -> None:
        shown.append([question.key for question in questions])

    monkeypatch.setattr("explorer.pages._export.figure_download", note)
    over, under = stored(catalog, "test"), stored(catalog, "train")
    labels = ["accuracy", f"test ({over.key[:8]})"]
    fine(opened(SURFACE.page, model="one", x_count="5", y_count="5", over=labels))
    assert shown == [[under.key, over.key]]


def test_compare_draws_them_over_the_baseline(catalog: Catalog) -> None:
    """On the same plane, or on the same axes around another model, which is said; others not."""
    names = ("train", "test", "model", "seed")
    keys = [stored(catalog, name).key for name in names]
    app = fine(opened("explorer/pages/compare.py", panel=keys, overlaid="true"))
    drawn = [chart.proto.spec for chart in shown_charts(app) if '"over-' in chart.proto.spec]
    assert len(drawn) == 1 and '"over-1"' in drawn[0] and '"over-2"' not in drawn[0]
    said = " ".join(texts(app, "caption"))
    assert "is around a point of its own" in said and "has other axes and is not drawn" in said
    app = fine(opened("explorer/pages/compare.py", panel=keys))
    assert not [c for c in shown_charts(app) if '"over-' in c.proto.spec]
