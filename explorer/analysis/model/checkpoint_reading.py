"""What a checkpoint's file or folder holds: one file, shards with their index, or an adapter."""

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from explorer.analysis.model.adapters import (
    FILES,
    adapter_of,
)
from explorer.analysis.model.checkpoint_file import CheckpointError, file_content
from explorer.wording import few, one_line, quote

FOLDER_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
INDEX = ".index.json"
MOST_INDEX_BYTES = 100_000_000


def read_checkpoint(path: Path) -> object:
    """What a checkpoint holds; pickles are read with `weights_only=True` alone.

    Understood are safetensors, whole or in shards with their index, a local Hugging Face folder, an
    adapter folder of PEFT, and what `torch.save` wrote.

    Args:
        path: the file or folder.

    Raises:
        CheckpointError: it is missing, truncated, no checkpoint, or wants to run code.
    """
    if path.is_dir():
        if adapter := adapter_of(path):
            return adapter
        path = _file_of_folder(path)
    return _read_shards(path) if path.name.endswith(INDEX) else file_content(path)


def _file_of_folder(folder: Path) -> Path:
    """The file with the weights in a folder that Hugging Face's `save_pretrained` wrote."""
    for name in FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"{one_line(folder)} holds none of {', '.join((*FOLDER_FILES, *FILES))}; name the file "
        "itself"
    )


def _read_shards(index: Path) -> dict[str, Tensor]:
    """The tensors that an index lists, each from the shard that it names; shards lie beside it."""
    where = _weight_map(index)
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(where.values())):
        if Path(shard).name != shard or shard in ("..", "."):
            raise CheckpointError(
                f"{one_line(index)} names {quote(shard)}, which does not lie beside it"
            )
        if shard.endswith(INDEX):
            raise CheckpointError(
                f"{one_line(index)} names {quote(shard)}, an index, as a shard; copy it again"
            )
        content = file_content(index.with_name(shard))
        held = content if isinstance(content, Mapping) else {}
        listed = [name for name, file in where.items() if file == shard]
        if lost := [n for n in listed if n not in held]:
            raise CheckpointError(
                f"{one_line(index)}: {one_line(shard)} lacks {few([quote(n) for n in lost])}; "
                "copy index and shards again"
            )
        tensors |= {name: held[name] for name in listed}
    return tensors


def _weight_map(index: Path) -> dict[str, str]:
    """The file of each tensor."""
    if not index.is_file():
        raise CheckpointError(f"there is no file {one_line(index)}; check the path")
    try:
        if index.stat().st_size > MOST_INDEX_BYTES:
            raise ValueError
        where = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        if not all(
            isinstance(text, str) and "\0" not in text for text in (*where, *where.values())
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{one_line(index)} is no index of shards; copy it again") from error
    return dict(where)
