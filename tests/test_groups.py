"""Curves of several models as one: their statistics, what is refused, and the page Compare."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from explorer.codec import to_json
from explorer.kinds.groups import Profile, Profiles, group_profile
from explorer.kinds.line import LINE, LineLook, LineSettings
from explorer.kinds.summaries import SUMMARIES
from explorer.pages import _groups as groups
from explorer.render.groups import draw_groups
from store import Catalog
from tests.app_test import AppTest
from tests.drawing import rows
from tests.filling import new_catalog
from tests.screen import charts, fine, opened, texts
from tests.stored import put_models, question

COMPARE_PAGE = "explorer/pages/compare.py"
X = np.linspace(-1, 1, 5)
ALL = np.ones(5, dtype=bool)
VALUES = np.random.default_rng(0).normal(3, 1, (4, 5))


def profiles_of(values: np.ndarray) -> dict[str, Profile]:
    return {f"m{number}": Profile(X, row, ALL) for number, row in enumerate(values)}


def test_the_interval_is_students() -> None:
    """As scipy has it, of four curves at each x."""
    group = group_profile(profiles_of(VALUES), "95 % interval")
    mean, error = VALUES.mean(axis=0), stats.sem(VALUES, axis=0)
    low, high = stats.t.interval(0.95, 3, loc=mean, scale=error)
    np.testing.assert_allclose(group.middle, mean)
    np.testing.assert_allclose(group.low, low)
    np.testing.assert_allclose(group.high, high)
    assert group.count == 4


def test_the_other_bands() -> None:
    """Standard error and deviation of the sample; from the least to the largest."""
    spread = VALUES.std(axis=0, ddof=1)
    for summary, reach in (("standard error", spread / 2), ("standard deviation", spread)):
        group = group_profile(profiles_of(VALUES), summary)
        np.testing.assert_allclose(group.high - group.middle, reach)
        np.testing.assert_allclose(group.middle - group.low, reach)
    for name, middle in (("mean", VALUES.mean(axis=0)), ("median", np.median(VALUES, axis=0))):
        group = group_profile(profiles_of(VALUES), f"{name} and range")
        np.testing.assert_allclose(group.middle, middle)
        np.testing.assert_array_equal(group.low, VALUES.min(axis=0))
        np.testing.assert_array_equal(group.high, VALUES.max(axis=0))


@pytest.mark.parametrize("summary", SUMMARIES)
def test_what_is_not_finite_stays_and_is_counted(summary: str) -> None:
    """A NaN among four makes the group NaN there, an infinite value the mean infinite."""
    values = VALUES.copy()
    values[1, 2], values[2, 4] = np.nan, np.inf
    group = group_profile(profiles_of(values), summary)
    assert np.isnan([group.middle[2], group.low[2], group.high[2]]).all()
    assert np.isfinite(group.middle[[0, 1, 3]]).all()
    assert group.not_finite == 2
    if "median" not in summary:
        assert np.isinf(group.middle[4])


def test_one_curve_has_no_band() -> None:
    """It is its own middle; there is nothing to say of its spread."""
    group = group_profile(profiles_of(VALUES[:1]), "95 % interval")
    np.testing.assert_array_equal(group.middle, VALUES[0])
    assert np.isnan(group.low).all() and np.isnan(group.high).all()


def test_other_places_are_refused_by_name() -> None:
    """More points, or another range; the rounding of an axis is no difference."""
    own = Profile(X, X, ALL)
    for x in (np.linspace(-1, 1, 7), X * 2):
        other = Profile(x, x, np.ones(len(x), dtype=bool))
        with pytest.raises(ValueError, match="wide is at others than first"):
            group_profile({"first": own, "wide": other}, "standard error")
    group_profile({"first": own, "near": Profile(X * (1 + 1e-15), X, ALL)}, "standard error")


def test_what_one_lacks_the_group_lacks() -> None:
    """A point that is not computed in one of them is not drawn, and is no NaN."""
    part = Profile(X, X, np.array([True, False, True, True, True]))
    group = group_profile({"whole": Profile(X, X, ALL), "part": part}, "standard error")
    assert group.computed.tolist() == part.computed.tolist()
    assert group.not_finite == 0


@pytest.mark.parametrize("log", [False, True])
def test_the_drawing_is_the_middle_with_its_band(log: bool) -> None:
    """Each group a curve and an area; a floor lifts what is below it."""
    drawn = Profiles({}, "density", "Eigenvalue", floor=2.5)
    own = {"a": group_profile(profiles_of(VALUES), "mean and range")}
    own["b"] = group_profile(profiles_of(VALUES[:1] + 5), "mean and range")
    chart = draw_groups(own, drawn, LineLook(log=log))
    drawn_a = [row["y"] for row in rows(chart, "profile") if row["line"] == "a"]
    np.testing.assert_allclose(drawn_a, np.maximum(VALUES.mean(axis=0), 2.5))
    assert {row["line"] for row in rows(chart, "band")} == {"a"}
    assert min(row["low"] for row in rows(chart, "band")) >= 2.5


LOSSES = {"net-1": 1.0, "net-2": 3.0, "net-3": np.nan, "other-1": 9.0}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four models with a line each, a constant loss; and one of more points."""
    catalog = new_catalog(tmp_path_factory.mktemp("groups") / "catalog")
    split = {"count": 9, "fingerprint": "test" * 16}
    facts = {"splits": {"test": split}, "loss": "cross_entropy"}
    put_models(catalog, list(LOSSES), facts)
    for name, loss in LOSSES.items():
        add_line(catalog, name, loss, 5)
    add_line(catalog, "net-1", 2.0, 7, key="longer")
    catalog.close()
    return catalog.folder


def add_line(catalog: Catalog, model: str, loss: float, count: int, key: str = "") -> None:
    settings = LineSettings(x_count=count, split="test")
    catalog.ask(
        question(
            key or f"line {model}",
            kind=LINE.name,
            version=LINE.version,
            title=f"Line of {model}",
            settings=to_json(settings),
            units=count,
            model_ids=(model,),
            point_ids=(f"w {model}",),
        )
    )
    unit = np.arange(count)
    columns = {"unit": unit, "k": 0 * unit, "i": unit, "x": settings.axis, "loss": 0 * unit + loss}
    catalog.ingest(key or f"line {model}", LINE.table, columns, {}, 0.1, {"device": "cpu"})


def compared(*keys: str, **address: str) -> AppTest:
    return opened(COMPARE_PAGE, panel=[*keys], **address)


STEM = "name without its last number"


def test_models_of_one_name_are_drawn_as_one(folder: Path) -> None:
    """Chosen on the page or in the address; who is in a group is said, and what is NaN."""
    app = fine(compared("line net-1", "line net-2", "line other-1"))
    assert charts(app) == 1
    app.selectbox(key=groups.GROUP_KEY).set_value(STEM).run()
    said = " ".join(texts(fine(app), "caption"))
    assert "Student's 95 % interval" in said
    assert "net: 2 curves (Line of net-1, Line of net-2)" in said
    assert "other: 1 curve (Line of other-1), so that there is no band" in said
    again = fine(
        compared("line net-1", "line net-3", **{"group": STEM, "summary": "median and range"})
    )
    said = " ".join(texts(again, "caption"))
    assert "Of each group the median, from the least to the largest." in said
    assert "at 5 places one of them is NaN or infinite, and so is the group" in said


def test_curves_at_other_places_make_no_group(folder: Path) -> None:
    """A sentence that names them; the other group is drawn."""
    app = fine(compared("line net-2", "longer", "line other-1", group=STEM))
    assert any(
        "must be at the same x" in text and "net is not drawn" in text
        for text in texts(app, "warning")
    )
    assert any("other: 1 curve" in text for text in texts(app, "caption"))


def test_a_group_that_there_is_not_is_said(folder: Path) -> None:
    """An address of other analyses: a sentence, and nothing is grouped."""
    app = fine(compared("line net-1", "line net-2", group="learning_rate"))
    assert any("The address groups by" in text for text in texts(app, "warning"))
    assert not any("Of each group" in text for text in texts(app, "caption"))
