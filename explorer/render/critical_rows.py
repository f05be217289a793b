"""The searches for critical points as rows: what is drawn and told of each."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.kinds.critical_result import Critical
from explorer.kinds.look import SubjectName
from explorer.kinds.trajectory import spans
from explorer.render.marks.ticks import number_text


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """What is drawn and told of a search; one that has no place draws an empty chart."""

    start: str = ""
    run: str = ""
    ended: str = ""
    kind: str = ""  # of critical point
    loss: float = math.nan
    share: float = math.nan  # of negative eigenvalues, between `low` and `high`
    low: float = math.nan
    high: float = math.nan
    before: float = math.nan  # norm of the gradient
    after: float = math.nan
    index_words: str = ""
    loss_words: str = ""
    before_words: str = ""
    after_words: str = ""


def start_labels(searches: Critical, names: Sequence[SubjectName] = ()) -> list[str]:
    """What each search began at, in words: "step 50", "final", "copy 2".

    Args:
        searches: the searches.
        names: of the runs in their order, with their snapshots' steps; needed where there are
            several.
    """
    runs, texts = spans(searches.settings.lengths or (1,)), []
    for snapshot, copy in searches.settings.search_starts:
        run, span = next((n, span) for n, span in enumerate(runs) if snapshot < span.stop)
        at = snapshot - span.start
        words = f"copy {copy}" if copy else "final"
        if not copy and snapshot < span.stop - 1:
            step = names[run].steps[at] if names and names[run].steps else at
            words = f"step {step}" if isinstance(step, int) else step
        texts.append(f"{names[run].text}, {words}" if len(names) > 1 else words)
    return texts


def search_rows(searches: Critical, names: Sequence[SubjectName]) -> list[SearchRow]:
    """What is drawn and told of each search that was made."""
    runs = spans(searches.settings.lengths or (1,))
    share, low, high = searches.index_shares
    own = {name: values.tolist() for name, values in searches.values.items()}
    rows = []
    for unit, start in enumerate(start_labels(searches, names)):
        if not searches.computed[unit]:
            continue
        snapshot = searches.settings.search_starts[unit][0]
        run = next(n for n, span in enumerate(runs) if snapshot < span.stop)
        loss, before, after = (own[n][unit] for n in ("loss", "start_gradient", "gradient"))
        rows.append(
            SearchRow(
                start=start,
                run=names[run].text if len(names) > 1 else "",
                ended=searches.end_words[unit],
                kind=searches.classes[unit],
                loss=loss,
                share=float(share[unit]),
                low=float(low[unit]),
                high=float(high[unit]),
                before=before,
                after=after,
                index_words=index_text(searches, unit),
                loss_words=number_text(loss, 6),
                before_words=number_text(before, 3),
                after_words=number_text(after, 3),
            )
        )
    return rows


def index_text(searches: Critical, unit: int) -> str:
    """The index at the end of a search: exact, or estimated with its interval and sure bound."""
    index, low, high, bound = (
        float(searches.values[name][unit])
        for name in ("index", "index_low", "index_high", "index_bound")
    )
    if math.isnan(index):
        return ""
    if searches.exact:
        return f"{index:,.0f} of {searches.parameters:,}"
    return f"about {index:,.0f} ({low:,.0f} to {high:,.0f}), at least {bound:,.0f}"
