"""The real worker, which also writes down each piece: before it puts it, and once it lies there."""

from explorer.jobs.spool import JobFolder
from explorer.jobs.worker import main
from explorer.kinds.kind import Piece
from tests.tiny_problem import log

put_piece = JobFolder.put_piece


def put_and_log(folder: JobFolder, piece: Piece) -> None:
    log(" ".join(["i", *map(str, sorted(piece.units))]))  # intends to; killed now, who knows
    put_piece(folder, piece)
    log("p")


JobFolder.put_piece = put_and_log  # type: ignore[method-assign]
main()
