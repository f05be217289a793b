"""Titles of analyses: "KIND of NAME", or of several names with words between them."""

from collections.abc import Sequence


def replace_names(title: str, names: Sequence[str], places: Sequence[int], new: str) -> str:
    """The title with another name in these places; as it is where the names do not stand in it.

    Args:
        title: such as "Interpolation of net to other at step 3".
        names: of the subjects, in the order in which the title has them.
        places: of the names that change.
        new: their name from now on.
    """
    ends_of_kind = (at + 4 for at in range(len(title)) if title.startswith(" of ", at))
    for start in ends_of_kind:
        spans = _spans(title, names, start)
        if spans and spans[0][0] == start:
            for place in reversed(places):
                begin, end = spans[place]
                title = title[:begin] + new + title[end:]
            return title
    different = list(dict.fromkeys(names))  # a subject that comes again may be named once
    if len(different) < len(names):
        moved = sorted({different.index(names[place]) for place in places})
        return replace_names(title, different, moved, new)
    return title


def _spans(title: str, names: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Where each name stands, one after the other from `start` on; empty where one is missing."""
    spans = []
    for name in names:
        begin = _word(title, name, start)
        if begin < 0:
            return []
        start = begin + len(name)
        spans.append((begin, start))
    return spans


def _word(title: str, name: str, start: int) -> int:
    """Where the name next stands between spaces or ends; -1 where it does not."""
    begin = title.find(name, start)
    while begin >= 0:
        end = begin + len(name)
        if title[begin - 1] == " " and title[end : end + 1] in ("", " "):
            return begin
        begin = title.find(name, begin + 1)
    return -1
