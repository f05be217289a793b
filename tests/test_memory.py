"""A large model is held a few times and no more, through a real supervisor and worker."""

import re
from pathlib import Path

import pytest
import safetensors.torch

from explorer.jobs import desk, orders
from explorer.jobs.spool import Spool
from explorer.kinds import kind_named, settings_from_json
from store import Catalog
from tests import tiny

PROBLEM = """
import torch
from torch import nn
from explorer.problem import Problem, cross_entropy

def problem(width=3600, layers=8):
    between = [m for _ in range(layers) for m in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(nn.Linear(8, width), nn.ReLU(), *between, nn.Linear(width, 3))
    data = {"train": (torch.linspace(-1, 1, 40).view(5, 8), torch.arange(5) % 3)}
    return Problem(model, data, cross_entropy)
"""
BYTES = 4 * 103_752_003  # of parameters
WORKER = 400 << 20  # of a worker with torch and no model


def peak(catalog: Catalog) -> int:
    """The most bytes that the worker ever held."""
    (worker,) = Spool(catalog.jobs_folder).workers()
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) << 10


@pytest.mark.slow
def test_a_hundred_million_parameters(tmp_path: Path) -> None:
    """Import holds the model 6 times at most, lines 8 times: 3.7 GB where 8 are allowed.

    On import: the problem as declared, the point, the copy that is evaluated, the one that is
    tried, and its gradient.

    On a line: the problem's model, the stored point, the model that moves, its base and the
    direction; and for the gradient a sum in float64.
    """
    file = tmp_path / "wide.py"
    file.write_text(PROBLEM)
    names: dict[str, object] = {}
    exec(PROBLEM, names)
    model = names["problem"]().model  # type: ignore[operator]
    assert 4 * sum(p.numel() for p in model.parameters()) == BYTES
    safetensors.torch.save_file(model.state_dict(), tmp_path / "wide.safetensors")
    del model
    with tiny.supervised(tmp_path / "catalog") as (catalog, _):
        given = [{"file": str(tmp_path / "wide.safetensors")}]
        job = orders.order_import(catalog, tiny.agreed(file), {}, given, "wide")
        assert tiny.ended(catalog, job).status == "done"
        assert peak(catalog) < WORKER + 6 * BYTES
        (model,) = catalog.models()
        assert model.facts["parameters"] == BYTES // 4
        for direction in ("random", "gradient"):
            kind = kind_named("line")
            settings = settings_from_json(kind.settings, {"x_count": 3, "direction": direction})
            key = desk.ask(catalog, kind, model, settings)
            job = next(job.id for job in catalog.jobs() if job.question_key == key)
            assert tiny.ended(catalog, job, 600).status == "done"
            assert peak(catalog) < WORKER + 8 * BYTES
