"""Whether two calls of problem() build the same model, but for what a checkpoint brings."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.analysis.model.fresh_model import LARGEST_MADE_ANEW
from explorer.analysis.objective.batches import slice_examples, to_device
from explorer.analysis.objective.evaluation_mode import evaluation_mode
from explorer.analysis.objective.examples import head_of, split_of
from explorer.analysis.objective.in_place import InPlaceModel
from explorer.analysis.objective.random_draws import fixed_draws
from explorer.analysis.objective.user_errors import ProblemError
from explorer.problem import Problem

DEEP = 6  # of containers and closures within an attribute
FEW = 4  # examples whose outputs are compared
ROUNDING = 1e-5  # relative
_HOW = torch.float32, torch.device("cpu")


def check_same_construction(problem: Problem, other: Problem, path: Path) -> None:
    """Refuse a model that holds values which no checkpoint brings and each call draws anew.

    All tensors that the attributes of its modules reach are compared, and the outputs of both
    models with the same weights.

    Raises:
        ProblemError: two differ; it is named.
    """
    there = dict(tensors_outside_checkpoint(other.model))
    for name, value in tensors_outside_checkpoint(problem.model):
        if name in there and not _equal(value, there[name]):
            raise _refusal(path, f"{name!r} of the model, which no checkpoint holds,")
    pair = _outputs_of_both(problem, other)
    if pair is not None and not _near(*pair):
        raise _refusal(path, "what the model gives for the same weights")


def _refusal(path: Path, what: str) -> ProblemError:
    return ProblemError(
        f"{path}: {what} differs from one call of problem() to the next; draw it from a fixed seed "
        "(torch.manual_seed in problem(), random.seed or numpy.random.seed where these draw), or "
        "register it as a buffer so that checkpoints hold it"
    )


def tensors_outside_checkpoint(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors that the modules' attributes reach and that `state_dict` does not hold, by place."""
    stored = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
    saved = set(model.state_dict(keep_vars=True))
    seen: set[int] = set()
    for name, buffer in model.named_buffers():
        if name not in saved:
            yield name, buffer
    for place, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                for where, tensor in _tensors_within(
                    f"{place}.{name}".lstrip("."), value, seen, DEEP
                ):
                    if id(tensor) not in stored and tensor.is_leaf:
                        yield where, tensor


def _tensors_within(
    place: str, value: object, seen: set[int], deep: int
) -> Iterator[tuple[str, Tensor]]:
    """Tensors within a value: itself, items of containers, what a function closes over."""
    if isinstance(value, Tensor):
        yield place, value
        return
    if not deep or id(value) in seen or isinstance(value, str | bytes | int | float | nn.Module):
        return
    seen.add(id(value))
    for name, inner in _items_within(value):
        yield from _tensors_within(f"{place}{name}", inner, seen, deep - 1)


def _items_within(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", inner) for key, inner in list(value.items()))
    elif isinstance(value, list | tuple):
        yield from ((f"[{number}]", inner) for number, inner in enumerate(value))
    code, cells = getattr(value, "__code__", None), getattr(value, "__closure__", None)
    for name, cell in zip(getattr(code, "co_freevars", ()), cells or (), strict=False):
        try:
            yield f" ({name})", cell.cell_contents
        except ValueError:  # not filled yet
            continue


def _outputs_of_both(problem: Problem, other: Problem) -> tuple[object, object] | None:
    """Outputs of both models on the first examples, with the first one's weights."""
    size = sum(parameter.numel() for parameter in problem.model.parameters())
    if size > LARGEST_MADE_ANEW or other.model is problem.model:
        return None
    try:
        flats = [InPlaceModel(built.model, *_HOW) for built in (problem, other)]
        flats[1].load(problem.model.state_dict())
        data = to_device(
            slice_examples(head_of(split_of(problem, next(iter(problem.data)))), 0, FEW), *_HOW
        )
        outputs = []
        for flat, built in zip(flats, (problem, other), strict=True):
            batch = torch.utils._pytree.tree_map_only(Tensor, Tensor.clone, data)
            with flat.at_theta(), torch.random.fork_rng(), fixed_draws(), evaluation_mode():
                outputs.append(built.forward(flat.module, batch))
    except Exception:  # what fails here is told, or done otherwise, where it is evaluated
        return None
    return outputs[0], outputs[1]


def _equal(one: Tensor, other: Tensor) -> bool:
    same = one.shape == other.shape and one.dtype == other.dtype
    return same and (one.is_meta or torch.equal(one.nan_to_num(), other.nan_to_num()))


def _near(one: object, other: object) -> bool:
    """Whether outputs are equal but for rounding."""
    leaves = [torch.utils._pytree.tree_leaves(outputs) for outputs in (one, other)]
    for first, second in zip(*leaves, strict=False):
        if isinstance(first, Tensor) and isinstance(second, Tensor):
            if first.shape != second.shape:
                return False
            if first.is_floating_point() and first.numel():
                scale = float(first.nan_to_num().abs().max())
                close = torch.isclose(
                    first, second, rtol=ROUNDING, atol=ROUNDING * scale, equal_nan=True
                )
                if not bool(close.all()):
                    return False
    return True
