"""Which device answers, and arithmetic without silent shortcuts on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from explorer.contracts.devices import CORES_VARIABLE, cpu_title


def device_names() -> tuple[str, ...]:
    """Devices of this machine, the best first."""
    names = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return (*names, "cpu")


def device_from_name(wanted: str = "auto") -> torch.device:
    """The device wanted, or the best there is.

    Raises:
        ValueError: this machine has no such device; the message lists what it has.
    """
    names = device_names()
    if wanted == "auto":
        return torch.device(names[0])
    if wanted not in (*names, "cuda"):
        raise ValueError(f"device must be one of {', '.join(names)}, got {wanted!r}")
    return torch.device(wanted)


def device_title(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return cpu_title(torch.get_num_threads(), device.type)


def free_bytes(device: torch.device) -> int:
    """Memory of the device that nobody uses."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def reserved_bytes(device: torch.device) -> int:
    """Memory of its own that a device has set aside for this process; 0 for the machine's."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else 0


def core_count() -> int:
    """Cores for this process, without those that are only threads of another.

    `CORES_VARIABLE` says how many where several workers share a machine's.
    """
    return int(os.environ.get(CORES_VARIABLE, 0)) or psutil.cpu_count(logical=False) or 1


@contextmanager
def precision_flags(precision: str) -> Iterator[None]:
    """float32 means float32, tf32 what its name says, and one choice of kernel per shape.

    The flags of the process are restored afterwards. A device without TF32 computes float32.

    Source: PyTorch notes, "Numerical accuracy" (TF32 is on by default for convolutions on CUDA).
    """
    matmul, conv = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, conv.allow_tf32, conv.benchmark, conv.deterministic
    allowed = precision == "tf32"
    matmul.allow_tf32 = conv.allow_tf32 = allowed
    conv.benchmark, conv.deterministic = False, True
    try:
        yield
    finally:
        matmul.allow_tf32, conv.allow_tf32, conv.benchmark, conv.deterministic = before


@contextmanager
def restore_threads() -> Iterator[None]:
    """Torch's number of threads, a setting of the whole process, is afterwards as it was."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
