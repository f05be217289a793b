"""The kind alignment: what its answers bring, what it refuses, and how it is shown."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from explorer.analysis import alignment
from explorer.analysis.symmetry.tracing import SymmetryError
from explorer.ask import questions
from explorer.ask.questions import result_as
from explorer.kinds.alignment import ALIGNMENT, AlignmentLook, copy_text
from explorer.kinds.alignment_result import Alignment
from explorer.kinds.alignment_settings import METHODS, AlignmentSettings
from explorer.kinds.interpolation import INTERPOLATION, InterpolationSettings
from explorer.pages import _running
from explorer.pages._alignment_tables import power_text, verdict
from explorer.problem import Problem, cross_entropy
from explorer.render.alignment import place_rows, tensor_rows
from explorer.render.drawing import drawing_of
from explorer.render.export.views import whole_spec
from sample_models import digits_cnn, digits_mlp
from store import Catalog, records
from tests import symmetric_models as models
from tests.filling import add_tiny, new_catalog, work
from tests.screen import (
    charts,
    fine,
    opened,
    texts,
)

CPU = torch.device("cpu")
WEIGHTS = Path(__file__).parents[1] / "sample_models" / "weights"
SMALL = AlignmentSettings(restarts=3, subset="first", examples=64)


def sample(name: str) -> dict[str, Tensor]:
    return load_file(WEIGHTS / f"{name}.safetensors")


def answer(
    problem: Problem,
    subjects: list[dict[str, Tensor]],
    settings: AlignmentSettings = SMALL,
    done: frozenset[int] = frozenset(),
) -> list:
    return list(alignment.answer(problem, subjects, settings, done, CPU))


def result(problem: Problem, subjects: list, settings: AlignmentSettings = SMALL) -> Alignment:
    return Alignment.from_pieces(settings, answer(problem, subjects, settings))


@pytest.fixture(scope="module")
def digits() -> Alignment:
    """Two digits models, aligned by weights."""
    return result(digits_mlp.problem(), [sample("mlp_a"), sample("mlp_b")])


def test_digits_models_come_nearer_and_the_loss_between_falls(digits: Alignment) -> None:
    """By more than a quarter of the distance and ten times the loss halfway; the function stays."""
    best = digits.best
    assert best is not None and digits.computed.all()
    assert digits.values["distance"][best] < 0.75 * digits.facts.distance
    assert digits.facts.midpoint > 10 * digits.values["midpoint"][best]
    assert (digits.values["change"] < 1e-12 * digits.facts.largest_output).all()
    assert 0 < digits.values["repaired"][best] < digits.facts.midpoint / 10
    own = digits.facts.own[1]["loss"]
    assert digits.loss == pytest.approx(own, rel=1e-12)
    assert digits.facts.log10_permutations == pytest.approx(70.84034, rel=1e-6)  # 2 log10(32!)


def test_distances_are_those_of_the_copies(digits: Alignment) -> None:
    """Tensor by tensor; their root of squares is the whole distance, less than before."""
    for unit, after in digits.facts.after.items():
        assert np.linalg.norm(after) == pytest.approx(digits.values["distance"][unit], rel=1e-12)
    fixed, moved = sample("mlp_a"), sample("mlp_b")
    before = [float((fixed[n].double() - moved[n].double()).norm()) for n in digits.facts.tensors]
    assert digits.facts.before == pytest.approx(before, rel=1e-12)


def test_the_copy_that_comes_is_the_permuted_model() -> None:
    """Its rows are the moved model's, in the order that the stored permutation says."""
    pieces = answer(digits_mlp.problem(), [sample("mlp_a"), sample("mlp_b")])
    stored = Alignment.from_pieces(SMALL, pieces)
    for piece in pieces:
        (unit,), (point,) = piece.units, piece.points
        first, second = (np.array(places) for places in stored.facts.places[unit])
        moved = {name: value.numpy() for name, value in sample("mlp_b").items()}
        expected = {
            "layers.0.weight": moved["layers.0.weight"][first],
            "layers.2.weight": moved["layers.2.weight"][second][:, first],
            "layers.4.weight": moved["layers.4.weight"][:, second],
            "layers.4.bias": moved["layers.4.bias"],
        }
        for name, value in expected.items():
            np.testing.assert_array_equal(point.tensors[name], value)
        assert point.subject == 1 and point.label == f"permuted copy {unit + 1}"


@pytest.mark.parametrize("method", METHODS)
def test_a_search_is_the_same_whenever_it_is_made(method: str) -> None:
    """Alone, after others, or with more beside it: each has its own seed."""
    settings = dataclasses.replace(SMALL, method=method)
    problem, subjects = digits_mlp.problem(), [sample("mlp_a"), sample("mlp_b")]
    whole = answer(problem, subjects, settings)
    (last,) = answer(problem, subjects, settings, frozenset({0, 1}))
    assert last.points[0].point_id == whole[2].points[0].point_id
    assert last.facts["permutation_2"] == whole[2].facts["permutation_2"]


def test_a_model_against_its_permuted_copy_comes_back() -> None:
    """Distance 0, no matter where a search begins: it is the fixed model to the bit."""
    problem, own = digits_mlp.problem(), sample("mlp_a")
    random = dataclasses.replace(SMALL, method="random", restarts=1)
    (piece,) = answer(problem, [own, own], random)
    copy = {name: torch.from_numpy(value) for name, value in piece.points[0].tensors.items()}
    shown = Alignment.from_pieces(random, [piece])
    assert shown.values["distance"][0] > 10 and shown.values["change"][0] < 1e-12
    back = result(problem, [own, copy])
    assert back.values["distance"].tolist() == [0.0] * 3 and back.agreement == 1.0


def test_running_statistics_are_permuted_along() -> None:
    """A convolutional network with BatchNorm: outputs stay, whatever the policy of the losses."""
    settings = dataclasses.replace(SMALL, method="random", batchnorm="recalibrated", restarts=1)
    network = sample("cnn_bn")
    random = result(digits_cnn.problem(), [network, network], settings)
    assert random.values["change"][0] < 1e-11
    assert [group.count for group in random.facts.groups] == [16, 32, 32]
    assert np.isnan(random.values["repaired"]).all() and "recalibrate" in random.facts.no_repair


def test_numbers_are_those_of_the_best_search() -> None:
    """The largest similarity counts; equal permutations agree."""
    facts = {"permutation_0": "a", "permutation_1": "b", "permutation_2": "b", "before": [3.0, 4.0]}
    columns = {"unit": np.arange(3), "search": np.arange(1, 4)}
    values = {
        "similarity": [1.0, 3.0, 3.0],
        "distance": [4.0, 2.0, 2.0],
        "change": [0.0, 1e-15, 0.0],
        "loss": [0.5] * 3,
        "midpoint": [0.7, 0.6, 0.6],
    }
    piece = alignment.Piece(columns | {n: np.array(v) for n, v in values.items()}, facts)
    stored = Alignment.from_pieces(AlignmentSettings(restarts=3), [piece])
    assert stored.best == 1 and stored.agreement == pytest.approx(2 / 3)
    numbers = {name: number.value for name, number in stored.numbers.items()}
    assert (numbers["distance"], numbers["aligned_distance"]) == (5.0, 2.0)
    assert copy_text(stored, 0) == "distance 4, loss 0.5"


class Ordering(models.Ordered):
    """Hidden channels in the order of their values, of the digits."""

    def __init__(self) -> None:
        super().__init__(largest=False)
        self.inputs, self.head = nn.Linear(64, 6), nn.Linear(6, 10)


class Deciding(models.Deciding):
    """A decision by the values of the digits."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(64, 6), nn.Linear(6, 10)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Ordering(), "nothing to permute: its channels are fixed by the operation sort"),
        (Deciding(), "takes decisions by the values"),
        (nn.Linear(64, 10), "nothing to permute"),
    ],
)
def test_what_cannot_be_aligned_is_one_sentence(model: nn.Module, words: str) -> None:
    """Before anything is stored."""
    problem = Problem(model, digits_mlp.digits(), cross_entropy)
    other = {name: value + 1 for name, value in model.state_dict().items()}
    with pytest.raises(SymmetryError, match=words):
        answer(problem, [model.state_dict(), other])


@pytest.mark.parametrize(("place", "name"), [(0, "fixed"), (1, "moved")])
def test_a_model_that_is_not_finite_is_refused(place: int, name: str) -> None:
    """By its part in the question and the tensor."""
    subjects = [sample("mlp_a"), sample("mlp_b")]
    subjects[place]["layers.2.bias"][3] = torch.nan
    with pytest.raises(ValueError, match=f"the {name} model must be finite, .* in layers.2.bias"):
        answer(digits_mlp.problem(), subjects)


def test_parameters_that_do_not_move_are_not_permuted() -> None:
    """Where a problem moves the last layers alone, only channels between these change places."""
    problem = dataclasses.replace(digits_mlp.problem(), parameters=("layers.2.*", "layers.4.*"))
    first = sample("mlp_a")
    second = {**sample("mlp_b"), **{n: first[n] for n in ("layers.0.weight", "layers.0.bias")}}
    aligned = result(problem, [first, second])
    assert [group.name for group in aligned.facts.groups] == ["layers.2"]
    assert any(entry.why == "a parameter that does not move" for entry in aligned.facts.fixed)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """A catalog with two models of the tiny problem."""
    folder = tmp_path_factory.mktemp("two")
    catalog = new_catalog(folder / "catalog")
    for number, name in enumerate(("one", "other")):
        add_tiny(catalog, folder, name, [number])
    yield catalog
    catalog.close()


def both(catalog: Catalog) -> list[records.Model]:
    return sorted(catalog.models(), key=lambda model: model.name)


def test_the_same_model_twice_is_refused(two: Catalog) -> None:
    """One sentence, and nothing is stored; but it may be permuted at random."""
    one, _ = both(two)
    with pytest.raises(ValueError, match="fixed and the moved must be two models, got the same"):
        questions.ask(two, ALIGNMENT, one, SMALL, others=[(one, "")])
    assert two.questions(kind="alignment")[0] == []
    random = dataclasses.replace(SMALL, method="random")
    questions.question_about(two, ALIGNMENT, one, random, others=[(one, "")])


@pytest.fixture(scope="module")
def stored(two: Catalog) -> records.Question:
    """The answer about the two."""
    one, other = both(two)
    settings = AlignmentSettings(restarts=2)
    key = questions.ask(two, ALIGNMENT, one, settings, others=[(other, "")])
    work(two)
    question = two.question(key)
    assert question is not None and question.status == "complete", two.jobs()
    return question


def test_another_kind_is_asked_about_the_copy(two: Catalog, stored: records.Question) -> None:
    """An interpolation to it ends at its loss, which is the moved model's own."""
    one, other = both(two)
    first, *_ = two.answer_points(key=stored.key)
    assert first.label == "permuted copy 1" and first.model_id == other.id
    settings = InterpolationSettings(x_count=3, x_min=0, x_max=1, precision="float64")
    key = questions.ask(two, INTERPOLATION, one, settings, others=[(other, first.point_id)])
    work(two)
    line = two.values(key, INTERPOLATION.table)
    end = line["loss"][np.flatnonzero(line["x"] == 1)]
    assert end == pytest.approx(result_as(two, stored, Alignment).loss[0], rel=1e-9)
    assert two.check_integrity(contents=True) == []


@pytest.mark.parametrize("picture", ["Tensors", "Searches", "Permutation"])
def test_the_page_says_what_came_of_it(
    two: Catalog, stored: records.Question, picture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both distances and how many copies there are, a chart, the tables, and links to a copy."""
    two.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(two.folder))
    address = {"model": "one", "moved": "other", "restarts": "2", "batchnorm": "frozen"}
    page = fine(opened(ALIGNMENT.page, **address, picture=picture))
    shown = " ".join(texts(page, "markdown"))
    assert "**Aligned: distance " in shown and "one of 720 equal copies" in shown
    assert charts(page) == 1 and len(page.dataframe) >= 2
    labels = [link.label for link in page.get("page_link")]
    assert any("to the copy" in label for label in labels)
    _running.stop_apps()


def test_pictures_of_every_sort_are_valid(digits: Alignment) -> None:
    """Each picture compiles; tensors and channels are all in it."""
    for picture in ("tensors", "searches", "places"):
        chart = drawing_of(ALIGNMENT, digits, AlignmentLook(picture=picture), ())
        chart.to_dict(validate=True)
        assert whole_spec(chart)
    assert len(tensor_rows(digits)) == 2 * len(digits.facts.tensors)
    rows, blocks = place_rows(digits)
    assert len(rows) == 64 and [block["group"] for block in blocks] == ["layers.0", "layers.2"]


def test_an_answer_without_a_search_says_so() -> None:
    """Before the first piece there is no verdict, and charts are empty but valid."""
    empty = Alignment.from_pieces(SMALL, [])
    assert verdict(empty) == "No search has ended yet." and empty.numbers == {}
    for picture in ("tensors", "searches", "places"):
        drawing_of(ALIGNMENT, empty, AlignmentLook(picture=picture), ()).to_dict(validate=True)


@pytest.mark.parametrize(
    ("log10", "text"), [(0.0, "1"), (2.857332496431268, "720"), (70.84, "10⁷⁰")]
)
def test_how_many_copies_there_are_is_short(log10: float, text: str) -> None:
    """Few are counted, many are a power of ten."""
    assert power_text(log10) == text
