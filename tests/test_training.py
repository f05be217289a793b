"""How a model was trained is read from its recording before what its script noted."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from explorer import recorded_runs
from explorer.codec import to_json
from explorer.importing.training import TrainingNotes, training_of
from explorer.kinds.look import SubjectName
from explorer.kinds.stability_result import Stability, StabilityFacts
from explorer.optimizer_state import optimizer_note
from explorer.recorder import Recorder
from explorer.recording import LOG, read_recording
from explorer.render.export.views import whole_spec
from store import records
from tests.drawing import drawn_stability


def noted(**facts: object) -> TrainingNotes:
    return training_of(
        records.Model(id="id", name="name", problem_id="problem", point_id="point", facts=facts)
    )


def recorded(folder: Path, make, **settings) -> TrainingNotes:
    """What a run says whose rate halves at every snapshot."""
    model = torch.nn.Linear(3, 2)
    optimizer = make(model)
    run = Recorder(folder, **settings)
    for step in (0, 10, 20):
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
        run.snapshot(model, step, optimizer=optimizer)
        for group in optimizer.param_groups:
            group["lr"] /= 2
    return noted(run=to_json(recorded_runs.run_facts(read_recording(folder))))


@pytest.mark.parametrize(
    ("make", "rule", "momentum"),
    [
        (lambda m: torch.optim.Adam(m.parameters(), lr=0.1, betas=(0.8, 0.99)), "Adam", 0.8),
        (lambda m: torch.optim.AdamW(m.parameters(), lr=0.1), "Adam", 0.9),
        (lambda m: torch.optim.SGD(m.parameters(), lr=0.1), "gradient descent", 0.0),
        (lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9), "heavy ball", 0.9),
        (
            lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9, nesterov=True),
            "Nesterov",
            0.9,
        ),
        (lambda m: torch.optim.Rprop(m.parameters(), lr=0.1), None, None),
    ],
)
def test_a_recorded_optimiser(tmp_path: Path, make, rule: str | None, momentum: float) -> None:
    """Its class, its momentum and the rate at each snapshot, against other words of the script."""
    given = {"lr": 7.0, "momentum": 0.1, "batch_size": 32}
    training = recorded(tmp_path, make, hyperparameters=given)
    assert (training.rule, training.momentum, training.batch, training.rate) == (
        rule,
        momentum,
        32,
        None,
    )
    assert [training.rate_at(step) for step in (0, 9, 10, 25)] == [0.1, 0.1, 0.05, 0.025]


def test_groups_of_parameters(tmp_path: Path) -> None:
    """Of several rates the largest counts, and it is known that there are several."""
    training = recorded(
        tmp_path,
        lambda m: torch.optim.SGD(
            [{"params": m.weight, "lr": 0.01}, {"params": m.bias, "lr": 0.4}]
        ),
    )
    assert training.groups == 2 and training.rate_at(0) == 0.4


def test_a_recording_without_the_optimisers_facts(tmp_path: Path) -> None:
    """Of an older recording the class stands in the head of the file of the optimiser's state."""
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    Recorder(tmp_path, optimizer_state=True).snapshot(model, 0, optimizer=optimizer)
    log = (tmp_path / LOG).read_text()
    (tmp_path / LOG).write_text(log.replace('"trained_by"', '"unknown"'))
    assert optimizer_note(model, optimizer)["class"] == "Adam"
    training = noted(run=to_json(recorded_runs.run_facts(read_recording(tmp_path))))
    assert (training.rule, training.momentum, training.rate) == ("Adam", 0.9, 0.01)


def test_what_a_script_noted() -> None:
    """Without a recorded optimiser its own words count; without any nothing is assumed."""
    training = noted(learning_rate=0.05, momentum=0.9, batch_size=8, optimizer="SGD")
    assert (training.rate, training.momentum, training.batch, training.rule) == (
        0.05,
        0.9,
        8,
        "heavy ball",
    )
    unknown = noted()
    assert (unknown.rate, unknown.momentum, unknown.batch, unknown.rule) == (None,) * 4
    assert unknown.rate_at(0) is None


def test_a_threshold_of_each_snapshot_is_drawn() -> None:
    """A rate that changes bends the line: its values are those given, at the snapshots' steps."""
    values = {
        name: np.arange(1.0, 4)
        for name in ("loss", "lambda_max", "residual", "trace", "trace_se", "squares")
    }
    values |= {"gradient_norm": np.ones(3), "noise": np.ones(3)}
    stability = Stability((3,), 10, values, np.ones(3, dtype=bool), StabilityFacts(available=10))
    chart = drawn_stability(stability, [SubjectName("a", (0, 10, 20))], rates=(0.1, 0.05, 0.025))
    text = json.dumps(whole_spec(chart))
    assert '"threshold of gradient descent"' in text and all(
        f"{value}.0" in text for value in (20, 40, 80)
    )
