"""Adam's preconditioner: from a recording into the catalog, and its edge of stability."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from explorer.analysis import stability
from explorer.analysis.curvature.matrices import dense_matrix
from explorer.analysis.curvature.products import Curvature, hessian
from explorer.analysis.model import inspection, preconditioner
from explorer.analysis.model.checkpoints import CheckpointError
from explorer.analysis.model.preconditioner import PREFIX, recorded_diagonal
from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.device import restore_threads
from explorer.analysis.objective.plane import objective_at
from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint, InspectedFile, InspectedSnapshots
from explorer.importing import sources
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_result import Stability
from explorer.kinds.stability_settings import StabilitySettings
from explorer.kinds.stability_threshold import threshold
from explorer.pages import _running
from explorer.problem import Problem
from explorer.recorder import Recorder
from explorer.recording import read_recording
from tests.filling import add_answer, done, new_catalog
from tests.networks import chebyshev, chebyshev_slopes
from tests.screen import (
    CATALOG_PAGE,
    charts,
    fine,
    opened,
    texts,
)
from tests.tiny import problem_file

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Operations are too small for more."""
    with restore_threads():
        torch.set_num_threads(1)
        yield


def trained(
    problem: Problem, folder: Path, steps: int, kept: set[int], **given
) -> torch.optim.Adam:
    """Full-batch Adam, recorded with its state after the steps that are kept."""
    model = problem.model
    optimizer = torch.optim.Adam(
        model.parameters(), **{"lr": 1e-3, "betas": (0.5, 0.999), "fused": True, **given}
    )
    with Recorder(folder, optimizer_state=True) as run:
        for step in range(steps + 1):
            if step in kept:
                run.snapshot(model, step, optimizer=optimizer)
            slopes = chebyshev_slopes(problem)
            for parameter, slope in zip(model.parameters(), slopes, strict=True):
                parameter.grad = torch.from_numpy(slope) if parameter.requires_grad else None
            if step < steps:
                optimizer.step()
    return optimizer


def subjects(problem: Problem, folder: Path) -> list[dict[str, Tensor]]:
    """The snapshots of a recording as a worker hands them on."""
    snapshots = []
    for snapshot in read_recording(folder).snapshots:
        own = recorded_diagonal(snapshot.optimizer, problem.model)
        point = safetensors.torch.load_file(snapshot.file)
        snapshots.append(point | {PREFIX + name: value for name, value in own.items()})
    return snapshots


def answered(problem: Problem, points: list[dict[str, Tensor]], **given) -> Stability:
    settings = StabilitySettings(
        lengths=(len(points),), preconditioned=True, precision="float64", **given
    )
    pieces = stability.answer(problem, points, settings, frozenset(), CPU)
    return Stability.from_pieces(settings, pieces)


@pytest.mark.slow
def test_adam_trains_at_its_edge_of_stability(tmp_path: Path) -> None:
    """Beta1 .5, rate 1e-3: the preconditioned eigenvalue rises to 6000 and stays about it.

    From step to step it swings by some 6 % about the threshold, as in Cohen et al. 2022: its mean
    over the second half of the run is within 5 %.
    """
    problem = chebyshev(50)
    trained(problem, tmp_path, 3000, {50, *range(1500, 3001, 150)}, eps=1e-7)
    top = answered(problem, subjects(problem, tmp_path), probes=2).values["lambda_max"]
    edge = threshold("Adam", 1e-3, 0.5)
    assert edge == pytest.approx(6000)
    assert top[0] < 0.5 * edge
    assert top[1:].mean() == pytest.approx(edge, rel=0.05)
    assert top[1:] == pytest.approx(np.full(11, edge), rel=0.12)


@pytest.mark.parametrize("amsgrad", [False, True])
def test_it_is_what_torch_divides_by(tmp_path: Path, amsgrad: bool) -> None:
    """The next step of Adam without momentum is rate x gradient over the recorded diagonal."""
    problem = chebyshev(3)
    given = {"betas": (0.0, 0.9), "eps": 1e-3, "amsgrad": amsgrad}
    optimizer = trained(problem, tmp_path, 5, {5}, **given)
    names = {id(p): n for n, p in problem.model.named_parameters()}
    before = {names[id(p)]: p.detach().clone() for p in problem.model.parameters()}
    optimizer.step()  # of the gradients that the last round left
    with Recorder(tmp_path / "next", optimizer_state=True) as run:
        run.snapshot(problem.model, 6, optimizer=optimizer)
    (snapshot,) = read_recording(tmp_path / "next").snapshots
    diagonal = recorded_diagonal(snapshot.optimizer, problem.model)
    for name, parameter in problem.model.named_parameters():
        step = -1e-3 * parameter.grad / diagonal[name]
        assert torch.allclose(parameter.detach() - before[name], step, rtol=1e-9, atol=1e-16)


def test_the_matrix_is_that_of_a_dense_solver(tmp_path: Path) -> None:
    """Largest eigenvalue and trace of P^-1/2 H P^-1/2 by hand; NaN before the first step."""
    problem = chebyshev(3)
    trained(problem, tmp_path, 20, {0, 20})
    points = subjects(problem, tmp_path)
    stability_answer = answered(problem, points, probes=200)
    assert (
        np.isnan(stability_answer.values["lambda_max"][0])
        and np.isfinite(stability_answer.loss).all()
    )
    assert np.isfinite(stability_answer.values["noise"]).all()
    plain, diagonal = preconditioner.split_preconditioner(points[1])
    objective = objective_at(problem, plain, StabilitySettings(precision="float64"), CPU)
    root = np.concatenate([diagonal[b.name].numpy().ravel() for b in objective.flat.blocks]) ** -0.5
    exact = np.linalg.eigvalsh(root[:, None] * dense_matrix(Curvature(objective, hessian)) * root)
    error = abs(stability_answer.values["lambda_max"][1] - exact[-1])
    assert error <= stability_answer.values["residual"][1] + 1e-9
    low, high = stability_answer.trace_interval
    assert low[1] <= exact.sum() <= high[1]


def test_what_the_optimiser_does_not_hold_does_not_move(tmp_path: Path) -> None:
    """A parameter without a state has an infinite entry, and a share of 0 in the matrix."""
    problem = chebyshev(3)
    problem.model[0].weight.requires_grad_(False)
    trained(problem, tmp_path, 2, {2})
    problem.model[0].weight.requires_grad_(True)  # else it is no part of the matrix at all
    (point,) = subjects(problem, tmp_path)
    _, diagonal = preconditioner.split_preconditioner(point)
    assert torch.isinf(diagonal["0.weight"]).all() and torch.isfinite(diagonal["0.bias"]).all()
    objective = objective_at(
        problem, preconditioner.split_preconditioner(point)[0], StabilitySettings(), CPU
    )
    assert (preconditioner.inverse_root(objective, diagonal)[:3] == 0).all()


def test_a_state_that_says_nothing_is_none(tmp_path: Path) -> None:
    """Another optimiser's state, an unnamed one, or none yet is empty; a damaged one is refused."""
    problem = chebyshev(3)
    file = tmp_path / "state.safetensors"
    state = {"0.weight/exp_avg_sq": torch.ones(3, 1), "0.weight/step": torch.tensor(2.0)}
    safetensors.torch.save_file(state, file)
    assert recorded_diagonal(file, problem.model) == {}
    safetensors.torch.save_file(state, file, {"class": "RMSprop", "groups": "[]"})
    assert recorded_diagonal(file, problem.model) == {}
    safetensors.torch.save_file({"x/step": torch.ones(1)}, file, {"class": "Adam", "groups": "[]"})
    with pytest.raises(CheckpointError, match="is of another model: it has 'x'"):
        recorded_diagonal(file, problem.model)
    file.write_bytes(b"no")
    with pytest.raises(CheckpointError, match="is no whole optimiser state; copy it again"):
        recorded_diagonal(file, problem.model)


def test_a_state_beside_known_weights_is_looked_at_once(tmp_path: Path) -> None:
    """A point from before states were kept is inspected again where there is one now, else not."""
    file = tmp_path / "step_1.safetensors"
    file.touch()
    loaded = load_problem(problem_file(tmp_path / "problem"), {})
    changed = file.stat().st_mtime_ns
    plain, beside = Checkpoint(file=file), Checkpoint(file=file, optimizer=Path("state"))
    for looked, again in ((False, None), (True, "hash")):
        seen = InspectedFile(changed=changed, point_id="hash", state_seen=looked)
        before = InspectedSnapshots(
            source_hash=loaded.source_hash, problem=loaded.facts, files={"step_1": seen}
        )
        assert inspection._earlier_hash(loaded, [before], plain) == "hash"
        assert inspection._earlier_hash(loaded, [before], beside) == again
    other = dataclasses.replace(before, source_hash="other")
    assert inspection._earlier_hash(loaded, [other], plain) is None


def recorded_run(folder: Path, state: bool) -> None:
    """Four snapshots of the tiny problem's network under Adam."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        from tests.tiny_problem import problem as tiny

        model = tiny().model
    inputs, labels = tiny().data["train"]
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.5, 0.99))
    hyperparameters = {"learning_rate": 0.01, "beta1": 0.5, "optimiser": "Adam"}
    with Recorder(folder, hyperparameters=hyperparameters, optimizer_state=state) as run:
        for step in range(4):
            run.snapshot(model, step, optimizer=optimizer)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()


def test_a_recorded_run_is_asked_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorder, import, worker, store and page; another key than the plain question's."""
    for name, state in (("kept", True), ("left", False)):
        recorded_run(tmp_path / name, state)
    preconditioned = StabilitySettings(preconditioned=True, probes=2)
    catalog = new_catalog(tmp_path / "catalog")
    problem = problem_file(tmp_path / "problem")
    for name in ("kept", "left"):
        order = sources.order(catalog, sources.resolve([str(tmp_path / name)]), problem, {})
        done(catalog, order)
    models = {model.name: model for model in catalog.models()}
    with pytest.raises(ValueError, match=r"no snapshot of left has .* optimizer_state=True"):
        questions.question_about(catalog, STABILITY, models["left"], preconditioned)
    question = questions.question_about(catalog, STABILITY, models["kept"], preconditioned)
    assert [bool(digest) for digest in question.settings.moments] == [False, True, True, True]
    plain = questions.question_about(
        catalog, STABILITY, models["kept"], StabilitySettings(probes=2)
    )
    assert plain.points == question.points and plain.key != question.key
    for settings in (preconditioned, StabilitySettings(probes=2)):
        stored_question = add_answer(catalog, STABILITY, settings, (models["kept"], ""))
        stored_answer = questions.result_of(catalog, stored_question)
        has_value = np.isfinite(stored_answer.values["lambda_max"]).tolist()
        assert has_value == [not settings.preconditioned, True, True, True]
    again = sources.order(
        catalog, sources.resolve([str(tmp_path / "kept")]), problem, {}, name="kept"
    )
    done(catalog, again)
    assert (
        questions.question_about(catalog, STABILITY, models["kept"], preconditioned).key
        == question.key
    )
    assert catalog.check_integrity() == []
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "catalog"))
    app = fine(opened(STABILITY.page, model="kept", probes="2"))
    said = " ".join(texts(app, "caption"))
    assert "preconditioned by Adam's second moments" in said and "Threshold of Adam: 600 " in said
    assert charts(app) == 1
    cards = " ".join(texts(fine(opened(CATALOG_PAGE)), "caption"))
    assert "preconditioned · seed 0 · 4 snapshots" in cards.replace("\N{NO-BREAK SPACE}", " ")
    wrong = opened(STABILITY.page, model="left", preconditioned="true")
    assert "No snapshot of left has Adam's second moments; record" in wrong.error[0].value
    _running.stop_apps()
