"""A large model is held a few times and no more, through a real supervisor and worker."""

import contextlib
import re
from pathlib import Path

import psutil
import pytest
import safetensors.torch

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, settings_from_json
from store import Catalog
from tests import tiny

PROBLEM = """
import torch
from torch import nn
from explorer.problem import Problem, cross_entropy

def problem(layers, width=3600):
    between = [m for _ in range(layers) for m in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), *between, nn.Linear(width, 3))
    data = {"train": (torch.linspace(-1, 1, 40).view(5, 8), torch.arange(5) % 3)}
    return Problem(model, data, cross_entropy)
"""
LAYERS = 3  # of 52 MB each: large beside what a worker holds otherwise
MANY_LAYERS = 8
WORKER = 1000 << 20  # of a worker beside the copies of a model: measured 540 to 870 MiB


def peak(catalog: Catalog, job_id: str) -> int:
    """The most bytes that a process of the worker held until the job had ended well."""
    most, looked_at = 0, None

    def over() -> bool:
        nonlocal most, looked_at
        for worker in Spool(catalog.jobs_folder).workers():
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, IndexError):
                for process in psutil.Process(worker.pid).children():
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    most = max(most, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) << 10)
        before, looked_at = looked_at, catalog.mark  # nothing is opened where nothing has changed
        return looked_at != before and not catalog.job(job_id).is_active

    tiny.until(over, 600)
    assert catalog.job(job_id).status == "done", catalog.job(job_id).error
    return most


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "directions"),
    [
        (LAYERS, ["gradient"]),  # which takes most
        pytest.param(MANY_LAYERS, ["random", "gradient"], marks=pytest.mark.campaign),
    ],
)
def test_a_large_model_is_held_a_few_times(
    tmp_path: Path, layers: int, directions: list[str]
) -> None:
    """Import holds the model 6 times at most, lines 8 times.

    With all layers it has a hundred million parameters: at most 4.4 GB where 8 are allowed.

    On import: the problem as declared, the point, the copy that is evaluated, the one that is
    tried, and its gradient.

    On a line: the problem's model, the stored point, the model that moves, its base and the
    direction; and for the gradient a sum in float64.
    """
    file = tmp_path / "wide.py"
    file.write_text(PROBLEM)
    names: dict[str, object] = {}
    exec(PROBLEM, names)
    model = names["problem"](layers).model  # type: ignore[operator]
    size = 4 * sum(p.numel() for p in model.parameters())
    assert size > 150_000_000
    safetensors.torch.save_file(model.state_dict(), tmp_path / "wide.safetensors")
    del model
    with tiny.supervised(tmp_path / "catalog") as (catalog, _):
        given = [Checkpoint(file=tmp_path / "wide.safetensors")]
        job = order_import(catalog, tiny.agreed(file), {"layers": layers}, given, "wide")
        assert size < peak(catalog, job) < WORKER + 6 * size
        (model,) = catalog.models()
        assert model.facts["parameters"] == size // 4
        for direction in directions:
            kind = kind_named("line")
            settings = settings_from_json(kind.settings, {"x_count": 3, "direction": direction})
            key = questions.ask(catalog, kind, model, settings)
            job = next(job.id for job in catalog.jobs() if job.question_key == key)
            assert size < peak(catalog, job) < WORKER + 8 * size
