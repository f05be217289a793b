"""A file that holds a direction: a value for each parameter that it moves, by the model's names."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer import extra_state
from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import fitted_tensors
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.model.stored_tensors import store_point, tensor_table
from explorer.analysis.objective.moved_parameters import moved_names
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.problem import Problem
from explorer.wording import counted, one_line

MOST_DEPTH = 4  # dictionaries within each other that are looked into


def inspect_direction(loaded: LoadedProblem, checkpoint: Checkpoint, folder: Path) -> ImportResult:
    """The facts of a direction, whose tensors go to a file in `folder`.

    Raises:
        CheckpointError: the file holds no direction of this model.
    """
    held = read_checkpoint(checkpoint.file)
    tensors, given = direction_tensors(held, loaded.problem, checkpoint.file)
    left = len(moving_parameters(loaded.problem)) - given
    remark = f"{counted(left, 'tensor')} of the model are not in the file, and 0 in the direction"
    point = store_point(tensors, {}, folder)
    return ImportResult(
        source_hash=loaded.source_hash,
        problem=loaded.facts,
        points=(
            InspectedPoint(
                point_id=point,
                label=checkpoint.name,
                step=None,
                changed=0,
                not_finite=0,
                moments="",
                losses={},
            ),
        ),
        final_point=point,
        tensors=tensor_table(tensors, loaded),
        remarks=(remark,) if left else (),
    )


def direction_tensors(
    held: object, problem: Problem, source: object
) -> tuple[dict[str, Tensor], int]:
    """The direction under the model's names, 0 where nothing is given or moves; how many are given.

    Args:
        held: what the file holds.
        problem: of the model.
        source: the file, for messages.

    Raises:
        CheckpointError: it holds no direction of this model.
    """
    state, moving = problem.model.state_dict(), moving_parameters(problem)
    given = max(_mappings(held), key=lambda one: len(one.keys() & moving), default={})
    if not given.keys() & moving:
        raise CheckpointError(
            f"{one_line(source)} holds no parameter of this model; name them as "
            "model.state_dict() does"
        )
    absent = {name: _zero(name, value) for name, value in state.items() if name not in given}
    fitted = fitted_tensors({**absent, **given}, problem.model, source)
    tensors = {n: value if n in moving else _zero(n, value) for n, value in fitted.items()}
    norm = float(torch.stack([tensors[name].double().norm() for name in moving]).norm())
    if not 0 < norm < float("inf"):
        raise CheckpointError(
            f"{one_line(source)} holds a direction of norm {norm}; it must be finite and above 0"
        )
    return tensors, len(given.keys() & moving)


def moving_parameters(problem: Problem) -> set[str]:
    """The names of all parameters that directions are over, each under all its names."""
    moved = moved_names(problem)
    every = dict(problem.model.named_parameters(remove_duplicate=False))
    ids = {id(p) for name, p in every.items() if moved is None or name in moved}
    return {name for name, p in every.items() if id(p) in ids and p.numel()}


def _zero(name: str, value: Tensor) -> Tensor:
    return value if extra_state.is_extra_state(name) else torch.zeros_like(value)


def _mappings(held: object, depth: int = MOST_DEPTH) -> Iterator[Mapping[str, object]]:
    """All dictionaries of what a file holds, the outer ones first."""
    if isinstance(held, nn.Module) or not isinstance(held, Mapping) or not depth:
        return
    yield held
    for value in held.values():
        yield from _mappings(value, depth - 1)
