"""What the catalog keeps of a problem, a model and a point beside the columns of their tables.

The catalog keeps facts as JSON under these names. What another version has added stays among the
`others`, so that it is not lost where facts are written again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from explorer.codec import OTHERS, Json, JsonValue, StoredFacts, from_json, named


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """One split of a problem's data."""

    count: int  # examples that are used
    fingerprint: str  # hash of their types, shapes and bytes
    of: int | None = None  # examples that there are, where not all are used
    seed: int | None = None  # by which the used ones were drawn
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class ExperimentFacts:
    """An experiment that a problem declares."""

    parts: int
    title: str = ""
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class ProblemFacts(StoredFacts):
    """What a problem file declares, as a worker saw it."""

    splits: Mapping[str, SplitFacts]
    loss: str | None = None  # name of its function
    metrics: tuple[str, ...] = ()
    architecture: str = ""  # the model as torch prints it
    batchnorm_layers: int | None = None  # unknown of an import by an early version
    moved: str | None = None  # which parameters move, where it is not all
    experiments: Mapping[str, ExperimentFacts] = field(default_factory=dict)
    players: tuple[str, ...] = ()  # names, where the model is a game
    others: Json = field(default_factory=dict, metadata=OTHERS)

    @property
    def has_batchnorm(self) -> bool:
        """Whether its model has layers of BatchNorm."""
        if self.batchnorm_layers is None:
            return "BatchNorm" in self.architecture
        return self.batchnorm_layers > 0


@dataclass(frozen=True, kw_only=True)
class PointFacts(StoredFacts):
    """What an import saw of one checkpoint."""

    seconds: Mapping[str, float] = field(default_factory=dict)  # one evaluation of each split
    not_finite: int = 0  # values that are NaN or infinite
    changed: int | None = None  # when its file was last changed, in nanoseconds
    moments: str | None = None  # hash of Adam's preconditioner beside it, "" none; None not looked
    others: Json = field(default_factory=dict, metadata=OTHERS)


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """One tensor of a model's state."""

    name: str
    shape: tuple[int, ...]
    dtype: str  # as torch names it, without "torch."
    role: str  # "parameter" or "buffer"

    @property
    def size(self) -> int:
        """Its number of values."""
        size = 1
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """A recorded run: its head, and how far it had come."""

    folder: str = ""
    started: JsonValue = None
    machine: JsonValue = None
    seed: JsonValue = None
    hyperparameters: Json = field(default_factory=dict)
    trained_by: Json = field(default_factory=dict)  # class and numbers of its optimiser
    ended: bool = False
    curves: Json = field(default_factory=dict)  # name -> [[step, value], ...], by step
    others: Json = field(default_factory=dict, metadata=OTHERS)

    @property
    def logged(self) -> dict[str, list[tuple[int, float]]]:
        """What the script logged: name -> (step, value), by step; NaN and infinity are numbers."""
        return {name: _curve(curve) for name, curve in self.curves.items()}


def _curve(curve: JsonValue) -> list[tuple[int, float]]:
    """A curve; a value that JSON lacks stands there as text, as "NaN"."""
    if not isinstance(curve, list | tuple):
        return []
    return [(step, float(value)) for step, value in curve]


@dataclass(frozen=True, kw_only=True)
class ModelFacts(StoredFacts):
    """What is known of a model: by its import, its recipe or recording, and whoever brought it."""

    parameters: int | None = None
    tensor_rows: tuple[JsonValue, ...] = field(default=(), metadata=named("tensors"))
    no_gradient: str = ""  # why it has none, if so
    advice: tuple[str, ...] = ()  # what of its loss may not be meant, a sentence each
    remarks: tuple[str, ...] = ()  # on the choice among the weights in its files
    run: RunFacts | None = None
    part: str = ""  # keys before its weights in its files; "" for the usual ones
    import_job: str | None = field(default=None, metadata=named("import"))
    direction: bool = False  # whether it is no model but a direction from any
    sample: bool | None = None  # whether it is shipped with the program
    title: str | None = None
    about: str | None = None
    optimiser: JsonValue = None
    seed: JsonValue = None
    weight_decay: float | None = None
    others: Json = field(default_factory=dict, metadata=OTHERS)

    @property
    def tensors(self) -> tuple[TensorFacts, ...]:
        """Its tensors, in the order of its state."""
        return tuple(from_json(TensorFacts, row, ignore_unknown=True) for row in self.tensor_rows)
