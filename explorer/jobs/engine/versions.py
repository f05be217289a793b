"""Versions that must agree between machines for the same bits: those of the minor release."""

import platform
from collections.abc import Mapping
from importlib import metadata

PACKAGES = ("torch", "numpy")


def own_versions() -> dict[str, str]:
    """Minor versions of this Python and its packages, by name."""
    installed = {"Python": platform.python_version()}
    installed |= {name: metadata.version(name) for name in PACKAGES}
    return {name: ".".join(text.split(".")[:2]) for name, text in installed.items()}


def version_refusal(wanted: Mapping[str, str]) -> str:
    """Why this machine cannot answer for another, in one sentence; "" where it can."""
    own = own_versions()
    for name, version in wanted.items():
        if own.get(name) != version:
            return (
                f"{platform.node()} has {name} {own.get(name, 'not at all')} and the engine "
                f"{version}; install the same there"
            )
    return ""
