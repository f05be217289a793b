"""How an objective is evaluated: choices that change the time, and values only by rounding."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One way to evaluate an objective at many points."""

    batch: int  # examples per forward pass
    lanes: int = 1  # points at once, one core each
    stacked: int = 1  # points per launch
    channels_last: bool = False  # images as NHWC
    folded: bool = False  # BatchNorm folded into the layer before it
    fused: bool = False  # sums and ReLU in the kernel of the convolution before them
    superposed: bool = False  # layers that see the data alone: a product a direction, then sums
    traced: bool = False  # one point is one TorchScript graph
    compiled: bool = False  # model and loss by torch.compile
    graph: bool = False  # one point is one CUDA graph
    streamed: bool = False  # the examples are loaded at every pass: follows from their size


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds that were measured while an answer began."""

    seconds: Mapping[str, float] = field(default_factory=dict)  # per point, of each way tried
    setup: float | None = None  # until work could begin
    start: float | None = None  # of the worker


@dataclass(frozen=True, kw_only=True)
class EarlierChoice:
    """How earlier work on a device evaluated the objective."""

    choice: Choice
    timing: Timing = Timing()
    begun: bool = False  # it is this very answer, which goes on as it began
