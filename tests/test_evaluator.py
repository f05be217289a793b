"""Every way of evaluating gives the same values; little memory slows it down and no more."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from explorer.analysis.objective import execution_tuning
from explorer.analysis.objective.choice_checks import ROUNDING, checked_choice
from explorer.analysis.objective.choice_words import choice_words
from explorer.analysis.objective.device import core_count
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.kinds.execution import Choice, EarlierChoice, Timing
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, accuracy, cross_entropy, squared_error
from tests.conftest import small_problem
from tests.networks import seeded

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent
EXAMPLES = 41  # for the ways below: their last batch is a smaller one
STEPS = np.array([[0.0, 0.0], [0.3, -0.2], [-1.0, 0.5], [0.7, 0.7], [0.05, 0.0]])
WAYS = {
    "one batch": {"batch": EXAMPLES},
    "uneven batches": {"batch": 17},
    "one example at a time": {"batch": 1},
    "two lanes": {"batch": 40, "lanes": 2},
    "more lanes than points": {"batch": EXAMPLES, "lanes": 7},
    "stacked": {"batch": EXAMPLES, "stacked": 3},
    "stacked, uneven": {"batch": 17, "stacked": 2, "lanes": 2},
    "channels last": {"batch": 40, "channels_last": True},
    "folded": {"batch": 40, "folded": True},
    "traced": {"batch": EXAMPLES, "traced": True},
    "traced, uneven batches, lanes": {"batch": 17, "traced": True, "lanes": 2},
    "folded, channels last, lanes": {
        "batch": 40,
        "folded": True,
        "channels_last": True,
        "lanes": 2,
    },
}


def evaluator_of(problem: Problem, settings: ObjectiveSettings, **choice) -> Evaluator:
    objective = Objective(problem, settings, CPU)
    vectors = torch.randn(2, objective.flat.theta.numel(), generator=seeded(4)) * 0.1
    evaluator = Evaluator(objective, vectors)
    if choice:
        evaluator.use(Choice(**choice))
    return evaluator


def plain(problem: Problem, settings: ObjectiveSettings) -> dict[str, np.ndarray]:
    """Float64 values from a loop that a user would write, batch of all examples."""
    evaluator = evaluator_of(problem, settings)
    flat, rows = evaluator.objective.flat, []
    images, labels = problem.data[settings.split]
    for x, y in STEPS:
        moved = evaluator.base.double() + (
            torch.tensor([x, y], dtype=torch.float64) @ evaluator.directions.double()
        )
        model = small_problem(len(images)).model.double().eval()
        for block, parameter in zip(flat.blocks, model.parameters(), strict=True):
            parameter.data = moved[block.start : block.stop].view(block.shape)
        with torch.no_grad():
            outputs = model(images.double())
            losses = nn.functional.cross_entropy(outputs, labels, reduction="none")
        right = (outputs.argmax(1) == labels).double().mean()
        rows.append((losses.mean(), losses.std() / len(losses) ** 0.5, right))
    names = ("loss", "loss_se", "accuracy")
    return dict(zip(names, np.array(rows, dtype=float).T, strict=True))


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("way", WAYS)
def test_every_way_agrees_with_float64(precision: str, way: str) -> None:
    """Law 4: float64 agrees with a plain loop to 1e-12, float32 to 1e-5, whatever the choice."""
    problem, settings = small_problem(EXAMPLES), ObjectiveSettings(precision=precision)
    values = evaluator_of(problem, settings, **WAYS[way]).values(STEPS)
    # float32: parameters round to 6e-8, amplified by two layers of up to 130 inputs
    tolerance = 1e-12 if precision == "float64" else 1e-5
    for name, wanted in plain(problem, replace(settings, precision="float64")).items():
        assert values[name] == pytest.approx(wanted, rel=tolerance, abs=tolerance / 10), name


def normalised_perceptron() -> Problem:
    """A net of few operations, each of which a compiler takes seconds for."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        layers = (nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
        model = nn.Sequential(*layers).double()
    inputs = torch.randn(EXAMPLES, 4, generator=seeded(1), dtype=torch.float64)
    model(inputs)  # moves the running statistics off their defaults
    labels = torch.randint(0, 3, (EXAMPLES,), generator=seeded(2))
    return Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})


@pytest.mark.slow
@pytest.mark.parametrize("stacked", [1, 3])
def test_compiled_agrees(stacked: int) -> None:
    """The compiled way gives the plain way's values; it needs a C++ compiler, as torch does."""
    settings, problem = ObjectiveSettings(precision="float64"), normalised_perceptron()
    wanted_values = evaluator_of(problem, settings, batch=EXAMPLES).values(STEPS)
    way = {"compiled": True, "stacked": stacked}
    values = evaluator_of(problem, settings, batch=EXAMPLES, **way).values(STEPS)
    for name, wanted in wanted_values.items():
        assert values[name] == pytest.approx(wanted, rel=1e-12), name


@pytest.mark.parametrize("way", [way for way in WAYS if way != "one batch"])
def test_a_way_gives_a_point_the_same_value_in_any_company(way: str) -> None:
    """Laws 1 and 4: a point alone, or among others in any order, has the same last bit.

    Of several points a launch the matrix library's kernels may differ by place and processor, so
    that only the promised tolerance holds.
    """
    evaluator = evaluator_of(small_problem(EXAMPLES), ObjectiveSettings(), **WAYS[way])
    together = evaluator.values(STEPS)
    turned = evaluator.values(STEPS[::-1])
    within = ROUNDING["float32"] if evaluator.objective.choice.stacked > 1 else 0.0
    for point, step in enumerate(STEPS):
        alone = evaluator.values(step[None])
        for name, values in together.items():
            wanted = pytest.approx(alone[name][0], rel=within, abs=within)
            assert values[point] == wanted, name
            assert turned[name][len(STEPS) - 1 - point] == wanted, name
    assert evaluator.base_values()["loss"] == pytest.approx(together["loss"][0], rel=within, abs=0)


@pytest.mark.parametrize("policy", ["frozen", "recalibrated", "batch"])
def test_buffers_are_put_back(policy: str) -> None:
    """Law 5: running statistics are byte for byte as they were, whatever the policy."""
    settings = ObjectiveSettings(batchnorm=policy, batchnorm_batch=30)
    evaluator = evaluator_of(small_problem(), settings, batch=40)
    buffers = [b.clone() for b in evaluator.objective.flat.module.buffers()]
    evaluator.values(STEPS)
    for kept, now in zip(buffers, evaluator.objective.flat.module.buffers(), strict=True):
        assert torch.equal(kept, now)
    assert torch.equal(evaluator.base, evaluator.objective.flat.theta)


def moved_model(evaluator: Evaluator, step: np.ndarray) -> nn.Module:
    """A copy of the model at a point, float64."""
    model = small_problem().model
    theta = evaluator.base + torch.as_tensor(step) @ evaluator.directions
    for block, parameter in zip(evaluator.objective.flat.blocks, model.parameters(), strict=True):
        parameter.data = theta[block.start : block.stop].view(block.shape).clone()
    return model


@pytest.mark.parametrize("folded", [False, True])
def test_recalibrated_is_swa_s_update(folded: bool) -> None:
    """Statistics at a point are torch's `update_bn` over the stated batches; 1e-12 in float64."""
    settings = ObjectiveSettings(
        precision="float64", batchnorm="recalibrated", batchnorm_batch=25, batchnorm_examples=75
    )
    problem = small_problem()
    evaluator = evaluator_of(problem, settings, batch=40, folded=folded)
    images, labels = problem.data["train"]
    for step in STEPS[1:3]:
        model = moved_model(evaluator, step)
        torch.optim.swa_utils.update_bn(images[:75].split(25), model)
        with torch.no_grad():
            wanted = nn.functional.cross_entropy(model.eval()(images), labels)
        loss = evaluator.values(step[None])["loss"][0]
        assert loss == pytest.approx(float(wanted), rel=1e-12)
        frozen = evaluator_of(problem, ObjectiveSettings(precision="float64")).values(step[None])
        assert abs(loss - frozen["loss"][0]) > 1e-6


def test_batch_policy_is_training_mode() -> None:
    """Each batch by its own statistics, in batches that differ by one example at most."""
    settings = ObjectiveSettings(precision="float64", batchnorm="batch", batchnorm_batch=30)
    problem = small_problem()
    evaluator = evaluator_of(problem, settings, batch=7)  # the setting counts, not the choice
    model = moved_model(evaluator, STEPS[1]).train()
    images, labels = problem.data["train"]
    bounds = [0, 25, 50, 75, 101]
    with torch.no_grad():
        losses = [
            nn.functional.cross_entropy(model(images[a:b]), labels[a:b], reduction="sum")
            for a, b in itertools.pairwise(bounds)
        ]
    loss = evaluator.values(STEPS[1:2])["loss"][0]
    assert loss == pytest.approx(float(sum(losses)) / 101, rel=1e-12)


@pytest.mark.parametrize("policy", ["recalibrated", "batch"])
def test_policies_need_batchnorm(policy: str) -> None:
    """A model without BatchNorm has one answer, under one key."""
    data = {"train": (torch.randn(9, 4), torch.randint(0, 2, (9,)))}
    problem = Problem(nn.Linear(4, 2), data, cross_entropy)
    with pytest.raises(ValueError, match="must be frozen for a model without BatchNorm"):
        Objective(problem, ObjectiveSettings(batchnorm=policy), CPU)


class Twice(nn.Module):
    """A convolution whose outputs are used beside their BatchNorm: folding would change it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3)
        self.last = nn.Linear(12, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.conv(images)
        return self.last((maps + self.norm(maps)).flatten(1))


def test_folding_that_changes_the_loss_is_not_chosen() -> None:
    """Where a layer's output goes elsewhere too, the check at two points keeps BatchNorm."""
    data = {"train": (torch.randn(20, 1, 4, 4), torch.randint(0, 2, (20,)))}
    model = Twice()
    model.norm.running_mean += 0.5
    evaluator = evaluator_of(Problem(model, data, cross_entropy), ObjectiveSettings())
    assert not checked_choice(evaluator).folded
    assert checked_choice(evaluator_of(small_problem(), ObjectiveSettings())).folded


class Deciding(nn.Module):
    """A perceptron that takes another way where an activation is large."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        outputs = self.layers(inputs)
        return outputs.tanh() if bool(outputs.max() > 1) else outputs


@pytest.mark.skipif(core_count() < 2, reason="one core needs no second lane")
def test_a_perceptron_is_traced_to_the_bit_and_a_model_that_decides_is_not() -> None:
    """A record of a point gives the same bits; what it would get wrong keeps running as Python."""
    drawn = torch.Generator().manual_seed(5)
    inputs = torch.randn(50, 6, generator=drawn)
    data = {"train": (inputs, torch.randint(0, 3, (50,), generator=drawn))}
    metrics = {"accuracy": accuracy}
    torch.manual_seed(28)  # of whose weights the skewness once had other bits
    problem = Problem(Deciding().layers, data, cross_entropy, metrics)
    evaluator = evaluator_of(problem, ObjectiveSettings())
    chosen = checked_choice(evaluator)
    assert chosen.traced
    values_by_way = []
    for way in (chosen, replace(chosen, traced=False)):
        evaluator.use(way)
        values_by_way.append(evaluator.values(STEPS))
    for name, values in values_by_way[0].items():
        assert np.array_equal(values, values_by_way[1][name]), name
    deciding = evaluator_of(Problem(Deciding(), data, cross_entropy, metrics), ObjectiveSettings())
    assert not checked_choice(deciding).traced
    assert deciding.objective.choice.lanes > 1
    own = replace(problem, forward=lambda model, batch: model(batch[0]))
    assert not checked_choice(evaluator_of(own, ObjectiveSettings())).traced


def test_long_work_is_measured_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long work tries other ways and takes the quickest; the next run takes it without measuring.

    Short work gets what shapes suggest, so that a run is the same every time.
    """
    evaluator = evaluator_of(small_problem(), ObjectiveSettings())
    short = execution_tuning.measured_tuning(evaluator, 5)
    assert short.seconds == {} and short.choice == checked_choice(evaluator)
    monkeypatch.setattr(execution_tuning, "COMPILE_GAIN", 0.0)
    monkeypatch.setattr(execution_tuning, "LONG", 0.0)
    long = execution_tuning.measured_tuning(evaluator, 1_000_000)
    assert len(long.seconds) >= 4
    quickest = min(long.seconds.values())
    # a way must be 3 % quicker to be preferred to the usual one
    assert long.seconds[choice_words(long.choice)] <= quickest / 0.97
    earlier = EarlierChoice(choice=long.choice, timing=Timing(seconds=long.seconds))
    assert execution_tuning.choice_from_earlier(earlier, 1_000_000) == long.choice
    begun = EarlierChoice(choice=short.choice)
    assert (
        execution_tuning.choice_from_earlier(begun, 1_000_000) is None
    )  # short work measured nothing
    assert (
        execution_tuning.choice_from_earlier(replace(begun, begun=True), 1_000_000) == short.choice
    )
    assert evaluator.objective.choice == long.choice


def test_bf16_and_its_error(problem: Problem) -> None:
    """The stored error is the difference from float32 at the sampled points; bf16 has one."""
    from explorer.analysis import surface
    from explorer.kinds.surface import Surface, SurfaceSettings

    losses = {}
    for precision in ("float32", "bf16", "tf32"):
        settings = SurfaceSettings(x_count=9, y_count=9, precision=precision)
        pieces = surface.answer(problem, [problem.model.state_dict()], settings, frozenset(), CPU)
        losses[precision] = Surface.from_pieces(settings, pieces)
    error = losses["bf16"].facts.precision_error
    column, row = settings.places
    sample = np.linspace(0, 80, int(error.points)).astype(int)
    differences = np.abs(losses["bf16"].loss - losses["float32"].loss)[row[sample], column[sample]]
    assert 0 < error.largest == pytest.approx(differences.max(), rel=1e-6)
    assert np.abs(losses["bf16"].loss / losses["float32"].loss - 1).max() < 0.02
    assert losses["float32"].facts.precision_error is None
    assert (losses["tf32"].loss == losses["float32"].loss).all()  # a CPU has no TF32
    assert losses["tf32"].facts.precision_error.largest == 0


@pytest.mark.parametrize("subset", ["first", "random"])
def test_subsets(problem: Problem, subset: str) -> None:
    """The first or seeded random examples, and the standard error of their mean."""
    settings = ObjectiveSettings(
        precision="float64", subset=subset, examples=23, examples_seed=5 * (subset == "random")
    )
    images, labels = problem.data["train"]
    chosen = np.arange(23)
    if subset == "random":
        chosen = np.sort(np.random.RandomState(5).permutation(101)[:23])
    with torch.no_grad():
        logits = problem.model.eval()(images[chosen])
    losses = nn.functional.cross_entropy(logits, labels[chosen], reduction="none").numpy()
    means = Objective(problem, settings, CPU).means()
    assert means["loss"] == pytest.approx(losses.mean(), rel=1e-12)
    assert means["loss_se"] == pytest.approx(losses.std(ddof=1) / 23**0.5, rel=1e-12)


def test_subset_larger_than_the_split(problem: Problem) -> None:
    """More examples than there are is refused with their number."""
    with pytest.raises(ValueError, match="at most the 101 of split 'train', got 102"):
        Objective(problem, ObjectiveSettings(subset="first", examples=102), CPU)


def test_a_mean_is_refused(problem: Problem) -> None:
    """A loss that is one number for a batch would weigh the last batch wrongly."""
    changed = replace(problem, loss=lambda outputs, batch: outputs.mean(), metrics={})
    with pytest.raises(ValueError, match="one value per example or"):
        Objective(changed, ObjectiveSettings(precision="float64"), CPU).means()


def test_losses_per_token_have_no_standard_error() -> None:
    """One value a token, flattened, is averaged over tokens; per-example errors do not apply."""
    data = {"train": (torch.randn(11, 4), torch.randn(11, 3))}
    tokens = Problem(
        nn.Linear(4, 3), data, lambda outputs, batch: (outputs - batch[1]).square().flatten()
    )
    whole = Problem(tokens.model, data, squared_error, {"worst": lambda o, b: o.amax(1)})
    flat = Objective(tokens, ObjectiveSettings(), CPU, Choice(batch=4)).means()
    rows = Objective(whole, ObjectiveSettings(), CPU, Choice(batch=4)).means()
    assert flat["loss"] == pytest.approx(rows["loss"], rel=1e-6)
    assert "loss_se" not in flat and rows["loss_se"] > 0


def test_whole_numbers_stay_small() -> None:
    """uint8 images stay uint8 on the device and are scaled by the problem's own forward."""
    images = torch.randint(0, 256, (13, 1, 4, 4), generator=seeded(1), dtype=torch.uint8)
    labels = torch.randint(0, 3, (13,), generator=seeded(2))

    def scaled(model: nn.Module, batch: tuple) -> torch.Tensor:
        return model(batch[0].to(next(model.parameters()).dtype) / 255)

    problem = replace(small_problem(), data={"train": (images, labels)}, forward=scaled)
    objective = Objective(problem, ObjectiveSettings(), CPU)
    assert objective.data[0].dtype == torch.uint8
    same = replace(problem, data={"train": (images / 255, labels)}, forward=lambda m, b: m(b[0]))
    assert objective.means() == Objective(same, ObjectiveSettings(), CPU).means()


LIMITED = """
import resource, sys
import numpy as np, psutil, torch
from explorer.kinds.execution import Choice, EarlierChoice, Timing
from explorer.analysis.objective.evaluator import Evaluator
from explorer.analysis.objective.objective import Objective
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, squared_error

torch.set_num_threads = lambda count: None  # one: each needs address space of its own
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(16, 4096), torch.nn.ReLU(), torch.nn.Linear(4096, 1))
data = {"train": (torch.randn(4096, 16), torch.randn(4096, 1))}
objective = Objective(Problem(model, data, squared_error), ObjectiveSettings(), torch.device("cpu"))
evaluator = Evaluator(objective, torch.randn(1, objective.flat.theta.numel()) * 0.01)
steps = np.array([[0.0], [1.0]])
evaluator.use(Choice(batch=64))
wanted = evaluator.values(steps)["loss"]
evaluator.use(Choice(batch=4096))
limit = psutil.Process().memory_info().vms + (50 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
losses = evaluator.values(steps)["loss"]
print(evaluator.objective.choice.batch, float(abs(losses / wanted - 1).max()))
"""


def test_too_little_memory_halves_the_batch() -> None:
    """A batch of 4,096 needs 128 MB where 50 are allowed: it is halved until it fits, same loss.

    Another order of sums in float32: 1e-5.
    """
    one = {**os.environ, "OMP_NUM_THREADS": "1"}  # each thread needs address space of its own
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], cwd=ROOT, env=one, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    batch, difference = done.stdout.split()
    assert 1 <= int(batch) < 4096 and float(difference) < 1e-5


def test_memory_stays_flat_over_many_points(small: Problem) -> None:
    """3,200 points need no more memory than 400: 4 MB are left for the allocator's moods."""
    evaluator = evaluator_of(small, ObjectiveSettings())
    steps = np.random.default_rng(0).normal(size=(400, 2)) * 0.1
    process = psutil.Process()
    evaluator.values(steps)
    before = process.memory_info().rss
    for _ in range(7):
        evaluator.values(steps)
    assert process.memory_info().rss - before < 4 << 20


def test_accuracy_is_among_the_metrics(problem: Problem) -> None:
    """Metrics follow the loss by name; a metric that is not ready is computed beside ready ones."""
    changed = replace(
        problem, metrics={"margin": lambda outputs, batch: outputs.amax(1), "accuracy": accuracy}
    )
    means = Objective(changed, ObjectiveSettings(), CPU).means()
    assert [name for name in means if not name.startswith("loss_")] == [
        "loss",
        "margin",
        "accuracy",
    ]
