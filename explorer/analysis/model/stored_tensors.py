"""The tensors of a point as they are stored, and what is said of them."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

from explorer.analysis.model import preconditioner
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.contracts.facts import TensorFacts


def store_point(tensors: Tensors, beside: Tensors, folder: Path) -> str:
    """Hash of one point, whose tensors go to a file.

    What lies beside, its optimiser's preconditioner, goes with them and has a hash of its own.
    """
    point = content_hash(tensors)
    partial = folder / f"{point}.partial"
    named = {preconditioner.PREFIX + name: value for name, value in beside.items()}
    safetensors.torch.save_file(_separate({**tensors, **named}), partial)
    partial.replace(folder / f"{point}.safetensors")
    return point


def _separate(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors as a file takes them: whole, and each by itself where some share memory."""
    separate_tensors: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in tensors.items():
        value = tensor.detach().contiguous()
        storage = value.untyped_storage().data_ptr()
        separate_tensors[name] = value.clone() if storage in seen else value
        seen.add(storage)
    return separate_tensors


def count_not_finite(value: Tensor, own: Tensor | None) -> int:
    """Values that are NaN or infinite and not so in the model as built, like a mask of -inf."""
    bad = ~value.isfinite()
    if own is not None and own.shape == value.shape:
        bad &= own.isfinite().to(bad.device)
    return int(bad.sum())


def tensor_table(tensors: Tensors, loaded: LoadedProblem) -> tuple[TensorFacts, ...]:
    """Name, shape, type and role of each tensor."""
    parameters = {name for name, _ in loaded.problem.model.named_parameters(remove_duplicate=False)}
    return tuple(
        TensorFacts(
            name=name,
            shape=tuple(value.shape),
            dtype=str(value.dtype).removeprefix("torch."),
            role="parameter" if name in parameters else "buffer",
        )
        for name, value in tensors.items()
    )
