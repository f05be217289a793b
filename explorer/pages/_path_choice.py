"""Which paths between two points are shown together: the straight line, others, trained ones."""

from dataclasses import dataclass

import streamlit as st

from explorer.ask.stored_paths import StoredPath, like_copies, stored_paths
from explorer.ask.subjects import Subject
from explorer.kinds.path_shape import BENT_SHAPES, SHAPES, STRAIGHT
from explorer.pages._address import PATHS_KEY, check_address
from explorer.pages._session import begin_with
from explorer.pages._text import as_message
from store import Catalog

REPAIRED = "{}, REPAIR"  # of straight lines, by what they are called without
LINK_NAMES = ("shape", "bends", "repair")  # by which links name a path; the page keeps "paths"


@dataclass(frozen=True)
class ChosenPath:
    """A path between two points, or from the first to a copy of the second that does the same."""

    label: str
    last: Subject
    shape: str = STRAIGHT
    bends: tuple[Subject, ...] = ()
    repair: bool = False


def choose_paths(
    catalog: Catalog, first: Subject, second: Subject, repairable: bool
) -> list[ChosenPath]:
    """The paths that are shown, kept in the address; the straight line where none is chosen.

    Args:
        catalog: where trained paths and permuted copies are.
        first: the point from which they lead.
        second: the point to which they lead.
        repairable: whether activations may be repaired along straight lines.
    """
    trained = stored_paths(catalog, first, second)
    by_label = {path.label: path for path in _options(catalog, first, second, trained, repairable)}
    _follow_link(trained)
    must = f"some of {', '.join(by_label)}"
    for label in st.query_params.get_all(PATHS_KEY):
        if label not in by_label and PATHS_KEY not in st.session_state:
            check_address(PATHS_KEY, must, by_label.__contains__)
    kept = st.session_state.get(PATHS_KEY)
    if kept is not None and not set(kept) <= set(by_label):  # other points have other paths
        st.session_state[PATHS_KEY] = [label for label in kept if label in by_label]
    chosen = st.multiselect(
        "Paths",
        list(by_label),
        key=PATHS_KEY,
        bind="query-params",
        placeholder=STRAIGHT,
        help="Shown together. The Path page trains more of them between two points, and Alignment "
        "permutes the second model so that it is like the first.",
    )
    return [by_label[label] for label in chosen or [STRAIGHT]]


def _options(
    catalog: Catalog,
    first: Subject,
    second: Subject,
    trained: list[StoredPath],
    repairable: bool,
) -> list[ChosenPath]:
    """All paths that can be shown: plain ones, those to permuted copies, trained ones."""
    copies = like_copies(catalog, first, second)
    lines = {STRAIGHT: second, **copies}
    straight = [ChosenPath(label, last) for label, last in lines.items()]
    if repairable:
        straight += [
            ChosenPath(REPAIRED.format(label), last, repair=True) for label, last in lines.items()
        ]
    plain = [s for s in SHAPES if s not in (*BENT_SHAPES, STRAIGHT)]
    return [
        *straight,
        *(ChosenPath(shape, second, shape) for shape in plain),
        *(ChosenPath(path.label, second, path.shape, path.bends) for path in trained),
    ]


def _follow_link(trained: list[StoredPath]) -> None:
    """Keep the path that a link names, by its shape or the key of what brought its bends."""
    shape, key, repair = (st.query_params.pop(name, "") for name in LINK_NAMES)
    named = [path.label for path in trained if key and path.question.key.startswith(key)]
    if not named and shape in SHAPES and shape not in BENT_SHAPES:
        named = [shape]
    if repair == "true":
        named = [REPAIRED.format(STRAIGHT)]
    if not named and (key or shape in BENT_SHAPES):
        st.warning(
            as_message(
                f"no stored path ({key or shape}) leads between both points: restore it from the "
                "trash, or train it again; the straight line is shown."
            )
        )
    if named and not st.query_params.get_all(PATHS_KEY):
        begin_with(PATHS_KEY, named)
