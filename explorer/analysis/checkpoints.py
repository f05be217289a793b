"""A checkpoint file becomes named tensors that fit the model, or a refusal that names the key."""

import os
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from explorer.analysis.parameters import Tensors

WRAPPERS = ("state_dict", "model", "model_state_dict")  # keys under which trainers put the weights
PREFIXES = ("module.", "_orig_mod.")  # DataParallel and torch.compile put these before every name


class CheckpointError(ValueError):
    """A file that holds no weights for this model; the message names the file and the key."""


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint file by name; pickles are read with `weights_only=True` alone.

    Raises:
        CheckpointError: the file is missing, truncated, no checkpoint, or wants to run code.
    """
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; check the path")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"{path} cannot be read; check its permissions")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}); save or copy it again"
        ) from error
    except Exception as error:  # torch.load raises a dozen types for damaged or hostile files
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"{path} cannot be read as weights alone ({reason}); save model.state_dict()"
        ) from error
    return _plain_tensors(content, path)


def _plain_tensors(content: object, path: Path) -> dict[str, Tensor]:
    """The dictionary of tensors inside what a trainer saved."""
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds no dictionary of tensors; save model.state_dict()")
    odd = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise CheckpointError(f"{path}: {odd[0]!r} is no tensor; save model.state_dict()")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in content):
            content = {name.removeprefix(prefix): value for name, value in content.items()}
    return content


def fitted(tensors: Tensors, model: nn.Module, source: object) -> dict[str, Tensor]:
    """The tensors of the model's own state, in its order, each checked to fit.

    Raises:
        CheckpointError: a key is missing or unknown, or has another shape or type.
    """
    wanted = model.state_dict()
    missing = [name for name in wanted if name not in tensors]
    extra = [name for name in tensors if name not in wanted]
    if missing or extra:
        what = (
            f"lacks {_listed(missing)}"
            if missing
            else f"has {_listed(extra)}, unknown to the model"
        )
        raise CheckpointError(
            f"{source} {what}; is it a checkpoint of this model and these arguments?"
        )
    for name, value in wanted.items():
        given = tensors[name]
        if given.shape != value.shape:
            raise CheckpointError(
                f"{source}: {name} must have shape {tuple(value.shape)}, got {tuple(given.shape)}"
            )
        if given.is_floating_point() != value.is_floating_point():
            raise CheckpointError(f"{source}: {name} must be {value.dtype}, got {given.dtype}")
    return {name: tensors[name] for name in wanted}


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
