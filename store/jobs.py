"""Jobs, and the few things the app remembers."""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from store.database_file import Cursor
from store.door import Door
from store.errors import UnknownEntry
from store.read_memory import remembered
from store.records import ACTIVE, ENDED, Job, Json
from store.rows import identifier, is_among, now, put_row, records, scalar, sql_value

T = TypeVar("T")
STATUSES = (*ACTIVE, *ENDED)
TASKS = ("answer", "import")
_CHANGEABLE_FIELDS = frozenset(Job.__dataclass_fields__) - {"id", "task", "question_key", "created"}


class Jobs(Door):
    """The part of the catalog about work that was asked for."""

    def add_job(
        self,
        id: str,
        task: str,
        title: str,
        request: Json,
        *,
        question_key: str | None = None,
        priority: int = 0,
        units: int | None = None,
        units_done: int = 0,
    ) -> Job:
        """The job, queued; one of that id that is there already is left as it is.

        Raises:
            ValueError: an unknown task.
        """
        if task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        job = Job(
            id=id,
            task=task,
            title=title,
            request=request,
            question_key=question_key,
            priority=priority,
            units=units,
            units_done=units_done,
            created=now(),
        )
        self._write(lambda c: put_row(c, "jobs", vars(job)))
        return self.job(id)

    @remembered
    def job(self, id: str) -> Job:
        """The job of that id.

        Raises:
            UnknownEntry: there is none.
        """
        jobs = self._read(lambda c: records(c, Job, "SELECT * FROM jobs WHERE id = ?", [id]))
        if not jobs:
            raise UnknownEntry("job", id)
        return jobs[0]

    @remembered
    def jobs(self, status: str | Sequence[str] | None = None, limit: int = 100) -> list[Job]:
        """Jobs of that status or these, newest first."""
        statuses = [status] if isinstance(status, str) else list(status or STATUSES)
        query = """SELECT * FROM jobs WHERE list_contains(CAST(? AS VARCHAR[]), status)
            ORDER BY created DESC, id LIMIT ?"""
        return self._read(lambda c: records(c, Job, query, [statuses, limit]))

    def active_jobs(self, limit: int = 1_000_000) -> list[Job]:
        """Jobs that wait or run, newest first."""
        return self.jobs(status=ACTIVE, limit=limit)

    @remembered
    def active_job_for(self, key: str) -> Job | None:
        """The job that is answering the question or waits to; None when there is none."""
        query = f"SELECT * FROM jobs WHERE question_key = ? AND status IN {ACTIVE}"  # noqa: S608
        jobs = self._read(lambda c: records(c, Job, query, [key]))
        return min(jobs, key=lambda job: str(job.created), default=None)

    @remembered
    def latest_jobs(self, keys: Sequence[str]) -> dict[str, Job]:
        """The job that each of these questions has under way, else the last that it had, by key."""
        condition, values = is_among("question_key", keys, "VARCHAR")
        query = f"""SELECT * FROM jobs WHERE {condition}
            QUALIFY row_number() OVER (PARTITION BY question_key
                ORDER BY status IN {ACTIVE} DESC, created DESC, id) = 1"""  # noqa: S608
        jobs = self._read(lambda c: records(c, Job, query, values))
        return {job.question_key: job for job in jobs if job.question_key}

    def update_job(self, id: str, /, **fields: object) -> None:
        """Change fields of a job. `started` and `finished` follow from the status unless given.

        Raises:
            UnknownEntry: there is no such job.
            ValueError: an unknown field or status.
        """
        for name in fields.keys() - _CHANGEABLE_FIELDS:
            raise ValueError(f"{name} is not a field of a job that changes")
        status = fields.get("status", "queued")
        if status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {status!r}")
        if status == "running":
            fields.setdefault("started", now())
        if status in ENDED:
            fields.setdefault("finished", now())
        changes = ", ".join(f"{identifier(name)} = ?" for name in fields)
        query = f"UPDATE jobs SET {changes} WHERE id = ?"  # noqa: S608 - names checked above

        def work(cursor: Cursor) -> None:
            if scalar(cursor, "SELECT count(*) FROM jobs WHERE id = ?", [id]) == 0:
                raise UnknownEntry("job", id)
            if fields:
                cursor.execute(query, [*(sql_value(value) for value in fields.values()), id])

        self._write(work)

    def drop_job(self, id: str) -> None:
        """Take back a job that nobody has begun."""
        query = "DELETE FROM jobs WHERE id = ? AND status = 'queued'"
        self._write(lambda c: c.execute(query, [id]))

    def remember(self, name: str, value: object) -> None:
        """Keep a JSON value under a name, in place of an earlier one."""
        self._write(lambda c: put_row(c, "settings", _kept_row(name, value), ("value",)))

    def change_remembered(self, name: str, default: T, change: Callable[[T], T]) -> T:
        """The value kept under a name as it is from now on: a change of what was kept till now.

        One transaction: what another thread or process keeps there meanwhile is not lost.

        Args:
            name: of the value.
            default: what is changed where there is none of its type.
            change: from the value kept to the new one; may be called more than once.
        """

        def work(cursor: Cursor) -> T:
            kept = _kept_value(cursor, name, default)
            value = change(kept)
            if value != kept:
                put_row(cursor, "settings", _kept_row(name, value), ("value",))
            return value

        return self._write(work)

    @remembered
    def recall(self, name: str, default: T) -> T:
        """The value kept under that name; the default where there is none of its type."""
        return self._read(lambda c: _kept_value(c, name, default))


def _kept_row(name: str, value: object) -> dict[str, str]:
    return {"name": name, "value": json.dumps(value, ensure_ascii=False)}


def _kept_value(cursor: Cursor, name: str, default: T) -> T:
    """The value kept under that name; the default where there is none of its type."""
    stored_text = scalar(cursor, "SELECT value FROM settings WHERE name = ?", [name])
    value = default if stored_text is None else json.loads(str(stored_text))
    return value if isinstance(value, type(default)) else default
