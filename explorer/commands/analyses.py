"""An analysis of the catalog by the beginning of its key."""

from store import Catalog, records

MAX_QUESTIONS = 1_000_000  # questions that are looked through


def all_questions(catalog: Catalog, search: str = "") -> list[records.Question]:
    """All stored questions but the deleted, newest first; with a search those that meet it.

    Raises:
        CannotFilter: the search is a condition that cannot be read.
    """
    return catalog.questions(search, limit=MAX_QUESTIONS)[0]


def question_by_key(catalog: Catalog, key: str) -> records.Question:
    """The only stored question whose key begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    matches = [q for q in all_questions(catalog) if q.key.startswith(key)]
    if len(matches) != 1:
        raise ValueError(f"{len(matches)} analyses have a key that begins with {key!r}")
    return matches[0]
