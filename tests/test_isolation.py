"""What a problem file does to its process ends with it: one real worker, many problems."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.kinds.line import LINE, LineSettings
from explorer.supervisor.supervisor import Supervisor
from store import Catalog, records
from tests.tiny import (
    agreed,
    checkpoint,
    ended,
    problem_file,
    supervised,
    until,
    until_stored,
)

HEAD = """
import os, pickle, sys, warnings
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from explorer.problem import Problem, cross_entropy

def made(net=None):
    g = torch.Generator().manual_seed(0)
    data = torch.randn(60, 8, generator=g), torch.randint(0, 5, (60,), generator=g)
    net = net or nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 5))
    return Problem(net, {"train": data}, cross_entropy)
"""
CLEAN = "def problem(): return made()"
NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.b(torch.ACTIVATION(self.a(x)))
"""
SWITCHES = {
    "dtype": "torch.set_default_dtype(torch.float64)",
    "grad": "torch.set_grad_enabled(False)",
    "numpy": "np.seterr(all='raise')",
    "warnings": "warnings.simplefilter('error')",
    "deterministic": "torch.use_deterministic_algorithms(True)",
    "anomaly": "torch.autograd.set_detect_anomaly(True)",
    "flush": "torch.set_flush_denormal(True)",
    "relu": "F.tanh = torch.tanh = nn.Tanh.forward = lambda self: self * 0",
}


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 5))


def torch_s_loss(activation: nn.Module | None = None) -> float:
    """The mean loss of the weights by plain torch."""
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 8, generator=g), torch.randint(0, 5, (60,), generator=g)
    model = network()
    if activation is not None:
        model[1] = activation
    with torch.no_grad():
        return float(F.cross_entropy(model(x), y))


Served = tuple[Catalog, Supervisor, Path]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("isolation")
    with supervised(folder / "catalog") as (catalog, supervisor):
        yield catalog, supervisor, folder


def brought(served: Served, name: str, body: str, keys: str = "02", **beside: str) -> records.Job:
    """The ended job that imported the weights through a problem of that body."""
    catalog, _, folder = served
    at = folder / name
    at.mkdir()
    (at / "p.py").write_text(HEAD + body + "\n")
    for module, text in beside.items():
        (at / f"{module}.py").write_text(text)
    named = dict(zip("02", keys, strict=True))
    state = {named[k[0]] + k[1:]: v for k, v in network().state_dict().items()}
    torch.save(state, at / "w.pt")
    order = order_import(catalog, agreed(at / "p.py"), {}, [Checkpoint(file=at / "w.pt")], name)
    return ended(catalog, order)


def model_named(catalog: Catalog, name: str) -> records.Model:
    return next(model for model in catalog.models() if model.name == name)


def loss(served: Served, name: str) -> Any:
    return model_named(served[0], name).measurements["train"]["loss"]


def test_what_problems_switch_is_not_switched_for_another(served: Served) -> None:
    """Defaults of torch and NumPy, filters of warnings, a patched function: gone with its process.

    The problems before may fail by what they did; the next has torch's own loss.
    """
    for name, switch in SWITCHES.items():
        brought(served, name, f"def problem():\n    {switch}\n    return made()")
    workers = served[1].workers
    job = brought(served, "clean", CLEAN)
    assert job.status == "done", job.error
    assert loss(served, "clean") == pytest.approx(torch_s_loss(), rel=1e-6)
    assert served[1].workers == workers and len(workers) == 1  # it did them all


@pytest.mark.parametrize(
    ("name", "body", "beside"),
    [
        (
            "inside",
            "def problem():\n    from nets import WIDE\n    return made()",
            {"nets": "WIDE=1"},
        ),
        (
            "lazy",
            "class Net(nn.Sequential):\n    def forward(self, x):\n        import nets\n"
            "        return super().forward(x)\n"
            "def problem():\n"
            "    return made(Net(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 5)))",
            {"nets": ""},
        ),
        (
            "folder",
            "def problem():\n    assert open('p.py').read() == open(__file__).read()\n"
            "    assert __name__ == 'p'\n    return made()",
            {},
        ),
        (
            "pickled",
            "class Config: pass\n"
            "def problem():\n    pickle.loads(pickle.dumps(Config()))\n    return made()",
            {},
        ),
        (
            "pool",
            "import multiprocessing\ndef twice(x): return 2 * x\n"
            "def problem():\n    with multiprocessing.Pool(2) as pool:\n"
            "        assert pool.map(twice, [1, 2, 3]) == [2, 4, 6]\n    return made()",
            {},
        ),
        (
            "spawned",
            "import multiprocessing\ndef twice(x): return 2 * x\n"
            "def problem():\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "        assert pool.map(twice, [1, 2, 3]) == [2, 4, 6]\n    return made()",
            {},
        ),
        ("forks", "def problem():\n    os.fork()\n    return made()", {}),
        ("forks_on_import", "os.fork()\ndef problem(): return made()", {}),
        (
            "main",
            "def problem(): return made()\nif __name__ == '__main__':\n    raise SystemExit",
            {},
        ),
    ],
)
def test_what_python_lets_a_file_do_works(
    served: Served, name: str, body: str, beside: dict[str, str]
) -> None:
    """Modules beside it whenever imported, its own name and folder, other processes; nothing stays.

    A copy of itself that a file leaves does not go on as a second worker.
    """
    job = brought(served, name, body, **beside)
    assert job.status == "done", job.error
    assert loss(served, name) == pytest.approx(torch_s_loss(), rel=1e-6)
    (worker,) = served[1].workers
    until(lambda: not psutil.Process(worker.pid).children())  # an import's process is not kept
    assert not (served[2] / name / "__pycache__").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no other system tells of them")
def test_a_daemon_without_our_mark_ends_with_its_import(served: Served) -> None:
    """It left its parent and its session, and cleared its environment."""
    body = """
def problem():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sh", ["sh", "-c", "echo $$ > pid.part; mv pid.part pid; sleep 999"], {})
        os._exit(0)
    while not os.path.exists("pid"):
        pass
    return made()
"""
    job = brought(served, "daemon", body)
    assert job.status == "done", job.error
    pid = int((served[2] / "daemon" / "pid").read_text())
    until(lambda: not psutil.pid_exists(pid))


def test_an_error_is_told_where_the_output_is_closed(served: Served) -> None:
    """By the sentence of the job, and not by three deaths of the worker."""
    job = brought(
        served, "silent", "def problem():\n    os.close(1), os.close(2)\n    return made()"
    )
    assert job.status == "failed"
    assert "Bad file descriptor" in (job.error or ""), job.error  # of the second call
    assert job.attempts == 0


def test_annotations_are_postponed(served: Served) -> None:
    """`from __future__ import annotations` with a dataclass, which looks its module up by name."""
    catalog, _, folder = served
    at = folder / "annotations"
    at.mkdir()
    text = "@dataclass\nclass Config:\n    width: int = 16\n" + CLEAN
    text = f"from __future__ import annotations\n{HEAD}\nfrom dataclasses import dataclass\n{text}"
    (at / "p.py").write_text(text + "\n")
    torch.save(network().state_dict(), at / "w.pt")
    given = [Checkpoint(file=at / "w.pt")]
    job = ended(catalog, order_import(catalog, agreed(at / "p.py"), {}, given, "future"))
    assert job.status == "done", job.error


@pytest.mark.parametrize("victim", ["worker", "problem"])
def test_the_death_of_either_process_is_noticed(tmp_path: Path, victim: str) -> None:
    """SIGKILL of the worker ends the problem's process; that of the latter ends the worker.

    Another worker goes on.
    """
    file, gate = problem_file(tmp_path / "problem"), tmp_path / "gate"
    with supervised(tmp_path / "catalog") as (catalog, _):
        weights = [Checkpoint(file=checkpoint(tmp_path / "w.safetensors"))]
        order = order_import(catalog, file, {"gate": str(gate)}, weights, "waits")
        assert ended(catalog, order).status == "done"
        gate.touch()  # no point is evaluated as long as it is there
        (model,) = catalog.models()
        key = questions.ask(catalog, LINE, model, LineSettings(x_count=5))
        job = until_stored(catalog, lambda: (j := catalog.active_job_for(key)) and j.pid and j)
        worker = psutil.Process(job.pid)
        (problem,) = until(worker.children)
        killed, other = (worker, problem) if victim == "worker" else (problem, worker)
        os.kill(killed.pid, signal.SIGKILL)
        until(lambda: not other.is_running() or other.status() == psutil.STATUS_ZOMBIE)
        gate.unlink()
        until_stored(catalog, lambda: catalog.active_job_for(key) is None)
        assert catalog.question(key).status == "complete"
        assert catalog.job(job.id).pid != job.pid


def test_two_projects_have_a_module_of_one_name(served: Served) -> None:
    """Each is answered with its own `models.py`, also on a line, in turns."""
    body = "from models import Net\ndef problem(): return made(Net())"
    catalog, activations = served[0], {"tanh": nn.Tanh(), "relu_": nn.ReLU()}
    for name in activations:
        net = NETS.replace("ACTIVATION", name.strip("_"))
        job = brought(served, name, body, keys="ab", models=net)
        assert job.status == "done", job.error
    for seed in (0, 1):
        for name, activation in activations.items():
            settings = LineSettings(x_count=3, seed=seed)
            key = questions.ask(catalog, LINE, model_named(catalog, name), settings)
            until_stored(catalog, lambda key=key: catalog.active_job_for(key) is None)
            centre = questions.result_of(catalog, catalog.question(key)).values["loss"].ravel()[1]
            assert centre == pytest.approx(torch_s_loss(activation), rel=1e-6)


def test_a_problem_stays_warm_between_its_questions(tmp_path: Path) -> None:
    """The second question finds the process of the first; an import has one of its own."""
    file = problem_file(tmp_path / "problem")
    trace = tmp_path / "trace"
    text = f"\nwith open({str(trace)!r}, 'a') as f:\n    f.write(f'{{os.getpid()}} ')\n"
    file.write_text(file.read_text() + text)
    with supervised(tmp_path / "catalog") as (catalog, _):
        weights = [Checkpoint(file=checkpoint(tmp_path / "w.safetensors"))]
        order = order_import(catalog, agreed(file), {}, weights, "warm")
        assert ended(catalog, order).status == "done"
        (model,) = catalog.models()
        for seed in range(3):
            key = questions.ask(catalog, LINE, model, LineSettings(x_count=3, seed=seed))
            until_stored(catalog, lambda key=key: catalog.active_job_for(key) is None)
            assert catalog.question(key).status == "complete"
    runs = trace.read_text().split()
    _, process = dict.fromkeys(runs)  # the import, which also runs the file anew, and the questions
    assert runs.count(process) == 1, json.dumps(runs)
