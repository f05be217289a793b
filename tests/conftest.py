"""Small problems with known answers, shared by the tests; float64, uneven batches on purpose."""

import tests.before_torch  # noqa: F401 - it is first

# isort: split
import atexit
import gc
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from explorer.analysis.objective.device import restore_threads
from explorer.jobs import local_workers
from explorer.problem import Problem, accuracy, cross_entropy
from store import instance
from tests.fork_server import forked_worker, started_worker
from tests.networks import Snapshots, seeded, trained_perceptron

FEW = 23  # examples of the problem `small`
LONGEST = (  # of the modules, where each is one process's
    *("test_app", "test_supervisor", "test_pages", "test_command_line", "test_every_kind"),
    *("test_curvature", "test_spectrum_kills", "test_worker_kills", "test_memory"),
    *("test_following", "test_drawing", "test_evaluator", "test_isolation"),
    *("test_import_kills", "test_reuse", "test_bad_input", "test_bad_curvature", "test_viewer"),
    *("test_old_catalog", "test_pages_lines", "test_pages_spectrum", "test_consent"),
    *("test_store_concurrency",),
)
os.environ["EXPLORER_STATE"] = tempfile.mkdtemp(prefix="explorer-state-")  # never the user's own
atexit.register(shutil.rmtree, os.environ["EXPLORER_STATE"], ignore_errors=True)
instance.CONFIG["threads"] = 1  # catalogs are tiny: another thread wakes up for nothing
gc.disable()  # until all is collected: what modules and tests are made of stays
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The modules that take longest come first, so that none of them is alone at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """Thousands of tests and all modules stay: no collection of garbage ever looks at them."""
    gc.freeze()
    gc.enable()


class Net(nn.Module):
    """A convolution, BatchNorm, a transposed convolution, a linear layer, a tied pair, a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.up = nn.ConvTranspose2d(3, 2, 2, stride=2)
        self.first = nn.Linear(2 * 8 * 8, 6)
        self.second = nn.Linear(6, 6)
        self.third = nn.Linear(6, 6)
        self.third.weight = self.second.weight  # tied
        self.last = nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.norm(self.conv(images)))
        hidden = torch.tanh(self.first(self.up(hidden).flatten(1)))
        return self.last(torch.relu(self.third(self.second(hidden))))


def small_problem(examples: int = 101, dtype: torch.dtype = torch.float64) -> Problem:
    """Random 4 x 4 images in three classes; the model has trained running statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Net().to(dtype)
        data = {}
        for split, count in (("train", examples), ("test", 37)):
            images = torch.randn(count, 1, 4, 4, generator=seeded(count), dtype=torch.float64)
            labels = torch.randint(0, 3, (count,), generator=seeded(count + 1))
            data[split] = (images.to(dtype), labels)
        model.train()
        model(data["train"][0])  # moves the running statistics off their defaults
    return Problem(model, data, cross_entropy, {"accuracy": accuracy})


@pytest.fixture
def small() -> Problem:
    """A 4-5-3 tanh network with 43 parameters, none of them special; float64."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs = torch.randn(FEW, 4, generator=seeded(1), dtype=torch.float64)
    labels = torch.randint(0, 3, (FEW,), generator=seeded(2))
    return Problem(model, {"train": (inputs, labels)}, cross_entropy, {"accuracy": accuracy})


@pytest.fixture(scope="session")
def trained() -> tuple[Problem, Snapshots]:
    """A perceptron and the snapshots of its training."""
    return trained_perceptron()


@pytest.fixture
def problem() -> Problem:
    return small_problem()


@pytest.fixture
def uneven(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make batches of about so many bytes of activations, so that the last one is smaller."""
    from explorer.analysis.objective import usual_choice

    def set_bytes(count: int) -> None:
        monkeypatch.setitem(usual_choice.BATCH_BYTES, "cpu", count)

    return set_bytes


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Supervisors of the test process fork their workers from one that has loaded torch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_workers, "start_worker", forked_worker)
        yield


@pytest.fixture
def started_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are started, as they are outside of tests."""
    monkeypatch.setattr(local_workers, "start_worker", started_worker)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small matrices: threads would wait for each other."""
    with restore_threads():
        torch.set_num_threads(1)
        yield


@pytest.fixture(scope="module")
def nothing_left(filled: Path) -> Iterator[None]:
    """After a module's last test no supervisor works in this process and no worker lives."""
    from explorer.pages import _running
    from store import Catalog
    from tests.tiny import end_workers

    yield
    _running.stop_apps()
    end_workers(Catalog(filled))


@pytest.fixture
def folder(filled: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The catalog that a module's fixture `filled` has made, named to the app."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(filled))
    return filled
