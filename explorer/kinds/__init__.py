"""The kinds of analysis. A new one is an entry here and a file of its name in each room."""

from collections.abc import Mapping

from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.averaging import AVERAGING
from explorer.kinds.connection import CONNECTION
from explorer.kinds.convexity import CONVEXITY
from explorer.kinds.critical import CRITICAL
from explorer.kinds.diagnosis import DIAGNOSIS
from explorer.kinds.difference import DIFFERENCE
from explorer.kinds.ensemble import ENSEMBLE
from explorer.kinds.experiment import EXPERIMENT
from explorer.kinds.game import GAME
from explorer.kinds.interpolation import INTERPOLATION
from explorer.kinds.kind import Kind
from explorer.kinds.learning_coefficient import LEARNING_COEFFICIENT
from explorer.kinds.line import LINE
from explorer.kinds.look import Look
from explorer.kinds.manifold import MANIFOLD
from explorer.kinds.piece import Piece
from explorer.kinds.projection import PROJECTION
from explorer.kinds.run import RUN
from explorer.kinds.settings_json import settings_from_json
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.spectrum import SPECTRUM
from explorer.kinds.stability import STABILITY
from explorer.kinds.surface import SURFACE

KINDS: tuple[Kind, ...] = (
    SURFACE,
    LINE,
    INTERPOLATION,
    CONNECTION,
    DIFFERENCE,
    RUN,
    PROJECTION,
    SPECTRUM,
    SHARPNESS,
    CONVEXITY,
    STABILITY,
    DIAGNOSIS,
    CRITICAL,
    MANIFOLD,
    LEARNING_COEFFICIENT,
    AVERAGING,
    ENSEMBLE,
    ALIGNMENT,
    GAME,
    EXPERIMENT,
)

__all__ = [
    "KINDS",
    "Kind",
    "Piece",
    "kind_named",
    "look_from_json",
    "settings_from_json",
    "unreadable",
]


def kind_named(name: str) -> Kind:
    """The kind of that name.

    Raises:
        ValueError: there is none; the message lists them.
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise ValueError(f"there is no kind {name!r}; there are {', '.join(k.name for k in KINDS)}")


def look_from_json(kind: Kind, values: Mapping[str, object]) -> Look:
    """The look of a kind from JSON values; what is not given keeps its default.

    Raises:
        ValueError: an unknown name, or a value that cannot be drawn; the message names it.
    """
    return settings_from_json(kind.look, values)


def unreadable(name: str, settings: Mapping[str, object]) -> str:
    """Why this version cannot show a stored analysis, in a few words; empty when it can.

    Args:
        name: of its kind.
        settings: as they are stored.
    """
    kind = next((kind for kind in KINDS if kind.name == name), None)
    if kind is None:
        return f"of kind {name!r}"
    try:
        settings_from_json(kind.settings, settings)
    except (ValueError, TypeError) as error:
        return f"of kind {name!r} with settings of which this version says: {error}"
    return "" if "split" in settings else f"of kind {name!r} without its settings"
