"""Averages of several points: against torch's own, by convexity, and decisions solved by hand."""

import math
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, unquote_plus

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from explorer.analysis import averaging
from explorer.analysis.objective.named_tensors import content_hash
from explorer.ask import questions
from explorer.ask.command_text import compute_command
from explorer.ask.subject_names import subject_names
from explorer.ask.subjects import Subject, point_text
from explorer.commands.app import main
from explorer.kinds import KINDS
from explorer.kinds.averaging import AVERAGING
from explorer.kinds.averaging_result import Averaging, Role
from explorer.kinds.averaging_settings import METHODS, AveragingSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.members import MOST_MEMBERS
from explorer.kinds.piece import Piece, PiecePoint
from explorer.kinds.projection import PROJECTION, Projection, ProjectionSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.kinds.trajectory import RunSnapshots
from explorer.pages._links import Subjects, link_to
from explorer.problem import Problem, accuracy, cross_entropy
from explorer.render.averaging_rows import row_names
from explorer.render.marks.stroke_legend import stroke_legend
from store import Catalog, records
from tests import unusual_models as unusual
from tests.filling import add_answer, add_tiny, new_catalog
from tests.networks import of_weights, perceptron, seeded
from tests.screen import (
    charts,
    fine,
    opened,
)

CPU = torch.device("cpu")
MERGES = ((("a", "b"), "uniform"), (("c", "a", "b"), "task_arithmetic"))
Points = list[dict[str, torch.Tensor]]


@pytest.fixture(autouse=True)
def one_thread_each(one_thread: None) -> Iterator[None]:
    """Operations here are too small for more."""
    yield


def pieces_of(problem: Problem, points: Points, done=frozenset(), **settings) -> list[Piece]:
    """An answer about points, the first of which is the base where there is one."""
    chosen = AveragingSettings(**settings)
    count = len(points) - len(chosen.further_subjects)
    chosen = AveragingSettings(**settings, lengths=(1,) * count)
    return list(averaging.answer(problem, points, chosen, done, CPU))


def averaged(problem: Problem, points: Points, **settings) -> Averaging:
    """The same as a result."""
    chosen = AveragingSettings(**settings)
    count = len(points) - len(chosen.further_subjects)
    chosen = AveragingSettings(**settings, lengths=(1,) * count)
    return Averaging.from_pieces(chosen, pieces_of(problem, points, **settings))


def point_of(pieces: list[Piece]) -> PiecePoint:
    (point,) = (point for piece in pieces for point in piece.points)
    return point


def with_batchnorm() -> tuple[Problem, Points]:
    """A small network with BatchNorm on 40 random examples, at three points, in float32."""
    inputs = torch.randn(40, 6, generator=seeded(1))
    labels = torch.randint(0, 3, (40,), generator=seeded(2))
    points = []
    for seed in range(3):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))
            model(torch.randn(30, 6))
        points.append({n: v.detach().clone() for n, v in model.state_dict().items()})
    data = {"train": (inputs, labels)}
    return Problem(model, data, cross_entropy, {"accuracy": accuracy}), points


def test_a_uniform_average_is_that_of_torch(one_thread: None) -> None:
    """Parameters and recomputed statistics of `AveragedModel` and `update_bn`, and its loss."""
    problem, points = with_batchnorm()
    inputs, labels = problem.data["train"]
    oracle = AveragedModel(problem.model)
    for point in points:
        problem.model.load_state_dict(point)
        oracle.update_parameters(problem.model)
    update_bn([(inputs[:16], 0), (inputs[16:32], 0), (inputs[32:], 0)], oracle)
    pieces = pieces_of(problem, points, batchnorm_batch=16)
    brought = point_of(pieces)
    for name, value in oracle.module.state_dict().items():
        if value.is_floating_point():
            np.testing.assert_allclose(brought.tensors[name], value, rtol=1e-5, atol=1e-6)
    oracle.eval()
    with torch.no_grad():
        expected = float(nn.functional.cross_entropy(oracle(inputs), labels))
    (loss,) = pieces[-1].columns["loss"]
    assert loss == pytest.approx(expected, rel=1e-5)
    tensors = {name: torch.from_numpy(value) for name, value in brought.tensors.items()}
    assert brought.point_id == content_hash(tensors)


def test_frozen_statistics_are_the_mean_and_whole_numbers_the_first_s() -> None:
    """Of buffers with a fraction the mean; the count of batches is that of the first point."""
    problem, points = with_batchnorm()
    points[0]["1.num_batches_tracked"] += 6
    brought = point_of(pieces_of(problem, points, batchnorm="frozen")).tensors
    mean = torch.stack([point["1.running_var"] for point in points]).mean(dim=0)
    np.testing.assert_allclose(brought["1.running_var"], mean, rtol=1e-6)
    assert brought["1.num_batches_tracked"] == 7


def test_a_net_without_batchnorm_is_the_same_by_either_policy() -> None:
    """Statistics are recomputed by default; without any, nothing differs, and nothing is said."""
    problem, points = perceptron()
    recomputed, frozen = (
        averaged(problem, points, batchnorm=b) for b in ("recalibrated", "frozen")
    )
    assert recomputed.loss.tolist() == frozen.loss.tolist()
    assert not recomputed.facts.recalibrated


def test_the_loss_of_an_average_is_below_the_mean_where_it_is_convex() -> None:
    """Jensen: softmax regression, of whose points the average is no worse than they are."""
    inputs = torch.randn(33, 4, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (33,), generator=seeded(2))
    model = nn.Linear(4, 3).double()
    points = [
        {
            "weight": torch.randn(3, 4, generator=seeded(n), dtype=torch.float64),
            "bias": torch.randn(3, generator=seeded(9 + n), dtype=torch.float64),
        }
        for n in range(4)
    ]
    problem = Problem(model, {"train": (inputs, labels)}, cross_entropy)
    result = averaged(problem, points, precision="float64")
    assert result.rise < 0
    numbers = {name: number.value for name, number in result.numbers.items()}
    assert numbers["average_rise"] == pytest.approx(
        numbers["average_loss"] - numbers["mean_member_loss"], abs=1e-15
    )
    assert numbers["best_member_loss"] == result.of(Role.INGREDIENT).min()


@pytest.mark.parametrize("kind", ["closure", "locked", "itself", "decay", "complex"])
def test_unusual_models_are_averaged(kind: str) -> None:
    """What cannot be copied, or has a loss over its weights: the loss at the mean by a plain loop.

    Of complex buffers the mean is taken too, and the model is left as it was.
    """
    problem = unusual.problem_of(kind)
    before = {n: v.clone() for n, v in problem.model.state_dict().items()}
    points = [
        {
            name: value + 0.3 * torch.randn(value.shape, generator=seeded(n), dtype=value.dtype)
            for name, value in before.items()
        }
        for n in range(3)
    ]
    mean = {name: torch.stack([p[name] for p in points]).mean(dim=0) for name in before}
    result = averaged(problem, points)
    expected = unusual.plain_losses(kind, [*points, mean])
    np.testing.assert_allclose(result.loss, expected, rtol=2e-5)
    assert all(torch.equal(before[n], v) for n, v in problem.model.state_dict().items())


def quadratic(*points: list[float]) -> tuple[Problem, Points]:
    """The loss (w1 - 1)^2 + w2^2 at some points."""
    problem = of_weights([0.0, 0.0], lambda w: (w[:, 0] - 1) ** 2 + w[:, 1] ** 2)
    return problem, [{"weight": torch.tensor([p], dtype=torch.float64)} for p in points]


def test_a_greedy_soup_decides_as_solved_by_hand() -> None:
    """Losses 4, 1, 9, 1: the second comes first, the fourth is kept, the first makes it worse.

    Of (1, 1) and (1, -1) the mean is (1, 0) with loss 0; with (3, 0) it is 4/9, with (1, 3) 4/9.
    """
    problem, points = quadratic([3, 0], [1, 1], [1, 3], [1, -1])
    result = averaged(problem, points, method="greedy", precision="float64")
    assert result.of(Role.INGREDIENT).tolist() == [4, 1, 9, 1]
    assert result.of(Role.TRIAL, "tried").tolist() == [3, 0, 2]
    assert result.of(Role.TRIAL, "kept").tolist() == [1, 0, 0]
    np.testing.assert_allclose(result.of(Role.TRIAL), [0, 4 / 9, 1], atol=1e-15)
    assert result.facts.entered == (1, 3)
    assert result.loss[-1] == 0
    np.testing.assert_allclose(result.values["distance"][:4], [2, 1, 3, 1], atol=1e-15)
    names = row_names(result)
    assert names[4:] == ["+ point 4", "+ point 1", "+ point 3", "greedy soup"]


def test_a_greedy_soup_goes_on_where_it_was() -> None:
    """What comes after any row is the same whether the rows before are made again or not."""
    problem, points = with_batchnorm()
    whole = pieces_of(problem, points, method="greedy", criterion="accuracy")
    for count in range(1, len(whole)):
        rest = pieces_of(
            problem, points, done=set(range(count)), method="greedy", criterion="accuracy"
        )
        assert [p.units for p in rest] == [p.units for p in whole[count:]]
        for one, other in zip(rest, whole[count:], strict=True):
            for name, column in other.columns.items():
                np.testing.assert_array_equal(one.columns[name], column, err_msg=name)


def test_a_soup_of_one_is_that_point_itself() -> None:
    """No other helps: its own statistics, its loss to the last bit, and no new point."""
    problem, points = with_batchnorm()
    result = averaged(problem, points, method="greedy")
    pieces = pieces_of(problem, points, method="greedy")
    assert result.of(Role.TRIAL, "kept").tolist() == [0, 0]
    (only,) = result.facts.entered
    assert result.loss[-1] == result.loss[only]
    assert not any(piece.points for piece in pieces)


def test_slerp_turns_about_zero_or_a_base() -> None:
    """At right angles halfway, of lengths 3 and 1; about a base the same of the differences."""
    problem, points = quadratic([3, 0], [0, 1])
    brought = point_of(pieces_of(problem, points, method="slerp", precision="float64"))
    np.testing.assert_allclose(brought.tensors["weight"], [np.sqrt([4.5, 0.5])], rtol=1e-14)
    problem, points = quadratic([2, 2], [5, 2], [2, 3])
    settings = {"method": "slerp", "origin": "base", "precision": "float64"}
    brought = point_of(pieces_of(problem, points, **settings))
    np.testing.assert_allclose(brought.tensors["weight"], [2 + np.sqrt([4.5, 0.5])], rtol=1e-14)
    result = averaged(problem, points, **settings)
    assert result.facts.angle == pytest.approx(math.pi / 2)
    end = averaged(problem, points, **settings, fraction=1.0)
    assert end.loss[-1] == end.loss[1] and end.facts.entered == (1,)


@pytest.mark.parametrize(
    ("shape", "fraction", "expected"),
    [
        ("bezier", 0.5, [0.25 * 0 + 0.5 * 4 + 0.25 * 8, 0.25 * 0 + 0.5 * 2 + 0.25 * 0]),
        ("chain", 0.25, [2, 1]),
        ("chain", 0.75, [6, 1]),
    ],
)
def test_a_place_on_a_path_is_weighted(shape: str, fraction: float, expected: list) -> None:
    """Past (0, 0), (4, 2), (8, 0): Bernstein's weights, or halfway between two corners."""
    problem, points = quadratic([0, 0], [4, 2], [8, 0])
    settings = {"method": "path", "shape": shape, "precision": "float64"}
    brought = point_of(pieces_of(problem, points, fraction=fraction, **settings))
    np.testing.assert_allclose(brought.tensors["weight"], [expected], rtol=1e-15)
    assert brought.label == f"point of a path at t = {fraction:g}"
    end = averaged(problem, points, fraction=1.0, **settings)
    assert end.facts.entered == (2,) and end.loss[-1] == end.loss[2]


def test_on_a_path_frozen_statistics_are_weighted_too() -> None:
    """At t = .5 of a Bezier curve with one bend: a quarter, a half, a quarter."""
    problem, points = with_batchnorm()
    settings = {"method": "path", "batchnorm": "frozen"}
    brought = point_of(pieces_of(problem, points, **settings)).tensors
    first, bend, last = (point["1.running_mean"] for point in points)
    np.testing.assert_allclose(brought["1.running_mean"], (first + 2 * bend + last) / 4, rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("task_arithmetic", [1 + 0.5 * (4 - 2), 2 + 0.5 * (1 + 1)]),
        ("ties", [1 + 0.5 * 4, 2 + 0.5 * 1]),
        ("dare", [1 + 0.5 * (4 - 2), 2 + 0.5 * (1 + 1)]),
    ],
)
def test_task_vectors_are_added_to_the_base(method: str, expected: list[float]) -> None:
    """Base (1, 2) and task vectors (4, 1), (-2, 1), half of them; nothing trimmed or dropped."""
    problem, points = quadratic([1, 2], [5, 3], [-1, 3])
    settings = {"keep": 1.0} if method == "ties" else {"drop": 0.0} if method == "dare" else {}
    settings |= {"method": method, "coefficient": 0.5, "precision": "float64"}
    brought = point_of(pieces_of(problem, points, **settings))
    np.testing.assert_allclose(brought.tensors["weight"], [expected], rtol=1e-15)
    result = averaged(problem, points, **settings)
    assert result.of(Role.BASE).tolist() == [4]
    moved = np.array(expected) - [1, 2]
    assert result.facts.base_distance == pytest.approx(np.linalg.norm(moved))


def test_weights_that_are_not_finite_are_refused_before_anything_is_stored() -> None:
    """One sentence that counts the point; no piece comes before it."""
    problem, points = quadratic([1, 2], [math.nan, 3], [-1, 3])
    with pytest.raises(ValueError, match="point 2 of 3; leave it out"):
        pieces_of(problem, points)
    with pytest.raises(ValueError, match="in the base"):
        pieces_of(problem, [points[1], points[0], points[2]], method="ties")


def test_a_problem_without_accuracy_cannot_be_sorted_by_it() -> None:
    """A greedy soup by accuracy is one sentence that says the way out."""
    problem, points = quadratic([1, 2], [0, 3])
    with pytest.raises(ValueError, match="no metric accuracy to sort by; sort by loss"):
        pieces_of(problem, points, method="greedy", criterion="accuracy")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with four models of one problem, one of them a run."""
    folder = tmp_path_factory.mktemp("averaging")
    catalog = new_catalog(folder / "catalog")
    add_tiny(catalog, folder, "run", range(4))
    for seed, name in enumerate(("a", "b", "c"), start=4):
        add_tiny(catalog, folder, name, [seed])
    for names, method in (*MERGES, *((shown_names(method), method) for method in METHODS)):
        asked(catalog, *names, method=method)
    ask_about_plane(catalog)
    catalog.close()
    return catalog.folder


@pytest.fixture
def catalog(filled: Path) -> Iterator[Catalog]:
    catalog = Catalog(filled)
    yield catalog
    catalog.close()


def subjects(catalog: Catalog, *names: str) -> list[Subject]:
    models = {model.name: model for model in catalog.models()}
    return [(models[name], "") for name in names]


def asked(catalog: Catalog, *names: str, **settings) -> records.Question:
    return add_answer(catalog, AVERAGING, AveragingSettings(**settings), *subjects(catalog, *names))


def shown_names(method: str) -> tuple[str, ...]:
    return ("a", "b") if method == "slerp" else ("a", "b", "c")


def ask_about_plane(catalog: Catalog) -> tuple[records.Question, list[records.AnswerPoint]]:
    """The plane of a base and two models, answered; merges of these projected on it, and these."""
    merges = [asked(catalog, *names, method=method) for names, method in MERGES]
    brought = [catalog.answer_points(key=question.key)[0] for question in merges]
    base, *others = subjects(catalog, "c", "a", "b")
    given = [base, *(subject for other in others for subject in (base, other))]
    axes = {"direction": "given", "ignore_1d": False}
    add_answer(catalog, SURFACE, SurfaceSettings(x_count=3, y_count=3, **axes), *given)
    alone = [(catalog.model(point.model_id), point.point_id) for point in brought]
    settings = ProjectionSettings(**axes)
    return add_answer(catalog, PROJECTION, settings, *given, *alone), brought


def refusal(catalog: Catalog, chosen: list[Subject], **settings) -> str:
    """Why a question is refused; nothing is stored of it."""
    before = len(catalog.questions(limit=1000)[0])
    (model, point), *others = chosen
    with pytest.raises(ValueError) as refused:
        questions.ask(
            catalog, AVERAGING, model, AveragingSettings(**settings), point=point, others=others
        )
    assert len(catalog.questions(limit=1000)[0]) == before and not catalog.active_jobs(1)
    return str(refused.value)


def test_swa_takes_the_tail_of_a_run(catalog: Catalog) -> None:
    """The last two of four snapshots, by their steps; of one more run its final one as well."""
    question = asked(catalog, "run", last=2)
    assert question.settings["lengths"] == [2]
    run = subjects(catalog, "run")[0][0]
    assert list(question.point_ids) == [p.point_id for p in catalog.points(run.id)][-2:]
    result = questions.result_as(catalog, question, Averaging)
    assert row_names(result, subject_names(catalog, question))[:2] == [
        "run, step 20",
        "run, step 30",
    ]
    both = asked(catalog, "run", "a", last=3)
    assert both.settings["lengths"] == [3, 1] and len(both.point_ids) == 4


def test_the_average_can_be_asked_about(catalog: Catalog) -> None:
    """A line through it has its loss in the middle, and the command names it."""
    question = asked(catalog, "a", "b")
    (brought,) = catalog.answer_points(key=question.key)
    model, _ = subjects(catalog, "a")[0]
    assert brought.model_id == model.id and brought.label == "uniform average"
    line = add_answer(catalog, LINE, LineSettings(x_count=3), (model, brought.point_id))
    result = questions.result_as(catalog, question, Averaging)
    at_centre = catalog.values(line.key, LINE.table)
    middle = float(at_centre["loss"][at_centre["x"] == 0][0])
    assert middle == pytest.approx(float(result.loss[-1]), rel=1e-6)
    assert re.search(r"--model=a@\w{12}:average", compute_command(catalog, line))


def test_an_average_is_an_ingredient_of_another(catalog: Catalog) -> None:
    """A point that an answer brought stands among models, under its own name."""
    first = asked(catalog, "a", "b")
    (brought,) = catalog.answer_points(key=first.key)
    chosen = [*subjects(catalog, "c"), (subjects(catalog, "a")[0][0], brought.point_id)]
    second = add_answer(catalog, AVERAGING, AveragingSettings(), *chosen)
    assert second.point_ids[1] == brought.point_id
    result = questions.result_as(catalog, second, Averaging)
    names = row_names(result, subject_names(catalog, second))
    assert names == ["c", "a at uniform average", "uniform average"]


def test_what_makes_no_average_is_one_sentence(catalog: Catalog) -> None:
    """Too few, too many, one twice, SLERP of three, the base among the ingredients."""
    model, _ = subjects(catalog, "run")[0]
    first, *_ = catalog.points(model.id)
    told = [
        refusal(catalog, subjects(catalog, "a")),
        refusal(catalog, subjects(catalog, "a", "b", "c"), method="slerp"),
        refusal(catalog, subjects(catalog, "a", "b", "a"), method="ties"),
        refusal(catalog, [(model, ""), (model, first.point_id)], last=4),
        refusal(catalog, subjects(catalog, "a", "b"), method="slerp", origin="base"),
    ]
    expected = (
        *("from 2 to 50 points, got 1", "of two points", "base must be another point"),
        *("is there twice", "from 2 to 50 points, got 1"),
    )
    for sentence, words in zip(told, expected, strict=True):
        assert words in sentence and "\n" not in sentence


def test_the_order_of_points_counts_where_it_leads_somewhere(catalog: Catalog) -> None:
    """Of a path another order is another question; of a mean it is the same one."""
    for method, same in (("uniform", True), ("path", False)):
        settings = AveragingSettings(method=method, fraction=0.25 if method == "path" else 0.5)
        (model, _), *others = subjects(catalog, "a", "b", "c")
        orders = [others, others[::-1]]
        keys = [
            questions.question_about(catalog, AVERAGING, model, settings, others=order)
            for order in orders
        ]
        assert (keys[0].key == keys[1].key) == same
        assert keys[0].points[0] == keys[1].points[0] == model.point_id


def test_more_than_the_most_are_refused() -> None:
    """51 snapshots of runs are one sentence, though each run alone has few."""
    points = tuple(f"{number:064x}" for number in range(MOST_MEMBERS + 1))
    run = RunSnapshots("long", points, ("",) * len(points))
    with pytest.raises(ValueError, match="from 2 to 50 points, got 51"):
        AveragingSettings().about([run])


@pytest.mark.parametrize("method", METHODS)
def test_the_command_asks_what_the_page_shows(
    method: str, catalog: Catalog, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By each method: the printed command finds the answer, and its page shows it."""
    question = asked(catalog, *shown_names(method), method=method)
    words = shlex.split(compute_command(catalog, question))
    capsys.readouterr()
    status, said = main(words[3:]), capsys.readouterr()
    assert (status, said.out) == (0, f"{question.key}\n"), said.err
    link = link_to(question, Subjects(catalog))
    page = opened(AVERAGING.page, **link.parameters)
    assert [e.value for e in (*page.exception, *page.error)] == []
    shown = " ".join(element.value for element in page.markdown)
    assert "loss" in shown and "of" in shown
    assert charts(page) == 1


def test_a_point_alone_is_chosen_by_the_address(catalog: Catalog, folder: Path) -> None:
    """Snapshots and averages stand in the menu as the address names them; what is none is said."""
    first = asked(catalog, "a", "b")
    (brought,) = catalog.answer_points(key=first.key)
    name = f"a@{point_text(brought)}"
    page = opened(AVERAGING.page, model="c", runs=[name, "run@10"], last="1")
    assert [e.value for e in (*page.exception, *page.error)] == []
    assert page.multiselect(key="runs").value == [name, "run@10"]
    wrong = opened(AVERAGING.page, model="c", runs=["run@11"])
    assert "runs in the address must be" in wrong.error[0].value


def test_the_end_of_a_run_may_be_added_to_an_earlier_place_of_it(
    catalog: Catalog, folder: Path
) -> None:
    """Where a merge begins at a snapshot its model is an ingredient too, as in a stored merge."""
    merge = {"method": "task_arithmetic", "last": "1"}
    page = opened(AVERAGING.page, model="run", step="10", runs=["run", "a"], **merge)
    assert [e.value for e in (*page.exception, *page.error)] == []
    assert page.multiselect(key="runs").value == ["run", "a"]
    wrong = opened(AVERAGING.page, model="a", runs=["a"], **merge)
    assert "runs in the address must be" in wrong.error[0].value


def test_one_model_alone_is_told_what_is_missing(catalog: Catalog, folder: Path) -> None:
    """A model of one snapshot: the page says in a sentence what to choose, and is no error."""
    page = opened(AVERAGING.page, model="a")
    assert not page.error and not page.exception
    assert any("two points at least" in info.value for info in page.info)
    page = fine(opened(AVERAGING.page, model="a", method="ties"))
    assert any("choose one or more of them" in info.value for info in page.info)


def test_averages_are_dots_on_a_plane(catalog: Catalog, folder: Path) -> None:
    """The merge plane: a base and two models; merges of theirs lie on it where they must.

    Their mean is halfway between both, task arithmetic at (1, 1); the page has both in its menu.
    """
    paths, brought = ask_about_plane(catalog)
    projection = questions.result_as(catalog, paths, Projection)
    order = [paths.point_ids[5:].index(point.point_id) for point in brought]
    places = np.stack([projection.values["x"], projection.values["y"]])[:, order]
    np.testing.assert_allclose(places, [[0.5, 1], [0.5, 1]], atol=1e-5)
    assert projection.values["out"].max() < 1e-4
    link = link_to(paths, Subjects(catalog)).parameters
    page = fine(opened(SURFACE.page, **link | {"x_count": "3", "y_count": "3"}))
    names = {f"{catalog.model(p.model_id).name}@{point_text(p)}" for p in brought}
    assert set(page.multiselect(key="runs").value) == names
    assert charts(page) == 1


def test_a_legend_of_many_dots_is_as_wide_as_its_plane() -> None:
    """Names of 25 letters in a plot of 440 px: two columns; without a width any number."""
    names = [f"{number} {'letters ' * 3}"[:25] for number in range(8)]
    colours = ["#000000"] * 8
    for width, columns in ((440, 2), (100, 1), (None, None)):
        legend = stroke_legend("path", names, colours, width).to_dict()["encoding"]["stroke"]
        assert legend["legend"].get("columns") == columns


def test_the_page_leads_on_to_analyses_of_the_average(catalog: Catalog, folder: Path) -> None:
    """A link for each kind of one point and of two; those followed show the average, no error."""
    question = asked(catalog, "a", "b")
    (brought,) = catalog.answer_points(key=question.key)
    page = fine(opened(AVERAGING.page, model="a", runs=["b"], last="1"))
    addresses = {
        link.proto.label: dict(parse_qsl(link.proto.query_string))
        for link in page.get("page_link")
        if point_text(brought) in unquote_plus(link.proto.query_string)
    }
    kinds = [kind for kind in KINDS if kind.own_page and not kind.whole_run]
    assert len(addresses) == len(kinds) > 5
    for kind in kinds:
        (address,) = (a for label, a in addresses.items() if label.startswith(f"{kind.title} "))
        fine(opened(kind.page, **address))
