"""Deleting in two steps, and files that nobody needs."""

from collections.abc import Collection

from store.arrays import CONTENT_HASH, is_older
from store.catalog_tables import CATALOG_TABLES, TABLES_OF_QUESTIONS
from store.database_file import Cursor
from store.documents import Documents
from store.errors import UnknownEntry
from store.records import CollectedFiles, TrashEntry
from store.rows import is_among, now, records, scalar, sql_value
from store.seals import ENTRY_QUERIES
from store.tables import value_tables

GRACE_SECONDS = 600.0  # seconds; a file this young may be about to get its row
_TRASH_QUERY = """
SELECT 'model' AS what, id, name AS title, deleted FROM models WHERE deleted IS NOT NULL
UNION ALL SELECT 'analysis', key, title, deleted FROM questions WHERE deleted IS NOT NULL
UNION ALL SELECT what, id, name, deleted FROM documents WHERE deleted IS NOT NULL
ORDER BY deleted DESC, what, title
"""


class Trash(Documents):
    """The part of the catalog about what goes."""

    def delete_question(self, key: str) -> None:
        """Put an analysis in the trash.

        Raises:
            UnknownEntry: there is none.
        """
        self._write(lambda c: _mark(c, "questions", "key", key, sql_value(now())))

    def restore_question(self, key: str) -> None:
        """Take an analysis out of the trash.

        Raises:
            UnknownEntry: there is none.
        """
        self._write(lambda c: _mark(c, "questions", "key", key, None))

    def delete_model(self, id: str) -> None:
        """Put a model and its analyses in the trash.

        Raises:
            UnknownEntry: there is none.
        """

        def work(cursor: Cursor) -> None:
            _mark(cursor, "models", "id", id, sql_value(now()))
            time = scalar(cursor, "SELECT deleted FROM models WHERE id = ?", [id])
            cursor.execute(
                """UPDATE questions SET deleted = ?
                WHERE deleted IS NULL AND list_contains(model_ids, ?)""",
                [time, id],
            )

        self._write(work)

    def restore_model(self, id: str) -> None:
        """Take a model out of the trash, with the analyses that went with it.

        Raises:
            UnknownEntry: there is none.
        """

        def work(cursor: Cursor) -> None:
            time = scalar(cursor, "SELECT deleted FROM models WHERE id = ?", [id])
            _mark(cursor, "models", "id", id, None)
            cursor.execute(
                """UPDATE questions SET deleted = NULL
                WHERE deleted = ? AND list_contains(model_ids, ?)""",
                [time, id],
            )

        self._write(work)

    def restore(self, entry: TrashEntry) -> None:
        """Take out of the trash what an entry of it names.

        Raises:
            UnknownEntry: it is gone.
        """
        if entry.what == "model":
            self.restore_model(entry.id)
        elif entry.what == "analysis":
            self.restore_question(entry.id)
        else:
            self.restore_document(entry.what, entry.id)

    def trash(self) -> list[TrashEntry]:
        """What can still be restored, latest first."""
        return self._read(lambda c: records(c, TrashEntry, _TRASH_QUERY))

    def empty_trash(self, grace: float = GRACE_SECONDS) -> CollectedFiles:
        """Remove for good what is in the trash, then the files that nothing refers to any more.

        A deleted model stays as long as an analysis outside the trash is about it, and so does a
        point that a deleted analysis has brought.
        """
        self._write(_remove_deleted)
        return self.collect(grace)

    def collect(self, grace: float = GRACE_SECONDS) -> CollectedFiles:
        """Remove the files that no row names any more and that are older than `grace` seconds.

        Files that this database has not put stay: they are of a database that was here before.
        """
        count = size = 0
        with self._lease.writing:
            ours = self._read(_own_files) - self._read(named_files)
            unnamed = [p for p in self._files.all() if p.stem in ours]
            for path in [*unnamed, *self._files.leftovers()]:
                if is_older(path, grace):
                    count, size = count + 1, size + path.stat().st_size
                    path.unlink()
        return CollectedFiles(count, size)


def _mark(cursor: Cursor, table: str, column: str, id: str, time: object) -> None:
    """Set the time of deletion; one that is deleted already keeps the first time."""
    if scalar(cursor, f"SELECT count(*) FROM {table} WHERE {column} = ?", [id]) == 0:  # noqa: S608
        raise UnknownEntry("model" if table == "models" else "analysis", id)
    then = "coalesce(deleted, CAST(? AS TIMESTAMP))" if time else "CAST(? AS TIMESTAMP)"
    cursor.execute(f"UPDATE {table} SET deleted = {then} WHERE {column} = ?", [time, id])  # noqa: S608


def _remove_deleted(cursor: Cursor) -> None:
    deleted = "SELECT key FROM questions WHERE deleted IS NOT NULL"
    remove_questions(cursor, [key for (key,) in cursor.execute(deleted).fetchall()])
    cursor.execute("DELETE FROM documents WHERE deleted IS NOT NULL")
    cursor.execute(
        """DELETE FROM models WHERE deleted IS NOT NULL
        AND id NOT IN (SELECT unnest(model_ids) FROM questions)"""
    )
    remove_orphans(cursor)


def remove_questions(cursor: Cursor, keys: Collection[str]) -> None:
    """Remove these analyses with their answers."""
    condition, values = is_among("question_key", keys, "VARCHAR")
    for table in (*value_tables(cursor), *TABLES_OF_QUESTIONS):
        cursor.execute(f"DELETE FROM {table} WHERE {condition}", values)  # noqa: S608 - our names
    condition, values = is_among("key", keys, "VARCHAR")
    cursor.execute(f"DELETE FROM questions WHERE {condition}", values)  # noqa: S608 - our names


def remove_orphans(cursor: Cursor) -> None:
    """Remove the rows of models and analyses that are gone."""
    cursor.execute(
        """DELETE FROM answer_points WHERE question_key NOT IN (SELECT key FROM questions)
        AND point_id NOT IN (SELECT unnest(point_ids) FROM questions)"""
    )
    cursor.execute("DELETE FROM points WHERE model_id NOT IN (SELECT id FROM models)")
    cursor.execute("DELETE FROM measurements WHERE point_id NOT IN (SELECT point_id FROM points)")
    cursor.execute(
        """DELETE FROM annotations WHERE id NOT IN (SELECT id FROM models)
        AND id NOT IN (SELECT key FROM questions)"""
    )
    for what, ids in ENTRY_QUERIES.items():
        cursor.execute("DELETE FROM seals WHERE what = ? AND id NOT IN (" + ids + ")", [what])  # noqa: S608


def _own_files(cursor: Cursor) -> set[str]:
    return {hash for (hash,) in cursor.execute("SELECT hash FROM kept_files").fetchall()}


def named_files(cursor: Cursor) -> set[str]:
    """Everything in the rows that could be the name of a file."""
    named: set[str] = set()
    for table in CATALOG_TABLES:
        for column in table.files:
            rows = cursor.execute(f"SELECT {column} FROM {table.name}").fetchall()  # noqa: S608
            named.update(hash for (text,) in rows if text for hash in CONTENT_HASH.findall(text))
    return named
