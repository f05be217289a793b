"""The page Compare: pinned answers side by side, against a baseline, with what they differ in."""

from pathlib import Path

import numpy as np
import pytest

from explorer.codec import to_json
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages import _panels as panels
from explorer.pages import _pins as pins
from explorer.render.plane import DIFFERENCE_NAME, difference_of
from store import Catalog, records
from tests.app_test import AppTest
from tests.filling import new_catalog
from tests.screen import fine, opened, texts
from tests.stored import question

COMPARE_PAGE = "explorer/pages/compare.py"
SIDE = 5  # points of a plane
HEIGHTS = {"low": 1.0, "high": 3.0}  # of the models' bowls
KEYS = {"low": "bowl low", "high": "bowl high", "other": "bowl other"}
SPLITS = {name: {"count": 9, "fingerprint": name * 16} for name in ("test", "rest")}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with a bowl each on one plane, and one of the first on other data."""
    catalog = new_catalog(tmp_path_factory.mktemp("compare") / "catalog")
    facts = {"splits": SPLITS, "loss": "cross_entropy"}
    problem = records.Problem(
        id="p1", name="rings", path="/x/rings.py", source_hash="0" * 64, facts=facts
    )
    models = [
        records.Model(id=name, name=name, problem_id="p1", point_id=f"w {name}") for name in HEIGHTS
    ]
    points = [
        records.Point(
            model_id=name,
            point_id=f"w {name}",
            label="final",
            file_hash=catalog.put_file(name.encode(), "safetensors"),
        )
        for name in HEIGHTS
    ]
    catalog.add_import(problem, models, points, [])
    for name, height in HEIGHTS.items():
        add_bowl(catalog, KEYS[name], name, height, "test")
    add_bowl(catalog, KEYS["other"], "low", 5.0, "rest")
    catalog.close()
    return catalog.folder


def add_bowl(catalog: Catalog, key: str, model: str, height: float, split: str) -> None:
    """A whole surface, `height` times the squared distance from its centre."""
    settings = SurfaceSettings(x_count=SIDE, y_count=SIDE, split=split)
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
    units = np.arange(settings.units)
    rows = {"unit": units, "i": i, "j": j, "loss": loss}
    catalog.ingest(key, SURFACE.table, rows, {}, 0.1, {"device": "cpu"})


def compared(*names: str, **address: str) -> AppTest:
    """The page with the panels of these bowls."""
    app = opened(COMPARE_PAGE, panel=[KEYS[name] for name in names], **address)  # type: ignore[arg-type]
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
    app.selectbox(key="baseline").set_value("Surface of high").run()
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


def test_planes_share_their_colours(folder: Path) -> None:
    """One scale: the limits are those of all values; else each has its own."""
    catalog = Catalog(folder)
    chosen = panels.panels_of(
        catalog, pins.readable_questions(catalog, [KEYS["low"], KEYS["high"]])
    )
    shared = panels._looks(chosen, panels.Choices("contour", True, False), 400)
    assert [look.limits for look in shared] == [(0.0, 6.0)] * 2
    own = panels._looks(chosen, panels.Choices("contour", False, False), 400)
    assert [look.limits for look in own] == [(), ()]


def test_the_difference_of_two_planes_is_that_of_their_values(folder: Path) -> None:
    """High minus low, colours around 0; of equal planes there is none."""
    catalog = Catalog(folder)
    low, high = panels.panels_of(
        catalog, pins.readable_questions(catalog, [KEYS["low"], KEYS["high"]])
    )
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
    assert any("Pin two to six analyses" in text for text in texts(fine(app), "info"))
    pins.pin(catalog, [f"key {number}" for number in range(9)])
    assert len(pins.pinned_keys(catalog)) == pins.MOST_PANELS
    pins.unpin(catalog, pins.pinned_keys(catalog))


def test_what_is_gone_is_told_and_the_rest_stays(folder: Path) -> None:
    """A key that the catalog does not have, and one in the trash."""
    catalog = Catalog(folder)
    catalog.delete_question(KEYS["other"])
    app = fine(opened(COMPARE_PAGE, panel=[*KEYS.values(), "unknown"]))  # type: ignore[arg-type]
    assert "2 of 4 analyses are not in this catalog any more." in texts(app, "warning")
    assert len(numbers(app)) == 2
    catalog.restore_question(KEYS["other"])
