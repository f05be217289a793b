"""A job that the engine holds: what of it is missing, what is under way, and how it will end."""

import contextlib
import math
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from explorer.codec import Json
from explorer.contracts.progress import Ending, Speed, WorkerProgress
from explorer.contracts.request import AnswerRequest, Request
from explorer.jobs.engine.events import Machine, PieceCame
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.shares import contiguous_parts
from explorer.jobs.whole_file import write_whole
from explorer.kinds import kind_named, settings_from_json
from explorer.kinds.execution import EarlierChoice
from explorer.kinds.facts import AnswerFacts
from explorer.own_code import Code
from explorer.wording import counted

PATIENCE_SECONDS = 12.0  # after a cancel until who is at a share is killed
LOSSES_ALLOWED = 3  # on the same piece
WORTH_SHARING = 1 / 3  # of a share's seconds: what takes less is left to one node

Units = tuple[int, ...]


@dataclass
class HeldShare:
    """A part of a job that a node is at."""

    id: str  # never used again: late words may still come of one whose job was handed back
    job: "HeldJob"
    machine: Machine
    units: Units  # none of an import
    missing: set[int] = field(default_factory=set)
    progress: WorkerProgress | None = None
    order: str = ""  # that it was given last


class HeldJob:
    """A job, its shares and what is known of it."""

    def __init__(self, folder: JobFolder, request: Request, code: Code) -> None:
        """Begin with one share of all that is missing.

        Args:
            folder: of the job.
            request: that was read there.
            code: all that its problem file loads, which the user has agreed to run.
        """
        self.folder, self.request, self.code = folder, request, code
        self.units = _unit_count(request)
        self.missing = self._missing_units()
        self.waiting: deque[Units] = deque()
        if self.missing or self.is_import:
            self.waiting.append(tuple(sorted(self.missing)))
        self.shares: dict[str, HeldShare] = {}
        self.ending: Ending | None = None  # once it is known, while shares are still under way
        self.log = ""
        self.ended_at = math.inf  # when that was
        self.device = request.device if isinstance(request, AnswerRequest) else ""
        self.is_cut = False
        self.seconds_per_unit = 0.0  # of the first piece
        self._losses: Counter[int] = Counter()  # by the first unit that was missing

    def _missing_units(self) -> set[int]:
        """The units that nobody has answered; none of an import."""
        if not isinstance(self.request, AnswerRequest):
            return set()
        return set(range(self.units)) - self.request.not_wanted(self.units)

    @property
    def is_import(self) -> bool:
        """Whether it is an import, which stays on this machine: its files lie here."""
        return not isinstance(self.request, AnswerRequest)

    @property
    def can_be_cut(self) -> bool:
        """Whether several may be at it."""
        request = self.request
        return isinstance(request, AnswerRequest) and not kind_named(request.kind).in_order

    @property
    def tensor_files(self) -> list[Path]:
        """The files that its shares read."""
        if not isinstance(self.request, AnswerRequest):
            return []
        states = [file for parts in self.request.states.values() for file in parts]
        return [*dict.fromkeys([*self.request.files, *states])]

    def new_share(self, machine: Machine) -> HeldShare:
        """The next share, for a machine to be at."""
        units = self.waiting.popleft()
        share = HeldShare(uuid.uuid4().hex, self, machine, units, set(units))
        self.shares[share.id] = share
        return share

    def request_of(self, share: HeldShare) -> Request:
        """What a share is asked: its units, as the answer was begun."""
        if not isinstance(self.request, AnswerRequest):
            return self.request
        return replace(self.request, units=tuple(sorted(share.missing)), device=self.device)

    def put(self, piece: PieceCame) -> bool:
        """Whether a piece lies whole in the job's folder now."""
        pieces = self.folder.path / "pieces"
        with contextlib.suppress(FileNotFoundError):  # the job is gone
            if not any((pieces / name).exists() for name in piece.files):
                for name, content in piece.files.items():
                    write_whole(pieces / name, content)
                return True
        return False

    def note_piece(self, piece: PieceCame) -> None:
        """Take note of a piece; the first binds how the rest is computed."""
        self._note_answered(range(self.units) if piece.finished else piece.units)
        if isinstance(self.request, AnswerRequest) and piece.units:
            self.device = self.device or piece.device
            self.seconds_per_unit = self.seconds_per_unit or piece.seconds / len(piece.units)
            choices = {**self.request.choices, **_begun_choice(piece.facts)}
            self.request = replace(self.request, choices=choices)

    def _note_answered(self, units: Iterable[int]) -> None:
        answered = set(units)
        self.missing -= answered
        for share in self.shares.values():
            share.missing -= answered
        waiting = (tuple(unit for unit in part if unit not in answered) for part in self.waiting)
        self.waiting = deque(filter(None, waiting))

    def parts_worth(self, slots: int, seconds: float) -> int:
        """Into how many shares to cut what is missing; 1 where that is not worth it.

        Args:
            slots: shares that the cluster answers at once.
            seconds: that a share is to take.
        """
        left = len(self.missing) * self.seconds_per_unit
        if self.is_cut or not self.can_be_cut or slots < 2 or left <= WORTH_SHARING * seconds:
            return 1
        return min(len(self.missing), max(slots, math.ceil(left / max(seconds, 1e-3))))

    def cut(self, count: int) -> None:
        """Have what nobody is at in so many shares."""
        waiting = sorted(unit for units in self.waiting for unit in units)
        self.waiting = deque(contiguous_parts(waiting, count))
        self.is_cut = count > 1

    def put_back(self, share: HeldShare) -> None:
        """Nobody is at a share any more: what is missing of it waits."""
        self.shares.pop(share.id, None)
        if self.ending is None and (share.missing or self.is_import):
            self.waiting.appendleft(tuple(sorted(share.missing)))

    def note_loss(self, share: HeldShare, how: str) -> None:
        """Who was at a share has died: it waits again, unless that was once too often."""
        first = min(share.missing, default=-1)
        self._losses[first] += 1
        self.put_back(share)
        if self._losses[first] >= LOSSES_ALLOWED:
            what = "in this import" if self.is_import else "on the same piece"
            sentence = f"the worker died {LOSSES_ALLOWED} times {what} ({how})"
            self.end(Ending(status="failed", error=sentence))

    def end(self, ending: Ending, log: str = "") -> None:
        """Have it end so as soon as no share is under way; the first word counts."""
        if self.ending is None:
            self.ending, self.log, self.ended_at = ending, log, time.monotonic()
            self.waiting.clear()

    @property
    def is_overdue(self) -> bool:
        """Whether its shares had time enough to come to an end."""
        return time.monotonic() - self.ended_at > PATIENCE_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether nothing of it waits or is under way."""
        return not self.shares and not self.waiting

    def report(self) -> None:
        """Say in the job's folder what its shares do."""
        said = [share.progress for share in self.shares.values() if share.progress]
        if len(self.shares) < 2 and said:
            one = said[0]
            self.folder.report(one.stage, one.done, one.total, one.within, one.speed)
        elif self.shares:
            rates = [each.speed.units_per_second for each in said]
            speed = Speed(
                units_per_second=sum(filter(None, rates)) or None,
                device_bytes=sum(each.speed.device_bytes for each in said),
            )
            self.folder.report("computing", within=self._place_words(), speed=speed)

    def _place_words(self) -> str:
        machines = len({share.machine.id for share in self.shares.values()})
        return f"{counted(len(self.shares), 'share')} on {counted(machines, 'machine')}"


def _unit_count(request: Request) -> int:
    """Units of the whole answer; 0 of an import."""
    if not isinstance(request, AnswerRequest):
        return 0
    return settings_from_json(kind_named(request.kind).settings, request.settings).units


def _begun_choice(facts: Json) -> Mapping[str, EarlierChoice]:
    """How the answer was begun, by device, as a piece says it."""
    said = AnswerFacts.of(facts)
    if said.choice is None:
        return {}
    return {said.device: EarlierChoice(choice=said.choice, timing=said.timing, begun=True)}
