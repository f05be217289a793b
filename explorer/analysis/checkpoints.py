"""A checkpoint becomes named tensors that fit the model, or a refusal that names file and key."""

import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from explorer.analysis.parameters import Tensors

# Keys under which trainers put the weights, the likelier first; averaged ones only when asked for.
PARTS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "params", "weights")
AVERAGED = ("ema", "model_ema", "ema_state_dict", "state_dict_ema", "ema_model")
WRAPPERS = (
    "module",
    "_orig_mod",
)  # where DataParallel and torch.compile keep a model
FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
COUNTER = "num_batches_tracked"  # of BatchNorm; evaluation does not use it, and many leave it out


class CheckpointError(ValueError):
    """A file that holds no weights for this model; the message names the file and the key."""


def read(path: Path, part: str = "") -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; pickles are read with `weights_only=True` alone.

    Understood are safetensors, whole or in shards with their index, a local Hugging Face folder,
    and what `torch.save` wrote: tensors by name, or a dictionary that holds such a one.

    Args:
        path: the file or folder.
        part: the key of the weights within the file, such as "ema"; the usual one unless named.

    Raises:
        CheckpointError: it is missing, truncated, no checkpoint, or wants to run code.
    """
    if path.is_dir():
        path = _file_of_folder(path)
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; check the path")
    if not os.access(path, os.R_OK):
        raise CheckpointError(f"{path} cannot be read; check its permissions")
    if path.name.endswith(".index.json"):
        return _sharded(path)
    return _tensors(_content(path), path, part)


def _file_of_folder(folder: Path) -> Path:
    """The file with the weights in a folder that Hugging Face's `save_pretrained` wrote."""
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(f"{folder} holds none of {', '.join(FOLDER_FILES)}; name the file itself")


def _content(path: Path) -> Any:
    """What a file holds, without running any of it."""
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}); save or copy it again"
        ) from error
    except Exception as error:  # torch.load raises a dozen types for damaged or hostile files
        raise CheckpointError(
            f"{path} cannot be read as weights alone: {_why(path, error)}"
        ) from error


def _why(path: Path, error: Exception) -> str:
    """What hinders, and the way out; torch's own words advise to run what the file holds."""
    if path.stat().st_size == 0:
        return "it is empty; save or copy it again"
    if wanted := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"it holds {wanted[1]}, which only running code can read; save model.state_dict()"
    if "TorchScript" in str(error):
        return "it is a TorchScript program; save the module's state_dict()"
    if "central directory" in str(error):
        return "it is cut off or damaged; save or copy it again"
    if zipfile.is_zipfile(path):
        return "it is an archive of something else; save model.state_dict() by torch.save"
    return "it is no checkpoint, or holds more than weights; save model.state_dict()"


def _sharded(index: Path) -> dict[str, Tensor]:
    """The tensors of all shards that an index lists; shards lie beside it."""
    try:
        files = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of shards; copy it again") from error
    found: dict[str, Tensor] = {}
    for name in sorted(files):
        if Path(name).name != name:
            raise CheckpointError(f"{index} names {name!r}, which does not lie beside it")
        found |= read(index.with_name(name))
    return found


def _tensors(content: Any, path: Path, part: str) -> dict[str, Tensor]:
    """The dictionary of tensors inside what a trainer saved."""
    if part:
        if not isinstance(content, dict) or not isinstance(content.get(part), dict):
            held = ", ".join(map(repr, content)) if isinstance(content, dict) else "no dictionary"
            raise CheckpointError(f"{path} has no part {part!r}; it holds {held[:200]}")
        content = content[part]
    while (inner := _inner(content)) is not None:
        content = inner
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds no dictionary of tensors; save model.state_dict()")
    if unnamed := [name for name in content if not isinstance(name, str)]:
        raise CheckpointError(
            f"{path}: tensors must have names, got {unnamed[0]!r}; save model.state_dict()"
        )
    odd = [name for name, value in content.items() if not isinstance(value, Tensor)]
    if odd:
        raise CheckpointError(f"{path}: {odd[0]!r} is no tensor; save model.state_dict()")
    return dict(content)


def _inner(content: Any) -> dict[str, Any] | None:
    """The dictionary with the weights one level down, if there is one."""
    if not isinstance(content, dict) or any(isinstance(v, Tensor) for v in content.values()):
        return None
    for name in (*PARTS, *AVERAGED):
        if isinstance(content.get(name), dict) and content[name]:
            return content[name]
    return None


def fitted(tensors: Tensors, model: nn.Module, source: object) -> dict[str, Tensor]:
    """The tensors of the model's own state, in its order, each checked to fit.

    A prefix that wrappers put before every name ("module.", "_orig_mod.", "model.") is taken off,
    and what lies outside it left out. Counters of BatchNorm that are missing are the model's own;
    a tied tensor that was saved under one of its names, as Hugging Face does, has the others too.

    Raises:
        CheckpointError: a key is missing or unknown, or has another shape or type.
    """
    wanted = model.state_dict()
    tensors = _as_the_model_names(tensors, wanted)
    prefix = _prefix(tensors, wanted)
    given = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    for name, others in _ties(model).items():
        kept = next((other for other in others if other in given), None)
        if kept is not None and name not in given:
            given[name] = given[kept]
    counters = {n: t for n, t in wanted.items() if n.endswith(COUNTER) and n not in given}
    _check_names(given | counters, wanted, source)
    found = {name: (given | counters)[name] for name in wanted}
    _check_tensors(found, wanted, source)
    return found


def _as_the_model_names(tensors: Tensors, wanted: Tensors) -> Tensors:
    """The tensors by the model's names where wrappers within one of the two make the difference.

    A part of a model may have been compiled or made parallel in training, or be so now.
    """

    def plain(name: str) -> str:
        return ".".join(part for part in name.split(".") if part not in WRAPPERS)

    names = {plain(name): name for name in wanted}
    if len(names) < len(wanted) or len({plain(name) for name in tensors}) < len(tensors):
        return tensors
    return {names.get(plain(name), name): value for name, value in tensors.items()}


def _ties(model: nn.Module) -> dict[str, list[str]]:
    """All names of each tensor that has several, by each of them."""
    names: dict[int, list[str]] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        names.setdefault(id(value), []).append(name)
    return {name: same for same in names.values() if len(same) > 1 for name in same}


def _prefix(tensors: Tensors, wanted: Mapping[str, Tensor]) -> str:
    """What stands before the model's names in the checkpoint: what most of them are found after."""
    found = Counter(
        name.removesuffix(inner)
        for name in tensors
        for inner in _suffixes(name)
        if inner in wanted and not inner.endswith(COUNTER)
    )
    most = max(found.values(), default=0)
    return min((prefix for prefix, count in found.items() if count == most), default="", key=len)


def _suffixes(name: str) -> list[str]:
    """The name, and what is left of it after each dot."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _check_names(given: Tensors, wanted: Mapping[str, Tensor], source: object) -> None:
    missing = [name for name in wanted if name not in given]
    extra = [name for name in given if name not in wanted]
    if missing or extra:
        lacks = [f"lacks {_listed(missing)}"] if missing else []
        has = [f"has {_listed(extra)}, unknown to the model"] if extra else []
        raise CheckpointError(
            f"{source} {' and '.join(lacks + has)}; is it a checkpoint of this model and these "
            "arguments?"
        )


def _check_tensors(given: Tensors, wanted: Mapping[str, Tensor], source: object) -> None:
    """Refuse shapes and types that differ; another floating-point type is none that differs."""
    shapes = [
        f"{name} must have shape {tuple(value.shape)}, got {tuple(given[name].shape)}"
        for name, value in wanted.items()
        if given[name].shape != value.shape
    ]
    if shapes:
        raise CheckpointError(
            f"{source}: {_few(shapes)}; give the arguments that the model was trained with"
        )
    if hollow := [name for name in wanted if given[name].layout != torch.strided]:
        raise CheckpointError(f"{source}: {_listed(hollow)} must be dense; save to_dense() of it")
    if hollow := [name for name in wanted if given[name].is_meta]:
        raise CheckpointError(
            f"{source}: {_listed(hollow)} has no values (device meta); save a model with weights"
        )
    types = [
        f"{name} must be {value.dtype}, got {given[name].dtype}"
        for name, value in wanted.items()
        if _kind(given[name]) != _kind(value)
    ]
    if types:
        raise CheckpointError(
            f"{source}: {_few(types)}; save the weights as real floating-point numbers, unquantised"
        )


def _kind(value: Tensor) -> str:
    """What sort of numbers a tensor holds; 8-bit floats are quantised and a sort of their own."""
    if value.is_floating_point() and value.element_size() > 1:
        return "real"
    return "whole" if value.dtype in WHOLE else str(value.dtype)


def _listed(names: list[str]) -> str:
    return _few([repr(name) for name in names])


def _few(said: list[str]) -> str:
    """The first three, and how many more there are."""
    shown = ", ".join(said[:3])
    return shown if len(said) <= 3 else f"{shown} and {len(said) - 3} more"
