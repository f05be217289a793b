"""What a problem file returned, checked before any of it is used."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from explorer.analysis.objective.batches import count_examples
from explorer.analysis.objective.dataset import is_dataset
from explorer.analysis.objective.device import free_bytes
from explorer.analysis.objective.moved_parameters import moved_names
from explorer.analysis.objective.players import owners
from explorer.analysis.objective.user_errors import ProblemError
from explorer.experiment import Experiment
from explorer.game import Player
from explorer.kinds.piece import COMPANION_COLUMNS
from explorer.problem import Batch, Problem

LONGEST_NAME = 200  # characters
COLUMN = re.compile("[a-z][a-z0-9_]*")
TAKEN = ("loss", *COMPANION_COLUMNS, "unit", "question_key", "i", "j", "k", "x", "y")


WRAPPERS = {  # a class by name -> where it keeps the model
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",  # of torch.compile
}


def unwrap_model(problem: Problem) -> Problem:
    """The problem with the model itself, without what a training script had wrapped it in.

    Points are evaluated side by side and compiled here where it pays; names of the weights are
    those of the model either way (see `checkpoints.fitted_tensors`).
    """
    model = problem.model
    while (inner := WRAPPERS.get(type(model).__name__)) and _is_torchs(model):
        model = getattr(model, inner)
    return problem if model is problem.model else replace(problem, model=model)


def _is_torchs(model: nn.Module) -> bool:
    return type(model).__module__.partition(".")[0] == "torch"


def checked_problem(problem: object, path: Path) -> Problem:
    """What `problem()` returned, where it can be a problem.

    Raises:
        ProblemError: what must hold, what came, the way out.
    """
    if not isinstance(problem, Problem):
        raise ProblemError(
            f"problem() of {path} must return a Problem, got {type(problem).__name__}"
        )
    try:
        _check_model(problem.model)
        _check_functions(problem)
        moved_names(problem)  # refuses a pattern that matches none
        _check_declared("experiments", problem.experiments, Experiment)
        _check_declared("players", problem.players, Player)
        if problem.players:
            owners(problem)  # refuses a parameter that is not one player's
    except ValueError as error:
        raise ProblemError(f"{path}: {error}") from error
    if not isinstance(problem.data, Mapping) or not problem.data:
        what = "none" if isinstance(problem.data, Mapping) else type(problem.data).__name__
        raise ProblemError(
            f"{path} must declare at least one split of data, got {what}; give a dictionary such "
            'as {"train": (inputs, labels)}'
        )
    for name, data in problem.data.items():
        try:
            if not isinstance(name, str):
                raise ValueError("the name of a split must be text; put it in quotes")
            if not is_dataset(data):
                _check_entries(data, "")
                count_examples(cast(Batch, data))
        except ValueError as error:
            raise ProblemError(f"{path}, split {name!r}: {error}") from error
    return problem


def _type_words(value: object) -> str:
    """What a value is, in words; a class given in place of one of its objects is said to be one."""
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _check_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise ValueError(
            f"the model must be a torch.nn.Module, got {_type_words(model)}; give the module itself"
        )
    parameters = dict(model.named_parameters())
    if not parameters:
        raise ValueError("the model must have parameters, got none; build it in problem()")
    for name, value in parameters.items():
        if isinstance(value, nn.UninitializedParameter):
            raise ValueError(
                f"the parameter {name!r} has no shape yet; call the lazy model once in problem()"
            )
        if value.is_meta:
            raise ValueError(
                f"the parameter {name!r} is on the device meta, which holds no values; build the "
                "model on the CPU"
            )
        if not value.is_floating_point():
            raise ValueError(
                f"the parameter {name!r} must be real floating-point numbers, got {value.dtype}; "
                "register what is not trained as a buffer"
            )


def _check_functions(problem: Problem) -> None:
    """Refuse what cannot be called, and metric names that cannot be columns of the catalog."""
    if not isinstance(problem.metrics, Mapping):
        raise ValueError(
            f"the metrics must be a dictionary of functions, got {type(problem.metrics).__name__}; "
            'write {"accuracy": accuracy}'
        )
    named = {"loss": problem.loss, "forward": problem.forward, **problem.metrics}
    for name, function in named.items():
        if not callable(function):
            raise ValueError(f"{name} must be a function, got {type(function).__name__}; give one")
    for name in problem.metrics:
        if not isinstance(name, str) or not COLUMN.fullmatch(name) or name in TAKEN:
            raise ValueError(
                "a metric's name must be lower-case letters, digits and _, and none of "
                f"{', '.join(TAKEN)}, got {name!r}"
            )


def _check_declared(what: str, declared: object, type_: type) -> None:
    """Refuse what is no dictionary from names to experiments or players."""
    right = f'write {what}={{"name": {type_.__name__}(...)}}'
    if not isinstance(declared, Mapping):
        raise ValueError(f"{what} must be a dictionary, got {type(declared).__name__}; {right}")
    for name, each in declared.items():
        if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
            raise ValueError(
                f"the names of {what} must be texts of 1 to {LONGEST_NAME} characters, got "
                f"{name!r:.60}; {right}"
            )
        if not isinstance(each, type_):
            place = f"{what}[{name!r:.60}]"
            raise ValueError(
                f"{place} must be of type {type_.__name__}, got {_type_words(each)}; {right}"
            )


def _check_entries(data: object, place: str) -> None:
    """Refuse what holds something else than dense tensors with values; `place` is where it is."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            _check_entries(value, f"{place}[{name!r}]")
    elif isinstance(data, tuple | list):
        for number, value in enumerate(data):
            _check_entries(value, f"{place}[{number}]")
    elif isinstance(data, DataLoader):
        raise ValueError(
            f"data{place} must be tensors or a data set, got {type(data).__name__}; use "
            "loader.dataset"
        )
    elif not isinstance(data, Tensor):
        raise ValueError(
            f"data{place} must be a tensor, got {type(data).__name__}; stack all examples into "
            "tensors, torch.as_tensor makes them of arrays"
        )
    elif data.is_meta or data.layout != torch.strided:
        what = "no values (device meta)" if data.is_meta else f"layout {data.layout}"
        raise ValueError(f"data{place} has {what}; make it a dense tensor on the CPU")
    elif not data.dim():
        raise ValueError(f"data{place} is a single number; give one value per example")
    else:
        _check_memory(data, place)


def _check_memory(data: Tensor, place: str) -> None:
    """Refuse a tensor that repeats one in its memory, and would not fit written out."""
    size, free = data.numel() * data.element_size(), free_bytes(torch.device("cpu"))
    if size > max(free, data.untyped_storage().nbytes()):
        raise ValueError(
            f"data{place} has {size / 2**30:,.0f} GiB written out, more than the "
            f"{free / 2**30:,.0f} GiB of memory that are free; give fewer examples"
        )
