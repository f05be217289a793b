"""Benchmarks compare the same work, and say what they found, on a problem of seconds."""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.problem import Problem, cross_entropy
from explorer.recording import read_recording
from store import Catalog
from tests.benchmarks import __main__ as benchmarks
from tests.benchmarks import (
    against_limit,
    against_peers,
    data,
    growth,
    growth_picture,
    idle,
    limits,
    matching,
    models,
    peers,
    recorder,
    scale,
    spectrum,
    surface,
)
from tests.benchmarks.against_limit import Variant
from tests.benchmarks.evaluation import ours, settings_of
from tests.benchmarks.many_analyses import multiply
from tests.benchmarks.models import Case
from tests.benchmarks.networks import GPT, ResNet
from tests.benchmarks.report import Row, interleaved, ratio, speed_up
from tests.conftest import small_problem
from tests.stored import TABLE, ingest, put_model, question

CPU = torch.device("cpu")


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(limits, "TRIAL_SECONDS", 1e-4)
    problem = small_problem(dtype=torch.float32)
    point = problem.model.state_dict()
    return Case("tiny", problem, point, "train", models.plain_cross_entropy)


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("workers", [0, 2])
def test_reference_loop_finds_our_losses(case: Case, workers: int) -> None:
    """Both sides of a speed-up do the same work: losses and accuracies agree at common points."""
    settings = settings_of(case, 3)
    x, y = settings.axes
    loop = peers.ReferenceLoop(case, settings, workers)
    steps = [(x[i], y[j]) for j in range(3) for i in range(3)]
    losses, accuracies = np.array(loop.run(steps)).T
    run = ours(case, settings, CPU)
    # float32 on either side: the sums of its logits differ in the seventh digit
    assert run.losses.ravel() == pytest.approx(losses, rel=1e-5)
    assert len(set(losses)) == 9
    accuracy = np.concatenate([piece.columns["accuracy"] for piece in run.pieces])
    assert sorted(accuracy) == pytest.approx(sorted(accuracies), abs=1e-6)


@pytest.mark.parametrize("way", [limits.Way(40), limits.Way(101, 2), limits.Way(30, 1, 2)])
def test_limit_passes_as_often_over_all_examples(case: Case, way: limits.Way) -> None:
    """The limit sees every example in every pass, however passes are shared out."""
    seen: list[float] = []

    def plain(outputs: torch.Tensor, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
        total = models.plain_cross_entropy(outputs, batch)
        seen.append(float(total))
        return total

    counted = Case(case.title, case.problem, case.point, case.split, plain)
    threads = torch.get_num_threads()
    limits.passes(counted, CPU, way)(5)
    images, labels = case.batch
    with torch.no_grad():
        once = models.plain_cross_entropy(case.module(CPU)(images), (images, labels))
    assert len(seen) == 5 * math.ceil(101 / way.batch)
    assert sum(seen) == pytest.approx(5 * float(once), rel=1e-5)  # float32 sums of 101
    assert torch.get_num_threads() == threads


def test_table_of_a_model_against_its_limit(case: Case, capsys, tmp_path: Path) -> None:
    """Every variant gets a row with its spread, its target and how it was evaluated."""
    base = ours(case, settings_of(case, 3), CPU).choice
    variants = [
        Variant("set-up included", "<= 0.70", whole=True),
        Variant("as chosen", "<= 1000000", base),
        Variant("as chosen", "<= 0.30", base, "bf16"),
    ]
    rows = list(against_limit.against_limit(case, 3, variants, CPU, rounds=2))
    assert [row.target for row in rows[:3]] == ["<= 0.70", "<= 1000000", "<= 0.30"]
    assert rows[1].is_met and "relative error" in rows[2].note
    for row in rows:
        assert row.figure is not None and 0 < row.figure[0] <= row.figure[1] <= row.figure[2]
        assert row.what.startswith("tiny, 3 x 3") and row.against.startswith("9 plain passes")
    benchmarks.report(benchmarks.machine_of(CPU, 2), rows, tmp_path / "figures.json")
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 1 + len(rows) and "rounds 2" in shown[0]
    stored = json.loads((tmp_path / "figures.json").read_text())
    assert stored["machine"]["torch"] == torch.__version__
    assert [row["figure"] for row in stored["rows"]] == [list(row.figure) for row in rows]


def test_a_product_is_set_against_a_gradient(case: Case) -> None:
    """The spectrum's study runs on any case, and its row has a ratio."""
    (row,) = spectrum.product(lambda device: case, "<= 9", 1)(CPU, 1)
    assert row.figure is not None and row.figure[0] > 0 and "graphs kept" in row.note


def test_rows_say_what_came_out() -> None:
    """A row states both times, the spread and whether its middle meets the target."""
    row = ratio("x", "<= 0.70", [1.0, 3.0, 2.0], [2.0, 3.0, 4.0], against="limit", note="n")
    assert str(row) == "x: 2.000 s, limit 3.000 s, ratio 0.5 (0.5 to 1), target <= 0.70 met [n]"
    row = speed_up("y", ">= 12", [1.0, 1.0], [10.0, 11.0], against="peer")
    assert "speed-up 10.5 (10 to 11), target >= 12 MISSED" in str(row)
    assert Row("z", skipped="no file").json["met"] is None
    assert str(Row("z", skipped="no file")) == "z: skipped: no file"


def test_rounds_take_turns_and_the_first_does_not_count() -> None:
    """Contestants alternate, each round led by another; a warm-up of each is left out."""
    calls: list[str] = []

    def contestant(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    measured = interleaved({n: lambda n=n: contestant(n) for n in "ab"}, 2)  # type: ignore[misc]
    assert calls == ["a", "b", "a", "b", "b", "a"]
    assert measured == {"a": [3.0, 6.0], "b": [4.0, 5.0]}


def test_missing_data_leave_a_row_that_says_so(monkeypatch, tmp_path: Path) -> None:
    """Law: without a file of real data its rows are skipped by name and all others run."""
    monkeypatch.setenv("EXPLORER_DATA", str(tmp_path))
    chosen = surface.studies(CPU, "resnet-20", peers=True)
    rows = list(surface.rows(chosen, CPU, 1))
    assert len(rows) == 3
    assert {row.skipped for row in rows} == {"no resnet20_cifar10.safetensors"}
    (tmp_path / "tinyshakespeare.txt").write_text("abba")
    text, symbols = data.shakespeare()
    assert text.tolist() == [0, 1, 1, 0] and symbols == 2


def test_a_text_in_no_name_is_refused(monkeypatch, capsys) -> None:
    """`--only` with what no study is called lists the studies and leaves with 2."""
    monkeypatch.setattr("sys.argv", ["benchmarks", "surface", "--only", "VGG"])
    with pytest.raises(SystemExit) as left:
        benchmarks.main()
    assert left.value.code == 2
    assert "GPT against its limit" in capsys.readouterr().err


def test_absent_peers_are_said_how_to_install(monkeypatch, capsys) -> None:
    """`--peers` without them says the command and leaves with 2."""
    monkeypatch.setattr(peers, "are_installed", lambda packages: False)
    monkeypatch.setattr("sys.argv", ["benchmarks", "surface", "--peers"])
    with pytest.raises(SystemExit) as left:
        benchmarks.main()
    assert left.value.code == 2
    assert "--target .peers -r tests/benchmarks/requirements.txt" in capsys.readouterr().err


def test_peers_give_rows(case: Case) -> None:
    """The package draws its plane without moving our model; each peer has a speed-up."""
    if not peers.are_installed():
        pytest.skip(f"peers are not installed: {peers.INSTALL}")
    with torch.no_grad():  # the package divides by zero where a bias is 0
        for parameter in case.problem.model.parameters():
            parameter += 0.01
    before = {name: value.clone() for name, value in case.point.items()}
    assert np.isfinite(peers.package_plane(case, 3)).all()
    assert all(torch.equal(case.point[name], value) for name, value in before.items())
    rows = list(against_peers.against_peers(case, 3, (2, 9, 4), (">= 1",) * 3, 1))
    assert [row.measure for row in rows] == ["speed-up"] * 3
    assert "extrapolated from 2 points" in rows[0].against


def test_resnet20_reaches_its_public_accuracy() -> None:
    """Weights, architecture and images fit: 81.03 % on the JPEG copy, says the data's README."""
    try:
        case = models.resnet20(500)
    except data.MissingFileError as missing:
        pytest.skip(f"no {missing}")
    images, labels = case.batch
    with torch.inference_mode():
        right = (case.module(CPU)(images).argmax(dim=1) == labels).float().mean()
    # three standard deviations of a share of 0.81 among 500
    assert float(right) == pytest.approx(0.8103, abs=0.053)


def test_networks_are_those_of_the_papers() -> None:
    """Parameter counts of the public models; the transformer's outputs see no later symbol."""
    assert parameters(ResNet(20)) == 269_722 and parameters(ResNet(56)) == 853_018
    model = GPT(65).eval()
    assert 1.8e6 < parameters(model) < 2e6
    text = torch.randint(65, (2, 64), generator=torch.Generator().manual_seed(0))
    changed = text.clone()
    changed[:, 40:] = (changed[:, 40:] + 1) % 65
    with torch.no_grad():
        before, after = model(text), model(changed)
    assert torch.equal(before[:, :40], after[:, :40])
    assert not torch.isclose(before[:, 40:], after[:, 40:]).all()


def test_sequence_losses_add_up() -> None:
    """The loss per sequence and a user's plain one are the same over all symbols."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 5, 7, generator=generator, dtype=torch.float64)
    batch = (torch.zeros(3, 5), torch.randint(7, (3, 5), generator=generator))
    per_sequence = models.sequence_loss(outputs, batch)
    assert per_sequence.shape == (3,)
    plain = models.plain_sequence_loss(outputs, batch)
    assert float(plain) == pytest.approx(5 * float(per_sequence.sum()), rel=1e-12)


def test_untrained_network_gets_statistics() -> None:
    """Recalibration gives BatchNorm the mean of its inputs, and leaves the mode evaluation."""
    layer = torch.nn.BatchNorm2d(1)
    images = torch.randn(9, 1, 4, 4, generator=torch.Generator().manual_seed(0)) + 3
    models.recalibrate(torch.nn.Sequential(layer), images, CPU)
    assert not layer.training
    assert float(layer.running_mean) == pytest.approx(float(images.mean()), rel=1e-6)


def line() -> Problem:
    """A linear model of six numbers, whose step takes a fraction of a millisecond."""
    images = torch.linspace(-1, 1, 60).view(30, 2)
    model = torch.nn.Linear(2, 2)
    torch.nn.init.ones_(model.weight)
    torch.nn.init.zeros_(model.bias)
    return Problem(model, {"train": (images, torch.arange(30) % 2)}, cross_entropy)


def test_both_trainings_of_the_recorder_s_study_are_the_same(tmp_path: Path) -> None:
    """Recorded or bare, the same steps give the same weights; snapshots come every 100 of them."""
    trainings = [line() for _ in range(2)]
    for problem, folder in zip(trainings, (None, tmp_path), strict=True):
        assert recorder.trained(problem, CPU, 201, folder)() > 0
    one, other = (problem.model.state_dict() for problem in trainings)
    assert all(torch.equal(one[name], other[name]) for name in one)
    (place,) = tmp_path.iterdir()
    recording = read_recording(place)
    assert [s.step for s in recording.snapshots] == [100, 200] and recording.ended


def test_the_recorder_s_study_gives_a_row_with_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """One figure per study, recorded over bare, with the spread over the rounds."""
    monkeypatch.setattr(recorder, "BLOCKS", 2)
    study = recorder.study("tiny", line, 100)
    [row] = recorder.rows({"tiny": study}, CPU, 2)
    assert row.figure is not None and 0 < row.figure[0] <= row.figure[1] <= row.figure[2]
    assert (row.what, row.target) == ("tiny, recorded", "<= 1.02")
    assert list(recorder.studies(CPU, "mlp", peers=False)) == ["digits MLP"]
    with pytest.raises(ValueError, match="one of digits CNN, digits MLP, got 'x'"):
        recorder.studies(CPU, "x", peers=False)


SMALL = {"perceptron": (matching.perceptron, 16, (2, 784))}


def test_matching_is_timed_on_work_that_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted permutation is undone in each round, and the row says so."""
    monkeypatch.setattr(matching, "NETWORKS", SMALL)
    chosen = matching.studies(CPU, "time", False)
    (row,) = matching.rows(chosen, CPU, 2)
    assert row.measure == "seconds" and row.note == "ours undoes it" and row.figure[0] > 0


@pytest.mark.parametrize("name", ["rebasin", "reference"])
def test_public_matching_undoes_the_same_permutation(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the same two models, and the reference our specification, all end at one answer."""
    if not peers.are_installed(matching.PEERS) or name not in matching.contestants(True):
        pytest.skip(f"peers are not installed: {peers.INSTALL}")
    monkeypatch.setattr(matching, "NETWORKS", SMALL)
    work = matching.planted("perceptron")
    assert work.ours() and getattr(work, name)()


def test_what_grows_has_its_exponent() -> None:
    """Twice as much for twice the size is 1, four times as much 2, and no more 0."""
    taken = {"10": [1.0, 1.0, 7.0], "20": [2.0, 4.0, 7.0], "40": [4.0, 16.0, 7.0]}
    assert growth.exponents(taken, growth.TIME) == pytest.approx([1, 2, 0])
    assert growth.exponents({"10": [0.1], "20": [3.0]}, growth.MEMORY) == pytest.approx(
        [0]
    )  # less than tells


def test_growth_is_a_table_and_a_picture(tmp_path: Path) -> None:
    """Time and memory of each size have a line of the row's text and a point of the picture."""
    works = {size: lambda n=size: bytes(n << 20) for size in (1, 2, 4, 8)}
    rows = list(growth.Growth("bytes", why_memory="they lie there").rows(works, 2))
    assert [row.measure for row in rows] == [
        "exponent of the time in s",
        "exponent of the memory in MB",
    ]
    assert "they lie there" in str(rows[1]) and len(str(rows[1]).splitlines()) == 1 + len(works)
    panels = growth_picture.specification([*rows, Row("none", skipped="no duckdb")])["hconcat"]
    lines = [panel["layer"][1]["data"]["values"] for panel in panels]
    assert [[point["times"] for point in line] for line in lines] == [[1, 2, 4, 8]] * 2
    growth_picture.draw(rows, tmp_path / "growth.svg")
    assert "size / smallest size" in (tmp_path / "growth.svg").read_text()
    with pytest.raises(ValueError, match="got growth"):
        growth_picture.draw(rows, tmp_path / "growth.txt")


def test_a_run_s_plane_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each study does its work at four sizes, each twice the one before."""
    monkeypatch.setattr(scale, "sizes", lambda first: [4, 8])
    rows = list(scale.rows(scale.studies(CPU, "snapshots of a run", peers=False), CPU, 1))
    assert [[each.size for each in row.sizes] for row in rows] == [[4, 8]] * 2
    monkeypatch.undo()
    assert scale.sizes(8) == [8, 16, 32, 64]


def test_growth_without_a_database_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where DuckDB is missing, what is about catalogs says so and all else is measured."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    chosen = scale.studies(CPU, "analyses in the catalog", peers=False)
    assert [row.skipped for row in scale.rows(chosen, CPU, 1)] == ["no duckdb"]


def test_a_multiplied_catalog_has_as_many_answers(tmp_path: Path) -> None:
    """Every copy has rows and numbers of its own, the latter a little larger each."""
    catalog = Catalog(tmp_path / "catalog")
    put_model(catalog)
    catalog.ask(question("q1", family="f"))
    ingest(catalog, range(4))
    catalog.set_numbers("q1", {"lowest_loss": (1.0, 1.0, 1.0)}, 4)
    catalog.close()
    multiply(catalog.folder, 50)
    questions, count = catalog.questions("lowest_loss >= 1", order="lowest_loss", limit=50)
    assert count == 50 and questions[-1].key == "q1"
    numbers = [catalog.numbers([q.key])[q.key]["lowest_loss"][0] for q in questions]
    assert numbers == sorted(set(numbers), reverse=True)
    assert catalog.values(questions[0].key, TABLE)["loss"].tolist() == [0, 0.5, 1, 1.5]


def test_idle_processes_say_what_they_take() -> None:
    """Share of a core, the worst minute, and the slope of the memory in the second half."""
    samples = [
        idle.Sample(10.0 * n, 0.1 * n + 2 * (n > 20), 100.0 + max(0, n - 30), 2) for n in range(61)
    ]
    told = idle.idleness(samples)
    assert told.core_share == pytest.approx(8 / 600)
    assert told.worst_minute == pytest.approx(2.6 / 60)
    assert (told.first_megabytes, told.last_megabytes) == (100, 128)
    assert told.megabytes_per_hour == pytest.approx(360, rel=1e-6)
