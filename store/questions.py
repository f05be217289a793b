"""Questions: asked once, found again."""

from collections.abc import Iterable
from typing import Any

from store.door import Door
from store.errors import UnknownEntry
from store.lease import Cursor
from store.records import Direction, Question
from store.rows import now, put, records, scalar

_ASKED = ("key", "kind", "version", "title", "settings", "problem_id", "model_ids", "point_ids")
_FROM = "FROM questions LEFT JOIN question_models USING (key)"
_TEXT = "lower(concat_ws(' ', title, kind, array_to_string(model_names, ' '), settings))"


class Questions(Door):
    """The part of the catalog about what was asked."""

    def ask(self, question: Question) -> Question:
        """The question as it is stored: new, or with its answer so far; restored if deleted."""
        row = {name: getattr(question, name) for name in (*_ASKED, "units")}
        row |= {"units_done": 0, "status": "open", "seconds": 0.0, "facts": {}, "provenance": {}}
        row |= {"created": now(), "deleted": None}

        def work(cursor: Cursor) -> Question:
            put(cursor, "questions", row, ("deleted",))
            return question_row(cursor, question.key)

        known = self.question(question.key)
        return known if known and known.deleted is None else self._write(work)

    def question(self, key: str) -> Question | None:
        """The question of that key, also a deleted one; None when it was never asked."""
        query = f"SELECT * {_FROM} WHERE key = ?"
        found = self._read(lambda c: records(c, Question, query, [key]))
        return found[0] if found else None

    def questions(
        self,
        search: str = "",
        *,
        kind: str | None = None,
        model_id: str | None = None,
        status: str | None = None,
        deleted: bool = False,
        limit: int = 24,
        offset: int = 0,
    ) -> tuple[list[Question], int]:
        """Questions, newest first, and how many there are in all.

        Args:
            search: words that must all occur in title, kind, names of the models or settings.
            kind: only of this kind.
            model_id: only about this model.
            status: only "open" or "complete".
            deleted: those in the trash instead.
            limit: how many at most.
            offset: how many to skip.
        """
        wanted = [f"deleted IS {'NOT ' if deleted else ''}NULL"]
        values: list[Any] = []
        for condition, value in (
            ("kind = ?", kind),
            ("list_contains(model_ids, ?)", model_id),
            ("status = ?", status),
        ):
            if value is not None:
                wanted.append(condition)
                values.append(value)
        words = search.lower().split()
        wanted += [f"contains({_TEXT}, ?)" for _ in words]
        return self._read(lambda c: _page(c, wanted, [*values, *words], limit, offset))

    def mark_opened(self, key: str) -> None:
        """Remember that somebody looked at the answer now."""
        self._write(
            lambda c: c.execute(
                "UPDATE questions SET opened = ? WHERE key = ?", [now().replace(tzinfo=None), key]
            )
        )

    def add_directions(self, key: str, rows: Iterable[Direction]) -> None:
        """Store the directions of an answer; an axis that is there stays as it is."""

        def work(cursor: Cursor) -> None:
            for row in rows:
                put(cursor, "directions", {**vars(row), "question_key": key})

        self._write(work)

    def directions(self, key: str) -> list[Direction]:
        """The directions of an answer, by axis."""
        query = (
            "SELECT * EXCLUDE (question_key) FROM directions WHERE question_key = ? ORDER BY axis"
        )
        return self._read(lambda c: records(c, Direction, query, [key]))


def question_row(cursor: Cursor, key: str) -> Question:
    """The question of that key.

    Raises:
        UnknownEntry: it was never asked.
    """
    found = records(cursor, Question, f"SELECT * {_FROM} WHERE key = ?", [key])
    if not found:
        raise UnknownEntry("question", key)
    return found[0]


def _page(
    cursor: Cursor, wanted: list[str], values: list[Any], limit: int, offset: int
) -> tuple[list[Question], int]:
    where = f"{_FROM} WHERE {' AND '.join(wanted)}"
    total = scalar(cursor, f"SELECT count(*) {where}", values)
    page = f"SELECT * {where} ORDER BY created DESC, key LIMIT ? OFFSET ?"
    return records(cursor, Question, page, [*values, limit, offset]), int(total)
