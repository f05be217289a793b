"""A problem file as a module, run anew each time with all that it imports of the user's own."""

import importlib.machinery
import importlib.util
import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import torch

from explorer.analysis.objective.user_errors import ProblemError, run_user_code
from explorer.own_code import is_own

_OURS = ("explorer", "store", "sample_models", "tests", "conftest", "__main__")


def run_file(path: Path) -> ModuleType:
    """The file as the module of its name; what lies beside it can be imported from now on."""
    _forget_modules()
    folder = str(path.resolve().parent)
    sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
    importlib.invalidate_caches()
    name = _module_name(path)
    # its suffix does not matter, and its bytes are those that lie there now
    loader = importlib.machinery.SourceFileLoader(name, str(path.resolve()))
    spec = importlib.util.spec_from_loader(name, loader)
    if spec is None:
        raise ProblemError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses, pickle and other processes look for it there
    written = sys.dont_write_bytecode
    # bytecode would hide an edit of equal length within the same second
    sys.dont_write_bytecode = True
    try:
        with run_user_code(str(path), path), torch.enable_grad():
            loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


def _module_name(path: Path) -> str:
    """The file's own name, unless something else goes by it."""
    name = re.sub(r"\W", "_", path.stem)
    is_taken = name in sys.modules or name in sys.stdlib_module_names or name in _OURS
    return f"problem_{name}" if is_taken else name


def _forget_modules() -> None:
    """Drop the modules that earlier problem files brought into this process; edits are seen."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] not in _OURS and is_users(module):
            del sys.modules[name]


def is_users(module: ModuleType) -> bool:
    """Whether a module comes from a file of the user's own."""
    file = getattr(module, "__file__", None)
    return isinstance(file, str | Path) and _is_own_file(_absolute(str(file)))


def _absolute(file: str) -> str:
    """The file from the root on; of thousands, so a `Path` is made of few."""
    return file if file.startswith(os.sep) else str(Path(file).absolute())


def note_loaded_modules() -> None:
    """Look where all loaded modules come from: once, before processes are forked that ask it."""
    for module in list(sys.modules.values()):
        is_users(module)


@lru_cache(maxsize=16_384)
def _is_own_file(file: str) -> bool:
    """The same, of a module's file: thousands are asked about at each run of a problem file."""
    return is_own(Path(file).resolve())
