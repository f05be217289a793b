"""The real worker, which also writes down each piece once it lies in the spool."""

from explorer.jobs.spool import JobFolder
from explorer.jobs.worker import main
from explorer.kinds.kind import Piece
from tests.tiny_problem import log

put_piece = JobFolder.put_piece


def put_and_log(folder: JobFolder, piece: Piece) -> None:
    put_piece(folder, piece)
    log(" ".join(["p", *map(str, sorted(piece.units))]))


JobFolder.put_piece = put_and_log  # type: ignore[method-assign]
main()
