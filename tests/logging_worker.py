"""The real worker, which also writes down where points begin, and before and after each piece."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from explorer.analysis import surface
from explorer.analysis.objective import execution_tuning
from explorer.jobs.job_folder import JobFolder
from explorer.jobs.worker.__main__ import main
from explorer.kinds.piece import Piece
from tests.tiny_problem import log

put_piece, answer_pieces = JobFolder.put_piece, surface.answer_pieces


def begin_and_log(*given: Any) -> Iterator[Piece]:
    log("b")  # what was evaluated before: the point that stands alone, trials of how to evaluate
    yield from answer_pieces(*given)


def put_and_log(folder: JobFolder, piece: Piece, provenance: Mapping[str, Any]) -> None:
    log(" ".join(["i", *map(str, sorted(piece.units))]))  # intends to; killed now, who knows
    put_piece(folder, piece, provenance)
    log("p")


execution_tuning.LONG = (
    math.inf
)  # the undisturbed run, of a quick model, is too short to be tuned: as here
surface.answer_pieces = begin_and_log  # type: ignore[assignment]
JobFolder.put_piece = put_and_log  # type: ignore[method-assign]
main()
