"""What a CUDA device answers, beside the processor: every kind, whole, resumed, after a kill.

Left out where there is no such device.
"""

import dataclasses
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.ask import questions
from explorer.jobs.spool import Spool
from explorer.kinds import KINDS, Kind
from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog
from tests.filling import work
from tests.small_answers import ask, columns_by_unit, question_of, two_runs
from tests.tiny import is_there, supervised, until

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
# Of the largest of a column: two devices add in other orders, and what is made of differences
# (residuals, curvatures of critical points) has lost digits before it is compared.
AGREEMENT = 1e-3
ROUNDING = 1e-9  # columns whose largest is less are residuals that consist of rounding
LARGE = SurfaceSettings(x_count=801, y_count=801)  # seconds of work on a GPU


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with two runs of one problem."""
    return two_runs(tmp_path_factory.mktemp("cuda"))


def with_questions(imported: Path, folder: Path) -> Catalog:
    """A copy of the catalog in which a small question of every kind waits."""
    shutil.copytree(imported, folder / "catalog")
    catalog = Catalog(folder / "catalog")
    catalog.check()
    for kind in KINDS:
        ask(catalog, kind)
    return catalog


@pytest.fixture(scope="module")
def answered(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Catalog]:
    """By device: a catalog with the answer of each kind."""
    catalogs = {}
    for device in ("cpu", "cuda"):
        catalogs[device] = with_questions(imported, tmp_path_factory.mktemp(device))
        work(catalogs[device], device=device)
    return catalogs


def assert_agree(one: dict[str, np.ndarray], other: dict[str, np.ndarray], share: float) -> None:
    """The columns differ by no more than a share of each one's largest number."""
    assert one.keys() == other.keys()
    for name, column in one.items():
        if column.dtype.kind != "f":
            assert np.array_equal(column, other[name]), name
            continue
        finite = np.isfinite(column)
        largest = np.abs(column[finite]).max(initial=0.0)
        difference = np.abs(other[name][finite] - column[finite]).max(initial=0.0)
        print(f"{name}: largest {largest:.3g}, difference {difference:.1e}")
        np.testing.assert_allclose(
            other[name], column, rtol=share, atol=share * max(largest, ROUNDING), err_msg=name
        )


@every_kind
def test_cuda_agrees_with_the_processor(kind: Kind, answered: dict[str, Catalog]) -> None:
    """The same question on both devices: the same rows, and values that agree."""
    for catalog in answered.values():
        assert question_of(catalog, kind).status == "complete", catalog.jobs(limit=20)
    assert_agree(
        columns_by_unit(answered["cpu"], kind), columns_by_unit(answered["cuda"], kind), AGREEMENT
    )


@every_kind
def test_the_same_question_has_the_same_answer(
    kind: Kind, answered: dict[str, Catalog], again: Catalog
) -> None:
    """Asked a second time of the same device: the same bits."""
    assert_agree(columns_by_unit(answered["cuda"], kind), columns_by_unit(again, kind), 0.0)


@pytest.fixture(scope="module")
def again(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Another catalog with the answers of CUDA."""
    catalog = with_questions(imported, tmp_path_factory.mktemp("again"))
    work(catalog, device="cuda")
    return catalog


@pytest.fixture(scope="module")
def resumed(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog with the answers of CUDA, each stopped after its first piece and resumed."""
    catalog = with_questions(imported, tmp_path_factory.mktemp("resumed"))
    work(catalog, pieces=1, device="cuda")
    for question in catalog.questions(limit=100)[0]:
        if question.status == "open":
            questions.resume(catalog, question)
    work(catalog, device="cuda")
    return catalog


@every_kind
def test_a_stopped_answer_goes_on(
    kind: Kind, answered: dict[str, Catalog], resumed: Catalog
) -> None:
    """Stopped after a piece and resumed on CUDA: the values of one go."""
    assert question_of(resumed, kind).status == "complete"
    assert_agree(columns_by_unit(answered["cuda"], kind), columns_by_unit(resumed, kind), 1e-5)


@pytest.mark.parametrize(("precision", "share"), [("tf32", 1e-2), ("bf16", 5e-2)])
def test_reduced_precision_is_another_question_with_a_near_answer(
    answered: dict[str, Catalog], imported: Path, precision: str, share: float
) -> None:
    """TF32 and bfloat16 give another key, and losses within their rounding of float32's."""
    catalog = answered["cuda"]
    model = next(model for model in catalog.models() if model.name == "one")
    small = SurfaceSettings(x_count=21, y_count=21)
    keys = [
        questions.ask(catalog, SURFACE, model, dataclasses.replace(small, precision=name))
        for name in ("float32", precision)
    ]
    work(catalog, device="cuda")
    exact, near = (catalog.values(key, SURFACE.table)["loss"] for key in keys)
    assert keys[0] != keys[1]
    np.testing.assert_allclose(near, exact, rtol=share, atol=share * exact.min())


def surface_after_kills(imported: Path, folder: Path, kills: int) -> dict[str, np.ndarray]:
    """The columns of a large surface, whose worker was killed so often after pieces of it."""
    shutil.copytree(imported, folder)
    with supervised(folder, device="cuda") as (catalog, _):
        model = next(model for model in catalog.models() if model.name == "one")
        key = questions.ask(catalog, SURFACE, model, LARGE)
        spool, done = Spool(catalog.jobs_folder), 0
        for _ in range(kills):
            until(lambda done=done: catalog.question(key).units_done > done)
            done = catalog.question(key).units_done
            assert done < LARGE.units, "complete before all kills had landed"
            alive = until(lambda: [worker for worker in spool.workers() if is_there(worker.pid)])
            os.kill(alive[0].pid, signal.SIGKILL)
        until(lambda: catalog.question(key).status == "complete")
        return catalog.values(key, SURFACE.table)


@pytest.mark.usefixtures("started_workers")
def test_a_killed_worker_loses_nothing(imported: Path, tmp_path: Path) -> None:
    """A worker on CUDA, killed twice at work: the surface is that of an undisturbed worker."""
    whole = surface_after_kills(imported, tmp_path / "undisturbed", 0)
    assert_agree(whole, surface_after_kills(imported, tmp_path / "killed", 2), 1e-5)
