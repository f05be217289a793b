"""Where and with what a piece was computed, as the process that computes it says."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any


def provenance(facts: Mapping[str, Any]) -> dict[str, str]:
    """Device, versions and machine of this process; empty for a piece that names no device."""
    if "device" not in facts:
        return {}
    return {
        "device": facts["device"],
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "machine": platform.node(),
        "processor": platform.machine(),
    }
