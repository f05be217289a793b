"""What a piece's file says of the files beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PointNote:
    """A point that a piece brings."""

    name: str  # by which its answer knows it
    label: str  # by which people do
    point_id: str  # content hash of its tensors
    unit: int  # of work, with which it comes
    subject: int  # whose parameters it has
    file: str  # beside the piece's own
    digest: str  # sha256 of that file
    is_direction: bool = False  # no place of its own but a way from others


@dataclass(frozen=True, kw_only=True)
class StateNote:
    """A part of what a unit goes on from."""

    unit: int
    part: int
    file: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class PieceNote:
    """What a piece brings beside rows and facts."""

    points: tuple[PointNote, ...] = ()
    state: StateNote | None = None
    finished: bool = False

    @property
    def files(self) -> dict[str, str]:
        """Names of the files beside the piece's own, with the hashes of their content."""
        state = {self.state.file: self.state.digest} if self.state else {}
        return state | {note.file: note.digest for note in self.points}
