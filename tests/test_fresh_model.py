"""Values are those of a model made anew with the weights loaded, whatever a model keeps."""

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from explorer.analysis import line
from explorer.analysis.model.inspection import inspect
from explorer.analysis.model.problems import load_problem, rerun_problem
from explorer.analysis.objective.model_copies import move_weights
from explorer.analysis.objective.objective import Objective
from explorer.contracts.checkpoint import Checkpoint
from explorer.kinds.line import Line, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem, cross_entropy
from tests import unusual_models as unusual

CPU = torch.device("cpu")
HEAD = """
import functools, torch
from torch import nn
from explorer.problem import Problem, cross_entropy
kept = {}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.kept, self.merged = nn.Linear(4, 6), nn.Linear(6, 3), None, False
        self.delta = nn.Parameter(torch.randn(6, 4))
    def forward(self, x):
        return self.b(torch.tanh(x @ self.w(x).t()))
"""
TAIL = """
def problem():
    torch.manual_seed(0)
    data = torch.randn(20, 4), torch.arange(20) % 3
    return Problem(Net(), {"train": data}, cross_entropy)
"""
KEEPERS = {
    "a cache of the function": """
    @functools.lru_cache(maxsize=None)
    def cached(self):
        return self.a.weight.detach().tanh()
    def w(self, x):
        return self.cached()
""",
    "a cache of the file": """
    def w(self, x):
        return kept.setdefault("w", self.a.weight.detach().tanh())
""",
    "a mask of the first batch": """
    def w(self, x):
        self.kept = torch.ones(6, 1) / len(x) if self.kept is None else self.kept
        return self.a.weight * self.kept
""",
    "merging by eval()": """
    def train(self, mode=True):
        super().train(mode)
        if not mode and not self.merged:
            self.a.weight.data += self.delta
            self.merged = True
        return self
    def w(self, x):
        return self.a.weight if self.merged else self.a.weight + self.delta
""",
}
STEADY = """
    def w(self, x):
        return self.a.weight + self.delta
"""


def imported(folder: Path, body: str) -> float:
    """The loss that an import measures."""
    file = folder / "p.py"
    file.write_text(HEAD + body + TAIL)
    loaded = load_problem(file, {}, twice=True)
    weights = folder / "w.pt"
    torch.save(loaded.problem.model.state_dict(), weights)
    result = inspect(
        loaded,
        [Checkpoint(file=weights)],
        CPU,
        folder,
        progress=lambda done, total: None,
        anew=lambda: rerun_problem(file, {}),
    )
    return result.points[0].losses["train"]["loss"]


@pytest.mark.parametrize("body", KEEPERS.values(), ids=KEEPERS)
def test_what_is_kept_of_older_weights_is_refused(tmp_path: Path, body: str) -> None:
    with pytest.raises(ValueError, match="something is kept from an earlier call"):
        imported(tmp_path, body)


def test_what_keeps_nothing_passes_and_may_switch_gradients_off(tmp_path: Path) -> None:
    off = f"{STEADY}\ntorch.set_grad_enabled(False)\n"
    assert imported(tmp_path, STEADY) == imported(tmp_path, off)
    assert torch.is_grad_enabled()


class Cached(unusual.Net):
    """It keeps what it makes of its weights as an attribute."""

    @functools.cached_property
    def row(self) -> torch.Tensor:
        return self.a.weight.detach().tanh()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b(torch.tanh(nn.functional.linear(x, self.row)))


class Replaced(unusual.Net):
    """It lays its weights elsewhere in each forward."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.a.weight.data = self.a.weight.data.clamp(-0.3, 0.3)
        return super().forward(x)


@pytest.mark.parametrize("model", [Cached, Replaced])
def test_each_point_has_its_own_attributes(model: type[unusual.Net]) -> None:
    """Every loss of a line is that of new objects with the weights loaded."""
    problem = Problem(unusual.made(model), {"train": unusual.data()}, cross_entropy)
    settings = LineSettings(x_count=5)
    point = {name: value.clone() for name, value in problem.model.state_dict().items()}
    pieces = list(line.answer(problem, [point], settings, frozenset(), CPU))
    losses = Line.from_pieces(settings, pieces).loss[0]
    assert "by the model itself" in pieces[0].facts["chosen"]
    objective = Objective(problem, ObjectiveSettings(), CPU)
    with move_weights(objective.flat), objective.flat.at_theta():
        state = {n: v.clone() for n, v in problem.model.state_dict().items()}
    other = unusual.made(model).eval()
    with torch.no_grad():
        centre = cross_entropy(other(unusual.data()[0]), unusual.data()).mean()
        moved = unusual.made(model).eval()
        moved.load_state_dict(state)
        wanted = cross_entropy(moved(unusual.data()[0]), unusual.data()).mean()
    with move_weights(objective.flat):
        assert objective.means()["loss"] == pytest.approx(float(wanted), rel=1e-5)
    assert losses[2] == pytest.approx(float(centre), rel=1e-5)  # the middle
    assert len({round(float(loss), 6) for loss in losses}) == 5
