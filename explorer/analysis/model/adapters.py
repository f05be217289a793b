"""An adapter folder, as PEFT's `save_pretrained` writes it, on the model that `problem()` builds.

It holds the adapter's tensors alone. The frozen ones below are the model's own as it was built.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from explorer.analysis.model.checkpoint_file import CheckpointError, file_content
from explorer.analysis.model.checkpoint_networks import can_replace
from explorer.analysis.model.model_names import COUNTER, ModelNames
from explorer.extra_state import is_extra_state
from explorer.wording import few, one_line, quote

CONFIG = "adapter_config.json"
FILES = ("adapter_model.safetensors", "adapter_model.bin")
OUTER = "base_model.model."  # what PEFT puts before every name
_KINDS = re.compile(r"lora|adapter|ia3|vera|prompt|prefix|hada|lokr|oft|boft|dora", re.IGNORECASE)
_COMPARED = ("peft_type", "r", "lora_alpha", "use_rslora", "use_dora")  # what scales the adapter


@dataclass(frozen=True)
class Adapter:
    """The tensors of an adapter folder under the names in its file, and its settings."""

    folder: Path
    tensors: Mapping[str, object]
    config: Mapping[str, object]


def adapter_of(folder: Path) -> Adapter | None:
    """The adapter in a folder; None where there is none.

    Raises:
        CheckpointError: it is damaged.
    """
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None or not (folder / CONFIG).is_file():
        return None
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise CheckpointError(f"{one_line(folder / CONFIG)} is no JSON; copy it again") from error
    held = file_content(file)
    if not isinstance(held, dict) or not isinstance(config, dict):
        raise CheckpointError(f"{one_line(file)} holds no adapter's tensors by name; save it again")
    return Adapter(folder, held, config)


def completed_tensors(adapter: Adapter, model: nn.Module) -> tuple[dict[str, object], list[str]]:
    """The whole model's tensors, and the names of those that are its own as it was built.

    Raises:
        CheckpointError: a tensor of the adapter has no place in the model, or the model has an
            adapter that the folder lacks, or one of another size or scale.
    """
    wanted, where = ModelNames(model), one_line(adapter.folder)
    _check_scale(adapter, model)
    places = {_peft_name(name): name for name in wanted.values}
    tensors = {n: t for n, t in adapter.tensors.items() if isinstance(t, Tensor)}
    placed = {_place(name, places): tensor for name, tensor in tensors.items()}
    if strange := [name for name in tensors if not _place(name, places)]:
        raise CheckpointError(
            f"{where} has {few([quote(n) for n in strange])}, for which the model has no place; "
            "build it in problem() with the same adapter, as get_peft_model(base, config) does"
        )
    lacks = [
        n
        for n in wanted.values
        if n not in placed and (_without_adapter_name(n) != n or _is_own(n))
    ]
    if lacks or not placed:
        raise CheckpointError(
            f"{where} lacks {few([quote(n) for n in lacks]) or 'tensors'}; is it an adapter of "
            "this model and these arguments?"
        )
    if odd := [n for n, t in placed.items() if not can_replace(t, wanted.values[n])]:
        shape = tuple(wanted.values[odd[0]].shape)
        raise CheckpointError(
            f"{where}: {one_line(odd[0], 80)} must have shape {shape}, got "
            f"{tuple(placed[odd[0]].shape)}; build the adapter with the settings in {CONFIG}"
        )
    own = [n for n in wanted.values if n not in placed]
    base = {wanted.own[n]: wanted.values[n] for n in own}
    completed = {wanted.own[n]: tensor for n, tensor in placed.items()} | base
    told = [n for n in own if not n.endswith(COUNTER) and not is_extra_state(n)]
    return completed, [wanted.own[n] for n in told]


def _peft_name(name: str) -> str:
    """How PEFT calls a parameter of the model in its files, without what stands before them all."""
    return _without_adapter_name(name).removeprefix(OUTER)


def _without_adapter_name(name: str) -> str:
    """A parameter's name without the adapter's own name in it."""
    name = re.sub(r"\.modules_to_save\.[^.]+", "", name)
    return re.sub(r"\.(lora_[A-Za-z_]+|ia3_l|vera_[A-Za-z_]+)\.default(?=\.|$)", r".\1", name)


def _place(name: str, places: Mapping[str, str]) -> str:
    """The model's name for a tensor of the adapter's file; empty where it has none."""
    short = name.removeprefix(OUTER)
    return places.get(short) or places.get(f"{short}.weight") or ""


def _is_own(name: str) -> bool:
    """Whether a parameter is one of an adapter, by its last words."""
    return any(_KINDS.match(word) for word in name.split(".")[-2:])


def _check_scale(adapter: Adapter, model: nn.Module) -> None:
    """Refuse an adapter that the model would scale in another way than it was trained with."""
    configs = getattr(model, "peft_config", None)
    built = next(iter(configs.values()), None) if isinstance(configs, Mapping) else None
    for name in _COMPARED:
        own, saved = getattr(built, name, None), adapter.config.get(name)
        own = getattr(own, "value", own)  # of an enumeration
        if own is not None and saved is not None and own != saved:
            raise CheckpointError(
                f"{one_line(adapter.folder)} has {name} {one_line(saved, 40)}, and the model that "
                f"problem() builds has {one_line(own, 40)}; give it the settings in {CONFIG}"
            )


def is_adapter_alone(missing: list[str], model: nn.Module) -> bool:
    """Whether what a file lacks is all frozen, and all that is trained is there."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    lacks = set(missing)
    return bool(frozen and trained) and not lacks & trained and frozen <= lacks
