"""Of which points an ensemble is, and what of their outputs is averaged."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.members import OfMembers
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import Setting

POOLED = ("automatic", "probabilities", "outputs")


@dataclass(frozen=True, kw_only=True)
class EnsembleSettings(OfMembers, ObjectiveSettings):
    """Of which points an ensemble is, and what of their outputs is averaged."""

    pooled: Annotated[
        str,
        Setting(
            "Averaged",
            "probabilities: softmax of the outputs over their classes (Lakshminarayanan et al. "
            "2017); outputs: as the model gives them; automatic: probabilities where the loss is a "
            "ready cross-entropy, else outputs.",
            choices=POOLED,
            sources={"probabilities": "lakshminarayanan2017"},
        ),
    ] = POOLED[0]

    @property
    def units(self) -> int:
        """Members; with each the ensemble of those up to it."""
        return self.members
