"""All pairs of minima on their page: asked by one press, watched, and shown as they come."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from explorer.ask import study_run
from explorer.ask.pair_wishes import LowestWays, lowest_ways, minima_of, numbers_of, pairs_seconds
from explorer.ask.study_cells import UNDER_WAY, Cell, cells_of, missing_cells
from explorer.kinds.minima import Minima
from explorer.pages import _parts as parts
from explorer.pages._asking import COMPUTE_KEY, PRESS_COMPUTE
from explorer.pages._facts import seconds_text
from explorer.pages._many_asked import Asker, begin_asking, last_asker
from explorer.pages._minima_choice import ChosenPairs
from explorer.pages._minima_links import cell_pair, shown_ways
from explorer.pages._minima_view import show_minima
from explorer.pages._progress import stop_button
from explorer.pages._running import AppState
from explorer.pages._text import as_message
from explorer.wording import counted


@dataclass(frozen=True)
class PairStates:
    """How far all pairs are."""

    cells: Sequence[Cell]
    numbers: Mapping[str, Mapping[str, float]]  # of answers, by key
    lowest: LowestWays | None = None  # where they are shown
    tree: Collection[tuple[int, int]] | None = None  # pairs that are asked, if not all

    @property
    def missing(self) -> list[Cell]:
        """What a press asks."""
        joined = self.lowest.questions if self.lowest else {}
        missing = [cell for cell in missing_cells(self.cells) if cell_pair(cell) not in joined]
        return [cell for cell in missing if self.tree is None or cell_pair(cell) in self.tree]

    @property
    def under_way(self) -> list[Cell]:
        """What is being computed, or waits."""
        return [cell for cell in self.cells if cell.state in UNDER_WAY]

    @property
    def answered(self) -> int:
        """How many pairs are answered."""
        if self.lowest:
            return len(self.lowest.questions)
        return sum(cell.state == "answered" for cell in self.cells)

    @property
    def asker(self) -> Asker | None:
        """What this session has begun to ask of these pairs last."""
        asker = last_asker()
        ours = asker is not None and any(cell.wish.key in asker.keys for cell in self.cells)
        return asker if ours else None

    @property
    def is_asking(self) -> bool:
        """Whether pairs are being asked."""
        return self.asker is not None and self.asker.is_asking

    @property
    def is_unsettled(self) -> bool:
        """Whether they are going to change by themselves."""
        answered = sum(cell.state == "answered" for cell in self.cells)
        shown = len(self.lowest.questions) if self.lowest else len(self.numbers)
        return bool(self.under_way) or self.is_asking or shown < answered

    def as_minima(self, labels: Sequence[str]) -> Minima:
        """What the answers say of the models."""
        if self.lowest:
            return self.lowest.minima
        return minima_of(labels, self.cells, self.numbers)


def read_states(app: AppState, chosen: ChosenPairs) -> PairStates:
    """How far all pairs are now; the catalog is read a fixed number of times."""
    pairs = chosen.pairs
    all_cells = cells_of(app.catalog, pairs.reads, pairs.wishes, bool(app.supervisor.workers))
    numbers = numbers_of(app.catalog, all_cells)
    if not chosen.lowest and not chosen.tree_only:
        return PairStates(all_cells, numbers)
    lowest = lowest_ways(app.catalog, pairs, chosen.labels)
    if chosen.lowest:
        return PairStates(all_cells, numbers, lowest)
    tree = {(min(way.first, way.second), max(way.first, way.second)) for way in lowest.minima.ways}
    return PairStates(all_cells, numbers, tree=tree)


def show_pairs(app: AppState, top: st.delta_generator.DeltaGenerator, chosen: ChosenPairs) -> None:
    """The pairs with what begins and stops their computing; live while something is under way.

    Args:
        app: the process-wide objects.
        top: where the press is.
        chosen: the models, and what is asked of each two.
    """
    states = read_states(app, chosen)
    with top:
        _offer_asking(app, states)
    seen, latest = _phase(states), [states]

    @parts.live_fragment(parts.LIST_SECONDS if states.is_unsettled else None)
    def live_pairs() -> None:
        now = latest.pop() if latest else read_states(app, chosen)
        if _phase(now) != seen:
            st.rerun()
        with st.container(key="progress"):  # stays in view
            _show_progress(app, now)
        if now.answered:
            ways = shown_ways(app.catalog, chosen, now.cells, now.lowest)
            show_minima(chosen, ways, now.as_minima(chosen.labels))
        elif not now.is_unsettled and now.tree is not None and not now.tree:
            st.info("No way is known yet: compute those of another sort first, such as lines.")
        elif not now.is_unsettled:
            st.info(f"Not computed yet: {PRESS_COMPUTE}.")

    live_pairs()


def _phase(states: PairStates) -> tuple[bool, bool]:
    """What decides of how the page's other parts look."""
    return states.is_unsettled, bool(states.missing) and not states.is_asking


def _offer_asking(app: AppState, states: PairStates) -> None:
    """The press that asks what is missing, with the time it takes; or that nothing is."""
    missing = [] if states.is_asking else states.missing
    if not missing:
        working = states.is_unsettled
        st.button(
            "Begun" if working else "In the catalog",
            icon=":material/hourglass_top:" if working else ":material/check:",
            width="stretch",
            disabled=True,
            key="nothing-to-ask",
        )
        stored = f"{states.answered:,} of {counted(len(states.cells), 'pair')} are stored."
        st.caption(f"{stored} Change a setting to ask something else.")
        return
    seconds = pairs_seconds(missing, states.cells)
    if st.button(
        f"Compute {counted(len(missing), 'pair')}",
        type="primary",
        width="stretch",
        shortcut="Mod+Enter",
        key=COMPUTE_KEY,
    ):
        begin_asking(app.catalog, missing)
        st.rerun()
    is_timed = seconds == seconds  # NaN where nothing of this was timed
    st.caption(f"About {seconds_text(seconds)}" if is_timed else "Never timed here")


def _show_progress(app: AppState, states: PairStates) -> None:
    """How many pairs are answered, with the way to stop the rest; why some have no answer."""
    asker = states.asker
    if states.under_way or states.is_asking:
        bar, button = st.columns([4, 1], vertical_alignment="center")
        words = f"{states.answered:,} of {counted(len(states.cells), 'pair')}"
        if states.under_way and not states.is_asking:
            seconds = pairs_seconds(states.under_way, states.cells)
            words += f" · {seconds_text(seconds)} left" if seconds == seconds else ""
        bar.progress(states.answered / len(states.cells), words)
        with button:
            _show_stop(app, states, asker)
    elif asker and asker.error:
        st.error(as_message(asker.error), icon=":material/error:")
    failed = [cell for cell in states.cells if cell.state == "failed"]
    if failed:
        first = as_message(failed[0].sentence)
        st.error(f"{counted(len(failed), 'pair')} failed: {first}", icon=":material/error:")


def _show_stop(app: AppState, states: PairStates, asker: Asker | None) -> None:
    if asker and asker.is_asking:
        st.button("Stop", icon=":material/stop:", width="stretch", on_click=asker.stop)
    else:
        jobs = study_run.jobs_under_way(states.under_way)
        stop_button(app.catalog, jobs, "pairs", width="stretch")
