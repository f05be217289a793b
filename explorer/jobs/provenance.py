"""Where and with what a piece was computed, as the process that computes it says."""

import platform
from functools import cache
from importlib import metadata

version = cache(metadata.version)  # each piece says it, and reading it takes milliseconds


def provenance(device: str) -> dict[str, str]:
    """Device, versions and machine of this process, which computes on the device of that title."""
    return {
        "device": device,
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "machine": platform.node(),
        "processor": platform.machine(),
    }
