"""The page Compare: pinned answers side by side, against a baseline, with what they differ in."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from explorer.ask.questions import result_of
from explorer.codec import to_json
from explorer.figures.panels import stored_panels
from explorer.figures.recipe import FigurePanel, FigureStyle, Recipe
from explorer.kinds.look import LossPlaneLook, looks_on_one_scale
from explorer.kinds.numbers import BETTER
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.pages import _panels as panels
from explorer.pages import _pins as pins
from explorer.pages._panel import panels_of
from explorer.render.plane import DIFFERENCE_NAME, difference_of, draw_difference_of
from store import Catalog
from tests.app_test import AppTest
from tests.filling import new_catalog
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)
from tests.stored import put_models, question

COMPARE_PAGE = "explorer/pages/compare.py"
SIDE = 5  # points of a plane
HEIGHTS = {"low": 1.0, "high": 3.0}  # of the models' bowls
KEYS = {
    "low": "bowl low",
    "high": "bowl high",
    "other": "bowl other",
    "nan": "bowl nan",
    "part": "bowl part",
}
SPLITS = {name: {"count": 9, "fingerprint": name * 16} for name in ("test", "rest")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with a bowl each on one plane, and one of the first on other data."""
    catalog = new_catalog(tmp_path_factory.mktemp("compare") / "catalog")
    facts = {"splits": SPLITS, "loss": "cross_entropy"}
    put_models(catalog, list(HEIGHTS), facts)
    for name, height in HEIGHTS.items():
        add_bowl(catalog, KEYS[name], name, height, "test")
    add_bowl(catalog, KEYS["other"], "low", 5.0, "rest")
    add_bowl(catalog, KEYS["nan"], "low", np.nan, "test", seed=1)
    add_bowl(catalog, KEYS["part"], "low", 9.0, "test", seed=2, units=4)
    catalog.close()
    return catalog.folder


def add_bowl(
    catalog: Catalog,
    key: str,
    model: str,
    height: float,
    split: str,
    seed: int = 0,
    units: int | None = None,
) -> None:
    """A surface, `height` times the squared distance from its centre; its first points or all."""
    settings = SurfaceSettings(x_count=SIDE, y_count=SIDE, split=split, seed=seed)
    catalog.ask(
        question(
            key,
            version=SURFACE.version,
            title=f"Surface of {model}",
            settings=to_json(settings),
            units=settings.units,
            model_ids=(model,),
            point_ids=(f"w {model}",),
        )
    )
    x, y = settings.axes
    j, i = (index.ravel() for index in np.indices((SIDE, SIDE)))
    loss = height * (x[i] ** 2 + y[j] ** 2)
    rows = {"unit": np.arange(settings.units), "i": i, "j": j, "x": x[i], "y": y[j], "loss": loss}
    rows = {name: column[:units] for name, column in rows.items()}
    catalog.ingest(key, SURFACE.table, rows, {}, 0.1, {"device": "cpu"})


def compared(*names: str, **address: str) -> AppTest:
    """The page with the panels of these bowls."""
    app = opened(COMPARE_PAGE, panel=[KEYS[name] for name in names], **address)
    return fine(app)


def numbers(app: AppTest) -> list[tuple[str, str, str, str]]:
    """Analysis, value, difference and rank of the highest losses in the table of numbers."""
    table = next(frame.value for frame in app.dataframe if "Rank" in frame.value)
    table = table[table["Number"] == "highest loss"]
    columns = [table[name] for name in ("Analysis", "Value", "Minus baseline", "Rank")]
    return list(zip(*columns, strict=True))


def test_numbers_are_set_against_the_baseline_and_ranked(folder: Path) -> None:
    """Differences to the chosen baseline, and the lowest first; another baseline turns the sign."""
    app = compared("low", "high")
    assert numbers(app) == [
        ("Surface of low", "2", "", "1 of 2"),
        ("Surface of high", "6", "4", "2 of 2"),
    ]
    app.selectbox[0].set_value(KEYS["high"]).run()
    assert [row[2] for row in numbers(fine(app))] == ["-4", ""]


def test_what_is_not_comparable_says_why_and_has_no_rank(folder: Path) -> None:
    """Other data: a warning with the reason, no difference, no rank; what is comparable has one."""
    app = compared("low", "high", "other")
    (warning,) = texts(app, "warning")
    assert "is not comparable with" in warning and "other data" in warning
    assert [row[2:] for row in numbers(app)] == [
        ("", "1 of 2"),
        ("4", "2 of 2"),
        ("", "not comparable"),
    ]
    assert any("No difference point by point: other data" in t for t in texts(app, "caption"))


def test_nan_and_unfinished_answers_have_no_rank(folder: Path) -> None:
    """A plane that is NaN everywhere, and one of which the highest loss may not be known yet."""
    app = compared("low", "nan", "part", "high")
    told = {analysis: (value, rank) for analysis, value, _, rank in numbers(app)}
    assert [rank for _, rank in told.values()] == ["1 of 2", "", "2 of 2"]  # NaN has no highest
    assert [value for value, _ in told.values()][1].endswith("(4 of 25 points)")
    assert charts(app) >= 4


def test_a_difference_that_is_finite_nowhere_is_told(folder: Path) -> None:
    """Infinity minus a number is not called equal; planes of other points are not subtracted."""
    catalog = Catalog(folder)
    low = result_of(catalog, catalog.questions_of([KEYS["low"]])[KEYS["low"]])
    assert isinstance(low, Surface)
    infinite = dataclasses.replace(low, values={"loss": np.full((SIDE, SIDE), np.inf)})
    with pytest.raises(ValueError, match="finite nowhere"):
        draw_difference_of(infinite, low, 400)
    with pytest.raises(ValueError, match="of other points"):
        difference_of(dataclasses.replace(low, x=low.x + 1), low)
    with pytest.raises(ValueError, match="no point is computed in both"):
        difference_of(dataclasses.replace(low, computed=np.zeros((SIDE, SIDE), bool)), low)


@pytest.mark.parametrize(
    ("width", "counts"), [(870, (1, 2, 2, 2, 2, 2)), (1030, (1, 2, 3, 2, 3, 3)), (200, (1,) * 6)]
)
def test_rows_are_even(monkeypatch: pytest.MonkeyPatch, width: int, counts: tuple[int]) -> None:
    """One to six panels: rows as full as each other, none narrower than a plot needs."""
    monkeypatch.setattr(panels.charts, "column_width", lambda: width)
    assert tuple(map(panels.panels_across, range(1, 7))) == counts


def test_planes_share_their_colours(folder: Path) -> None:
    """One scale: the limits are those of all values; else each has its own."""
    catalog = Catalog(folder)
    chosen = panels_of(catalog, pins.readable_questions(catalog, [KEYS["low"], KEYS["high"]]))
    shared = panels._looks(chosen, panels.Choices("contour", True, False), 400)
    assert [look.limits for look in shared] == [(0.0, 6.0)] * 2
    own = panels._looks(chosen, panels.Choices("contour", False, False), 400)
    assert [look.limits for look in own] == [(), ()]


def test_the_difference_of_two_planes_is_that_of_their_values(folder: Path) -> None:
    """High minus low, colours around 0; of equal planes there is none."""
    catalog = Catalog(folder)
    low, high = panels_of(catalog, pins.readable_questions(catalog, [KEYS["low"], KEYS["high"]]))
    difference = difference_of(high.result, low.result)
    x, y = SurfaceSettings(x_count=SIDE, y_count=SIDE).axes
    np.testing.assert_allclose(
        difference.values[DIFFERENCE_NAME], 2 * (x[None, :] ** 2 + y[:, None] ** 2)
    )
    assert panels.draw_difference(high, low, 1) is not None
    assert panels.draw_difference(low, low, 1) is None


def test_settings_that_are_equal_are_hidden_until_asked_for(folder: Path) -> None:
    """Only what differs, marked as such; all of it after a press."""
    app = compared("low", "high")
    (table,) = [frame.value for frame in app.dataframe if "Rank" not in frame.value]
    assert set(table.iloc[:, 0]) == {"≠ Model", "≠ Points"}
    app.toggle(key="hide").set_value(False).run()
    (table,) = [frame.value for frame in app.dataframe if "Rank" not in frame.value]
    assert {"≠ Model", "Normalisation", "Problem: loss"} <= set(table.iloc[:, 0])


def test_pins_are_kept_and_taken_out(folder: Path) -> None:
    """What is pinned is compared wherever no address names others; six are the most."""
    catalog = Catalog(folder)
    pins.pin(catalog, [KEYS["low"], KEYS["high"], KEYS["low"]])
    assert pins.pinned_keys(catalog) == [KEYS["low"], KEYS["high"]]
    app = fine(opened(COMPARE_PAGE))
    assert app.query_params["panel"] == [KEYS["low"], KEYS["high"]]
    app.button(key=f"out-{KEYS['high']}").click().run()
    assert pins.pinned_keys(catalog) == [KEYS["low"]]
    assert any("Choose two to six analyses" in text for text in texts(fine(app), "info"))
    pins.pin(catalog, [*KEYS.values(), *KEYS.values()])
    assert pins.pinned_keys(catalog) == list(KEYS.values())[: pins.MOST_PANELS]
    pins.unpin(catalog, pins.pinned_keys(catalog))


def test_pins_that_are_gone_make_room(folder: Path) -> None:
    """Six pins of answers that are no more do not lock the button for ever."""
    catalog = Catalog(folder)
    catalog.remember(pins.PINS_KEY, [f"gone {number}" for number in range(6)])
    pins.pin(catalog, [KEYS["low"]])
    assert pins.pinned_keys(catalog) == [KEYS["low"]]
    pins.unpin(catalog, [KEYS["low"]])


def test_an_address_of_another_catalog_shows_no_pins_of_ours(folder: Path) -> None:
    """Its keys are unknown here: that is said, also after the page has run again."""
    catalog = Catalog(folder)
    pins.pin(catalog, [KEYS["low"], KEYS["high"]])
    app = fine(opened(COMPARE_PAGE, panel=["theirs", "too"]))
    for page in (app, app.run()):
        assert "2 of 2 analyses are not in this catalog, or unreadable." in texts(page, "warning")
        assert not page.dataframe
    pins.unpin(catalog, [KEYS["low"], KEYS["high"]])


def test_what_is_gone_is_told_and_the_rest_stays(folder: Path) -> None:
    """A key that the catalog does not have, and one in the trash."""
    catalog = Catalog(folder)
    catalog.delete_question(KEYS["other"])
    wanted = [KEYS["low"], KEYS["other"], KEYS["high"], "unknown"]
    app = fine(opened(COMPARE_PAGE, panel=wanted))
    said = texts(app, "warning")
    assert "1 of 4 analyses is not in this catalog, or unreadable." in said
    assert any(text.startswith("Surface of low is in the trash: restore it") for text in said)
    assert len(numbers(app)) == 2
    catalog.restore_question(KEYS["other"])


def test_nothing_to_compare_offers_what_there_is(folder: Path) -> None:
    """Two analyses chosen in the empty page are compared; one alone cannot be."""
    app = fine(opened(COMPARE_PAGE, panel=""))
    assert app.button[0].disabled
    offered = app.multiselect(key="chosen")
    assert {"Surface of high"} < set(offered.options)
    offered.set_value([KEYS["low"], KEYS["high"]]).run()
    next(one for one in app.button if one.label == "Compare").click().run()
    assert fine(app).query_params["panel"] == [KEYS["low"], KEYS["high"]]
    assert len(numbers(app)) == 2


def test_which_end_is_better_is_said_of_the_loss_alone() -> None:
    """Where the field agrees; a plane's highest loss and a curvature have no better end."""
    assert BETTER["loss"] == "lower"
    assert not {"highest_loss", "lambda_max", "barrier", "trace"} & BETTER.keys()


def test_views_stand_where_the_address_says(folder: Path) -> None:
    """One camera for all, or each its own; what is no camera is a sentence, the rest goes on."""
    high = KEYS["high"]
    numbers_text = "3,-4,2,0,0,0.3,0,0,1"
    camera = {"position": [3, -4, 2], "focal_point": [0, 0, 0.3], "up": [0, 0, 1]}
    assert cameras(compared("low", "high", view="3-D", camera=numbers_text)) == [camera] * 2
    own = {f"camera-{high[: panels.KEY_LETTERS]}": numbers_text}
    alone = compared("low", "high", view="3-D", linked="false", **own)
    assert cameras(alone) == [None, camera]
    app = compared("low", "high", view="3-D", camera="1,2,<b>")
    assert sum("must be nine numbers" in text for text in texts(app, "warning")) == 1
    assert cameras(app) == [None, None]


def cameras(app: AppTest) -> list[dict[str, list[float]] | None]:
    """Where the views stand at first."""
    views = [one for one in app.get("bidi_component") if (one.key or "").startswith("relief-")]
    return [json.loads(view.proto.json)["camera"] for view in views]


def test_compare_and_figure_choose_one_scale_by_one_rule(folder: Path) -> None:
    """The same limits and logarithm on the page and on paper; a recipe may say otherwise."""
    catalog = Catalog(folder)
    chosen = panels_of(catalog, pins.readable_questions(catalog, [KEYS["low"], KEYS["high"]]))
    on_page = panels._looks(chosen, panels.Choices("contour", True, False), 400)
    recipe = Recipe(
        panels=tuple(FigurePanel(key=panel.question.key) for panel in chosen),
        style=FigureStyle(scale="shared"),
    )
    on_paper = [panel.look for panel in stored_panels(catalog, recipe)]
    assert [(look.log, look.limits) for look in on_page] == [
        (look.log, look.limits) for look in on_paper
    ]
    linear = recipe.with_panel(0, look={"log": False}).with_panel(1, look={"log": False})
    assert not any(panel.look.log for panel in stored_panels(catalog, linear))


@pytest.mark.parametrize("log", [None, True, False])
def test_one_scale_spans_all_values(log: bool | None) -> None:
    """Two planes of one decade each span three together; what the user has chosen stays."""
    looks = [LossPlaneLook(), LossPlaneLook(limits=(1.0, 2.0))]
    arrays = [np.array([1.0, 5.0]), np.array([500.0, 900.0])]
    first, second = looks_on_one_scale(looks, arrays, log)
    assert first.log == second.log == (log is not False)
    assert (first.limits, second.limits) == ((1.0, 900.0), (1.0, 2.0))


def test_nonsense_in_the_address_is_a_sentence_each(folder: Path) -> None:
    """What it may be and what came; the page is as usual, and says it once."""
    bad = {
        "view": "<b>",
        "shared": "maybe",
        "linked": "4",
        "hide": "",
        "baseline": "zzz",
        "overlaid": "?",
    }
    app = compared("low", "high", **bad)
    said = texts(app, "warning")
    assert any("view in the address must be one of Contour, 3-D" in text for text in said)
    for toggle in ("shared", "linked", "hide", "overlaid"):
        assert sum(text.startswith(f"{toggle} in the address must be one of") for text in said) == 1
    assert any("The baseline of the address is not among these" in text for text in said)
    assert len(numbers(app)) == 2
    assert not texts(fine(app.run()), "warning")


def test_one_that_is_deleted_while_it_shows_is_named(folder: Path) -> None:
    """After the next press on the page: a sentence in its place, the others stay."""
    catalog = Catalog(folder)
    app = compared("low", "high", "nan")
    catalog.delete_question(KEYS["high"])
    app.toggle(key="shared").set_value(False).run()
    assert any("Surface of high is in the trash" in text for text in texts(fine(app), "warning"))
    assert charts(app) == 2
    catalog.restore_question(KEYS["high"])


def test_one_that_failed_says_why(folder: Path) -> None:
    """The job's sentence in its place; names in it are text. The others are compared."""
    catalog = Catalog(folder)
    add_bowl(catalog, "bowl failed", "high", 1.0, "test", seed=9, units=0)
    catalog.add_job("job of failed", "answer", "a surface", {}, question_key="bowl failed")
    catalog.update_job("job of failed", status="failed", error="the <b>file</b> is gone")
    app = opened(COMPARE_PAGE, panel=[KEYS["low"], KEYS["high"], "bowl failed"])
    (said,) = texts(app, "error")
    assert "has failed: the" in said and "<b>" not in said.replace("\\<b", "")
    assert len(numbers(app)) == 2
    catalog.delete_question("bowl failed")
