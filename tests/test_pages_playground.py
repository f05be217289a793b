"""The page Playground, by Streamlit's `AppTest`: every view, its address, what it refuses."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import streamlit as st

from explorer.kinds.look import PlaneLook
from explorer.playground.basins import basin_map
from explorer.playground.critical_points import critical_points
from explorer.playground.functions import EXAMPLES, LESSON_EXAMPLES
from explorer.playground.optimisers import OPTIMISERS
from explorer.playground.race import RaceSettings, race
from explorer.playground.sensitivity import rate_curves
from explorer.render.drawing import as_chart, as_relief
from explorer.render.playground.basins import draw_basins
from explorer.render.playground.colours import basin_colour, optimiser_colour
from explorer.render.playground.curve import draw_curve
from explorer.render.playground.curves import draw_losses, draw_rates
from explorer.render.playground.plane import draw_function, draw_races
from tests.app_test import AppTest
from tests.filling import new_catalog
from tests.screen import charts, fine, one_sentence, opened, texts

PAGE = "explorer/pages/playground.py"
CHARTS = {"Race": 2, "Critical points": 1, "Basins": 1, "Learning rate": 1}  # of each view


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with nothing in it: the page needs none of it."""
    catalog = new_catalog(tmp_path_factory.mktemp("playground") / "catalog")
    catalog.close()
    return catalog.folder


def table(app: AppTest, column: str) -> list[str]:
    """A column of the first table that has it."""
    return next([*e.value[column]] for e in app.dataframe if column in e.value)


def metrics(app: AppTest) -> dict[str, str]:
    return {element.label: element.value for element in app.metric}


def test_it_begins_as_the_lesson_s_widget(folder: Path) -> None:
    """At step 0: x = 2.2000, f = 2.7902, f' = 8.7368; at the last step descent is at 1.5145."""
    app = fine(opened(PAGE, until="0"))
    assert [e.value for e in app.subheader] == ["Two valleys"]
    assert metrics(app) == {"x": "2.2000", "f(x)": "2.7902", "f\u2032(x)": "8.7368", "Steps": "0"}
    assert any("−1.6403" in text and "±1.3" in text for text in texts(app, "caption"))
    app.slider(key="until").set_value(100).run()
    assert metrics(fine(app))["x"] == "1.5145"
    app.slider(key="x0").set_value(-0.1).run()
    assert metrics(fine(app)) | {"f\u2032(x)": ""} == {
        "x": "−1.6403",
        "f(x)": "−1.3056",
        "f\u2032(x)": "",
        "Steps": "100",
    }
    assert table(app, "Is at")[0] == "a minimum"


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_view_of_every_function(folder: Path, name: str) -> None:
    """Each opens from its address with a chart and no complaint."""
    for view, count in CHARTS.items():
        app = fine(opened(PAGE, function=name, show=view, starts="15"))
        assert charts(app) == count, view
        assert [e.value for e in app.subheader] == [EXAMPLES[name].title]


def test_what_is_shown_can_be_taken_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each view has its pictures as figures, and a race every step of it as numbers."""
    for view, count in CHARTS.items():
        with caught_downloads(monkeypatch) as made:
            fine(opened(PAGE, function="himmelblau", show=view, starts="15"))
        figures = [data for label, data in made if label == "Download PDF"]
        assert len(figures) == count, view
        assert figures[0]().startswith(b"%PDF")
        tables = [data for label, data in made if label == "Download CSV"]
        assert len(tables) == (1 if view == "Race" else 0) or view == "Critical points"
        if view == "Race":
            first, *rows = tables[0]().decode().splitlines()
            assert first == "optimiser,step,x,y,f,slope"
            assert rows[0].startswith("Gradient descent,0,")


@contextmanager
def caught_downloads(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[list[tuple[str, Callable[[], bytes]]]]:
    """The labels of the buttons and what makes their files."""
    downloads: list[tuple[str, Callable[[], bytes]]] = []
    with monkeypatch.context() as patch:
        patch.setattr(
            st, "download_button", lambda label, data, *_, **__: downloads.append((label, data))
        )
        yield downloads


def test_the_lesson_s_four_stand_side_by_side(folder: Path) -> None:
    """Each as a view in three dimensions, under its name; and so does a race."""
    app = fine(opened(PAGE, show="Four examples"))
    said = texts(app, "markdown")
    for name in LESSON_EXAMPLES:
        assert f"**{EXAMPLES[name].title}**" in said
    assert len(app.get("bidi_component")) - len(fine(opened(PAGE)).get("bidi_component")) == 4
    turned = fine(opened(PAGE, function="himmelblau", view="3-D"))
    assert next(e.options for e in turned.get("button_group") if e.key == "view") == [
        "Contour",
        "3-D",
    ]


def test_another_function_begins_with_its_own_settings(folder: Path) -> None:
    """Range, start, rates and steps are those that are usual of it; what is shown stays."""
    app = fine(opened(PAGE, function="quartic", rate="0.5", show="Learning rate", noise="0.1"))
    assert app.number_input(key="rate").value == 0.5
    app.selectbox(key="function listed").select("rosenbrock").run()
    fine(app)
    values = {box.key: box.value for box in app.number_input}
    assert (values["x0"], values["y0"]) == (-1.2, 1.0)
    assert (values["rate"], values["adam_rate"], values["steps"]) == (0.001, 0.02, 3000)
    assert (values["y_from"], values["y_to"], values["noise"]) == (-1.0, 3.0, 0.0)
    assert app.query_params["function"] == "rosenbrock"
    app.selectbox(key="function listed").select("quartic").run()
    assert fine(app).slider(key="x0").value == 2.2
    assert charts(app) == 1


def test_a_rate_that_diverges_is_said_with_the_step(folder: Path) -> None:
    """One sentence names the optimiser, its rate, where it leaves the picture, and what helps."""
    address = {"function": "quadratic", "rate": "0.3", "optimisers": "Gradient descent"}
    app = fine(opened(PAGE, **address))
    (said,) = [element.value for element in app.warning]
    assert said == (
        "Gradient descent with rate 0.3 diverges: it leaves the picture at step 1, and at step 20 "
        "it is beyond a million or not finite; a smaller rate helps."
    )
    assert table(app, "Is at") == ["diverged"]
    assert charts(app) == 2
    (said,) = [e.value for e in opened(PAGE, function="saddle", optimisers="Momentum").warning]
    assert said.endswith("the function has no minimum here to end in.")
    outside = {"function": "own", "formula": "log(x)*y", "optimisers": "Momentum"}
    (said,) = [element.value for element in opened(PAGE, **outside).warning]
    assert "is at step 6 where the function has no value" in said


def test_a_formula_of_one_s_own(folder: Path) -> None:
    """Of x it is a curve, of x and y a plane; its critical points are classified."""
    app = fine(opened(PAGE, function="own", formula="x^4 - x^2", show="Critical points"))
    assert table(app, "Class") == ["minimum", "minimum", "maximum"]
    app.text_input(key="formula").set_value("x^2 - 3*y^2 + x*y").run()
    assert table(fine(app), "Class") == ["saddle"]
    assert app.number_input(key="y0").value == 1.0


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"formula": "__import__('os')"}, '"__import__" is not known here'),
        ({"formula": "9**9**9**9"}, "is finite nowhere in the range"),
        ({"formula": "log(-1-x^2)"}, "is finite nowhere in the range"),
        ({"formula": "2x"}, "an operator is missing"),
        ({"formula": "x*[" + "1" * 150}, "has no meaning in a function"),
        ({"formula": "x" * 300}, "has 300 letters"),
        ({"function": "cubic"}, "function in the address must be one of"),
        ({"function": "quadratic", "rate": "-1"}, "rate in the address must be"),
        ({"function": "quadratic", "steps": "1e9"}, "steps in the address must be"),
        ({"function": "quadratic", "optimisers": "Sorcery"}, "optimisers in the address must be"),
        ({"function": "quadratic", "show": "Nothing"}, "show in the address must be one of"),
        ({"function": "quadratic", "until": "-3"}, "until in the address must be"),
        ({"function": "quadratic", "x_from": "3", "x_to": "3"}, "x must go from less to more"),
        ({"function": "quartic", "x0": "17"}, "x0 in the address must be"),
        (
            {"function": "quadratic", "show": "Basins", "starts": "161", "steps": "20000"},
            "starts of 20,000 steps take too long",
        ),
    ],
)
def test_what_it_cannot_show_is_one_sentence(
    folder: Path, address: dict[str, str], words: str
) -> None:
    """A formula that is none, an address that cannot be, too much work: said, and nothing else."""
    assert words in one_sentence(opened(PAGE, **{"function": "own"} | address))


def test_how_long_each_stays_at_a_saddle(folder: Path) -> None:
    """From 0.001 beside the strict saddle: 688 steps, 8, and Newton stays; the fall is told."""
    address = {
        "function": "strict_saddle",
        "show": "Critical points",
        "optimisers": ["Gradient descent", "Saddle-free Newton", "Newton"],
    }
    app = fine(opened(PAGE, **address))
    assert table(app, "Steps to leave") == ["688", "8", "stays"]
    assert any("-5e-8 both ways" in text for text in texts(app, "caption"))
    assert sorted(table(app, "Class")) == ["minimum", "minimum", "saddle"]


def test_pictures_are_valid_and_drawn_in_each_optimiser_s_colour() -> None:
    """Altair accepts every chart; a path of the plane stays within reach of it however far it goes.

    In relief each path is a line on the surface.
    """
    function, settings = EXAMPLES["quadratic"], RaceSettings(rate=0.3, steps=60)
    races = race(function, function.start, list(OPTIMISERS), settings)
    points = critical_points(function)
    look = PlaneLook(value="loss", width=300)
    chart = as_chart(draw_races(draw_function(function, look, points), function, races, 60))
    text = json.dumps(chart.to_dict())
    for name in OPTIMISERS:
        assert optimiser_colour(name) in text
    relief = draw_function(function, PlaneLook(value="loss", view="relief"), points)
    field = as_relief(draw_races(relief, function, races, 60)).field
    assert len(field.traces) == len(OPTIMISERS)
    for line, _ in field.traces:
        assert all(not abs(x) > 2.0 and not abs(y) > 2.0 for x, y, _ in line)
    assert {colour for _, colour in field.traces} == {optimiser_colour(n) for n in OPTIMISERS}
    assert len({basin_colour(label) for label in range(-2, 24)}) == 26
    draw_basins(function, basin_map(function, "gd", settings, 11), look).to_dict()
    curves = rate_curves(function, function.start, list(OPTIMISERS), settings)
    draw_rates(curves, 0.0, (0.0, 9.0), 300, 200).to_dict()
    draw_rates(curves, None, (0.0, 9.0), 300, 200).to_dict()
    draw_losses(races, 0.0, 60, (0.0, 9.0), 300, 200).to_dict()
    quartic = EXAMPLES["quartic"]
    runs = race(quartic, (2.2,), ["gd"], RaceSettings())
    basins = basin_map(quartic, "gd", RaceSettings(), 21)
    draw_curve(quartic, runs, 9, critical_points(quartic), 300, 200, basins).to_dict()
