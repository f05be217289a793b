"""What an import brings: the facts of a problem and of each checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from explorer.contracts.facts import ProblemFacts, TensorFacts


@dataclass(frozen=True, kw_only=True)
class InspectedPoint:
    """A checkpoint, whose tensors lie in the job's folder as <content hash>.safetensors."""

    point_id: str  # hash of its tensors
    label: str
    step: int | None
    changed: int  # when its file was last changed, in nanoseconds; 0 where it is missing
    not_finite: int  # values that are NaN or infinite, and not so in the model as built
    moments: str  # hash of Adam's preconditioner in the same file, "" where there is none
    losses: Mapping[str, Mapping[str, float]]  # split -> loss and metrics -> mean per example
    seconds: Mapping[str, float] = field(default_factory=dict)  # one evaluation of each split


@dataclass(frozen=True, kw_only=True)
class ImportResult:
    """A problem and the checkpoints of one model."""

    source_hash: str  # of the problem's code
    problem: ProblemFacts
    points: tuple[InspectedPoint, ...]  # those that were not known before
    final_point: str
    tensors: tuple[TensorFacts, ...]  # none where all were known
    no_gradient: str = ""  # why the model has none, if so
    advice: tuple[str, ...] = ()  # what of its loss may not be meant, a sentence each
    remarks: tuple[str, ...] = ()  # what a user should know of the choice of weights
