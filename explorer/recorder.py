"""Records a training run for the explorer, in three lines of a training script.

    with Recorder("runs/first", hyperparameters={"lr": 0.1}, seed=0) as run:
        for step, batch in enumerate(batches):
            ...
            if step % 100 == 0:
                run.snapshot(model, step, optimizer=optimizer, loss=loss)

It needs torch and safetensors alone, takes no lock, and writes nothing but its folder.
"""

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import Module as Model
from torch.optim import Optimizer

from explorer.recording import FORMAT, HEAD, LOG, OPTIMIZER

__all__ = ["Model", "Optimizer", "Recorder", "optimizer_tensors"]


class Recorder:
    """Appends snapshots and values to a folder; of several processes the one of rank 0 writes.

    A folder that holds a run already is continued. Whatever is killed when, `read_recording` finds
    every snapshot whose call had returned.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        hyperparameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        optimizer_state: bool = False,
    ) -> None:
        """Make the folder, or continue the run that it holds.

        Args:
            folder: of this run alone.
            hyperparameters: JSON values, shown beside the run.
            seed: of the run.
            optimizer_state: keep the optimiser's tensors too, as Adam's preconditioner needs.
        """
        self.folder = Path(folder)
        self.optimizer_state = optimizer_state
        self._writes = _rank() == 0
        if not self._writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / HEAD).exists():
            _write(self.folder / HEAD, json.dumps(_head(hyperparameters, seed), indent=1).encode())
        _close_line(self.folder / LOG)

    def __enter__(self) -> "Recorder":
        """The recorder itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Note that the run came to its end, unless it failed."""
        if kind is None:
            self._append({"ended": True, "step": -1})

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
        line: dict[str, Any] = {"step": int(step), "values": _numbers(values)}
        line["file"] = self._save(f"step_{step:09d}.safetensors", model.state_dict())
        if optimizer is not None:
            line["learning_rates"] = [float(group["lr"]) for group in optimizer.param_groups]
            if self.optimizer_state:
                state = optimizer_tensors(model, optimizer)
                note = optimizer_note(model, optimizer)
                line["optimizer"] = self._save(f"step_{step:09d}{OPTIMIZER}", state, note)
        self._append(line)

    def log(self, step: int, **values: float | Tensor) -> None:
        """Keep values at a step without the model: a training curve."""
        self._append({"step": int(step), "values": _numbers(values)})

    def _save(
        self, name: str, tensors: Mapping[str, Tensor], note: dict[str, str] | None = None
    ) -> str:
        """Write tensors whole or not at all, with a note in the file; the file's name."""
        # copies, as tied weights share memory, which safetensors refuses
        copies = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
        _write(self.folder / name, safetensors.torch.save(copies, note))
        return name

    def _append(self, line: Mapping[str, Any]) -> None:
        """Add a line in one call of the system, its newline last."""
        if self._writes:
            text = json.dumps({**line, "time": time.time()}) + "\n"
            with (self.folder / LOG).open("ab", buffering=0) as log:
                log.write(text.encode())


def optimizer_tensors(model: Model, optimizer: Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors by "parameter/entry", such as "layer.weight/exp_avg_sq"."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        f"{names[id(parameter)]}/{entry}": value
        for parameter, state in optimizer.state.items()
        if id(parameter) in names
        for entry, value in state.items()
        if isinstance(value, Tensor)
    }


def optimizer_note(model: Model, optimizer: Optimizer) -> dict[str, str]:
    """Which class of torch the optimiser is, and its groups' numbers: what its tensors mean."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    kinds = (k.__name__ for k in type(optimizer).__mro__ if k.__module__.startswith("torch.optim"))
    groups = [
        {
            "names": [names[id(p)] for p in group["params"] if id(p) in names],
            "betas": [float(beta) for beta in group.get("betas", ())],
            "eps": float(group.get("eps", 0.0)),
            "amsgrad": bool(group.get("amsgrad", False)),
        }
        for group in optimizer.param_groups
    ]
    return {"class": next(kinds, type(optimizer).__name__), "groups": json.dumps(groups)}


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


def _head(hyperparameters: Mapping[str, Any] | None, seed: int | None) -> dict[str, Any]:
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
