"""Titles of analyses: "KIND of NAME", or of several names with words between them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

_MOST_LEFT_OUT = 6  # names like the first of which some may not be said again
_ENDS = ("", " ", ",", ")")  # what may follow a name


def replace_names(title: str, names: Sequence[str], places: Sequence[int], new: str) -> str:
    """The title with another name in these places; as it is where the names do not stand in it.

    Args:
        title: such as "Interpolation of net to other at step 3".
        names: of the subjects; the title has them in this order, or with what stands in brackets
            last. A subject that is the first one again may be left out.
        places: of the names that change.
        new: their name from now on.
    """
    ends_of_kind = [at + 4 for at in range(len(title)) if title.startswith(" of ", at)]
    for order in _orders(names):
        for start in ends_of_kind:
            spans = _spans(title, [names[place] for place in order], start)
            if spans and spans[0][0] == start:
                changed = (s for s, place in zip(spans, order, strict=True) if place in places)
                for begin, end in sorted(changed, reverse=True):
                    title = title[:begin] + new + title[end:]
                return title
    different = list(dict.fromkeys(names))  # a subject that comes again may be named once
    if len(different) < len(names):
        moved = sorted({different.index(names[place]) for place in places})
        return replace_names(title, different, moved, new)
    return title


def title_with_names(
    title: str, ids: Sequence[str], before: Mapping[str, str], now: Mapping[str, str]
) -> str:
    """The title with the names that models have now.

    Args:
        title: of an analysis.
        ids: of its models, in the order of its subjects.
        before: by id, the names that the title was made of.
        now: by id, those of today.
    """
    names = [before.get(id, id) for id in ids]
    new_names: dict[str, str] = {}  # by what stands for each meanwhile: two may swap their names
    for id in dict.fromkeys(ids):
        old = before.get(id, id)
        if (new := now.get(id, old)) != old:
            mark = f"\0{id}\0"
            places = [place for place, other in enumerate(ids) if other == id]
            title = replace_names(title, names, places, mark)
            names = [mark if other == id else name for other, name in zip(ids, names, strict=True)]
            new_names[mark] = new
    for mark, new in new_names.items():
        title = title.replace(mark, new)
    return title


def _orders(names: Sequence[str]) -> Iterator[list[int]]:
    """In which order a title may have the names, by their places; the fullest come first."""
    again = [place for place in range(1, len(names)) if names[place] == names[0]]
    for count in range(min(len(again), _MOST_LEFT_OUT) + 1):
        for left_out in combinations(again, count):
            first, *rest = (place for place in range(len(names)) if place not in left_out)
            for turn in range(max(1, len(rest))):
                yield [first, *rest[turn:], *rest[:turn]]


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
        if title[begin - 1] == " " and title[end : end + 1] in _ENDS:
            return begin
        begin = title.find(name, begin + 1)
    return -1
