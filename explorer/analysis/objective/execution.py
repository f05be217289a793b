"""How an objective is evaluated: choices that change the time, and values only by rounding."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to evaluate an objective at many points."""

    batch: int  # examples per forward pass
    lanes: int = 1  # points at once, one core each
    stacked: int = 1  # points per launch
    channels_last: bool = False  # images as NHWC
    folded: bool = False  # BatchNorm folded into the layer before it
    traced: bool = False  # one point is one TorchScript graph
    compiled: bool = False  # model and loss by torch.compile
    graph: bool = False  # one point is one CUDA graph
    streamed: bool = False  # the examples are loaded at every pass: follows from their size

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Choice":
        """The choice that an earlier run stored; what this version does not know is left out."""
        field_names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in field_names})

    @property
    def json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)
