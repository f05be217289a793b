"""The output folder of a Hugging Face Trainer as a recorded run, read without torch.

Its snapshots are the folders `checkpoint-<step>`; each counts once its `trainer_state.json` is
there, which the Trainer writes last. The curves are the log in the newest of these files. Weights
at the top of the folder are no snapshot: which step they are of is written nowhere.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from explorer.codec import Json
from explorer.recording import FORMAT, LEARNING_RATE, Recording, RecordingError, Snapshot

STATE = "trainer_state.json"
_CHECKPOINT = re.compile(r"checkpoint-([0-9]{1,15})")
_NO_CURVE = re.compile(r"step|epoch|total_flos|train_.*|.*runtime|.*_per_second")
_NAMES = {"learning_rate": LEARNING_RATE}


def checkpoints(folder: Path) -> dict[int, Path]:
    """The finished snapshots by step, in order."""
    try:
        inside = list(folder.iterdir()) if folder.is_dir() else []
    except OSError:
        return {}
    steps = {int(m[1]): path for path in inside if (m := _CHECKPOINT.fullmatch(path.name))}
    return {step: steps[step] for step in sorted(steps) if (steps[step] / STATE).is_file()}


def read_trainer_folder(folder: Path) -> Recording:
    """The run as far as its folder has it.

    Raises:
        RecordingError: the newest state is unreadable.
    """
    snapshots = checkpoints(folder)
    if not snapshots:
        raise RecordingError(f"{folder} holds no checkpoint-* with a {STATE}; name its files")
    state = _state(list(snapshots.values())[-1] / STATE)
    curves: dict[str, dict[int, float]] = {}
    for step, entry in state.log:
        for name, value in entry.items():
            if isinstance(value, int | float) and not _NO_CURVE.fullmatch(name):
                curves.setdefault(_NAMES.get(name, name), {})[step] = float(value)
    lines = {name: tuple(sorted(points.items())) for name, points in curves.items()}
    return Recording(
        folder,
        _head(folder, state),
        tuple(Snapshot(step, path, None, {}) for step, path in snapshots.items()),
        lines,
        0 < state.numbers.get("max_steps", 0) <= state.numbers.get("global_step", 0),
    )


@dataclass(frozen=True)
class _State:
    """What the Trainer wrote."""

    log: tuple[tuple[int, Json], ...]  # its entries that have a step
    numbers: Mapping[str, int]


def _state(file: Path) -> _State:
    """The state in a file.

    Raises:
        RecordingError: the file is no such state.
    """
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        log = state.get("log_history", [])
        entries = [
            (e["step"], e) for e in log if isinstance(e, Mapping) and isinstance(e.get("step"), int)
        ]
        numbers = {n: v for n, v in state.items() if isinstance(v, int)}
        return _State(tuple(entries), numbers)
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RecordingError(f"{file} is no state of a Trainer; copy it again") from error


def _head(folder: Path, state: _State) -> Json:
    """What a recorded run's head says; the first logged values tell one run from the next."""
    first = json.dumps(state.log[0][1] if state.log else {}, sort_keys=True)
    names = {"train_batch_size": "batch_size", "max_steps": "max_steps"}
    numbers = state.numbers
    return {
        "format": FORMAT,
        "started": f"Trainer {hashlib.sha256(first.encode()).hexdigest()[:16]}",
        "machine": str(folder.resolve()),
        "seed": None,
        "hyperparameters": {own: numbers[name] for name, own in names.items() if name in numbers},
    }
