"""Which parameters of a model are moved: those chosen by name, those trained, or all."""

import hashlib
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn

from explorer.analysis.objective.named_tensors import Tensors
from explorer.problem import Problem


def moved_names(problem: Problem) -> frozenset[str] | None:
    """Names of the parameters that directions and derivatives are over; None for all.

    They are those that the problem's patterns choose, or else those that are trained
    (`requires_grad`); where none is, all.

    Raises:
        ValueError: a pattern matches no parameter.
    """
    sizes = {name: p.numel() for name, p in problem.model.named_parameters()}
    if problem.parameters is None:
        moved = {n for n, p in problem.model.named_parameters() if p.requires_grad}
    else:
        moved = set()
        for pattern in problem.parameters:
            chosen = {name for name in sizes if matches_pattern(name, pattern)}
            if not any(sizes[name] for name in chosen):
                raise ValueError(
                    f"parameters: {pattern!r} must match a parameter that has values, but matches "
                    f"none of {', '.join(list(sizes)[:20])}; correct the pattern"
                )
            moved |= chosen
    every = {name for name, size in sizes.items() if size}
    moved &= every
    return None if moved in (set(), every) else frozenset(moved)


def why_all_move(problem: Problem) -> str:
    """That directions are over frozen parameters, where nothing else is; "" where it isn't so."""
    if problem.parameters is not None or any(p.requires_grad for p in problem.model.parameters()):
        return ""
    return (
        "no parameter has requires_grad, so directions and curvature are over all of them; unless "
        'that is meant, name those that move, by Problem(..., parameters="head.*")'
    )


def matches_pattern(name: str, pattern: str) -> bool:
    """Whether a pattern matches a parameter's whole name or what follows any of its dots."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[n:]), pattern) for n in range(len(parts)))


def moved_words(model: nn.Module, moved: Collection[str]) -> str:
    """How many of a model's tensors and parameters move."""
    sizes = {name: p.numel() for name, p in model.named_parameters() if p.numel()}
    some, every = sum(sizes[name] for name in moved), sum(sizes.values())
    return f"{len(moved):,} of {len(sizes):,} tensors, {some:,} of {every:,} parameters"


def moved_facts(problem: Problem) -> dict[str, str]:
    """As "moved" which parameters move: how many, and a hash of their names; {} for all of them."""
    moved = moved_names(problem)
    if moved is None:
        return {}
    names = hashlib.sha256("\n".join(sorted(moved)).encode()).hexdigest()
    return {"moved": f"{moved_words(problem.model, moved)} ({names[:16]})"}


def require_same_beside(problem: Problem, points: Sequence[Tensors]) -> None:
    """Refuse points between which something differs that does not move.

    Raises:
        ValueError: a parameter does; it is named.
    """
    moved = moved_names(problem)
    if moved is None:
        return
    for name, _ in problem.model.named_parameters():
        values = [point[name] for point in points if name in point and name not in moved]
        if any(not torch.equal(values[0], value) for value in values[1:]):
            raise ValueError(
                f"{name!r} differs from point to point, but does not move; name it in "
                "Problem(parameters=...) too, or choose points that share it"
            )
