"""What travels: a share to a node, and what happens there back from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from explorer.codec import Json
from explorer.contracts.inspection import ImportResult
from explorer.contracts.progress import EndStatus, WorkerProgress
from explorer.contracts.request import Request
from explorer.own_code import Code

CANCEL, HAND_BACK = "cancel", "hand back"  # orders to a share that is under way


@dataclass(frozen=True)
class Machine:
    """A node of the cluster."""

    id: str
    host: str
    slots: int  # shares that it answers at once
    is_own: bool  # whether the engine itself runs there


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A share on its way to a node, with all that it needs but the tensors."""

    folder: str  # name of the job's folder
    request: Request  # with the paths of the machine that sends it
    code: Code  # that the user has agreed to run
    samples: Path  # folder of the shipped samples there
    tensors: Mapping[Path, str]  # file there -> its name on the node, by content
    python_path: tuple[Path, ...] = ()  # where further modules are looked for
    versions: Mapping[str, str] = field(default_factory=dict)  # of Python and packages, by name
    tasks: int = 1  # that this node does at once
    on_gpu: bool = False
    import_folder: Path | None = None  # of the job, where an import brings its files


@dataclass(frozen=True, kw_only=True)
class PieceCame:
    """A piece was computed."""

    files: Mapping[str, bytes]  # by name, those beside the piece first
    units: tuple[int, ...]  # that it answers
    seconds: float
    facts: Json
    device: str  # title of that which computed it
    finished: bool = False  # whether the answer is complete with it, whatever units are missing


@dataclass(frozen=True, kw_only=True)
class Said:
    """A share tells where it is."""

    progress: WorkerProgress


@dataclass(frozen=True, kw_only=True)
class Over:
    """A share has come to its end."""

    status: EndStatus
    error: str = ""
    log: str = ""
    result: ImportResult | None = None


@dataclass(frozen=True, kw_only=True)
class Unfit:
    """A node cannot answer it; others may."""

    why: str
    device: str = ""  # title of what the node has, where only that is another than wanted


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Who was at a share has died or was killed."""

    how: str
    machine_gone: bool = False  # with all that ran there


Event = PieceCame | Said | Over | Unfit | Lost
