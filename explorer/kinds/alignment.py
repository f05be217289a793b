"""One model's channels permuted so that it is most like another, with the same function."""

from dataclasses import dataclass
from typing import Annotated

from explorer.kinds.alignment_result import Alignment, AlignmentFacts
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.kind import Kind
from explorer.kinds.look import Look, PlotHeight
from explorer.kinds.setting import Setting

ALIGNMENT_PICTURES = ("tensors", "searches", "places")


@dataclass(frozen=True, kw_only=True)
class AlignmentLook(Look):
    """Which picture of an alignment is drawn: tensor by tensor, search by search, or who moved."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "tensors: the distance of each tensor before and after; searches: where each search "
            "ended; places: which channel came to which place.",
            choices=ALIGNMENT_PICTURES,
        ),
    ] = ALIGNMENT_PICTURES[0]
    height: PlotHeight = 320


def copy_text(alignment: Alignment, unit: int) -> str:
    """What a search's copy is, as "distance 6.21, loss 0.0312"."""
    names = ("distance", "loss")
    values = [(name, float(alignment.values[name][unit])) for name in names]
    return ", ".join(f"{name} {value:.4g}" for name, value in values if value == value)


def best_copy(alignment: Alignment) -> int | None:
    """The search whose copy counts."""
    return alignment.best


ALIGNMENT = Kind(
    name="alignment",
    title="Alignment",
    subjects=("fixed", "moved"),
    settings=AlignmentSettings,
    result=Alignment,
    facts=AlignmentFacts,
    version=1,
    numbers=(
        *("distance", "aligned_distance", "midpoint_loss", "agreement", "output_change"),
        "log10_permutations",
    ),
    columns=("search", "similarity", "distance", "change", "loss"),
    answer="explorer.analysis.alignment:answer",
    look=AlignmentLook,
    draw="explorer.render.alignment:draw",
    page="explorer/pages/alignment.py",
    icon=":material/shuffle:",
    sources=("entezari2022", "ainsworth2023", "jordan2023"),
    joined="with",
    unit="searches",
    point_words="permuted copy {}",
    point_text="explorer.kinds.alignment:copy_text",
    own_pace=True,
    best_copy="explorer.kinds.alignment:best_copy",
)
