"""A recorded run can be read at any moment, whatever was killed when."""

import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from explorer import extra_state, recorder
from explorer.recorder import Recorder
from explorer.recording import HEAD, LOG, RecordingError, read_recording

ROOT = Path(__file__).parent.parent


def tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    return model


def recorded(folder: Path, steps: int = 3, **settings) -> nn.Module:
    model = tied()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    with Recorder(folder, seed=4, hyperparameters={"lr": 0.01}, **settings) as run:
        for step in range(steps):
            loss = model(torch.randn(8, 3)).square().mean()
            loss.backward()
            optimizer.step()
            run.snapshot(model, 100 * step, optimizer=optimizer, loss=loss, wrong=step)
    return model


def test_what_was_recorded_is_read(tmp_path: Path) -> None:
    """Parameters and buffers to the last bit, values, seed and hyper-parameters; three files."""
    model = recorded(tmp_path / "run")
    recording = read_recording(tmp_path / "run")
    assert [s.step for s in recording.snapshots] == [0, 100, 200] and recording.ended
    assert recording.head["seed"] == 4 and recording.head["hyperparameters"] == {"lr": 0.01}
    assert [step for step, _ in recording.curves["loss"]] == [0, 100, 200]
    assert recording.curves["wrong"] == ((0, 0.0), (100, 1.0), (200, 2.0))
    last = safetensors.torch.load_file(recording.snapshots[-1].file)
    for name, value in model.state_dict().items():
        assert torch.equal(last[name], value), name
    assert recording.snapshots[0].optimizer is None


def test_optimiser_state_by_parameter(tmp_path: Path) -> None:
    """Adam's second moments lie under their parameter's name and shape, when asked for."""
    model = recorded(tmp_path, optimizer_state=True)
    file = read_recording(tmp_path).snapshots[-1].optimizer
    assert file is not None
    state = safetensors.torch.load_file(file)
    for name, parameter in model.named_parameters():
        assert state[f"{name}/exp_avg_sq"].shape == parameter.shape
    assert float(state["0.weight/step"]) == 3


def test_every_byte_of_the_log(tmp_path: Path) -> None:
    """A log cut after any byte gives the lines before the cut, and goes on from there."""
    recorded(tmp_path)
    whole = (tmp_path / LOG).read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        (tmp_path / LOG).write_bytes(whole[:cut])
        recording = read_recording(tmp_path)
        wanted = sum(end <= cut for end in ends[:3])
        assert len(recording.snapshots) == wanted
        assert recording.ended is (cut == len(whole))
        if cut % 37 == 0:
            run = Recorder(tmp_path)
            run.snapshot(tied(), 900, loss=1.5)
            after = read_recording(tmp_path)
            assert [s.step for s in after.snapshots][-1] == 900
            assert len(after.snapshots) == wanted + 1


def test_a_run_that_went_back_keeps_the_later_record(tmp_path: Path) -> None:
    """What was recorded after the step that a run went back to is no part of it any more."""
    recorded(tmp_path)
    head = (tmp_path / HEAD).read_text()
    with Recorder(tmp_path, seed=5, resume=True) as run:
        run.snapshot(tied(), 100, loss=float("nan"))
        run.log(150, loss=math.inf)
    recording = read_recording(tmp_path)
    assert [s.step for s in recording.snapshots] == [0, 100]
    assert math.isnan(recording.snapshots[1].values["loss"])
    assert dict(recording.curves["loss"])[150] == math.inf and 200 not in dict(
        recording.curves["wrong"]
    )
    assert (tmp_path / HEAD).read_text() == head


def bytes_of(folder: Path) -> dict[str, bytes]:
    """The files of a run by name."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name[0] != "."}


@pytest.mark.parametrize(
    ("first", "second", "step", "ended", "same"),
    [
        ({"seed": 1}, {"seed": 2}, 300, False, False),
        ({"hyperparameters": {"lr": 0.1}}, {"hyperparameters": {"lr": 0.2}}, 300, False, False),
        ({}, {"seed": 1}, 300, False, False),
        ({}, {}, 0, False, False),  # another run from the beginning
        ({}, {}, 100, True, False),
        ({"seed": 1}, {"seed": 1}, 0, True, False),
        ({"seed": 1}, {"seed": 1}, 300, True, True),  # trained for longer
        ({"seed": 1}, {"seed": 1}, 0, False, True),  # the same script after a kill
        ({"seed": 1}, {}, 300, False, True),
        ({}, {}, 100, False, True),  # from its checkpoint
        ({"seed": 1}, {"seed": 2, "resume": True}, 300, False, True),
        ({"seed": 1}, {"seed": 1, "resume": False}, 300, False, False),
    ],
)
def test_another_run_is_recorded_beside(
    tmp_path: Path, first: dict, second: dict, step: int, ended: bool, same: bool
) -> None:
    """No folder ever holds parts of two runs; the same run goes on where it was."""
    with pytest.warns(UserWarning) if not same else contextlib.nullcontext() as said:
        run = Recorder(tmp_path / "run", **first)
        run.snapshot(tied(), 50, loss=1.0)
        run.snapshot(tied(), 200, loss=0.5)
        if ended:
            run.__exit__(None)
        before = bytes_of(tmp_path / "run")
        other = Recorder(tmp_path / "run", **second)
        other.snapshot(tied(), step, loss=9.0)
    if same:
        assert other.folder == tmp_path / "run" and not (tmp_path / "run-2").exists()
        return
    assert "give resume=True to go on with the one that is there" in str(said[0].message)
    assert other.folder == tmp_path / "run-2"
    assert bytes_of(tmp_path / "run") == before
    (snapshot,) = read_recording(tmp_path / "run-2").snapshots
    assert snapshot.step == step


def test_a_run_beside_goes_on_there(tmp_path: Path) -> None:
    """The second run, killed and started again by the same script, is found by its seed."""
    Recorder(tmp_path / "run", seed=1).snapshot(tied(), 0)
    for step in (0, 1):
        with pytest.warns(UserWarning, match="other seed"):
            Recorder(tmp_path / "run", seed=2).snapshot(tied(), step)
    assert [s.step for s in read_recording(tmp_path / "run-2").snapshots] == [0, 1]
    assert not (tmp_path / "run-3").exists()


TRAINING = """
import os, sys, torch
from explorer.recorder import Recorder
model = torch.nn.Linear(64, 64)
for folder in sys.stdin:
    if not os.fork():
        print(os.getpid(), flush=True)
        run = Recorder(folder.strip(), seed=0)
        for step in range(10**6):
            run.snapshot(model, step, loss=1.0)
            os.write(1, b"%d\\n" % step)  # whole or not at all, also when killed
    os.wait()
    print("ended", flush=True)
"""


class Trainings:
    """Trainings by a process that has loaded torch; each is forked from it, and ends by a kill."""

    def __init__(self, script: "subprocess.Popen[str]") -> None:
        assert script.stdin is not None and script.stdout is not None
        self._orders, self._said = script.stdin, script.stdout

    def start(self, folder: Path) -> tuple[int, int]:
        """The id of a training that records to a folder, and the first step that it has printed."""
        print(folder, file=self._orders, flush=True)
        return int(self._said.readline()), int(self._said.readline())

    def kill(self, training: int) -> list[int]:
        """The steps that it had printed besides."""
        os.kill(training, signal.SIGKILL)
        return [int(line) for line in iter(self._said.readline, "ended\n")]


@pytest.fixture(scope="module")
def trainings() -> Iterator[Trainings]:
    """One process has loaded torch for all trainings of these tests."""
    command = [sys.executable, "-c", TRAINING]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as script:
        yield Trainings(script)


def test_two_processes_at_once(tmp_path: Path, trainings: Trainings) -> None:
    """The folder belongs to the process that records there, until it ends."""
    training, _ = trainings.start(tmp_path / "run")
    with pytest.warns(UserWarning, match="another process records a run there"):
        beside = Recorder(tmp_path / "run", seed=0)
    with pytest.raises(ValueError, match="cannot be resumed: another process"):
        Recorder(tmp_path / "run", seed=0, resume=True)
    trainings.kill(training)
    assert beside.folder == tmp_path / "run-2"
    assert Recorder(tmp_path / "run", seed=0).folder == tmp_path / "run"


def test_the_example_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exactly the script that README shows records a run that can be read, and says nothing."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (script,) = (block for block in blocks if "Recorder(" in block)
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # as for a user
        exec(script, {"__name__": "__main__"})
    assert capfd.readouterr() == ("", "")
    recording = read_recording(tmp_path / "runs" / "first")
    assert [s.step for s in recording.snapshots] == list(range(0, 301, 100)) and recording.ended
    assert recording.snapshots[-1].trained_by == {"class": "Adam", "beta1": 0.9}
    assert recording.curves["learning_rate"][0] == (0, 0.01)


def test_an_extra_state_is_recorded(tmp_path: Path) -> None:
    """A module whose state is more than tensors is kept; the recording is read back equal."""

    class Scaled(nn.Linear):
        def get_extra_state(self) -> dict:
            return {"scale": (1.5, torch.ones(2)), "calls": 7}

    Recorder(tmp_path).snapshot(nn.Sequential(Scaled(3, 2)), 0)
    held = safetensors.torch.load_file(read_recording(tmp_path).snapshots[0].file)
    scale, ones = extra_state.decode_state(held["0._extra_state"])["scale"]
    assert scale == 1.5 and torch.equal(ones, torch.ones(2))


def test_a_failed_script_did_not_end(tmp_path: Path) -> None:
    """An exception leaves what was recorded, and no word of an end."""
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path) as run:
        run.snapshot(tied(), 0)
        raise ZeroDivisionError
    recording = read_recording(tmp_path)
    assert len(recording.snapshots) == 1 and not recording.ended


def test_sigkill_loses_no_snapshot_that_had_returned(tmp_path: Path, trainings: Trainings) -> None:
    """Five SIGKILLs of one training: every step it printed is there, whole, and it goes on."""
    for kill in range(5):
        training, first = trainings.start(tmp_path)
        time.sleep(0.01 * kill)
        printed = [first, *trainings.kill(training)]
        recording = read_recording(tmp_path)
        steps = [s.step for s in recording.snapshots]
        assert steps == list(range(len(steps))) and set(printed) <= set(steps)
    for snapshot in recording.snapshots:
        assert safetensors.torch.load_file(snapshot.file)["weight"].shape == (64, 64)


def test_other_ranks_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a group of processes only rank 0 records."""
    monkeypatch.setattr(recorder, "_rank", lambda: 1)
    with Recorder(tmp_path / "run") as run:
        run.snapshot(tied(), 0, loss=1.0)
        run.log(1, loss=1.0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [None, "", "[]", json.dumps({"format": 99})])
def test_a_folder_without_a_run(tmp_path: Path, content: str | None) -> None:
    """No head, a damaged one, or one of a newer format: one sentence that names the folder."""
    if content is not None:
        (tmp_path / HEAD).write_text(content)
    with pytest.raises(RecordingError, match=str(tmp_path)):
        read_recording(tmp_path)


def test_a_log_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    """File names in a log that came from elsewhere are names beside it."""
    recorded(tmp_path, steps=1)
    line = {"step": 5, "file": "/etc/passwd", "optimizer": "../../x", "values": {}}
    with (tmp_path / LOG).open("a") as log:
        log.write(json.dumps(line) + "\n")
    snapshot = read_recording(tmp_path).snapshots[-1]
    assert (snapshot.file, snapshot.optimizer) == (tmp_path / "passwd", tmp_path / "x")


def test_a_negative_step_is_refused(tmp_path: Path) -> None:
    """Steps count from 0."""
    with pytest.raises(ValueError, match="at least 0, got -1"):
        Recorder(tmp_path).snapshot(tied(), -1)
