"""Named tensors, as a checkpoint and a model have them, and their hash."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

Tensors = Mapping[str, Tensor]


def content_hash(tensors: Tensors) -> str:
    """sha256 of names, types, shapes and bytes of parameters and buffers, ordered by name."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        add_bytes(digest, value)
    return digest.hexdigest()


def add_bytes(digest: "hashlib._Hash", value: Tensor) -> None:
    """Let a digest of `hashlib` see the bytes of a tensor."""
    contiguous = value.detach().cpu().contiguous()
    digest.update(contiguous.reshape(-1).view(torch.uint8).numpy().data)
