"""Pieces as files: `<time>.safetensors` with rows and facts, points and state in files beside it.

A file beside a piece is written first and named by its hash there, so that nobody need read tensors
to bring a piece home.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save

from explorer.codec import Json, from_json, to_json
from explorer.contracts.piece import PieceNote, PointNote, StateNote
from explorer.jobs.whole_file import write_whole
from explorer.kinds.piece import Piece

_PIECE = re.compile(r"[0-9]{20}\.safetensors")
_BESIDE = re.compile(r"[0-9]{20}-[0-9]+\.tensors")


@dataclass(frozen=True)
class Arrival:
    """A piece as a worker left it in the spool; its points and its state stay in their files."""

    piece: Piece
    job: str  # that it was computed for
    provenance: Json  # where and with what
    file: Path  # in which it lies
    note: PieceNote  # what lies beside it

    def beside(self, note: PointNote | StateNote) -> Path:
        """The file of a point or of state."""
        return self.file.with_name(note.file)

    def remove(self) -> None:
        """Remove its files."""
        self.file.unlink()
        for name in self.note.files:
            self.file.with_name(name).unlink(missing_ok=True)


def write_piece(folder: Path, job: str, piece: Piece, provenance: Mapping[str, str]) -> None:
    """Add a piece to a folder, whole or not at all."""
    stem = f"{time.time_ns():020d}"
    note = _write_beside(folder, stem, piece)
    words = {"facts": json.dumps(piece.facts), "seconds": repr(piece.seconds), "job": job}
    words |= {"provenance": json.dumps(dict(provenance)), "brought": json.dumps(to_json(note))}
    write_whole(folder / f"{stem}.safetensors", save(_contiguous(piece.columns), words))


def _write_beside(folder: Path, stem: str, piece: Piece) -> PieceNote:
    """Write points and state; what there is of them."""
    points = []
    for number, point in enumerate(piece.points, start=1):
        file = f"{stem}-{number}.tensors"
        digest = _write_tensors(folder / file, point.tensors)
        words = {"name": point.name, "label": point.label, "point_id": point.point_id}
        points.append(
            PointNote(
                **words,
                unit=point.unit,
                subject=point.subject,
                file=file,
                digest=digest,
                is_direction=point.is_direction,
            )
        )
    state = None
    if piece.state:
        unit, part, file = piece.state.unit, piece.state.part, f"{stem}-0.tensors"
        digest = _write_tensors(folder / file, piece.state.arrays)
        state = StateNote(unit=unit, part=part, file=file, digest=digest)
    return PieceNote(points=tuple(points), state=state, finished=piece.finished)


def _write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> str:
    content = save(_contiguous(tensors))
    write_whole(path, content)
    return hashlib.sha256(content).hexdigest()


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays; safetensors 0.8 writes the memory of a strided one as if it had no strides."""
    return {name: np.asarray(value, order="C") for name, value in arrays.items()}


def piece_files(folder: Path) -> list[Path]:
    """Whole pieces, oldest first."""
    return sorted(f for f in folder.glob("*.safetensors") if _is_ours(f, _PIECE))


def files_of_pieces(folder: Path) -> list[Path]:
    """The files of whole pieces, those beside them first."""
    beside = [f for f in folder.glob("*.tensors") if _is_ours(f, _BESIDE)]
    return [*beside, *piece_files(folder)]


def _is_ours(file: Path, name: re.Pattern[str]) -> bool:
    return bool(name.fullmatch(file.name)) and not file.is_symlink() and file.is_file()


def read_arrival(path: Path) -> Arrival:
    """A piece with whose it is and where it comes from.

    Raises:
        safetensors.SafetensorError: the file is damaged, as after a power loss.
        ValueError: it holds no piece, or a file beside it is not what was written.
    """
    with safetensors.safe_open(path, framework="numpy") as file:
        words = file.metadata() or {}
        columns = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dictionary)
    units = columns.get("unit", np.empty(0, np.int64))
    if units.ndim != 1 or units.dtype.kind not in "iu":
        raise ValueError(f"{path.name} has units of work that are no list of whole numbers")
    try:
        facts, provenance = json.loads(words["facts"]), json.loads(words.get("provenance", "{}"))
        if not isinstance(facts, dict) or not isinstance(provenance, dict):
            raise ValueError(f"{path.name} has facts or a provenance that are none")
        piece = Piece(columns, facts, float(words["seconds"]))
        note = from_json(PieceNote, json.loads(words.get("brought", "{}")))
    except (KeyError, RecursionError) as error:
        raise ValueError(f"{path.name} holds no piece of an answer") from error
    for name, digest in note.files.items():
        _check_beside(path.with_name(name), digest)
    return Arrival(piece, words.get("job", ""), provenance, path, note)


def _check_beside(file: Path, digest: str) -> None:
    """Refuse a file beside a piece that was cut off, changed or put there by somebody else.

    Raises:
        ValueError: it is not what was written.
    """
    if not _is_ours(file, _BESIDE):
        raise ValueError(f"{file.name} is missing beside its piece")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
            raise ValueError(f"{file.name} is not what was written")
