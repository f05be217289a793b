"""A problem file is run, in the worker only, and becomes a problem identified by its content."""

import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from explorer.analysis.model import problem_check
from explorer.analysis.model.construction import check_same_construction
from explorer.analysis.model.problem_module import is_users, run_file
from explorer.analysis.objective import batchnorm
from explorer.analysis.objective.batches import tensors_of
from explorer.analysis.objective.dataset import DataError, Examples
from explorer.analysis.objective.device_examples import fits_on_device
from explorer.analysis.objective.examples import (
    Source,
    examples_at,
    random_example_indices,
    size_of,
    split_of,
)
from explorer.analysis.objective.moved_parameters import moved_facts
from explorer.analysis.objective.named_tensors import add_bytes
from explorer.analysis.objective.reading import read_examples, require_readable
from explorer.analysis.objective.user_errors import ProblemError, run_user_code
from explorer.contracts.facts import ExperimentFacts, ProblemFacts, SplitFacts
from explorer.own_code import Code, code_of
from explorer.problem import Batch, Problem

AGAIN_SECONDS = 1.0  # a function that takes less may be called again


@dataclass(frozen=True)
class LoadedProblem:
    """A problem with what identifies it."""

    path: Path  # of its file
    problem: Problem
    source_hash: str  # of all code of the user's own that it loads
    splits: Mapping[str, SplitFacts]
    quick: bool = False  # to be made again

    @property
    def facts(self) -> ProblemFacts:
        """What the catalog keeps of a problem."""
        return ProblemFacts(
            splits=self.splits,
            loss=_name_of(self.problem.loss),
            metrics=tuple(self.problem.metrics),
            architecture=str(self.problem.model),
            batchnorm_layers=len(batchnorm.layers(self.problem.model)),
            moved=moved_facts(self.problem).get("moved"),
            experiments={
                name: ExperimentFacts(parts=experiment.parts, title=experiment.title)
                for name, experiment in self.problem.experiments.items()
            },
            players=tuple(self.problem.players),
        )


def load_problem(
    path: Path, arguments: Mapping[str, object], twice: bool = False, code: Code | None = None
) -> LoadedProblem:
    """Run a problem file's `problem(**arguments)`.

    Args:
        path: of the file.
        arguments: of its function.
        twice: call a quick function again, to see that its data stay the same.
        code: all that it loads; what can be seen in the file unless given.

    Raises:
        ProblemError: the file is missing, fails, or returns something else than a Problem, or data
            that differ from call to call.
    """
    if not path.is_file():
        raise ProblemError(f"there is no problem file {path}; check the path")
    source_hash = (code or code_of(path)).hash
    module = run_file(path)
    function = getattr(module, "problem", None)
    if not callable(function):
        raise ProblemError(
            f"{path} must have a function problem(**arguments) -> Problem; write one"
        )
    began = time.perf_counter()
    problem = _call_problem(function, arguments, path)
    quick = time.perf_counter() - began < AGAIN_SECONDS
    data, splits = _read_splits(problem, path, bounded=twice)
    if twice and quick:
        other = _call_problem(function, arguments, path)
        _check_same(splits, _read_splits(other, path)[1], path)
        check_same_construction(problem, other, path)
    return LoadedProblem(path, replace(problem, data=data), source_hash, splits, quick)


def rerun_problem(path: Path, arguments: Mapping[str, object]) -> Problem | None:
    """What a problem file declares when it and all it imports are run once more, as if first.

    None where that fails: some code can be run only once in a process.
    """
    before = {name: module for name, module in sys.modules.copy().items() if is_users(module)}
    try:
        return _call_problem(run_file(path).problem, arguments, path)
    except (ProblemError, AttributeError):
        return None
    finally:
        sys.modules.update(before)


def _call_problem(
    function: Callable[..., object], arguments: Mapping[str, object], path: Path
) -> Problem:
    """What the file's function returns, which must be a problem."""
    with (
        run_user_code(f"problem() of {path}", path),
        torch.enable_grad(),
    ):  # which it may leave switched off
        problem = function(**arguments)
    return problem_check.unwrap_model(problem_check.checked_problem(problem, path))


def _check_same(
    splits: Mapping[str, SplitFacts], again: Mapping[str, SplitFacts], path: Path
) -> None:
    """Refuse data that are drawn anew at each call."""
    if other := [name for name, split in splits.items() if again.get(name) != split]:
        raise ProblemError(
            f"{path}: the data of split {other[0]!r} differ from one call of problem() to the "
            "next; draw and shuffle them from a fixed seed"
        )


def _read_splits(
    problem: Problem, path: Path, bounded: bool = False
) -> tuple[dict[str, Source], dict[str, SplitFacts]]:
    """The splits, cut to `max_examples`, and what identifies them; if bounded, not for hours."""
    data: dict[str, Source] = {}
    split_facts: dict[str, SplitFacts] = {}
    for name in problem.data:
        try:
            source = split_of(problem, name)
            count = size_of(source)
            wanted = min(count, problem.max_examples or count)
            if drawn := wanted < count:
                source = examples_at(
                    source, random_example_indices(count, wanted, problem.examples_seed)
                )
            if bounded and problem.max_examples is None and isinstance(source, Examples):
                require_readable(source)
            data[name], identity = _examples_and_fingerprint(source)
            split_facts[name] = SplitFacts(
                count=wanted,
                fingerprint=_in_batches(identity, problem.batch_size),
                of=count if drawn else None,
                seed=problem.examples_seed if drawn else None,
            )
        except DataError as error:
            raise ProblemError(f"{path}, {error}") from error
        except ValueError as error:
            raise ProblemError(f"{path}, split {name!r}: {error}") from error
    return data, split_facts


def _examples_and_fingerprint(source: Source) -> tuple[Source, str]:
    """The examples, as tensors where they fit into the free memory, and their fingerprint."""
    if not isinstance(source, Examples):
        return source, fingerprint(source)
    cpu = torch.device("cpu")
    in_memory, identity = read_examples(
        source, keep=fits_on_device(source, torch.get_default_dtype(), cpu)
    )
    return source if in_memory is None else in_memory, identity


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


def _name_of(function: object) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
