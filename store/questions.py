"""Questions: asked once, found again."""

import json
from collections.abc import Iterable
from dataclasses import replace

from store.door import Door
from store.errors import UnknownEntry
from store.lease import Cursor
from store.records import Direction, Job, Json, Question
from store.rows import now, put_row, records, scalar
from store.seals import seal_after

_ASKED_COLUMNS = (
    "key", "kind", "version", "title", "settings", "problem_id", "model_ids", "point_ids", "units",
    "family", "objective",
)  # fmt: skip
_BY_KEYS = "WHERE key IN (SELECT unnest(CAST(? AS VARCHAR[]))) ORDER BY created DESC, key"
_UNDER_WAY = """SELECT count(*) FROM jobs
    WHERE question_key = ? AND status IN ('queued', 'running')"""
_MATCHES_WORD = """(contains(lower(concat_ws(' ', title, kind, settings)), ?)
    OR list_has_any(model_ids, CAST(? AS VARCHAR[])))"""


class Questions(Door):
    """The part of the catalog about what was asked."""

    def ask(self, question: Question, job: Job | None = None) -> Question:
        """The question as it is stored: new, or with its answer so far; restored if deleted.

        One that was stored before there were families is given its own.

        Args:
            question: to ask.
            job: stored with it in one transaction, unless it is complete or has one under way.
        """
        row = {name: getattr(question, name) for name in _ASKED_COLUMNS}
        row |= {"units_done": 0, "status": "open", "seconds": 0.0, "facts": {}, "provenance": {}}
        row |= {"created": now(), "deleted": None}

        def work(cursor: Cursor) -> Question:
            with seal_after(cursor, "analysis", [question.key]):
                put_row(cursor, "questions", row, ("deleted", "family", "objective"))
            new_question = question_row(cursor, question.key)
            if (
                job
                and new_question.status == "open"
                and not scalar(cursor, _UNDER_WAY, [new_question.key])
            ):
                done = new_question.units_done
                put_row(cursor, "jobs", {**vars(job), "units_done": done, "created": now()})
            return new_question

        stored_question = self.question(question.key)
        complete = job is None or (
            stored_question is not None and stored_question.status == "complete"
        )
        if (
            stored_question
            and stored_question.deleted is None
            and stored_question.family == question.family
            and complete
        ):
            return stored_question
        return self._write(work)

    def question(self, key: str) -> Question | None:
        """The question of that key, also a deleted one; None when it was never asked."""
        return self.questions_of([key]).get(key)

    def questions_of(self, keys: Iterable[str]) -> dict[str, Question]:
        """The questions of those keys, also deleted ones; what was never asked is left out."""
        where = "WHERE key IN (SELECT unnest(CAST(? AS VARCHAR[])))"
        questions = self._read(lambda c: _questions_with_names(c, where, [list(keys)]))
        return {question.key: question for question in questions}

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
        conditions = [f"deleted IS {'NOT ' if deleted else ''}NULL"]
        values: list[object] = []
        for condition, value in (
            ("kind = ?", kind),
            ("list_contains(model_ids, ?)", model_id),
            ("status = ?", status),
        ):
            if value is not None:
                conditions.append(condition)
                values.append(value)

        def work(cursor: Cursor) -> tuple[list[Question], int]:
            for word in search.lower().split():
                conditions.append(_MATCHES_WORD)
                values.extend([word, _models_named(cursor, word)])
            keys = _keys(cursor, conditions, values)
            return _questions_with_names(cursor, _BY_KEYS, [keys[offset : offset + limit]]), len(
                keys
            )

        return self._read(work)

    def relatives(self, family: str) -> list[Question]:
        """The questions of that family that are not deleted, the most answered first."""
        where = "WHERE family = ? AND deleted IS NULL ORDER BY units_done DESC, created, key"
        return self._read(lambda c: _questions_with_names(c, where, [family]))

    def note_choice(self, objective: str, device: str, facts: Json) -> None:
        """Remember how an objective is best evaluated on a device, in place of an earlier note."""
        row = {"objective": objective, "device": device, "facts": facts, "noted": now()}
        self._write(lambda c: put_row(c, "choices", row, ("facts", "noted")))

    def choices(self, objective: str) -> dict[str, Json]:
        """What was noted about evaluating an objective, by device."""
        query = "SELECT device, facts FROM choices WHERE objective = ? ORDER BY device"
        rows = self._read(lambda c: c.execute(query, [objective]).fetchall())
        return {device: json.loads(facts) for device, facts in rows}

    def add_directions(self, key: str, rows: Iterable[Direction]) -> None:
        """Store the directions of an answer; an axis that is there stays as it is."""

        def work(cursor: Cursor) -> None:
            with seal_after(cursor, "analysis", [key]):
                for row in rows:
                    put_row(cursor, "directions", {**vars(row), "question_key": key})

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
    questions = _questions_with_names(cursor, "WHERE key = ?", [key])
    if not questions:
        raise UnknownEntry("question", key)
    return questions[0]


def _models_named(cursor: Cursor, word: str) -> list[str]:
    """Ids of the models whose name contains the word: far fewer than there are questions."""
    query = "SELECT id FROM models WHERE contains(lower(name), ?)"
    return [id for (id,) in cursor.execute(query, [word]).fetchall()]


def _keys(cursor: Cursor, conditions: list[str], values: list[object]) -> list[str]:
    """Keys of all questions that meet the conditions, newest first: one scan counts and orders."""
    query = f"SELECT key FROM questions WHERE {' AND '.join(conditions)} ORDER BY created DESC, key"  # noqa: S608
    return [key for (key,) in cursor.execute(query, values).fetchall()]


def _questions_with_names(cursor: Cursor, where: str, values: list[object]) -> list[Question]:
    """Questions with the names of their models."""
    query = f"SELECT * EXCLUDE (opened) FROM questions {where}"  # noqa: S608 - our own words
    questions = records(cursor, Question, query, values)
    ids = list({id for question in questions for id in question.model_ids})
    query = "SELECT id, name FROM models WHERE id IN (SELECT unnest(CAST(? AS VARCHAR[])))"
    names = dict(cursor.execute(query, [ids]).fetchall())
    return [replace(q, model_names=tuple(names.get(i, i) for i in q.model_ids)) for q in questions]
