"""Experiments that a problem declares: parts stand alone, nothing outside of them is changed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import vl_convert
from torch import nn

from explorer.analysis import experiment
from explorer.ask.questions import question_about
from explorer.contracts.facts import ProblemFacts
from explorer.experiment import MOST_PARTS, Experiment, Part, Points, Series
from explorer.importing.samples import order_sample
from explorer.kinds.experiment import EXPERIMENT, ExperimentLook
from explorer.kinds.experiment_result import ExperimentResult
from explorer.kinds.experiment_settings import MOST_PARTS as settings_most_parts
from explorer.kinds.experiment_settings import ExperimentSettings
from explorer.pages import _forms, _running
from explorer.problem import Problem, squared_error
from explorer.render.experiment import draw, legend_columns
from explorer.render.experiment_points import (
    MOST_DRAWN,
    drawn_points,
    placed_points,
    thinning_words,
)
from store import Catalog
from tests.filling import new_catalog, work
from tests.screen import fine, opened

CPU = torch.device("cpu")
SERIES = (
    Series("measured", "points", "height"),
    Series("theory", "dashed", "height"),
    Series("count", "bars", "how many"),
)
Measure = Callable[[Problem, Part], Mapping[str, Points]]


def spoil(problem: Problem, part: Part) -> dict[str, Points]:
    """Trains the model it is given, and draws from every generator there is."""
    with torch.no_grad():
        problem.model.weight.add_(1.0)
    drawn = float(torch.rand(1)) + float(np.random.rand())  # noqa: NPY002
    x = [float(part.number + 1)]
    return {
        "measured": Points(x=x, y=[drawn], low=[drawn - 0.1], high=[drawn + 0.1]),
        "theory": Points(x=x, y=[float(problem.model.weight.detach().sum())]),
        "count": Points(x=x, y=[float("nan") if part.number == 1 else 2.0]),
    }


def problem_with(measure: Measure, log: tuple[str, ...] = ()) -> Problem:
    """A line through the origin that declares one experiment of three parts."""
    model = nn.Linear(1, 1, bias=False).double()
    x = torch.arange(4, dtype=torch.float64)[:, None]
    declared = Experiment(measure=measure, parts=3, series=SERIES, title="A test", x="x", log=log)
    return Problem(model, {"train": (x, 2 * x)}, squared_error, experiments={"spoil": declared})


def answered(problem: Problem, done: frozenset[int] = frozenset(), seed: int = 0) -> list:
    """The pieces of the parts that are not done, at weights of 0.5."""
    settings = ExperimentSettings(part_count=3, seed=seed)
    point = {"weight": torch.full((1, 1), 0.5, dtype=torch.float64)}
    return list(experiment.answer(problem, [point], settings, done, CPU))


def test_parts_stand_alone() -> None:
    """A part has the same numbers after others and alone, other ones by another seed."""
    settings = ExperimentSettings(part_count=3)
    problem = problem_with(spoil)
    whole = ExperimentResult.from_pieces(settings, answered(problem))
    last = answered(problem, frozenset({0, 1}))
    assert len(last) == 1
    np.testing.assert_array_equal(last[0].columns["y"], whole.rows["y"][whole.rows["unit"] == 2])
    other = ExperimentResult.from_pieces(settings, answered(problem, seed=1))
    assert (other.points("measured").y != whole.points("measured").y).all()


def test_each_part_has_the_weights_asked_about() -> None:
    """What a part does to its model reaches neither the next part nor the problem."""
    problem = problem_with(spoil)
    before = problem.model.weight.detach().clone()
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    result = ExperimentResult.from_pieces(ExperimentSettings(part_count=3), answered(problem))
    assert result.points("theory").y.tolist() == [1.5, 1.5, 1.5]
    assert torch.equal(problem.model.weight, before)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_a_part_spoils_neither_data_nor_types() -> None:
    """Data changed in place and another default type reach no part and no answer after it."""

    def change(problem: Problem, part: Part) -> dict[str, Points]:
        inputs, _ = problem.data["train"]
        before = inputs.sum()
        inputs.fill_(100)
        torch.set_default_dtype(torch.float16)
        return {
            "measured": Points(
                x=torch.zeros(1, dtype=torch.bfloat16), y=before.requires_grad_()[None]
            )
        }

    problem, usual = problem_with(change), torch.get_default_dtype()
    pieces = answered(problem)
    assert [piece.columns["y"].item() for piece in pieces] == [6.0, 6.0, 6.0]
    assert problem.data["train"][0].sum() == 6
    assert torch.get_default_dtype() is usual


def test_what_is_not_finite_is_kept_and_not_drawn() -> None:
    """NaN stays in the rows; the chart, on log scales too, is one of every mark."""
    problem = problem_with(spoil, log=("x", "height"))
    result = ExperimentResult.from_pieces(ExperimentSettings(part_count=3), answered(problem))
    assert np.isnan(result.points("count").y).tolist() == [False, True, False]
    chart = draw(result, ExperimentLook())
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert "how many" in svg and "height" in svg
    assert svg.count('aria-roledescription="bar"') == 2


def many(problem: Problem, part: Part) -> dict[str, Points]:
    """A cloud, a line with one spike and its interval, and bars: 6,000 points a part in all."""
    x = np.arange(2000) + 2000.0 * part.number
    y = np.where(x == 4321, 1e6, np.sin(x))
    return {
        "measured": Points(x=x, y=np.cos(x)),
        "theory": Points(x=x, y=y, low=y - 1, high=np.where(x == 77, 1e9, y + 1)),
        "count": Points(x=x, y=np.where(x == 5, np.nan, x)),
    }


def test_of_very_many_points_what_a_screen_shows_is_drawn() -> None:
    """A spike and the ends are among them, the axes are those of all, and it is said."""
    settings = ExperimentSettings(part_count=3)
    result = ExperimentResult.from_pieces(settings, answered(problem_with(many)))
    points = placed_points(result)
    drawn = drawn_points(points)
    assert sum(map(len, points.values())) == 17_999
    assert sum(map(len, drawn.values())) <= MOST_DRAWN
    assert drawn["theory"].y.max() == 1e6 and drawn["theory"].high.max() == 1e9
    for own in drawn.values():
        assert {own.x[0], own.x[-1]} == {0.0, 5999.0} and len(own) > MOST_DRAWN / 4
    assert " of 17,999 points are drawn" in thinning_words(result)
    assert len(result.rows["y"]) == 18_000
    few = ExperimentResult.from_pieces(settings, answered(problem_with(spoil)))
    assert thinning_words(few) == ""
    chart = draw(result, ExperimentLook())
    vl_convert.vegalite_to_svg(chart.to_dict())


def test_a_legend_has_as_many_columns_as_there_is_room_for() -> None:
    """Three where names fit beside each other, one on a phone; the widest of each column counts."""
    names = ["simultaneous", "alternating", "extragradient", "with gradient penalty"]
    assert [legend_columns(names, width) for width in (420, 320, 200)] == [3, 2, 1]
    assert legend_columns(["a", "b"], 200) == 3


def test_the_more_parts_the_fewer_points_each() -> None:
    """So that all of them together can be read at once."""
    declared = Experiment(measure=many, parts=2500, series=SERIES)
    with pytest.raises(ValueError, match="of 2,500 parts must give 1 to 2,000 points, got 6,000"):
        experiment.rows_of(declared, 0, many(None, Part(0, 0, CPU, lambda: None)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        (lambda problem, part: {}, "must give 1 to 20,000 points, got 0"),
        (lambda problem, part: {"other": Points(x=[0], y=[0])}, "series must be one of"),
        (lambda problem, part: {"count": Points(x=[0], y=[0, 1])}, "must be as many"),
        (lambda problem, part: None, "must return a dict from series to Points, got NoneType"),
        (lambda problem, part: {"count": ([0], [0])}, "'count' must be given as Points"),
        (lambda problem, part: {"count": Points(x=["a"], y=[0])}, "'count' must be real numbers"),
        (lambda problem, part: {"count": Points(x=[0], y=[1j])}, "'count' must be real numbers"),
        (lambda problem, part: {"count": Points(x=None, y=None)}, "'count' .* got None"),
        (
            lambda problem, part: {"count": Points(x=np.zeros(20_001), y=np.zeros(20_001))},
            "must give 1 to 20,000 points, got 20,001",
        ),
    ],
    ids=[
        "nothing",
        "undeclared",
        "lengths",
        "none",
        "tuple",
        "words",
        "complex",
        "no numbers",
        "too many",
    ],
)
def test_what_makes_no_rows_is_refused(measure: Measure, words: str) -> None:
    """In one sentence that names what was wrong."""
    with pytest.raises(ValueError, match=words):
        answered(problem_with(measure))


def test_a_question_without_a_name_is_that_about_the_first(filled: Path) -> None:
    """So that what a command asks is what the page shows, which always names one."""
    catalog = Catalog(filled)
    model = catalog.models()[0]
    first = next(iter(ProblemFacts.of(catalog.problem(model.problem_id).facts).experiments))
    nameless, named = (
        question_about(catalog, EXPERIMENT, model, ExperimentSettings(experiment=name))
        for name in ("", first)
    )
    assert nameless.key == named.key
    assert nameless.settings.experiment == first
    catalog.close()


def test_what_is_not_declared_is_refused() -> None:
    """An experiment of another name, more parts than there are, or none at all."""
    problem, point = problem_with(spoil), {"weight": torch.zeros(1, 1)}
    for settings, words in (
        (ExperimentSettings(experiment="other"), "must be one of spoil, got 'other'"),
        (ExperimentSettings(part_count=4), "must be at most 3"),
    ):
        with pytest.raises(ValueError, match=words):
            next(experiment.answer(problem, [point], settings, frozenset(), CPU))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"parts": 0}, "parts must be a whole number from 1 to 10,000, got 0"),
        ({"parts": True}, "parts must be a whole number"),
        ({"parts": MOST_PARTS + 1}, "parts must be a whole number"),
        ({"series": [SERIES[0], SERIES[0]]}, "by its own name"),
        ({"series": "s"}, "series must be a list of Series"),
        ({"series": ["s"]}, "series must be a list of Series"),
        ({"threads": "two"}, "threads must be at least 1"),
        ({"title": 3}, "title must be text"),
        ({"x": None}, "x must be text"),
        ({"title": "t" * 501}, "at most 500 characters, got 501"),
        ({"x": "x" * 101}, "at most 100 characters, got 101"),
        ({"log": "x"}, "log must be a list of some of the axes"),
        ({"log": ["y"]}, r"some of the axes \['x', 'height', 'how many'\]"),
        ({"measure": 3}, "measure must be a function, got int"),
        ({"measure": lambda problem: {}}, "must take a problem and a part: too many"),
    ],
)
def test_what_is_no_declaration_is_refused(changed: dict[str, object], words: str) -> None:
    """Where it is written, so that an import says so with file and line."""
    assert settings_most_parts == MOST_PARTS
    with pytest.raises(ValueError, match=words):
        Experiment(**{"measure": spoil, "parts": 1, "series": SERIES, **changed})


def test_what_is_no_series_is_refused() -> None:
    """A mark that cannot be drawn, and a name that is none."""
    with pytest.raises(ValueError, match="one of line, dashed, points, bars, got 'zigzag'"):
        Series("s", "zigzag")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the name of a series must be text, got 3"):
        Series(3)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a sample that declares several experiments."""
    catalog = new_catalog(tmp_path_factory.mktemp("experiments") / "catalog")
    order_sample(catalog, "two_wells")
    work(catalog)
    catalog.close()
    return catalog.folder


def test_its_page_opens_with_many_experiments(
    filled: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names too long to stand side by side drop down; the first one is chosen."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(filled))
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)
    monkeypatch.setattr(_forms, "MOST_LETTERS", 5)
    app = fine(opened("explorer/pages/experiment.py", model="two_wells"))
    (menu,) = [box for box in app.selectbox if box.label == "Experiment"]
    assert menu.value == menu.options[0] == "escape"
