"""Bad input for curvature, asked of the worker's code by every kind: a sentence, or the truth."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing import storing
from explorer.importing.order import order_import
from explorer.kinds.convexity import CONVEXITY, ConvexitySettings
from explorer.kinds.critical import CRITICAL
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.kind import Kind
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.matrix import MatrixRole, SpectrumSettings
from explorer.kinds.measures import MEASURES
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.sharpness_result import Sharpness
from explorer.kinds.sharpness_settings import SharpnessSettings
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.stability import STABILITY
from explorer.kinds.stability_settings import StabilitySettings
from store import Catalog, records
from tests.filling import new_catalog, work
from tests.problem_texts import HEAD, state
from tests.tiny import agreed

SETTINGS: dict[Kind, ObjectiveSettings] = {
    SPECTRUM: SpectrumSettings(top=3, bottom=1, probes=2, steps=5, batches=2),
    SHARPNESS: SharpnessSettings(ascent=2, draws=2, probes=2, steps=5, restarts=1),
    CONVEXITY: ConvexitySettings(x_count=3, y_count=3),
    STABILITY: StabilitySettings(probes=2),
}
ONCE = """class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        return g * 2

class Doubled(nn.Module):
    def forward(self, x):
        return Once.apply(x)

def problem(): return made(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3), Doubled()))
"""
SUMS = "lambda o, b: o.sum(1)"
SQUARE = (
    "def problem(): return made(nn.Linear(4, 1, bias=False),\n"
    "    data={'train': (torch.ones(12, 4), torch.zeros(12))}, loss=lambda o, b: o[:, 0] ** 2 / 2)"
)
State = dict[str, torch.Tensor]
Served = tuple[Catalog, Path]  # a catalog, and a folder for bad input


def linear(tensors: State) -> State:
    return {"weight": tensors["0.weight"][:3], "bias": tensors["0.bias"][:3]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A catalog, and a folder for bad input."""
    folder = tmp_path_factory.mktemp("curvature")
    catalog = new_catalog(folder / "catalog")
    yield catalog, folder
    catalog.close()


def imported(
    served: Served,
    name: str,
    body: str = "def problem(): return made()",
    change: Callable[[State], State] = lambda tensors: tensors,
) -> tuple[records.Job, records.Model | None]:
    """The job that imported a run of three snapshots of that problem, and the model it made."""
    catalog, folder = served
    at = folder / name
    at.mkdir()
    (at / "p.py").write_text(f"{HEAD}{body}\n")
    files = []
    for number in range(3):
        file = at / f"step_{number}.pt"
        torch.save(change({n: t * (1 + number / 10) for n, t in state().items()}), file)
        files.append(Checkpoint(file=file, step=number))
    job_id = order_import(catalog, agreed(at / "p.py"), {}, files, name)
    work(catalog)
    job = catalog.job(job_id)
    return job, storing.imported_model(catalog, job)


def answers(
    served: Served,
    model: records.Model | None,
    settings: dict[Kind, ObjectiveSettings] = SETTINGS,
) -> dict[str, tuple[records.Job, Any]]:
    """By kind: the job that was asked about the model, ended, and what is stored then."""
    catalog, keys_and_jobs, jobs_with_answers = served[0], {}, {}
    assert model is not None
    for kind, wanted in settings.items():
        others = [(model, catalog.points(model.id)[0].point_id)] if kind is SHARPNESS else []
        key = questions.ask(catalog, kind, model, wanted, others=others)
        working = catalog.active_job_for(key)
        assert working is not None
        keys_and_jobs[kind] = key, working.id
    work(catalog)
    for kind, (key, job_id) in keys_and_jobs.items():
        job = catalog.job(job_id)
        assert job.status in ("done", "failed")
        assert "\n" not in (job.error or "") and "Traceback" not in (job.error or "")
        jobs_with_answers[kind.name] = job, questions.result_of(catalog, catalog.question(key))
    return jobs_with_answers


def reasons(sharpness: Sharpness) -> set[str]:
    """Why measures have no value."""
    return {sharpness.of(measure.name).why for measure in MEASURES} - {""}


def all_done(jobs_with_answers: dict[str, tuple[records.Job, Any]]) -> list[Any]:
    assert [(job.status, job.error) for job, _ in jobs_with_answers.values()] == [
        ("done", None)
    ] * len(jobs_with_answers)
    return [result for _, result in jobs_with_answers.values()]


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("nan", "def problem(): return made(loss=lambda o, b: cross_entropy(o, b) * float('nan'))",
         "the loss at this point is nan"),
        ("detached", "def problem(): return made(loss=lambda o, b: cross_entropy(o.detach(), b))",
         "the loss must be differentiable by the parameters, but has no gradient"),
        ("once", ONCE, "the operation Once of this model cannot be differentiated twice"),
    ],
    ids=["NaN loss", "no gradient", "once differentiable"],
)  # fmt: skip
def test_what_has_no_curvature(served: Served, name: str, body: str, words: str) -> None:
    """Each kind says why in a sentence, or NaN with its reason; none gives a number."""
    _, model = imported(served, name, body)
    jobs_with_answers = answers(served, model)
    for kind in ("spectrum", "convexity"):
        job, result = jobs_with_answers[kind]
        assert (job.status, words in (job.error or "")) == ("failed", True), job.error
        assert not result.computed.any()
    job, sharpness = jobs_with_answers["sharpness"]
    assert (job.status, job.error) == ("done", None)
    assert np.isnan(sharpness.of("lambda_max").value)
    said = {"nan": "this point is not finite"}.get(name, "cannot be differentiated")
    assert any(said in reason for reason in reasons(sharpness))
    fisher = {SPECTRUM: replace(SETTINGS[SPECTRUM], matrix="empirical_fisher")}
    job, _ = answers(served, model, fisher)["spectrum"]
    assert job.status == "failed" and "RuntimeError" not in (job.error or "")
    job, stability = jobs_with_answers["stability"]
    assert np.isnan(stability.values["lambda_max"]).all()
    if name == "nan":
        assert job.status == "done" and np.isnan(stability.loss).all()
    else:
        assert (job.status, words in (job.error or "")) == ("failed", True), job.error


def test_a_model_without_parameters_is_refused(served: Served) -> None:
    """It is not imported, so that there is nothing to ask about."""
    job, model = imported(served, "none", "def problem(): return made(nn.Flatten())", lambda s: {})
    assert job.status == "failed" and model is None
    assert "the model must have parameters, got none" in (job.error or "")


def test_half_precision_weights(served: Served) -> None:
    """They are widened, not refused: the eigenvalues are those of the rounded weights."""
    settings = {kind: SETTINGS[kind] for kind in (SPECTRUM, CONVEXITY, STABILITY)}
    _, exact = imported(served, "exact")
    _, rounded = imported(served, "half", change=lambda s: {n: t.half() for n, t in s.items()})
    wanted, jobs_with_answers = (
        all_done(answers(served, model, settings)) for model in (exact, rounded)
    )
    pairs = [
        [spectrum.eigenvalues[0], stability.values["lambda_max"], convexity.values["lambda_min"]]
        for spectrum, convexity, stability in (wanted, jobs_with_answers)
    ]
    for one, other in zip(*pairs, strict=True):
        # half precision rounds weights by up to 2^-11 of their size
        np.testing.assert_allclose(one, other, rtol=5e-3, atol=5e-3)
        assert not np.array_equal(one, other)


AUTOCAST = """class Coarse(nn.Sequential):
    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(x + 100).float()

def problem(): return made(Coarse(nn.Linear(4, 5), nn.Linear(5, 3)))
"""


def test_a_loss_that_goes_by_the_precision_is_refused_alike_by_every_kind(served: Served) -> None:
    """In float64, also over some examples, which no import has measured, by its reason."""
    _, model = imported(served, "autocast", AUTOCAST)
    settings: dict[Kind, ObjectiveSettings] = {
        kind: replace(wanted, precision="float64") for kind, wanted in SETTINGS.items()
    }
    settings[CRITICAL] = CriticalSettings(starts=1)
    settings[LINE] = LineSettings(x_count=5, precision="float64", subset="first", examples=4)
    jobs = answers(served, model, settings)
    errors = [str(job.error).partition("p.py, ")[2] for job, _ in jobs.values()]
    told = [re.sub(r"is [\d.]+ in|and [\d.]+ in", "", error) for error in errors]
    assert told == told[:1] * len(settings)
    assert "float32, where forward, loss or a metric computes in bfloat16" in told[0]
    assert "take autocast out of it" in told[0] and "made anew" not in told[0]


def test_second_derivatives_in_half_precision_have_their_own_reason(served: Served) -> None:
    """In float32 the loss of that model has a line, and a matrix that is not symmetric."""
    _, model = imported(served, "autocast in float32", AUTOCAST)
    settings: dict[Kind, ObjectiveSettings] = {kind: SETTINGS[kind] for kind in (SPECTRUM,)}
    settings[LINE] = LineSettings(x_count=5)
    jobs = answers(served, model, settings)
    assert jobs[LINE.name][0].status == "done"
    error = str(jobs[SPECTRUM.name][0].error)
    assert "as forward, loss or a metric computes in bfloat16" in error
    assert "random numbers" not in error


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_examples_than_a_batch(served: Served, count: int) -> None:
    """Batches are then all there is: mini-batches have the eigenvalue of the whole."""
    body = f"def problem(): return made(data={{'train': xy({count})}})"
    _, model = imported(served, f"few {count}", body)
    spectrum, sharpness, convexity, stability = all_done(answers(served, model))
    _, batches, _ = spectrum.of(MatrixRole.BATCH)
    assert batches == pytest.approx([spectrum.eigenvalues[0][0]] * 2, rel=1e-3)  # the tolerance
    assert convexity.has_eigenvalues.all() and np.isfinite(stability.values["lambda_max"]).all()
    alone = "It needs at least two examples." in reasons(sharpness)
    assert alone == (count == 1)
    assert not any("nearby" in reason for reason in reasons(sharpness))


def test_more_pairs_than_parameters(served: Served) -> None:
    """All 43 eigenvalues come, once each; with a gradient that large the point is no saddle."""
    _, model = imported(served, "many pairs")
    settings: dict[Kind, ObjectiveSettings] = {
        SPECTRUM: SpectrumSettings(top=200, bottom=200, probes=2)
    }
    (spectrum,) = all_done(answers(served, model, settings))
    assert len(spectrum.eigenvalues[0]) == spectrum.size == 43
    assert spectrum.eigenvalues[0].min() < -0.1 < 0.1 < spectrum.eigenvalues[0].max()
    assert spectrum.kind_of_point == "not critical"


def test_a_hessian_of_zero(served: Served) -> None:
    """A loss linear in the parameters: eigenvalues 0, a ratio that is no number, no class."""
    body = f"def problem(): return made(nn.Linear(4, 3), loss={SUMS})"
    _, model = imported(served, "zero", body, linear)
    spectrum, sharpness, convexity, stability = all_done(answers(served, model))
    assert not spectrum.eigenvalues[0].any()
    assert spectrum.trace.value == 0 and spectrum.kind_of_point == "not critical"
    assert sharpness.of("lambda_max").value == 0
    assert np.isnan(convexity.values["ratio"]).all() and convexity.computed.all()
    assert not stability.values["lambda_max"].any()


def test_a_hessian_of_rank_one(served: Served) -> None:
    """One eigenvalue 4, the others 0 within their tolerance; nothing negative is invented."""
    _, model = imported(served, "rank", SQUARE, lambda s: {"weight": s["0.weight"][:1]})
    spectrum, sharpness, convexity, stability = all_done(answers(served, model))
    values = spectrum.eigenvalues[0]
    assert values[0] == pytest.approx(4, rel=1e-6)  # norm of four ones, squared; float32
    assert np.abs(values[1:]).max() < spectrum.tolerance
    assert spectrum.index == 0
    assert sharpness.of("lambda_max").value == pytest.approx(4, rel=1e-5)
    assert convexity.convex.all()
    assert stability.values["lambda_max"] == pytest.approx(4, rel=1e-5)
    assert stability.effective_rank == pytest.approx(1, rel=0.7)  # two random probes
