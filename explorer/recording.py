"""What a recorded run holds on disk, read without torch: a head, and a log that only grows.

A folder holds `run.json` (the head), `log.jsonl` (one JSON object a line) and the snapshots that
the log names. A line counts once its newline is there; a snapshot counts once its line does. So a
folder can be read at any moment, also of a run that was killed in the middle of a byte.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explorer.codec import Json

HEAD, LOG = "run.json", "log.jsonl"
OPTIMIZER = ".optimizer.safetensors"  # how the file of an optimiser's state ends
FORMAT = 1
LEARNING_RATE = "learning_rate"
BEGAN = "began"  # in a line: another process goes on with the run


class RecordingError(ValueError):
    """A folder that holds no recorded run; the message names it."""


@dataclass(frozen=True)
class Snapshot:
    """The weights after a number of steps."""

    step: int
    file: Path
    optimizer: Path | None  # its state, where it was recorded
    values: Mapping[str, float]  # "loss" and what else was given, NaN and infinity as they were
    trained_by: Json = field(default_factory=dict)  # class and numbers of its optimiser


@dataclass(frozen=True)
class Recording:
    """A run as far as it has been recorded."""

    folder: Path
    head: Json  # hyper-parameters, seed, commit, versions
    snapshots: tuple[Snapshot, ...]  # by step
    curves: Mapping[str, tuple[tuple[int, float], ...]]  # name -> (step, value), by step
    ended: bool  # whether the training script came to its end


def read_recording(folder: Path) -> Recording:
    """The run in a folder.

    Where a run was killed and went on from an earlier step, what was recorded after that step
    before it was killed is no part of it; of a step recorded twice the later record holds.

    Raises:
        RecordingError: the folder holds no run, or one of a newer format.
    """
    head = _head(folder)
    log = _lines(folder / LOG)
    lines = _without_left_branches(log)
    saved = {line.step: line for line in lines if line.file is not None}
    curves: dict[str, dict[int, float]] = {}
    for line in lines:
        for name, value in {**_rates(line.learning_rates), **line.values}.items():
            curves.setdefault(name, {})[line.step] = float(value)
    return Recording(
        folder,
        head,
        tuple(_snapshot(folder, saved[step]) for step in sorted(saved)),
        {name: tuple(sorted(points.items())) for name, points in curves.items()},
        bool(log) and log[-1].ended,
    )


@dataclass(frozen=True)
class _Line:
    """One line of the log."""

    step: int
    values: Mapping[str, float]
    learning_rates: Sequence[float]  # of the groups of the optimiser
    trained_by: Json
    file: str | None  # of a snapshot
    optimizer: str | None  # of its optimiser's state
    began: bool  # whether another process goes on with the run
    ended: bool

    @classmethod
    def of(cls, text: bytes) -> "_Line | None":
        """What a line says; None where it is none."""
        try:
            entry = json.loads(text)
        except ValueError:
            return None
        if not isinstance(entry, dict) or not isinstance(entry.get("step"), int):
            return None
        return cls(
            step=entry["step"],
            values=entry.get("values", {}),
            learning_rates=entry.get("learning_rates", []),
            trained_by=entry.get("trained_by") or {},
            file=entry.get("file"),
            optimizer=entry.get("optimizer"),
            began=BEGAN in entry,
            ended="ended" in entry,
        )


def _head(folder: Path) -> Json:
    try:
        head = json.loads((folder / HEAD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecordingError(
            f"{folder} holds no recorded run (no readable {HEAD}); name the Recorder's folder"
        ) from error
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise RecordingError(f"{folder} was recorded in another format than {FORMAT}")
    return head


def _lines(log: Path) -> list[_Line]:
    """The whole lines of the log; what a killed writer left unfinished is passed over."""
    if not log.is_file():
        return []
    complete_lines = log.read_bytes().split(b"\n")[:-1]  # after the last newline nothing counts yet
    return [line for text in complete_lines if (line := _Line.of(text)) is not None]


def _without_left_branches(lines: list[_Line]) -> list[_Line]:
    """The lines of the run as it went on: where it went back, not those of later steps before."""
    kept_lines: list[_Line] = []
    continued = False
    for line in lines:
        if line.began:
            continued = True
            continue
        if continued and line.step >= 0:
            kept_lines = [earlier for earlier in kept_lines if earlier.step <= line.step]
            continued = False
        kept_lines.append(line)
    return kept_lines


def _rates(rates: Sequence[float]) -> dict[str, float]:
    """The learning rate of a snapshot's optimiser, or that of each of its groups."""
    if len(rates) == 1:
        return {LEARNING_RATE: rates[0]}
    return {f"{LEARNING_RATE}_{number}": rate for number, rate in enumerate(rates, 1)}


def _snapshot(folder: Path, line: _Line) -> Snapshot:
    values = {name: float(value) for name, value in line.values.items()}
    # names only: a log may come from elsewhere and must not lead out of its folder
    file = folder / Path(line.file or "").name
    other = folder / Path(line.optimizer).name if line.optimizer else None
    trained_by = line.trained_by or (_note(other) if other else {})
    return Snapshot(line.step, file, other, values, trained_by)


def _note(file: Path) -> Json:
    """Class and first moment's decay in the head of a file of an optimiser's state."""
    try:
        with file.open("rb") as stream:
            length = min(int.from_bytes(stream.read(8), "little"), 1 << 24)
            note = json.loads(stream.read(length))["__metadata__"]
        betas = [group["betas"][0] for group in json.loads(note["groups"]) if group["betas"]]
        return {"class": note["class"], **({"beta1": betas[0]} if len(set(betas)) == 1 else {})}
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return {}
