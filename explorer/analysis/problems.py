"""A problem file is run, in the worker only, and becomes a problem identified by its content."""

import hashlib
import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from explorer.analysis import batchnorm, declared
from explorer.analysis.batches import tensors_of
from explorer.analysis.construction import check_same_construction
from explorer.analysis.data import Source, drawn_examples, fits, size_of, some_of, split_of
from explorer.analysis.loading import DataError, Examples, read, require_readable
from explorer.analysis.mistakes import ProblemError, told
from explorer.analysis.moved import moved_facts
from explorer.analysis.parameters import add_bytes
from explorer.problem import Batch, Problem

AGAIN_SECONDS = 1.0  # a function that takes less may be called again


@dataclass(frozen=True)
class LoadedProblem:
    """A problem with what identifies it."""

    path: Path  # of its file
    problem: Problem
    source_hash: str  # sha256 of the file and of the files beside or below it that it imports
    splits: Mapping[str, Mapping[str, Any]]  # name -> {"count", "fingerprint"}, drawn: "of", "seed"

    @property
    def facts(self) -> dict[str, Any]:
        """What the catalog keeps of a problem, as JSON values."""
        return {
            "splits": {name: dict(split) for name, split in self.splits.items()},
            "loss": _name_of(self.problem.loss),
            "metrics": list(self.problem.metrics),
            "architecture": str(self.problem.model),
            "batchnorm_layers": len(batchnorm.layers(self.problem.model)),
            **moved_facts(self.problem),
        }


def load(path: Path, arguments: Mapping[str, Any], twice: bool = False) -> LoadedProblem:
    """Run a problem file's `problem(**arguments)`.

    Args:
        path: of the file.
        arguments: of its function.
        twice: call a quick function again, to see that its data stay the same.

    Raises:
        ProblemError: the file is missing, fails, or returns something else than a Problem, or data
            that differ from call to call.
    """
    if not path.is_file():
        raise ProblemError(f"there is no problem file {path}; check the path")
    _forget(path.parent)
    before = set(sys.modules)
    module = _run(path)
    function = getattr(module, "problem", None)
    if not callable(function):
        raise ProblemError(
            f"{path} must have a function problem(**arguments) -> Problem; write one"
        )
    began = time.perf_counter()
    problem = _made(function, arguments, path)
    quick = time.perf_counter() - began < AGAIN_SECONDS
    data, splits = _read(problem, path, bounded=twice)
    if twice and quick:
        other = _made(function, arguments, path)
        _check_same(splits, _read(other, path)[1], path)
        check_same_construction(problem, other, path)
    made = replace(problem, data=data)
    return LoadedProblem(path, made, _source_hash(path, before), splits)


def _made(function: Callable[..., Any], arguments: Mapping[str, Any], path: Path) -> Problem:
    """What the file's function returns, which must be a problem."""
    with told(f"problem() of {path}", path):
        problem = function(**arguments)
    declared.check(problem, path)
    return declared.unwrapped(problem)


def _check_same(splits: Mapping[str, Any], again: Mapping[str, Any], path: Path) -> None:
    """Refuse data that are drawn anew at each call."""
    if other := [name for name, split in splits.items() if again.get(name) != split]:
        raise ProblemError(
            f"{path}: the data of split {other[0]!r} differ from one call of problem() to the "
            "next; draw and shuffle them from a fixed seed"
        )


def _forget(folder: Path) -> None:
    """Drop the modules that earlier problem files brought in from there, so that edits are seen."""
    ours = ("explorer", "store", "sample_models", "tests", "__main__")
    for name in [n for n in sys.modules if n.split(".")[0] not in ours]:
        if _beside(folder, name):
            del sys.modules[name]


def _beside(folder: Path, name: str) -> Path | None:
    """The file of a loaded module that lies in or below the folder and is no installed package."""
    origin = getattr(sys.modules[name], "__file__", None)
    if not origin:
        return None
    file = Path(origin).resolve()
    installed = {"site-packages", "dist-packages"} & set(file.parts)
    return file if file.is_relative_to(folder.resolve()) and not installed else None


def _run(path: Path) -> ModuleType:
    """The file as a module of its own; modules beside it can be imported."""
    spec = importlib.util.spec_from_file_location(f"problem_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ProblemError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    importlib.invalidate_caches()
    written = sys.dont_write_bytecode
    # bytecode would hide an edit of equal length within the same second
    sys.dont_write_bytecode = True
    try:
        with told(str(path), path):
            spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = written
    return module


def _source_hash(path: Path, modules_before: set[str]) -> str:
    """sha256 over the problem file and the modules from its folder that it brought in, by name."""
    folder = path.parent.resolve()
    files = {path.resolve()}
    for name in set(sys.modules) - modules_before:
        if file := _beside(folder, name):
            files.add(file)
    digest = hashlib.sha256()
    for file in sorted(files):
        name = "" if file == path.resolve() else file.relative_to(folder).as_posix()
        digest.update(name.encode() + b"\0")  # the problem file's own name may change
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(
    problem: Problem, path: Path, bounded: bool = False
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The splits, cut to `max_examples`, and what identifies them; if bounded, not for hours."""
    data: dict[str, Any] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in problem.data:
        try:
            source = split_of(problem, name)
            count = size_of(source)
            wanted = min(count, problem.max_examples or count)
            found[name] = {"count": wanted}
            if wanted < count:
                source = some_of(source, drawn_examples(count, wanted, problem.examples_seed))
                found[name] |= {"of": count, "seed": problem.examples_seed}
            if bounded and problem.max_examples is None and isinstance(source, Examples):
                require_readable(source)
            data[name], identity = _identified(source)
            found[name]["fingerprint"] = _in_batches(identity, problem.batch_size)
        except DataError as error:
            raise ProblemError(f"{path}, {error}") from error
        except ValueError as error:
            raise ProblemError(f"{path}, split {name!r}: {error}") from error
    return data, found


def _identified(source: Source) -> tuple[Source, str]:
    """The examples, as tensors where they fit into the free memory, and their fingerprint."""
    if not isinstance(source, Examples):
        return source, fingerprint(source)
    cpu = torch.device("cpu")
    kept, identity = read(source, keep=fits(source, torch.get_default_dtype(), cpu))
    return source if kept is None else kept, identity


def _in_batches(identity: str, batch_size: int | None) -> str:
    """The fingerprint of data whose batches the problem declares; without, that of the data."""
    if batch_size is None:
        return identity
    return hashlib.sha256(f"{identity}|batches of {batch_size}".encode()).hexdigest()


def fingerprint(data: Batch) -> str:
    """sha256 of types, shapes and bytes of the tensors of a split."""
    digest = hashlib.sha256()
    for tensor in tensors_of(data):
        digest.update(f"{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        add_bytes(digest, tensor)
    return digest.hexdigest()


def _name_of(function: Any) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
