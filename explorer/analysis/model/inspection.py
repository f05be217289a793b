"""What a checkpoint is, found by loading it: its tensors, its hash, its loss on every split."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from explorer.analysis.model import preconditioner
from explorer.analysis.model.batch_coupling import MOST
from explorer.analysis.model.checkpoint_reading import read_checkpoint
from explorer.analysis.model.checkpoints import CheckpointError, Fit, fit
from explorer.analysis.model.fresh_model import check_as_made_anew, one_example_less
from explorer.analysis.model.loss_advice import loss_advice
from explorer.analysis.model.pair_checks import counts_nothing
from explorer.analysis.model.problem_trial import (
    check_uncoupled,
    few_examples,
    protect_splits,
    try_problem,
    without_gradient,
)
from explorer.analysis.model.problems import LoadedProblem
from explorer.analysis.model.repeatability import check_repeatable
from explorer.analysis.model.stored_tensors import count_not_finite, store_point, tensor_table
from explorer.analysis.objective.moved_parameters import why_all_move
from explorer.analysis.objective.named_tensors import Tensors, content_hash
from explorer.analysis.objective.objective import Objective
from explorer.analysis.objective.user_errors import ProblemError, run_user_code
from explorer.contracts.checkpoint import Checkpoint, InspectedSnapshots
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.problem import Problem
from explorer.wording import quote


def inspect(
    loaded: LoadedProblem,
    checkpoints: Sequence[Checkpoint],
    device: torch.device,
    folder: Path,
    *,
    progress: Callable[[int, int], None],
    inspected_before: Sequence[InspectedSnapshots] = (),
    rebuilt: Callable[[], nn.Module] | None = None,
    anew: Callable[[], Problem | None] | None = None,
) -> ImportResult:
    """The facts of a problem and of each checkpoint, whose tensors go to a file in `folder`.

    Args:
        loaded: the problem that the checkpoints belong to.
        checkpoints: of one model, in order.
        device: where losses are measured, in float32.
        folder: where tensors are left, as <content hash>.safetensors.
        progress: called with (done, total) after each checkpoint.
        inspected_before: what was inspected before; of this very problem it is passed over.
        rebuilt: the model as another call of `problem()` builds it: tensors that a checkpoint
            lacks and the model brings must be the same in both.
        anew: the problem as its file, run once more, makes it; None where that cannot be.

    Raises:
        CheckpointError: a file holds no weights for this model.
        ProblemError: the problem fails, or two evaluations at one point differ.
    """
    inspection = _Inspection(loaded, device, folder)
    hashes = [_earlier_hash(loaded, inspected_before, checkpoint) for checkpoint in checkpoints]
    pairs = zip(checkpoints, hashes, strict=True)
    missing = [checkpoint for checkpoint, point in pairs if point is None]
    points: list[InspectedPoint] = []
    no_gradient = ""
    for number, checkpoint in enumerate(missing, start=1):
        points.append(inspection.point(checkpoint, rebuilt if number == 1 else None))
        if number == 1:
            inspection.check_problem(anew)
            no_gradient = without_gradient(inspection.last_objective)
        progress(number, len(missing))
    return ImportResult(
        source_hash=loaded.source_hash,
        problem=loaded.facts,
        points=tuple(points),
        final_point=hashes[-1] or points[-1].point_id,
        tensors=tensor_table(inspection.tensors, loaded),
        no_gradient=no_gradient,
        advice=tuple(inspection.advice),
        remarks=tuple(inspection.remarks),
    )


@dataclass
class _Inspection:
    """Checkpoints of one problem, looked at one after the other with the same objectives."""

    loaded: LoadedProblem
    device: torch.device
    folder: Path
    objectives: dict[str, Objective] = field(default_factory=dict)  # by split
    tensors: Tensors = field(default_factory=dict)  # of the last checkpoint
    seconds: dict[str, float] = field(default_factory=dict)  # each split's evaluation took
    advice: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Note the model's tensors as it was built."""
        built = self.loaded.problem.model.state_dict()
        self._own = {name: value for name, value in built.items() if isinstance(value, Tensor)}

    @property
    def last_objective(self) -> Objective:
        """The objective of the last split."""
        return list(self.objectives.values())[-1]

    def point(
        self, checkpoint: Checkpoint, rebuilt: Callable[[], nn.Module] | None
    ) -> InspectedPoint:
        """What a checkpoint is; its tensors go to a file."""
        loaded, model = self.loaded, self.loaded.problem.model
        changed = _change_time(checkpoint)  # before it is read: a later change is seen
        held = read_checkpoint(checkpoint.file)
        weights = fit(held, model, checkpoint.file, checkpoint.part)
        self.tensors = weights.tensors
        _check_built(weights, rebuilt, loaded)
        self.remarks += weights.remarks
        self.objectives = self.objectives or _objectives(loaded, self.tensors, self.device)
        state = checkpoint.optimizer
        beside = preconditioner.recorded_diagonal(state, model) if state else {}
        losses, self.seconds = _point_losses(self.tensors, self.objectives, loaded, checkpoint.file)
        return InspectedPoint(
            point_id=store_point(self.tensors, beside, self.folder),
            label=checkpoint.name,
            step=checkpoint.step,
            changed=changed,
            not_finite=sum(count_not_finite(t, self._own.get(n)) for n, t in self.tensors.items()),
            moments=content_hash(beside) if beside else "",
            losses=losses,
            seconds=self.seconds,
        )

    def check_problem(self, anew: Callable[[], Problem | None] | None) -> None:
        """See that values repeat on each split, do not couple examples, and hold for a new model.

        Raises:
            ProblemError: they do not.
        """
        if why := why_all_move(self.loaded.problem):
            self.advice.append(f"{self.loaded.path}: {why}")
        for split, objective in self.objectives.items():
            check_repeatable(objective, self.seconds[split], self.loaded)
            bounded = replace(self.loaded, problem=objective.problem)
            check_uncoupled(bounded, objective.flat, split, MOST)
            self.advice += loss_advice(bounded, objective.flat, split, MOST)
            if anew is not None and self.loaded.quick:
                self._check_anew(split, objective, anew)

    def _check_anew(
        self, split: str, objective: Objective, anew: Callable[[], Problem | None]
    ) -> None:
        """See that a model made anew has the values of this one, at other weights."""
        problem, path = objective.problem, self.loaded.path
        few = one_example_less(few_examples(problem, split, self.device), problem)
        with run_user_code(f"evaluating {path} where weights have moved", path):
            check_as_made_anew(problem, objective.flat, few, path, anew)


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
    inspected_before: Sequence[InspectedSnapshots],
    checkpoint: Checkpoint,
) -> str | None:
    """Hash of a checkpoint that was inspected through this very problem, with what lies beside."""
    changed = _change_time(checkpoint)
    for earlier in inspected_before:
        if earlier.source_hash != loaded.source_hash or earlier.problem != loaded.facts:
            continue
        if earlier.part != checkpoint.part:  # other weights of the same file
            continue
        inspected = earlier.files.get(checkpoint.name)
        if inspected is None or inspected.changed != changed:
            continue
        if inspected.state_seen or checkpoint.optimizer is None:
            return inspected.point_id
    return None


def _change_time(checkpoint: Checkpoint) -> int:
    """When its file was last changed, in nanoseconds; 0 where it is missing."""
    try:
        return checkpoint.file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _point_losses(
    tensors: Tensors, objectives: Mapping[str, Objective], loaded: LoadedProblem, file: Path
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Loss and metrics of one point on each split, and the seconds they took."""
    measured, seconds = {}, {}
    for split, objective in objectives.items():
        objective.load(tensors)
        began = time.perf_counter()
        with run_user_code(f"evaluating {loaded.path} on split {split!r} at {file}", loaded.path):
            values = objective.means()
            if math.isnan(values["loss"]) and counts_nothing(objective):
                raise ProblemError(
                    f"{loaded.path}, split {split!r}: the loss counts nothing, as its count is 0 "
                    "over all examples; correct the labels that it ignores, or leave the split out"
                )
        measured[split] = {n: v for n, v in values.items() if n in objective.names}
        seconds[split] = time.perf_counter() - began
    return measured, seconds
