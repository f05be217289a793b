"""The phenomena: known facts of loss surfaces, each with questions about samples and its numbers.

A new one is an entry in the file of its group.
"""

from explorer.phenomena.architecture import ARCHITECTURE
from explorer.phenomena.beyond import BEYOND
from explorer.phenomena.connectivity import CONNECTIVITY
from explorer.phenomena.depth import DEPTH
from explorer.phenomena.flatness import FLATNESS
from explorer.phenomena.generalisation import GENERALISATION
from explorer.phenomena.gradients import GRADIENTS
from explorer.phenomena.merging import MERGING
from explorer.phenomena.minima import MINIMA
from explorer.phenomena.open_questions import OPEN_QUESTIONS
from explorer.phenomena.phenomenon import Phenomenon
from explorer.phenomena.recipes import RECIPES
from explorer.phenomena.theory import THEORY
from explorer.phenomena.training import TRAINING

PHENOMENA: tuple[Phenomenon, ...] = (
    *MINIMA,
    *THEORY,
    *FLATNESS,
    *GENERALISATION,
    *ARCHITECTURE,
    *DEPTH,
    *GRADIENTS,
    *TRAINING,
    *RECIPES,
    *CONNECTIVITY,
    *MERGING,
    *BEYOND,
    *OPEN_QUESTIONS,
)

__all__ = ["PHENOMENA", "phenomenon_named"]


def phenomenon_named(name: str) -> Phenomenon:
    """The phenomenon of that name.

    Raises:
        ValueError: there is none; the message lists them.
    """
    for phenomenon in PHENOMENA:
        if phenomenon.name == name:
            return phenomenon
    names = ", ".join(each.name for each in PHENOMENA)
    raise ValueError(f"phenomenon must be one of {names}, got {name!r}")
