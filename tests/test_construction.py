"""What problem() builds is the same each time, and what it was at the import."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer.analysis.model.import_losses import check_as_measured
from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.random_draws import RandomOperations
from explorer.analysis.objective.user_errors import ProblemError, explain_problem_errors
from explorer.ask.question import ProblemIdentity, sha256
from explorer.contracts.facts import ProblemFacts
from explorer.contracts.request import AnswerRequest
from explorer.kinds.piece import Piece
from explorer.kinds.surface import SurfaceSettings

FILE = """
import torch
from torch import nn
from explorer.problem import Problem, cross_entropy

FIXED = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(4, 3)
        {body}

    def forward(self, x):
        return self.last(torch.cos(x @ self.features()))

{after}

def problem():
    data = {{"train": (torch.ones(5, 4), torch.zeros(5, dtype=torch.int64))}}
    return Problem(Net(), data, cross_entropy)
"""
DRAWN = "torch.randn(4, 4)"


def written(folder: Path, body: str, after: str = "") -> Path:
    file = folder / "mine.py"
    file.write_text(FILE.format(body=body, after=after))
    return file


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (f"self.w = {DRAWN}; self.features = lambda: self.w", "'w' of the model"),
        (f"self.ws = [{DRAWN}]; self.features = lambda: self.ws[0]", "'ws[0]' of the model"),
        (f"w = {DRAWN}; self.features = lambda: w", "'features (w)' of the model"),
        (
            f"self.register_buffer('w', {DRAWN}, persistent=False); self.features = lambda: self.w",
            "'w' of the model",
        ),
        (
            "import random; w = random.random(); self.features = lambda: FIXED * w",
            "random.seed or numpy.random.seed",
        ),
        (f"held = Held({DRAWN}); self.features = held.get", "what the model gives"),
    ],
)
def test_what_no_checkpoint_brings_is_the_same_each_time(
    tmp_path: Path, body: str, name: str
) -> None:
    """Random features in an attribute, a list, a closure, a hidden object: refused by name."""
    held = "class Held:\n    def __init__(self, w): self.w = w\n    def get(self): return self.w\n"
    with pytest.raises(ProblemError) as caught:
        load_problem(written(tmp_path, body, held), {}, twice=True)
    assert f"{name}" in str(caught.value) and "from a fixed seed" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        "self.w = FIXED; self.features = lambda: self.w",
        f"self.register_buffer('w', {DRAWN}); self.features = lambda: self.w",
    ],
)
def test_what_is_fixed_or_stored_passes(tmp_path: Path, body: str) -> None:
    assert load_problem(written(tmp_path, body), {}, twice=True).problem.model


def asked(*measured: float | None, kind: str = "surface", **changed: str) -> AnswerRequest:
    """A request about points whose losses were measured at their import."""
    settings = {"split": "train", "subset": "all", "batchnorm": "frozen", "precision": "float32"}
    return AnswerRequest(
        key="k",
        kind=kind,
        settings=settings | changed,
        problem=Path("mine.py"),
        arguments={},
        source_hash="s",
        fingerprint="f",
        points=("p",) * len(measured),
        files=(Path("p.safetensors"),) * len(measured),
        losses=measured,
    )


def test_the_loss_is_what_was_measured_at_the_import() -> None:
    """Another loss of the same point is refused; rounding, subsets and NaN are not."""
    piece = Piece({"unit": np.arange(1)}, {"stand_alone": {"loss": 1.838}})
    with pytest.raises(ProblemError, match=r"was 0\.2495 at its import and is 1\.838 now"):
        check_as_measured(piece, asked(0.2495))
    for changed, measured in (
        ({}, 1.8380001),
        ({}, None),
        ({}, float("nan")),
        ({"subset": "first"}, 0.2495),
        ({"precision": "bf16"}, 0.2495),
    ):
        check_as_measured(piece, asked(measured, **changed))


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("interpolation", {"own": [{"loss": None}, {"loss": 1.838}]}),
        ("difference", {"alone": [{"loss": None}, {"loss": 1.838}]}),
        ("run", {"path": {"values": {"loss": [None, 1.838]}}, "stand_alone": {"loss": 1.838}}),
    ],
)
def test_each_loss_is_that_of_its_own_point(kind: str, facts: dict) -> None:
    """Whatever the kind, and whatever is no number at the points before it."""
    piece = Piece({"unit": np.arange(1)}, facts)
    check_as_measured(piece, asked(0.2495, 1.838, kind=kind))
    with pytest.raises(ProblemError, match=r"was 0\.2495 at its import and is 1\.838 now"):
        check_as_measured(piece, asked(1.838, 0.2495, kind=kind))


def test_a_constant_of_another_precision_is_told_with_its_line(tmp_path: Path) -> None:
    """What torch says of it becomes a sentence: file, line, and the way out."""
    file = tmp_path / "mine.py"
    file.write_text("import torch\n\ndef forward(x):\n    return x @ torch.zeros(4, 2)\n")
    module: dict = {}
    exec(compile(file.read_text(), file, "exec"), module)
    with pytest.raises(ProblemError) as caught, explain_problem_errors(file), RandomOperations():
        module["forward"](torch.zeros(3, 4, dtype=torch.float64))
    text = str(caught.value)
    assert "(line 4 of mine.py)" in text and "choose precision float32" in text
    with (
        pytest.raises(ValueError, match=r"^x_count must be from 2"),
        explain_problem_errors(file),
    ):
        SurfaceSettings(x_count=0)


def test_which_parameters_move_is_in_the_key_where_it_is_not_all() -> None:
    """A problem all of whose parameters move keeps its key."""
    facts = {"splits": {"train": {"fingerprint": "f", "count": 1}}, "loss": "l", "metrics": []}
    plain = ProblemIdentity.of("s", {}, ProblemFacts.of(facts))
    part = ProblemIdentity.of("s", {}, ProblemFacts.of(facts | {"moved": "2 of 4 tensors"}))
    before = {n: v for n, v in dataclasses.asdict(plain).items() if n != "moved"}
    assert plain.id == sha256(before) != part.id
