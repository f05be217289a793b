"""A search for critical points from models, their snapshots and perturbed copies of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from explorer.kinds.critical_result import Critical
from explorer.kinds.critical_settings import CriticalSettings
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.kind import Kind
from explorer.kinds.look import SMALL_HEIGHT, SMALL_WIDTH, LogScale, Look, PlotHeight
from explorer.kinds.setting import Setting

CRITICAL_PICTURES = ("index", "gradients")


@dataclass(frozen=True, kw_only=True)
class CriticalLook(Look):
    """Which picture of a search is drawn: index against loss, or gradients before and after."""

    picture: Annotated[
        str,
        Setting(
            "Picture",
            "index: against the loss; gradients: before and after each search.",
            choices=CRITICAL_PICTURES,
        ),
    ] = CRITICAL_PICTURES[0]
    log: LogScale = False
    height: PlotHeight = 380

    @classmethod
    def usual(cls, result: Critical) -> "CriticalLook":
        """On a log scale where all losses are above 0 and span two decades."""
        losses = result.loss[result.computed & np.isfinite(result.loss)]
        wide = bool(len(losses) and losses.min() > 0 and losses.max() > 100 * losses.min())
        return cls(log=wide)

    @classmethod
    def small(cls, result: Critical) -> "CriticalLook":
        """Index against loss."""
        return replace(cls.usual(result), width=SMALL_WIDTH, height=SMALL_HEIGHT)


def taken_over(settings: CriticalSettings, old: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The searches of another answer with more or fewer copies or snapshots."""
    units = {place: unit for unit, place in enumerate(settings.search_starts)}
    places = zip(old["snapshot"].tolist(), old["copy"].tolist(), strict=True)
    unit = np.array([units.get(place, -1) for place in places], dtype=np.int64)
    return {name: values[unit >= 0] for name, values in {**old, "unit": unit}.items()}


def end_text(searches: Critical, unit: int) -> str:
    """Where a search ended, as "loss 0.31, index 2, saddle"."""
    loss, index = (float(searches.values[name][unit]) for name in ("loss", "index"))
    about = "" if searches.exact else "about "
    words = [
        f"loss {loss:.4g}" if np.isfinite(loss) else "",
        f"index {about}{index:,.0f}" if np.isfinite(index) else "",
        searches.classes[unit],
    ]
    return ", ".join(filter(None, words))


CRITICAL = Kind(
    name="critical",
    title="Critical points",
    subjects=("run",),
    runs_from=0,
    settings=CriticalSettings,
    result=Critical,
    facts=AnswerFacts,
    version=1,
    numbers=("critical_points", "levels", "lowest_loss", "highest_loss"),
    columns=("snapshot", "copy", "loss", "ended"),
    answer="explorer.analysis.critical:answer",
    look=CriticalLook,
    draw="explorer.render.critical:draw",
    page="explorer/pages/critical.py",
    icon=":material/adjust:",
    sources=("roosta2018",),
    axes=("starts", "every"),
    taken_over="explorer.kinds.critical:taken_over",
    unit="searches",
    point_words="end of search {}",
    point_text="explorer.kinds.critical:end_text",
    own_pace=True,
)
