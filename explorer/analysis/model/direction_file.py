"""A file that holds a direction: a value for each parameter that it moves, by the model's names."""

from pathlib import Path

import torch
from torch import Tensor

from explorer import extra_state
from explorer.analysis.model.checkpoint_file import CheckpointError
from explorer.analysis.model.checkpoint_networks import Network, networks_in_file
from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import fitted_tensors, require_tied_alike
from explorer.analysis.model.file_contents import FileContents
from explorer.analysis.model.model_names import ModelNames
from explorer.analysis.model.network_choice import missing_part_refusal, networks_of_part
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.model.stored_tensors import store_point, tensor_table
from explorer.analysis.objective.moved_parameters import moved_names
from explorer.contracts.checkpoint import Checkpoint
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.problem import Problem
from explorer.wording import counted, few, one_line


def inspect_direction(loaded: LoadedProblem, checkpoint: Checkpoint, folder: Path) -> ImportResult:
    """The facts of a direction, whose tensors go to a file in `folder`.

    Raises:
        CheckpointError: the file holds no direction of this model.
    """
    held = read_checkpoint(checkpoint.file)
    tensors, left = direction_in_file(held, loaded.problem, checkpoint.file, checkpoint.part)
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


def direction_in_file(
    held: object, problem: Problem, source: object, part: str = ""
) -> tuple[dict[str, Tensor], int]:
    """The direction under the model's names, and how many tensors that move it has no value for.

    It is 0 where nothing is given or moves. A tied tensor is given by any of its names.

    Args:
        held: what the file holds.
        problem: of the model.
        source: the file, for messages.
        part: the keys before its names; needed where the file holds several directions.

    Raises:
        CheckpointError: it holds no direction of this model, or several.
    """
    contents, wanted = FileContents.of(held, source), ModelNames(problem.model)
    moving = _moving_groups(problem, wanted)
    everywhere = networks_in_file(contents, wanted)
    direction = _chosen(contents, everywhere, moving, part, source)
    covered = {wanted.group[name] for name in direction.paths}
    values = {
        wanted.own[name]: direction.value(name)
        if wanted.group[name] in covered and not extra_state.is_extra_state(name)
        else _zero(name, value)
        for name, value in wanted.values.items()
    }
    unknown = {name: contents.values[f"{direction.prefix}{name}"] for name in direction.extra()}
    fitted = fitted_tensors({**unknown, **values}, problem.model, source)
    moves = {wanted.own[name] for name, group in wanted.group.items() if group in moving}
    tensors = {n: value if n in moves else _zero(n, value) for n, value in fitted.items()}
    norm = float(torch.stack([tensors[name].double().norm() for name in moves]).norm())
    if not 0 < norm < float("inf"):
        raise CheckpointError(
            f"{one_line(source)} holds a direction of norm {norm}; it must be finite and above 0"
        )
    return tensors, len(moving - covered)


def _moving_groups(problem: Problem, wanted: ModelNames) -> set[str]:
    """The tensors that directions are over, each by the first of its names."""
    moved = moved_names(problem)
    every = problem.model.named_parameters()
    ids = {id(p) for name, p in every if p.numel() and (moved is None or name in moved)}
    return {wanted.group[name] for name, value in wanted.values.items() if id(value) in ids}


def _chosen(
    contents: FileContents, everywhere: list[Network], moving: set[str], part: str, source: object
) -> Network:
    """The names of the model, after one prefix, that give the direction.

    Raises:
        CheckpointError: none holds a parameter that moves, or several do, or one differs.
    """
    candidates = networks_of_part(everywhere, part) if part else everywhere
    if part and not candidates:
        raise missing_part_refusal(contents, part, source)
    held = [n for n in candidates if any(n.wanted.group[name] in moving for name in n.paths)]
    outer = [n for n in held if not any(_lies_within(n, other) for other in held)]
    if not outer:
        raise CheckpointError(
            f"{one_line(source)} holds no parameter of this model that moves; name them as "
            "model.state_dict() does"
        )
    if len(outer) > 1 and len({network.content for network in outer}) > 1:
        sizes = few([network.size_words(network.part) for network in outer])
        raise CheckpointError(
            f"{one_line(source)} holds several directions, {sizes}: choose with --part "
            f"{one_line(outer[0].part, 60)} (on the Import page under Weights)"
        )
    require_tied_alike(outer[0], source)
    return outer[0]


def _lies_within(inner: Network, other: Network) -> bool:
    """Whether a network is only the end of longer names of another one."""
    inside = set(inner.paths.values()) < set(other.paths.values())
    same = set(inner.paths.values()) == set(other.paths.values())
    return inside or (same and len(inner.prefix) > len(other.prefix))


def _zero(name: str, value: Tensor) -> Tensor:
    return value if extra_state.is_extra_state(name) else torch.zeros_like(value)
