"""The model that is moved is the model that is asked: copies and lanes only where they agree."""

import copy
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import extra_state
from explorer.analysis import interpolation, line, sharpness, spectrum
from explorer.analysis.curvature import gradient_noise
from explorer.analysis.curvature.gradient import gradient
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.model import problem_trial
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.objective import Objective
from explorer.kinds.interpolation import Interpolation, InterpolationSettings
from explorer.kinds.line import LineSettings
from explorer.kinds.matrix import SpectrumSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.problem import Batch, Problem, cross_entropy
from tests import unusual_models as unusual

CPU = torch.device("cpu")
DOUBLE = ObjectiveSettings(precision="float64")
IN_PLACE = ["closure", "locked", "itself", "decay", "decay of a list", "noted", "scaled by a mean"]
COPIED = ["net", "complex", "hooked", "pushed"]


def moved(problem: Problem, size: float = 0.4) -> dict[str, torch.Tensor]:
    """Other weights of the model."""
    drawn = torch.Generator().manual_seed(11)
    state = copy.copy(problem.model.state_dict())
    for name, _ in problem.model.named_parameters():
        gradient_noise = torch.randn(state[name].shape, generator=drawn)
        state[name] = state[name].clone() + size * gradient_noise
    return state


def present(model: torch.nn.Module) -> list:
    """All that may not change of a model."""
    tensors = model.state_dict(keep_vars=True)
    kept = [(n, t.clone(), id(t), t.data_ptr(), t.requires_grad) for n, t in tensors.items()]
    return [*kept, *[(sorted(vars(m)), m.training) for m in model.modules()]]


def same(one: list, other: list) -> bool:
    return all(
        a[0] == b[0] and a[2:] == b[2:] and torch.equal(a[1], b[1]) if len(a) > 2 else a == b
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("kind", [*IN_PLACE, *COPIED, "seeded"])
def test_a_line_has_the_losses_of_the_very_objects(kind: str) -> None:
    """Each point equals torch's loss with the weights loaded into the problem's own model."""
    problem = unusual.problem_of(kind)
    first, last = copy.deepcopy(problem.model.state_dict()), moved(problem)
    before = present(problem.model)
    settings = InterpolationSettings(x_count=13)
    pieces = list(interpolation.answer(problem, [first, last], settings, frozenset(), CPU))
    profile = Interpolation.from_pieces(settings, pieces)
    points = [
        {n: torch.lerp(first[n], last[n], float(x)) if n != "turn" else first[n] for n in first}
        for x in profile.x
    ]
    # float32: another order of sums
    assert profile.loss == pytest.approx(unusual.plain_losses(kind, points), rel=1e-5)
    assert same(before, present(problem.model))
    assert ("by the model itself" in pieces[0].facts["chosen"]) == (kind in IN_PLACE)


@pytest.mark.parametrize("kind", [*IN_PLACE, "net", "hooked", "measured"])
def test_derivatives_are_of_the_very_objects(kind: str) -> None:
    """Gradient, noise and Hessian equal those of the model itself, by plain double backward."""
    problem = unusual.problem_of(kind)
    point = moved(problem)
    objective = Objective(problem, DOUBLE, CPU)
    objective.load(point)
    before = present(problem.model)
    loss_gradient = gradient(objective)
    spread = gradient_noise.covariance_trace(objective, loss_gradient)
    matrix = dense_matrix(Curvature(objective, hessian))
    assert same(before, present(problem.model))
    plain = unusual.problem_of(kind)
    plain.model.load_state_dict(point)
    plain.model.double().eval()
    parameters = list(plain.model.parameters())
    batch = (plain.data["train"][0].double(), plain.data["train"][1])
    losses = plain.loss(plain.forward(plain.model, batch), batch)

    def flat(parts):
        return torch.cat([part.reshape(-1) for part in parts])

    slope = flat(torch.autograd.grad(losses.mean(), parameters, create_graph=True))
    rows = [flat(torch.autograd.grad(s, parameters, retain_graph=True)) for s in slope]
    each = [flat(torch.autograd.grad(v, parameters, retain_graph=True)) for v in losses]
    variance = torch.stack(each).var(dim=0, unbiased=False).sum()
    assert loss_gradient.numpy() == pytest.approx(slope.detach().numpy(), rel=1e-9, abs=1e-12)
    assert spread == pytest.approx(float(variance), rel=1e-9)
    assert matrix == pytest.approx(torch.stack(rows).numpy(), rel=1e-8, abs=1e-10)


def test_other_kinds_put_the_model_back() -> None:
    """A spectrum, sharpness and gradient's line of a model in place leave it as it was."""
    problem = unusual.problem_of("locked")
    point, before = moved(problem), present(problem.model)
    kinds_with_settings = [
        (spectrum, SpectrumSettings(probes=2)),
        (sharpness, SharpnessSettings(rescaling="layer")),
        (line, LineSettings(x_count=5, direction="gradient")),
    ]
    for kind, settings in kinds_with_settings:
        assert list(kind.answer(problem, [point], settings, frozenset(), CPU))
        assert same(before, present(problem.model)), kind.__name__


def test_a_model_that_keeps_its_outputs_in_a_list_has_a_spectrum() -> None:
    """Though what it keeps holds a graph, of which torch makes no copy."""
    settings = SpectrumSettings(probes=2, precision="float64")
    values = []
    for kind in ("listed", "net"):
        problem = unusual.problem_of(kind)
        objective = Objective(problem, DOUBLE, CPU)
        gradient(objective)
        values.append(dense_matrix(Curvature(objective.twin(), hessian)))
        assert list(spectrum.answer(problem, [moved(problem)], settings, frozenset(), CPU))
    assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)


def test_sparse_gradients_of_an_embedding_are_read() -> None:
    """Gradient and Hessian equal those of the same model with dense ones."""
    words = torch.randint(0, 9, (30, 4), generator=torch.Generator().manual_seed(3))
    values = []
    for sparse in (True, False):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            embedding = torch.nn.Embedding(9, 8, sparse=sparse)
            model = torch.nn.Sequential(embedding, torch.nn.Flatten(), torch.nn.Linear(32, 3))
        data = {"train": (words, unusual.data()[1])}
        objective = Objective(Problem(model, data, cross_entropy), DOUBLE, CPU)
        values.append((gradient(objective), dense_matrix(Curvature(objective, hessian))))
        assert embedding.sparse == sparse  # the user's own
    assert values[0][0].equal(values[1][0])
    assert values[0][1] == pytest.approx(values[1][1], rel=1e-9, abs=1e-12)


def test_an_error_puts_the_model_back() -> None:
    """Also where forward fails midway."""
    problem = unusual.problem_of("locked")
    objective = Objective(problem, ObjectiveSettings(), CPU)
    before = present(problem.model)
    problem.model.forward = lambda x: 1 / 0
    with pytest.raises(ZeroDivisionError):
        objective.means()
    del problem.model.forward
    assert same(before, present(problem.model))


@pytest.mark.parametrize("kind", [*COPIED, "seeded"])
def test_lanes_only_where_copies_do_not_disturb_each_other(kind: str) -> None:
    """Shared are what a hook leaves in a dictionary, torch's generator, its forward-mode level."""
    objective = Objective(unusual.problem_of(kind), ObjectiveSettings(), CPU)
    assert objective.flat.is_copy
    assert objective.traits.copies_are_independent == (kind in ("net", "complex"))
    assert objective.traits.draws == (kind == "seeded")
    if kind == "seeded":
        assert objective.choice.batch == objective.examples


class Scaled(unusual.Net):
    """Its outputs are multiplied by an extra state; with a lock it cannot be copied."""

    def __init__(self, locked: bool = False) -> None:
        super().__init__()
        self.scale = 1.0
        self.lock = threading.Lock() if locked else None

    def get_extra_state(self) -> dict:
        return {"scale": self.scale}

    def set_extra_state(self, state: dict) -> None:
        self.scale = state["scale"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(x)


@pytest.mark.parametrize("how", ["copied", "locked", "a loss that reads the model"])
def test_an_extra_state_that_forward_uses_is_the_point_s(how: str) -> None:
    """The loss is torch's with both loaded, in float32 and float64; then all is as it was."""
    model = unusual.made(partial(Scaled, how == "locked"))

    def loss(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
        read = model.a.weight.square().sum() if how.startswith("a loss") else 0.0
        return cross_entropy(outputs, batch) + read

    problem = Problem(model, {"train": unusual.data()}, loss)
    state = dict(model.state_dict())
    point = {**state, "_extra_state": extra_state.encode_state({"scale": 2.5})}
    loaded = LoadedProblem(Path("p.py"), problem, "hash", {})
    flat = problem_trial.try_problem(loaded, point, CPU)
    assert flat.is_copy == (how == "copied")
    with torch.no_grad():
        inputs, labels = unusual.data()
        plain = cross_entropy(2.5 * model(inputs), (inputs, labels)).mean()
        plain += model.a.weight.square().sum() if how.startswith("a loss") else 0.0
    for objective in (
        Objective(problem, ObjectiveSettings(), CPU, flat=flat),
        Objective(problem, DOUBLE, CPU),
    ):
        objective.load(point)
        assert objective.means()["loss"] == pytest.approx(float(plain), rel=1e-6)
        assert objective.twin().means()["loss"] == pytest.approx(float(plain), rel=1e-6)
    assert model.scale == 1.0


def test_the_trained_part_moves_alone() -> None:
    """Frozen weights stay, a tensor without values is passed over; patterns choose otherwise."""
    problem = unusual.problem_of("frozen")
    objective = Objective(problem, DOUBLE, CPU)
    assert [block.name for block in objective.flat.blocks] == ["lora_A", "lora_B", "scale"]
    assert objective.facts["moved"] == "3 of 7 tensors, 21 of 72 parameters"
    pieces = list(
        line.answer(
            problem, [problem.model.state_dict()], LineSettings(x_count=5), frozenset(), CPU
        )
    )
    assert pieces[0].facts["parameters"] == 21 and "moved" in pieces[0].facts
    batch = (problem.data["train"][0].double(), problem.data["train"][1])
    model = copy.deepcopy(problem.model).double()
    parameters = [model.lora_A, model.lora_B, model.scale]
    loss = cross_entropy(model(batch[0]), batch).mean()
    slope = torch.autograd.grad(loss, parameters, create_graph=True)
    rows = [
        torch.cat([p.reshape(-1) for p in torch.autograd.grad(s, parameters, retain_graph=True)])
        for s in torch.cat([part.reshape(-1) for part in slope])
    ]
    wanted = np.linalg.eigvalsh(torch.stack(rows).numpy())
    eigenvalues = np.linalg.eigvalsh(dense_matrix(Curvature(objective, hessian)))
    assert eigenvalues == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("lora_*", ["lora_A", "lora_B"]),
        (("weight", "scale"), ["scale", "a.weight", "b.weight"]),
        ("a.*", ["a.weight", "a.bias"]),
        ("*", None),
    ],
)
def test_patterns_choose_by_whole_name_or_what_follows_a_dot(patterns, names) -> None:
    from explorer.analysis.objective.moved_parameters import moved_names

    own = unusual.problem_of("frozen")
    moved_parameters = moved_names(Problem(own.model, own.data, own.loss, parameters=patterns))
    assert moved_parameters == (None if names is None else frozenset(names))


def test_a_pattern_without_a_match_is_refused() -> None:
    from explorer.analysis.objective.moved_parameters import moved_names

    own = unusual.problem_of("frozen")
    with pytest.raises(ValueError, match="'adapter_\\*' must match a parameter"):
        moved_names(Problem(own.model, own.data, own.loss, parameters="adapter_*"))


def test_points_that_differ_in_what_stays_have_no_line() -> None:
    """Between them something would have to move that does not."""
    problem = unusual.problem_of("frozen")
    points = [problem.model.state_dict(), moved(problem)]
    with pytest.raises(ValueError, match=r"'a\.weight' differs from point to point"):
        interpolation.answer(problem, points, InterpolationSettings(x_count=5), frozenset(), CPU)
