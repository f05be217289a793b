"""Questions: asked once, found again."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from store.database_file import Cursor
from store.door import Door
from store.errors import UnknownEntry
from store.origins import origins_of
from store.read_memory import remembered
from store.records import ACTIVE, Direction, Job, Json, Question
from store.rows import is_among, now, put_row, put_rows, records, scalar
from store.seals import seal_after

_ASKED_COLUMNS = (
    "key", "kind", "version", "title", "settings", "problem_id", "model_ids", "point_ids", "units",
    "family", "objective",
)  # fmt: skip
_UNDER_WAY = f"SELECT count(*) FROM jobs WHERE question_key = ? AND status IN {ACTIVE}"  # noqa: S608


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

    @remembered
    def question(self, key: str) -> Question | None:
        """The question of that key, also a deleted one; None when it was never asked."""
        return self.questions_of([key]).get(key)

    def questions_of(self, keys: Iterable[str]) -> dict[str, Question]:
        """The questions of those keys, also deleted ones; what was never asked is left out."""
        questions = self._read(lambda c: questions_by_key(c, list(keys)))
        return {question.key: question for question in questions}

    @remembered
    def relatives(self, family: str) -> list[Question]:
        """The questions of that family that are not deleted, the most answered first."""
        where = "WHERE family = ? AND deleted IS NULL ORDER BY units_done DESC, created, key"
        return self._read(lambda c: questions_with_names(c, where, [family]))

    @remembered
    def timed_questions(self, objectives: Sequence[str], each: int) -> list[Question]:
        """The questions of these objectives that took time, the latest first: so many of each."""
        condition, values = is_among("objective", objectives, "VARCHAR")
        where = f"""WHERE key IN (SELECT key FROM questions
            WHERE {condition} AND deleted IS NULL AND seconds > 0 QUALIFY row_number()
                OVER (PARTITION BY objective ORDER BY created DESC, key) <= ?)
            ORDER BY created DESC, key"""  # noqa: S608 - our own words
        return self._read(lambda c: questions_with_names(c, where, [*values, each]))

    @remembered
    def complete_questions(self, objective: str, kinds: Sequence[str]) -> list[Question]:
        """The answered questions of these kinds about one objective, the latest first."""
        condition, values = is_among("kind", kinds, "VARCHAR")
        where = f"""WHERE objective = ? AND {condition} AND status = 'complete'
            AND deleted IS NULL ORDER BY created DESC, key"""
        return self._read(lambda c: questions_with_names(c, where, [objective, *values]))

    def note_choice(self, objective: str, device: str, facts: Json) -> None:
        """Remember how an objective is best evaluated on a device, in place of an earlier note."""
        row = {"objective": objective, "device": device, "facts": facts, "noted": now()}
        self._write(lambda c: put_row(c, "choices", row, ("facts", "noted")))

    @remembered
    def choices(self, objective: str) -> dict[str, Json]:
        """What was noted about evaluating an objective, by device."""
        query = "SELECT device, facts FROM choices WHERE objective = ? ORDER BY device"
        rows = self._read(lambda c: c.execute(query, [objective]).fetchall())
        return {device: json.loads(facts) for device, facts in rows}

    def add_directions(self, key: str, rows: Iterable[Direction]) -> None:
        """Store the directions of an answer; an axis that is there stays as it is."""

        def work(cursor: Cursor) -> None:
            with seal_after(cursor, "analysis", [key]):
                put_rows(cursor, "directions", [{**vars(row), "question_key": key} for row in rows])

        self._write(work)

    @remembered
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
    questions = questions_with_names(cursor, "WHERE key = ?", [key])
    if not questions:
        raise UnknownEntry("question", key)
    return questions[0]


def questions_by_key(cursor: Cursor, keys: Collection[str]) -> list[Question]:
    """The questions of those keys with the names of their models, in any order."""
    condition, values = is_among("key", keys, "VARCHAR")
    return questions_with_names(cursor, f"WHERE {condition}", values)


def questions_with_names(cursor: Cursor, where: str, values: list[object]) -> list[Question]:
    """Questions with the names of their models."""
    query = f"SELECT * EXCLUDE (opened) FROM questions {where}"  # noqa: S608 - our own words
    questions = records(cursor, Question, query, values)
    if not questions:
        return []
    named, ids = is_among("id", {i for q in questions for i in q.model_ids}, "VARCHAR")
    query = f"SELECT id, name FROM models WHERE {named}"  # noqa: S608 - our own words
    names = dict(cursor.execute(query, ids).fetchall())
    origins = origins_of(cursor, "analysis", [q.key for q in questions])
    return [
        replace(
            q,
            model_names=tuple(names.get(i, i) for i in q.model_ids),
            origin=origins.get(q.key, ""),
        )
        for q in questions
    ]
