"""A study's models by their numbers: what there is, groups, rank correlation, the two charts."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from explorer.ask.model_words import model_words
from explorer.ask.study import Study, StudyQuestion, add_study, settings_to_keep, study_model
from explorer.ask.study_cells import cells
from explorer.ask.study_quantities import (
    Quantity,
    groupings_of,
    quantities_of,
    rank_correlation,
    summarised,
)
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.numbers import NumberPair, ResultNumber
from explorer.pages import _running
from explorer.pages import _study_numbers as numbers_page
from explorer.render.drawing import as_chart
from explorer.render.marks.colours import series_colours
from explorer.render.scatter import ScatterLook, draw_parallel, draw_scatter, drawable
from explorer.supervisor.result_numbers import NumbersKeeper
from store import Catalog
from tests.app_test import AppTest
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import (
    charts,
    fine,
    opened,
    shown_charts,
    texts,
)

STUDY_PAGE = "explorer/pages/study.py"
LINES = LineSettings(x_count=5)
NAMES = ("a_1", "a_2", "b_1", "b_2", "b_3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study `seeds` of five models whose lines are answered."""
    place = tmp_path_factory.mktemp("numbers")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(NAMES)]
    question = StudyQuestion(kind=LINE.name, settings=settings_to_keep(LINE, LINES))
    add_study(catalog, "seeds", Study(models=(*map(study_model, models),), questions=(question,)))
    for model in models:
        add_answer(catalog, LINE, LINES, (model, ""))
    NumbersKeeper(catalog).keep_up()
    catalog.close()
    return catalog.folder


def study_of(catalog: Catalog) -> Study:
    """The study."""
    from explorer.ask.study import study_named

    return study_named(catalog, "seeds")[1]


def test_a_series_has_one_colour_in_both_charts() -> None:
    """Vega would sort the names of a scale without a domain, and colour them in another order."""
    names, numbers = ["late", "early"], [1.0, 2.0]
    pairs = [
        NumberPair(name, name, ResultNumber(number), ResultNumber(number))
        for name, number in zip(names, numbers, strict=True)
    ]
    columns = {"one": numbers, "two": numbers}
    drawn = (
        draw_scatter(pairs, "x", "y", ScatterLook()),
        draw_parallel(columns, ["a", "b"], names, ScatterLook()),
        draw_parallel(columns, names, ["", ""], ScatterLook()),
    )
    scales = [as_chart(one).to_dict()["layer"][0]["encoding"]["color"]["scale"] for one in drawn]
    assert all(scale == {"domain": names, "range": series_colours(names)} for scale in scales)


def test_all_numbers_of_models_are_there(folder: Path) -> None:
    """Those of answers and of the import, and the gap between test and train, each per model."""
    catalog = Catalog(folder)
    study = study_of(catalog)
    by_name = {q.name: q for q in quantities_of(catalog, study, cells(catalog, study))}
    assert {"Line: lowest loss", "loss, train", "loss, test minus train"} <= by_name.keys()
    models = {model.name: model for model in catalog.models()}
    for place, name in enumerate(NAMES):
        number = by_name["loss, test minus train"].numbers[place]
        measured = models[name].measurements
        assert number and number.value == measured["test"]["loss"] - measured["train"]["loss"]
    catalog.close()


def test_names_that_differ_in_a_number_are_a_group(folder: Path) -> None:
    """Runs with several seeds; what all models have alike, or none shares, groups nothing."""
    catalog = Catalog(folder)
    groupings = groupings_of(catalog, study_of(catalog), NAMES)
    assert groupings == {"name without its last number": ["a", "a", "b", "b", "b"]}
    catalog.close()


def test_models_are_grouped_by_what_can_differ(tmp_path: Path) -> None:
    """Of imported models no fact says of all that they are no directions."""
    catalog = new_catalog(tmp_path / "catalog")
    models = [add_tiny(catalog, tmp_path, f"run {seed}", (seed,)) for seed in (0, 1)]
    words = model_words(catalog, models, [model.name for model in models])
    catalog.close()
    assert words["problem"] == ["tiny_problem.py"] * 2 and words["parameters"][0] != ""
    assert not [name for name, values in words.items() if "False" in values]


def test_summaries_are_those_of_the_text_books() -> None:
    """Mean and deviation of 1, 2, 6; Student's interval of three; the median; one number alone."""
    numbers = [ResultNumber(v) for v in (1.0, 2.0, 6.0)]
    words = ["g"] * 3
    mean, deviation = 3.0, math.sqrt(7.0)
    spreads = {
        "standard deviation": deviation,
        "standard error": deviation / math.sqrt(3),
        "95 % interval": 4.302652729911275 * deviation / math.sqrt(3),
    }
    for summary, spread in spreads.items():
        number = summarised(numbers, words, summary)["g"]
        assert number.value == mean
        assert (number.low, number.high) == pytest.approx((mean - spread, mean + spread))
    extent = summarised(numbers, words, "median and range")["g"]
    assert (extent.value, extent.low, extent.high) == (2.0, 1.0, 6.0)
    alone = summarised([ResultNumber(2.0), None, ResultNumber(math.nan)], words, "95 % interval")
    assert alone["g"].value == 2.0 and math.isnan(alone["g"].low)


def test_the_rank_correlation_is_kendalls_with_ties() -> None:
    """As scipy's, also in each resample; the same each time; none of four models or equal ones."""
    rng = np.random.default_rng(5)
    x = rng.integers(0, 6, 12).astype(float)
    y = x + rng.integers(0, 4, 12)
    tau = rank_correlation(x, y)
    assert tau and tau.value == kendalltau(x, y).statistic
    assert tau == rank_correlation(x, y)
    draws, taus = np.random.default_rng(0), []
    for _ in range(2000):
        chosen = draws.integers(0, 12, 12)
        taus.append(kendalltau(x[chosen], y[chosen]).statistic)
    expected = np.nanquantile(taus, [0.025, 0.975])
    assert (tau.low, tau.high) == pytest.approx(tuple(expected), abs=1e-9)
    assert rank_correlation([1, 2, 3, 4], [1, 2, 3, 4]) is None
    assert rank_correlation([1] * 6, range(6)) is None


def test_what_has_no_place_is_left_out(folder: Path) -> None:
    """NaN anywhere, 0 on a log scale; a chart without a mark is a sentence."""
    numbers = [math.nan, 0.0, 2.0]
    pairs = [NumberPair(str(v), "", ResultNumber(v), ResultNumber(1.0, 0.5, 2.0)) for v in numbers]
    assert [p.name for p in drawable(pairs, ScatterLook())] == ["0.0", "2.0"]
    log = ScatterLook(log_x=True)
    assert [p.name for p in drawable(pairs, log)] == ["2.0"]
    spec = as_chart(draw_scatter(drawable(pairs, log), "x", "y", log)).to_dict()
    assert len(spec["layer"]) == 5  # mark, both bars, name, what feels the mouse
    with pytest.raises(ValueError, match="no model has both numbers"):
        draw_scatter([], "x", "y", log)


def test_parallel_lines_run_from_the_least_to_the_largest() -> None:
    """Shares of each column's range; a model without a number has no mark there."""
    columns = {"one": [1.0, 3.0, 2.0], "two": [5.0, math.nan, 9.0]}
    spec = as_chart(draw_parallel(columns, ["a", "b", "c"], [""] * 3, ScatterLook())).to_dict()
    rows = [row for data in spec["datasets"].values() for row in data if "name" in row]
    shares = {(row["name"], row["column"]): row["share"] for row in rows}
    assert shares[("a", "one")] == 0 and shares[("b", "one")] == 1 and shares[("c", "one")] == 0.5
    assert ("b", "two") not in shares
    with pytest.raises(ValueError, match="at least two numbers"):
        draw_parallel({"one": [1.0]}, ["a"], [""], ScatterLook())


def test_both_numbers_of_a_group_are_of_the_same_models() -> None:
    """A model without one of them, or with NaN there, counts in neither."""
    x = Quantity("x", (ResultNumber(1.0), ResultNumber(5.0), ResultNumber(9.0)))
    y = Quantity("y", (ResultNumber(2.0), ResultNumber(math.nan), None))
    (pair,) = numbers_page._pairs(x, y, ["a", "b", "c"], ["g"] * 3, "median and range")
    assert (pair.x.value, pair.y.value) == (1.0, 2.0)


def alternative_text(app: AppTest) -> str:
    """What the page's chart is for those who do not see it."""
    (chart,) = shown_charts(app)
    return str(chart.proto.alt)


def test_the_page_draws_both(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By address alone: the scatter with its correlation, also of groups; the parallel lines."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(folder))
    app = fine(opened(STUDY_PAGE, study="seeds", view="Scatter"))
    assert charts(app) == 1 and "Kendall's rank correlation" in " ".join(texts(app, "caption"))
    group = "name without its last number"
    app = fine(
        opened(STUDY_PAGE, study="seeds", view="Scatter", group=group, summary="median and range")
    )
    assert "2 groups: too few" in " ".join(texts(app, "caption"))
    assert alternative_text(app).endswith(" of 2 groups")
    app = fine(opened(STUDY_PAGE, study="seeds", view="Parallel"))
    assert charts(app) == 1 and alternative_text(app).endswith(" of 5 models")
    _running.stop_apps()
