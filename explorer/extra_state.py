"""What a module keeps beside its tensors (`get_extra_state`), as a tensor that a file can hold.

A tensor stays what it is. Anything else becomes bytes behind a mark: JSON where that gives the same
value back, else what `torch.save` writes, which is read with `weights_only=True` alone.
"""

import io
import json
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Module as Model

NAME_SUFFIX = "_extra_state"  # how torch ends its name in a state dict
_MARK = b"loss surface explorer: extra state\n"
_PLAIN = (type(None), bool, int, float, complex, str, torch.dtype, torch.device)
_CONTAINERS = (dict, OrderedDict, Counter, list, tuple, set, torch.Size)
_CODE = (b"\x80", b"PK\x03\x04")  # how pickles and their archives begin
_MAX_DEPTH = 50


def is_extra_state(name: str) -> bool:
    """Whether a name in a state dict is that of an extra state."""
    return name.rsplit(".", 1)[-1] == NAME_SUFFIX


def encode_state(value: object) -> Tensor:
    """The extra state as a tensor; the same value, the same bytes."""
    if isinstance(value, Tensor):
        return value
    return torch.frombuffer(bytearray(_MARK + _bytes(value)), dtype=torch.uint8)


def _bytes(value: object) -> bytes:
    try:
        text = json.dumps(value)
        if _is_same(json.loads(text), value):
            return text.encode()
    except (TypeError, ValueError, RecursionError):
        pass  # not a JSON value
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def _is_same(first: object, second: object) -> bool:
    """Whether two values are equal and of the same types throughout; NaN equals nothing."""
    if type(first) is not type(second):
        return False
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            _is_same(v, second[n]) for n, v in first.items()
        )
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_is_same, first, second))
    return bool(first == second)


def decode_state(tensor: Tensor) -> object:
    """What `encode_state` was given."""
    content = _content(tensor)
    if not content.startswith(_MARK):
        return tensor
    payload = content[len(_MARK) :]
    if payload.startswith(_CODE[1]):
        return torch.load(io.BytesIO(payload), weights_only=True)
    return json.loads(payload)


def _content(tensor: Tensor) -> bytes:
    """The bytes of a tensor of bytes; none of another one."""
    if tensor.dtype not in (torch.uint8, torch.int8) or tensor.layout != torch.strided:
        return b""
    return bytes(tensor.detach().cpu().contiguous().view(torch.uint8).flatten().tolist())


def refusal_reason(value: object, depth: int = 0) -> str:
    """Why the value of a file is not handed to a module's `set_extra_state`; empty where it is.

    Numbers, texts, tensors and containers of them are data. Bytes that are a pickle would be code
    to a module that unpickles them, and anything else was not read at all (see `harmless_types`).
    """
    if depth > _MAX_DEPTH:
        return f"it is nested more than {_MAX_DEPTH} deep"
    if isinstance(value, Tensor | bytes | bytearray):
        content = _content(value) if isinstance(value, Tensor) else bytes(value)
        return "it holds a pickle, which could run code" if content.startswith(_CODE) else ""
    if type(value) in _PLAIN:
        return ""
    if type(value) not in _CONTAINERS or not isinstance(value, Iterable):
        return f"it holds {type(value).__name__}, which is not read from files"
    parts = [*value, *value.values()] if isinstance(value, Mapping) else value
    return next((why for part in parts if (why := refusal_reason(part, depth + 1))), "")


def load_extra_state(module: Model, name: str, state: object) -> None:
    """Hand the extra state of that name to its module, as `load_state_dict` would.

    It is what `encode_state` gave, or what a state dict holds.
    """
    module.get_submodule(name.removesuffix(NAME_SUFFIX).removesuffix(".")).set_extra_state(
        decode_state(state) if isinstance(state, Tensor) else state
    )
