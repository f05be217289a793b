"""What a recorded run holds on disk, read without torch: a head, and a log that only grows.

A folder holds `run.json` (the head), `log.jsonl` (one JSON object a line) and the snapshots that
the log names. A line counts once its newline is there; a snapshot counts once its line does. So a
folder can be read at any moment, also of a run that was killed in the middle of a byte.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEAD, LOG = "run.json", "log.jsonl"
OPTIMIZER = ".optimizer.safetensors"  # how the file of an optimiser's state ends
FORMAT = 1
LEARNING_RATE = "learning_rate"


class RecordingError(ValueError):
    """A folder that holds no recorded run; the message names it."""


@dataclass(frozen=True)
class Snapshot:
    """The weights after a number of steps."""

    step: int
    file: Path
    optimizer: Path | None  # its state, where it was recorded
    values: Mapping[str, float]  # "loss" and what else was given, NaN and infinity as they were


@dataclass(frozen=True)
class Recording:
    """A run as far as it has been recorded."""

    folder: Path
    head: Mapping[str, Any]  # hyper-parameters, seed, commit, versions
    snapshots: tuple[Snapshot, ...]  # by step
    curves: Mapping[str, tuple[tuple[int, float], ...]]  # name -> (step, value), by step
    ended: bool  # whether the training script came to its end


def read_recording(folder: Path) -> Recording:
    """The run in a folder.

    Where a step was recorded twice, as by a run that was killed and went on from an earlier
    checkpoint, the later record holds.

    Raises:
        RecordingError: the folder holds no run, or one of a newer format.
    """
    head = _head(folder)
    lines = _lines(folder / LOG)
    saved = {line["step"]: line for line in lines if "file" in line}
    curves: dict[str, dict[int, float]] = {}
    for line in lines:
        for name, value in {**_rates(line), **line.get("values", {})}.items():
            curves.setdefault(name, {})[line["step"]] = float(value)
    return Recording(
        folder,
        head,
        tuple(_snapshot(folder, saved[step]) for step in sorted(saved)),
        {name: tuple(sorted(points.items())) for name, points in curves.items()},
        bool(lines) and "ended" in lines[-1],
    )


def _head(folder: Path) -> dict[str, Any]:
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{folder} holds no recorded run (no readable {HEAD}); name the Recorder's folder"
        ) from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise RecordingError(f"{folder} was recorded in another format than {FORMAT}")
    return head


def _lines(log: Path) -> list[dict[str, Any]]:
    """The whole lines of the log; what a killed writer left unfinished is passed over."""
    if not log.is_file():
        return []
    found = []
    for line in log.read_bytes().split(b"\n")[:-1]:  # after the last newline nothing counts yet
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            found.append(entry)
    return found


def _rates(line: Mapping[str, Any]) -> dict[str, float]:
    """The learning rate of a snapshot's optimiser, or that of each of its groups."""
    rates = line.get("learning_rates", [])
    if len(rates) == 1:
        return {LEARNING_RATE: rates[0]}
    return {f"{LEARNING_RATE}_{number}": rate for number, rate in enumerate(rates, 1)}


def _snapshot(folder: Path, line: Mapping[str, Any]) -> Snapshot:
    optimizer = line.get("optimizer")
    values = {name: float(value) for name, value in line.get("values", {}).items()}
    # names only: a log may come from elsewhere and must not lead out of its folder
    other = folder / Path(optimizer).name if optimizer else None
    return Snapshot(line["step"], folder / Path(line["file"]).name, other, values)
