"""What a checkpoint is, found by loading it: its tensors, its hash, its loss on every split."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from explorer.analysis.model import preconditioner
from explorer.analysis.model.batch_coupling import MOST
from explorer.analysis.model.checkpoints import CheckpointError, Fit, fit, read_checkpoint
from explorer.analysis.model.fresh_model import check_as_made_anew, one_example_less
from explorer.analysis.model.problem_trial import (
    check_repeatable,
    check_uncoupled,
    few_examples,
    protect_splits,
    try_problem,
    without_gradient,
)
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.parameters import Tensors, content_hash
from explorer.analysis.objective.user_errors import run_user_code
from explorer.kinds.settings import ObjectiveSettings
from explorer.problem import Problem
from explorer.wording import quote


def inspect(
    loaded: LoadedProblem,
    checkpoints: Sequence[Mapping[str, Any]],
    device: torch.device,
    folder: Path,
    progress: Callable[[int, int], None],
    inspected_before: Sequence[Mapping[str, Any]] = (),
    rebuilt: Callable[[], nn.Module] | None = None,
    anew: Callable[[], Problem | None] | None = None,
) -> dict[str, Any]:
    """The facts of a problem and of each checkpoint, whose tensors go to a file in `folder`.

    Args:
        loaded: the problem that the checkpoints belong to.
        checkpoints: `{"file": path, "step": number or None, "label": what to call it, "part": keys
            within it, "optimizer": file of its optimiser's state}` each; all but the first may be
            left out.
        device: where losses are measured, in float32.
        folder: where tensors are left, as <content hash>.safetensors.
        progress: called with (done, total) after each checkpoint.
        inspected_before: `{"source_hash", "problem", "points": {file name: (time of change, hash,
            whether a state beside it was looked at)}}` of what was inspected before; of this very
            problem it is passed over.
        rebuilt: the model as another call of `problem()` builds it: tensors that a checkpoint
            lacks and the model brings must be the same in both.
        anew: the problem as its file, run once more, makes it; None where that cannot be.

    Raises:
        CheckpointError: a file holds no weights for this model.
        ProblemError: the problem fails, or two evaluations at one point differ.
    """
    objectives: dict[str, Objective] = {}
    no_gradient = ""
    built = loaded.problem.model.state_dict()
    own = {name: value for name, value in built.items() if isinstance(value, Tensor)}
    checkpoint_points = [
        (checkpoint, _earlier_hash(loaded, inspected_before, checkpoint))
        for checkpoint in checkpoints
    ]
    missing = [checkpoint for checkpoint, point in checkpoint_points if point is None]
    tensors: Tensors = {}
    points: list[dict[str, Any]] = []
    remarks: list[str] = []
    for number, checkpoint in enumerate(missing, start=1):
        file = Path(checkpoint["file"])
        label, changed = _mark(checkpoint)  # before it is read: a later change is seen
        weights = fit(read_checkpoint(file), loaded.problem.model, file, checkpoint.get("part", ""))
        tensors = weights.tensors
        _check_built(weights, rebuilt if number == 1 else None, loaded)
        remarks += weights.remarks
        objectives = objectives or _objectives(loaded, tensors, device)
        state = checkpoint.get("optimizer")
        beside = (
            preconditioner.recorded_diagonal(Path(state), loaded.problem.model) if state else {}
        )
        facts = _store_point(tensors, own, folder, beside)
        facts |= _point_losses(tensors, objectives, loaded, file)
        named = {"step": checkpoint.get("step"), "label": label, "changed": changed}
        points.append(facts | named)
        if number == 1:
            for split, objective in objectives.items():
                check_repeatable(objective, facts["seconds"][split], loaded)
                given = replace(loaded, problem=objective.problem)
                check_uncoupled(given, objective.flat, split, MOST)
                if anew is not None and loaded.quick:
                    few = one_example_less(
                        few_examples(objective.problem, split, device), objective.problem
                    )
                    with run_user_code(
                        f"evaluating {loaded.path} where weights have moved", loaded.path
                    ):
                        check_as_made_anew(
                            objective.problem, objective.flat, few, loaded.path, anew
                        )
            no_gradient = without_gradient(objective)
        progress(number, len(missing))
    return {
        "source_hash": loaded.source_hash,
        "problem": loaded.facts,
        "points": points,
        "final": checkpoint_points[-1][1] or points[-1]["point"],
        "tensors": _table(tensors, loaded),
        "no_gradient": no_gradient,
        "remarks": remarks,
    }


def _check_built(made: Fit, rebuilt: Callable[[], nn.Module] | None, loaded: LoadedProblem) -> None:
    """Refuse weights that are in no file and that each call of `problem()` draws anew.

    Raises:
        CheckpointError: they are such.
    """
    if not made.built or rebuilt is None:
        return
    state = rebuilt().state_dict()
    other = [name for name in made.built if not _same(made.tensors[name], state.get(name))]
    if other:
        raise CheckpointError(
            f"{loaded.path}: {quote(other[0])} is not in the adapter's folder and differs from "
            "one call of problem() to the next; load the base weights there, or draw them from a "
            "fixed seed"
        )


def _same(first: Tensor, second: Tensor | None) -> bool:
    """Whether two tensors have the same bytes."""
    return second is not None and content_hash({"": first}) == content_hash({"": second})


def _objectives(
    loaded: LoadedProblem, point: Tensors, device: torch.device
) -> dict[str, Objective]:
    """The objective of each split, once the problem has shown at a point that it runs."""
    flat = try_problem(loaded, point, device)  # all on one copy
    loaded = protect_splits(loaded, flat, loaded.splits, device)
    objectives: dict[str, Objective] = {}
    for split in loaded.splits:
        settings = ObjectiveSettings(split=split)
        with run_user_code(f"evaluating {loaded.path} on split {split!r}", loaded.path):
            objectives[split] = Objective(loaded.problem, settings, device, flat=flat)
    return objectives


def _earlier_hash(
    loaded: LoadedProblem,
    inspected_before: Sequence[Mapping[str, Any]],
    checkpoint: Mapping[str, Any],
) -> str | None:
    """Hash of a checkpoint that was inspected through this very problem, with what lies beside."""
    label, changed = _mark(checkpoint)
    for entry in inspected_before:
        if entry["source_hash"] != loaded.source_hash or entry["problem"] != loaded.facts:
            continue
        when, point, *looked = entry["points"].get(label, (None, None))
        if when == changed and (any(looked) or not checkpoint.get("optimizer")):
            return str(point)
    return None


def _mark(checkpoint: Mapping[str, Any]) -> tuple[str, int]:
    """A file's label, its name unless given, and its time of change in nanoseconds, or 0."""
    file = Path(checkpoint["file"])
    changed = file.stat().st_mtime_ns if file.exists() else 0
    return checkpoint.get("label") or file.stem, changed


def _store_point(tensors: Tensors, own: Tensors, folder: Path, beside: Tensors) -> dict[str, Any]:
    """Hash of one point, whose tensors go to a file, and how many of its values are no numbers.

    What lies beside, its optimiser's preconditioner, goes with them and has a hash of its own.
    """
    point = content_hash(tensors)
    partial = folder / f"{point}.partial"
    named = {preconditioner.PREFIX + name: value for name, value in beside.items()}
    safetensors.torch.save_file(_separate({**tensors, **named}), partial)
    partial.replace(folder / f"{point}.safetensors")
    not_finite = sum(_not_finite(t, own.get(name)) for name, t in tensors.items())
    moments = content_hash(beside) if beside else ""
    return {"point": point, "not_finite": not_finite, "moments": moments}


def _point_losses(
    tensors: Tensors, objectives: Mapping[str, Objective], loaded: LoadedProblem, file: Path
) -> dict[str, Any]:
    """Losses and metrics of one point on each split, and the seconds they took."""
    measured, seconds = {}, {}
    for split, objective in objectives.items():
        objective.load(tensors)
        began = time.perf_counter()
        with run_user_code(f"evaluating {loaded.path} on split {split!r} at {file}", loaded.path):
            values = objective.means()
        measured[split] = {n: v for n, v in values.items() if n in objective.names}
        seconds[split] = time.perf_counter() - began
    return {"measured": measured, "seconds": seconds}


def _separate(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors as a file takes them: whole, and each by itself where some share memory."""
    separate_tensors: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in tensors.items():
        value = tensor.detach().contiguous()
        storage = value.untyped_storage().data_ptr()
        separate_tensors[name] = value.clone() if storage in seen else value
        seen.add(storage)
    return separate_tensors


def _not_finite(value: Tensor, own: Tensor | None) -> int:
    """Values that are NaN or infinite and not so in the model as built, like a mask of -inf."""
    bad = ~value.isfinite()
    if own is not None and own.shape == value.shape:
        bad &= own.isfinite().to(bad.device)
    return int(bad.sum())


def _table(tensors: Tensors, loaded: LoadedProblem) -> list[dict[str, Any]]:
    """Name, shape, type and role of each tensor."""
    parameters = {name for name, _ in loaded.problem.model.named_parameters(remove_duplicate=False)}
    return [
        {
            "name": name,
            "shape": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "role": "parameter" if name in parameters else "buffer",
        }
        for name, value in tensors.items()
    ]
