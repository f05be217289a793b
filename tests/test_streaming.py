"""Examples streamed from a map-style data set give what the same examples give as tensors."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from explorer.analysis import interpolation, line
from explorer.analysis.model import problem_module, problems
from explorer.analysis.objective import dataset, reading
from explorer.analysis.objective import device_examples as placing
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.loading import Loader
from explorer.analysis.objective.objective import Objective
from explorer.codec import to_json
from explorer.kinds.execution import Choice
from explorer.kinds.interpolation import InterpolationSettings
from explorer.kinds.line import Line, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.pages._facts import part_of_data
from explorer.problem import Problem, cross_entropy
from tests.conftest import small_problem
from tests.networks import seeded

CPU = torch.device("cpu")
STEPS = np.array([[0.0], [0.3], [-1.0], [0.7], [0.05]])


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no memory in which a split could stay."""
    monkeypatch.setattr(placing, "RESIDENT_SHARE", 0.0)


def streamed(problem: Problem) -> Problem:
    """The same problem, its splits as data sets."""
    return replace(problem, data={n: TensorDataset(*split) for n, split in problem.data.items()})


def evaluator_of(problem: Problem, settings: ObjectiveSettings, **choice: Any) -> Evaluator:
    objective = Objective(problem, settings, CPU)
    vectors = torch.randn(1, objective.flat.theta.numel(), generator=seeded(4)) * 0.1
    evaluator = Evaluator(objective, vectors)
    evaluator.use(Choice(batch=17, **choice))
    return evaluator


@pytest.mark.parametrize("way", [{}, {"folded": True, "channels_last": True}])
@pytest.mark.parametrize("policy", ["frozen", "recalibrated", "batch"])
@pytest.mark.parametrize("subset", ["all", "random"])
def test_streamed_equals_resident(tight: None, policy: str, subset: str, way: dict) -> None:
    """Bit for bit: loss, accuracy, standard error and skewness, with a ragged last batch.

    Whatever normalises, whichever examples, and at five points that share a pass.
    """
    if policy == "batch" and way:
        way = {"channels_last": True}
    settings = ObjectiveSettings(
        batchnorm=policy, batchnorm_batch=25, batchnorm_examples=60, subset=subset,
        examples=55 if subset == "random" else 0, examples_seed=3 if subset == "random" else 0,
    )  # fmt: skip
    problem = small_problem(dtype=torch.float32)
    evaluator = evaluator_of(streamed(problem), settings, **way)
    assert evaluator.objective.choice.streamed and evaluator.objective.examples % 17
    wanted = evaluator_of(problem, settings, **way).values(STEPS)
    values = evaluator.values(STEPS)
    assert {"loss", "loss_se", "loss_skewness", "accuracy"} <= set(values)
    for name, value in wanted.items():
        assert np.array_equal(values[name], value), name
    assert evaluator.objective.means() == evaluator_of(problem, settings, **way).objective.means()


def test_examples_are_loaded_once_for_all_points(tight: None) -> None:
    """Five points take one pass over 101 examples, and five alone take five."""
    problem = small_problem()
    seen: list[int] = []

    class Counting(Dataset):
        def __len__(self) -> int:
            return 101

        def __getitem__(self, index: int) -> Any:
            seen.append(index)
            return tuple(tensor[index] for tensor in problem.data["train"])

    counted = evaluator_of(replace(problem, data={"train": Counting()}), ObjectiveSettings())
    seen.clear()
    counted.values(STEPS)
    assert seen == list(range(101))


@pytest.mark.parametrize("direction", ["gradient", "random"])
def test_lines_and_interpolations_on_streamed_data(tight: None, direction: str) -> None:
    """The gradient, the losses along it, and buffers between two points, as with tensors."""
    problem = small_problem(dtype=torch.float32)
    points = [problem.model.state_dict(), small_problem(50, torch.float32).model.state_dict()]
    points[1] = {n: v * 1.1 if v.is_floating_point() else v for n, v in points[1].items()}
    settings = LineSettings(x_count=5, direction=direction)
    between = InterpolationSettings(x_count=5)
    for answer, question in ((line.answer, settings), (interpolation.answer, between)):
        rows = []
        for given in (problem, streamed(problem)):
            pieces = list(answer(given, points, question, frozenset(), CPU))
            rows.append((pieces[0].facts, np.concatenate([p.columns["loss"] for p in pieces])))
        assert [("streamed" in facts["evaluated"]) for facts, _ in rows] == [False, True]
        # with tensors, all examples are one batch or several lanes: another order of float32 sums
        assert rows[1][1] == pytest.approx(rows[0][1], rel=1e-6)
        assert rows[1][0].get("gradient_norm") == pytest.approx(rows[0][0].get("gradient_norm"))


def test_what_fits_stays_as_tensors() -> None:
    """A data set that memory holds becomes tensors, with every way of evaluating; dicts too."""
    problem = small_problem()
    images, labels = problem.data["train"]
    pairs = zip(images, labels, strict=True)
    rows = [{"pixels": image, "target": int(label)} for image, label in pairs]

    class Rows(Dataset):
        def __len__(self) -> int:
            return len(rows)

        def __getitem__(self, index: int) -> Any:
            return rows[index]

    dicts = Problem(
        problem.model,
        {"train": Rows()},
        lambda outputs, batch: cross_entropy(outputs, (None, batch["target"])),
        forward=lambda model, batch: model(batch["pixels"]),
    )
    objective = Objective(dicts, ObjectiveSettings(precision="float64"), CPU)
    assert not objective.streams and torch.equal(objective.data["pixels"], images)
    wanted = Objective(problem, ObjectiveSettings(precision="float64"), CPU).means()["loss"]
    assert objective.means()["loss"] == pytest.approx(wanted, rel=1e-13)  # another order of sums


PROBLEM = """
import os, signal
import torch
from torch.utils.data import Dataset
from explorer.problem import Problem, cross_entropy

class Squares(Dataset):
    def __init__(self, deed):
        self.deed = deed
    def __len__(self):
        return 200
    def __getitem__(self, index):
        if index == 150 and self.deed == "raise":
            raise KeyError("no such file")
        if index == 150 and self.deed == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "random":
            return torch.randn(3), index % 2
        if index == 150 and self.deed == "ragged":
            return torch.randn(1, 3), index % 2
        x = torch.full((3,), index / 100)
        return (x, os.getpid()) if self.deed == "pid" else (x, index % 2)

def problem(deed="", most=None, seed=0):
    return Problem(torch.nn.Linear(3, 2), {"train": Squares(deed)}, cross_entropy,
                   max_examples=most, examples_seed=seed)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "squares.py").write_text(PROBLEM)
    return tmp_path / "squares.py"


def test_a_part_is_drawn_by_its_seed(file: Path) -> None:
    """The same seed draws the same examples, another one others; the facts say of how many."""
    one, again = (problems.load_problem(file, {"most": 40, "seed": 1}) for _ in range(2))
    other, all_ = (
        problems.load_problem(file, {"most": 40, "seed": 2}),
        problems.load_problem(file, {"most": 500}),
    )
    split = one.facts.splits["train"]
    assert split == again.facts.splits["train"]
    assert (split.count, split.of, split.seed) == (40, 200, 1)
    chosen = np.sort(np.random.RandomState(1).permutation(200)[:40])
    assert one.problem.data["train"][0][:, 0].tolist() == pytest.approx(chosen / 100)
    assert to_json(all_.facts.splits["train"]).keys() == {"count", "fingerprint"}
    prints = {loaded.splits["train"].fingerprint for loaded in (one, other, all_)}
    assert len(prints) == 3


def test_the_fingerprint_is_that_of_the_examples(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It depends neither on how many are read together nor on whether they are kept."""
    wanted = problems.load_problem(file, {}).splits["train"].fingerprint
    monkeypatch.setattr(reading, "READ_BYTES", 150)
    monkeypatch.setattr(placing, "RESIDENT_SHARE", 0.0)
    loaded_problem = problems.load_problem(file, {})
    assert isinstance(loaded_problem.problem.data["train"], dataset.Examples)
    assert loaded_problem.splits["train"].fingerprint == wanted


@pytest.mark.parametrize("slow", [2.0, 0.0])
def test_a_failing_example_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch, slow: float
) -> None:
    """One sentence with the split and the index, loaded here or in another process."""
    monkeypatch.setattr(dataset, "SLOW", slow)
    with pytest.raises(problems.ProblemError, match="split 'train', example 150: KeyError") as told:
        problems.load_problem(file, {"deed": "raise"})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("deed", "said"), [("random", "changes when read again"), ("ragged", "do not fit together")]
)
def test_unusable_data_sets_are_refused(file: Path, deed: str, said: str) -> None:
    """Random examples have no fingerprint; ragged ones make no batch."""
    with pytest.raises(problems.ProblemError, match=f"split 'train', .*{said}"):
        problems.load_problem(file, {"deed": deed})


def test_processes_load(file: Path, monkeypatch: pytest.MonkeyPatch, tight: None) -> None:
    """Slow loading is done by other processes, also at the second pass; a dead one is told."""
    module = problem_module.run_file(file)
    examples = dataset.Examples(module.problem("pid").data["train"], "train")
    assert examples.workers == 0  # 200 examples take no time
    monkeypatch.setattr(dataset, "SLOW", 0.0)
    loader = Loader(examples, [(0, 120), (120, 200)])
    processes = [{int(pid) for batch in loader for pid in batch[1]} for _ in range(2)]
    assert processes[0] == processes[1] and os.getpid() not in processes[0]
    with pytest.raises(problems.ProblemError, match="a process that loads examples died"):
        problems.load_problem(file, {"deed": "die"})


def test_lines_of_a_data_set_by_processes(
    file: Path, monkeypatch: pytest.MonkeyPatch, tight: None
) -> None:
    """A line on data that other processes load is the line on the same data as tensors."""
    monkeypatch.setattr(dataset, "SLOW", 0.0)
    loaded = problems.load_problem(file, {}).problem
    settings, lines = LineSettings(x_count=5), []
    whole = reading.read_examples(loaded.data["train"], keep=True)[0]
    for given in (loaded, replace(loaded, data={"train": whole})):
        point = [given.model.state_dict()]
        lines.append(Line.from_pieces(settings, line.answer(given, point, settings, set(), CPU)))
    assert np.abs(lines[0].loss / lines[1].loss - 1).max() < 1e-6  # order of float32 sums


def test_pages_say_which_part_was_drawn(file: Path) -> None:
    """A cut split is said to be so with its seed; a whole one says nothing."""
    cut = problems.load_problem(file, {"most": 40, "seed": 7}).facts.splits["train"]
    assert part_of_data(cut) == "40 of 200 examples drawn with seed 7"
    assert part_of_data(problems.load_problem(file, {}).facts.splits["train"]) == ""
