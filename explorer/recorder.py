"""Records a training run for the explorer, in three lines of a training script.

    with Recorder("runs/first", hyperparameters={"lr": 0.1}, seed=0) as run:
        for step, batch in enumerate(batches):
            ...
            if step % 100 == 0:
                run.snapshot(model, step, optimizer=optimizer, loss=loss)

It needs torch and safetensors alone, and writes nothing but its folder, or where that holds another
run a new one beside it (`run_folder` says how runs are told apart).
"""

import json
import os
import platform
import subprocess
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import Module as Model
from torch.optim import Optimizer

from explorer import extra_state, run_folder
from explorer.optimizer_state import optimizer_facts, optimizer_note, optimizer_tensors
from explorer.recording import BEGAN, FORMAT, HEAD, LOG, OPTIMIZER

__all__ = ["Model", "Optimizer", "Recorder"]


class Recorder:
    """Appends snapshots and values to a folder; of several processes the one of rank 0 writes.

    A folder that holds the same run already is continued; of another run nothing is touched: this
    one goes into `first-2` beside `first`, with a warning, and `folder` says so. Whatever is killed
    when, `read_recording` finds every snapshot whose call had returned.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        hyperparameters: Mapping[str, object] | None = None,
        seed: int | None = None,
        optimizer_state: bool = False,
        resume: bool | None = None,
    ) -> None:
        """Make the folder, or continue the run that it holds if it is this one.

        Args:
            folder: of this run alone.
            hyperparameters: JSON values, shown beside the run.
            seed: of the run.
            optimizer_state: keep the optimiser's tensors too, as Adam's preconditioner needs.
            resume: True to continue the run in the folder whatever its seed and hyper-parameters,
                False never to; by these and by the first step unless given.

        Raises:
            ValueError: `resume` is True, and another process records there.
        """
        self.folder = Path(folder)
        self.optimizer_state = optimizer_state
        self._writes = _rank() == 0
        if not self._writes:
            return
        self._resume, self._seed = resume, seed
        self._run_head = _head(hyperparameters, seed)
        self._take(*run_folder.claim_folder(self.folder, self._run_head, resume))

    def _take(self, claim: run_folder.Claim, reason: str) -> None:
        """Write into this folder from now on, and say so if it is not the one that was named."""
        named, self.folder = self.folder, claim.folder
        self._claim, self._begun = claim, False
        if claim.recording is None:
            _write(self.folder / HEAD, json.dumps(self._run_head, indent=1).encode())
        _close_line(self.folder / LOG)
        if reason:
            warnings.warn(
                f"{named}: {reason}, so this run is recorded in {self.folder}; give resume=True to "
                "go on with the one that is there",
                stacklevel=4,
            )

    def _begin(self, step: int) -> None:
        """Before the first record: a run that starts over is another one; one that goes on says so.

        What an earlier process recorded after this step is no longer part of the run then.
        """
        self._begun = True
        recording = self._claim.recording
        if recording is None:
            return
        if self._resume is None and run_folder.starts_over(recording, step, self._seed):
            claim = run_folder.claim_folder_beside(self._claim, self.folder, self._run_head)
            self._take(claim, f"it holds a run and this one starts over at step {step}")
            self._begun = True
        elif recording.snapshots or recording.curves:
            self._add({BEGAN: True, "step": -1})

    def __enter__(self) -> "Recorder":
        """The recorder itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Note that the run came to its end, unless it failed."""
        if kind is None:
            self._append({"ended": True, "step": -1})
        if self._writes:
            self._claim.release()

    def snapshot(
        self,
        model: Model,
        step: int,
        *,
        optimizer: Optimizer | None = None,
        **values: float | Tensor,
    ) -> None:
        """Keep the model's parameters and buffers after so many steps, and values such as the loss.

        Raises:
            ValueError: the step is negative.
        """
        if step < 0:
            raise ValueError(f"step must be at least 0, got {step}")
        if not self._writes:
            return
        if not self._begun:
            self._begin(int(step))
        line: dict[str, object] = {"step": int(step), "values": _numbers(values)}
        line["file"] = self._save(f"step_{step:09d}.safetensors", model.state_dict())
        if optimizer is not None:
            line["learning_rates"] = [float(group["lr"]) for group in optimizer.param_groups]
            line["trained_by"] = optimizer_facts(optimizer)
            if self.optimizer_state:
                state = optimizer_tensors(model, optimizer)
                note = optimizer_note(model, optimizer)
                line["optimizer"] = self._save(f"step_{step:09d}{OPTIMIZER}", state, note)
        self._append(line)

    def log(self, step: int, **values: float | Tensor) -> None:
        """Keep values at a step without the model: a training curve."""
        if self._writes and not self._begun:
            self._begin(int(step))
        self._append({"step": int(step), "values": _numbers(values)})

    def _save(
        self, name: str, tensors: Mapping[str, Tensor], note: dict[str, str] | None = None
    ) -> str:
        """Write tensors whole or not at all, with a note in the file; the file's name."""
        # copies, as tied weights share memory, which safetensors refuses
        copies = {
            n: extra_state.encode_state(t).detach().to("cpu", copy=True).contiguous()
            for n, t in tensors.items()
        }
        _write(self.folder / name, safetensors.torch.save(copies, note))
        return name

    def _append(self, line: Mapping[str, object]) -> None:
        """Add a line in one call of the system, its newline last."""
        if self._writes:
            self._add(line)

    def _add(self, line: Mapping[str, object]) -> None:
        text = json.dumps({**line, "time": time.time()}) + "\n"
        with (self.folder / LOG).open("ab", buffering=0) as log:
            log.write(text.encode())


def _numbers(values: Mapping[str, float | Tensor]) -> dict[str, float]:
    return {
        name: float(value.detach() if isinstance(value, Tensor) else value)
        for name, value in values.items()
    }


def _write(path: Path, content: bytes) -> None:
    """Put a file in place whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _close_line(log: Path) -> None:
    """End a line that a killed writer left unfinished, so that the next one is whole."""
    if log.exists() and log.stat().st_size:
        with log.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _rank() -> int:
    """The rank of this process in its group; 0 outside one."""
    distributed = torch.distributed
    inside = distributed.is_available() and distributed.is_initialized()
    return distributed.get_rank() if inside else 0


def _head(hyperparameters: Mapping[str, object] | None, seed: int | None) -> dict[str, object]:
    return {
        "format": FORMAT,
        "started": time.time(),
        "hyperparameters": dict(hyperparameters or {}),
        "seed": seed,
        "commit": _commit(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.node(),
    }


def _commit() -> str | None:
    """The commit of the folder that the script runs in, where git knows one."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
