"""Where the code of a module lies, found as Python would find it, without loading it."""

import importlib.machinery
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SUFFIXES = (*importlib.machinery.EXTENSION_SUFFIXES, ".py", ".pyc")  # as Python looks for them


@dataclass(frozen=True)
class ModuleFiles:
    """Where a module's code lies."""

    file: Path | None  # None for a namespace
    folders: tuple[str, ...]  # of its submodules, for a package


def module_in_folders(name: str, folders: Iterable[str]) -> ModuleFiles | None:
    """The module as Python's own finder would find it; folders that are no package are last."""
    namespace: list[str] = []
    for folder in folders:
        at = os.path.join(folder, name)  # noqa: PTH118 (many)
        for suffix in _SUFFIXES:
            if os.path.isfile(init := f"{at}/__init__{suffix}"):  # noqa: PTH113
                return ModuleFiles(Path(init), (at,))
        for suffix in _SUFFIXES:
            if os.path.isfile(f"{at}{suffix}"):  # noqa: PTH113
                return ModuleFiles(Path(f"{at}{suffix}"), ())
        if os.path.isdir(at):  # noqa: PTH112
            namespace.append(at)
    return ModuleFiles(None, tuple(namespace)) if namespace else None


def module_by_hooks(name: str) -> ModuleFiles | None:
    """The module as a finder of its own finds it: packages installed so as to be edited."""
    for finder in sys.meta_path:
        if isinstance(finder, type) and finder.__module__.startswith("_frozen_importlib"):
            continue  # Python's own
        try:
            spec = finder.find_spec(name, None)
        except Exception:  # another package's finder
            continue
        if spec is not None and (spec.origin or spec.submodule_search_locations):
            file = Path(spec.origin) if spec.has_location and spec.origin else None
            return ModuleFiles(file, tuple(spec.submodule_search_locations or ()))
    return None
