"""Adam's preconditioner: read beside a recorded snapshot, kept in its point's file, used.

A point's file holds it under names of its own beside parameters and buffers, whose hash alone is
the point's id; a question that uses it has its hash among the settings.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from torch import Tensor, nn

from explorer.analysis.model.checkpoints import CheckpointError
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.objective import Objective

PREFIX = "preconditioner/"  # of its names in a point's file
ADAMS = ("Adam", "AdamW")


def recorded_diagonal(file: Path, model: nn.Module) -> dict[str, Tensor]:
    """The diagonal sqrt(v) + eps for each parameter, from the optimiser's state in a file.

    v are the second moments, or their largest with amsgrad, over 1 - beta2^steps, as torch's Adam
    and AdamW do. It is infinite where the optimiser holds nothing, so that what it does not move
    does not count. Empty where there is none: before the first step, for another optimiser, or
    where the file does not say which it is.

    Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.

    Raises:
        CheckpointError: the file cannot be read, or is of another model.
    """
    try:
        with safetensors.safe_open(file, framework="pt") as held:
            note = held.metadata() or {}
            state = {_plain(name): held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{file} is no whole optimiser state; copy it again") from error
    if note.get("class") not in ADAMS or not state:
        return {}
    groups = _groups(note["groups"])
    own = dict(model.named_parameters())
    strange = {name.rsplit("/", 1)[0] for name in state} - own.keys()
    if strange:
        raise CheckpointError(f"{file} is of another model: it has {sorted(strange)[0]!r}")
    return {name: _diagonal(name, state, groups, value) for name, value in own.items()}


@dataclass(frozen=True)
class _Group:
    """The settings of the parameters that are optimised alike."""

    beta2: float
    epsilon: float
    amsgrad: bool


def _groups(note: str) -> dict[str, _Group]:
    """The group of each parameter, from the note in the file."""
    return {
        _plain(name): _Group(
            float(group["betas"][1]), float(group["eps"]), bool(group.get("amsgrad"))
        )
        for group in json.loads(note)
        for name in group["names"]
    }


def _plain(name: str) -> str:
    """A parameter's name without what wrappers of a model put before it."""
    return name.replace("_orig_mod.", "").removeprefix("module.")


def _diagonal(name: str, state: Tensors, groups: Mapping[str, _Group], value: Tensor) -> Tensor:
    largest = name in groups and groups[name].amsgrad
    moments = state.get(f"{name}/{'max_exp_avg_sq' if largest else 'exp_avg_sq'}")
    if moments is None or moments.shape != value.shape:
        return torch.full_like(value, torch.inf, device="cpu")
    seen = 1 - groups[name].beta2 ** float(state[f"{name}/step"])
    return (moments / seen).sqrt() + groups[name].epsilon


def stored_diagonal(file: Path, digest: str) -> dict[str, Tensor]:
    """What a point's file holds of it, under its names there.

    Raises:
        CheckpointError: it is not that of this hash.
    """
    with safetensors.safe_open(file, framework="pt") as held:
        names = [name for name in held.keys() if name.startswith(PREFIX)]  # noqa: SIM118
        stored_tensors = {name: held.get_tensor(name) for name in names}
    if content_hash({n.removeprefix(PREFIX): t for n, t in stored_tensors.items()}) != digest:
        raise CheckpointError(
            f"the stored point {file} is damaged or lacks the optimiser's state; import its run "
            "again"
        )
    return stored_tensors


def split_preconditioner(point: Tensors) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A point's parameters and buffers, and the preconditioner that came with them, if any."""
    plain = {name: value for name, value in point.items() if not name.startswith(PREFIX)}
    own = {n.removeprefix(PREFIX): v for n, v in point.items() if n.startswith(PREFIX)}
    return plain, own


def inverse_root(objective: Objective, diagonal: Tensors) -> Tensor:
    """P^-1/2 of the diagonal for the objective's parameters, (D,)."""
    flat = objective.flat
    parts = [diagonal[block.name].reshape(-1).double() for block in flat.blocks]
    return torch.cat(parts).rsqrt().to(flat.theta)
