"""Whether a model still is what it was at its import: the loss measured then against that now."""

import math

from explorer.analysis.objective.user_errors import ProblemError
from explorer.contracts.request import AnswerRequest
from explorer.kinds import kind_named
from explorer.kinds.piece import Piece

RELATIVE, ABSOLUTE = 1e-3, 1e-6  # more than rounding on any device


def check_as_measured(piece: Piece, request: AnswerRequest) -> None:
    """Refuse an answer whose own loss at a point is not what was measured there at the import.

    Args:
        piece: the first of an answer says the losses at its points.
        request: has the loss of each point, None where it was not measured.

    Raises:
        ProblemError: they differ by more than rounding.
    """
    settings = request.settings
    whole = settings.get("subset", "all") == "all"
    frozen = settings.get("batchnorm", "frozen") == "frozen"
    if not (whole and frozen) or settings.get("precision", "float32") not in ("float32", "float64"):
        return
    now_losses = kind_named(request.kind).facts.of(piece.facts).point_losses
    for before, now in zip(request.losses, now_losses, strict=False):
        if before is None or now is None or not (math.isfinite(before) and math.isfinite(now)):
            continue
        if not math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            why = "something that no checkpoint holds is made anew each time"
            way_out = "draw it from a fixed seed in problem(), then import again"
            if settings.get("precision") == "float64":
                why += ", or the loss is another in float64 than in float32, which imports use"
                way_out += ", or choose precision float32"
            raise ProblemError(
                f"{request.problem}: the loss of the model on split {settings['split']!r} was "
                f"{before:.6g} at its import and is {now:.6g} now: {why}; {way_out}"
            )
