"""What users put together out of analyses and give a name: figures, studies."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from store.database_file import Cursor
from store.door import Door
from store.errors import UnknownEntry
from store.read_memory import remembered
from store.records import NEVER, Json
from store.rows import now, put_row, records, sql_value

MAX_NAME_LENGTH = 120
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Document:
    """Something with a name whose content this package does not look into."""

    what: str  # "figure", "study"
    id: str
    name: str
    content: Json = field(default_factory=dict)
    created: datetime | None = NEVER
    changed: datetime | None = NEVER
    deleted: datetime | None = NEVER


class Documents(Door):
    """The part of the catalog about what users put together."""

    @remembered
    def documents(self, what: str) -> list[Document]:
        """All of that sort that are not in the trash, by name."""
        query = "SELECT * FROM documents WHERE what = ? AND deleted IS NULL ORDER BY name, id"
        return self._read(lambda c: records(c, Document, query, [what]))

    def document(self, what: str, id: str) -> Document:
        """The one of that id, also one in the trash.

        Raises:
            UnknownEntry: there is none.
        """
        return self._read(lambda c: _document(c, what, id))

    def document_named(self, what: str, name: str) -> Document:
        """The one of that name that is not in the trash; of several (merged) the latest changed.

        Raises:
            UnknownEntry: there is none.
        """
        named = [document for document in self.documents(what) if document.name == name]
        if not named:
            raise UnknownEntry(what, name)
        return max(named, key=lambda document: document.changed or _LONG_AGO)

    def add_document(self, what: str, name: str, content: Json) -> str:
        """Keep something new under a name; its id.

        Raises:
            ValueError: the name is taken, empty, too long or not printable.
        """
        id, time = uuid.uuid4().hex, now()

        def work(cursor: Cursor) -> None:
            row = {"what": what, "id": id, "name": _free_name(cursor, what, name, id)}
            times = {"created": time, "changed": time, "deleted": None}
            put_row(cursor, "documents", {**row, "content": content, **times})

        self._write(work)
        return id

    def change_document(self, what: str, id: str, content: Json) -> None:
        """Keep another content in the place of what was.

        Raises:
            UnknownEntry: there is none.
        """

        def work(cursor: Cursor) -> None:
            _document(cursor, what, id)
            cursor.execute(
                "UPDATE documents SET content = ?, changed = ? WHERE what = ? AND id = ?",
                [sql_value(content), sql_value(now()), what, id],
            )

        self._write(work)

    def rename_document(self, what: str, id: str, name: str) -> None:
        """Give it another name.

        Raises:
            UnknownEntry: there is none.
            ValueError: the name is taken, empty, too long or not printable.
        """

        def work(cursor: Cursor) -> None:
            _document(cursor, what, id)
            values = [_free_name(cursor, what, name, id), what, id]
            cursor.execute("UPDATE documents SET name = ? WHERE what = ? AND id = ?", values)

        self._write(work)

    def delete_document(self, what: str, id: str) -> None:
        """Put it in the trash.

        Raises:
            UnknownEntry: there is none.
        """

        def work(cursor: Cursor) -> None:
            _document(cursor, what, id)
            query = """UPDATE documents SET deleted = coalesce(deleted, CAST(? AS TIMESTAMP))
                WHERE what = ? AND id = ?"""
            cursor.execute(query, [sql_value(now()), what, id])

        self._write(work)

    def restore_document(self, what: str, id: str) -> None:
        """Take it out of the trash; under another name where its own has been taken since.

        Raises:
            UnknownEntry: there is none.
        """
        self._write(lambda c: restore_document(c, what, id))


def restore_document(cursor: Cursor, what: str, id: str) -> None:
    """Take it out of the trash, if it is there; under a free name.

    Raises:
        UnknownEntry: there is none.
    """
    document = _document(cursor, what, id)
    if document.deleted is None:
        return
    names, name, number = _names(cursor, what, id), document.name, 2
    while name in names:
        name, number = f"{document.name[: MAX_NAME_LENGTH - 5]} ({number})", number + 1
    query = "UPDATE documents SET deleted = NULL, name = ? WHERE what = ? AND id = ?"
    cursor.execute(query, [name, what, id])


def _document(cursor: Cursor, what: str, id: str) -> Document:
    query = "SELECT * FROM documents WHERE what = ? AND id = ?"
    stored = records(cursor, Document, query, [what, id])
    if not stored:
        raise UnknownEntry(what, id)
    return stored[0]


def _names(cursor: Cursor, what: str, but: str) -> set[str]:
    """The names that others of that sort have."""
    query = "SELECT name FROM documents WHERE what = ? AND deleted IS NULL AND id != ?"
    return {name for (name,) in cursor.execute(query, [what, but]).fetchall()}


def _free_name(cursor: Cursor, what: str, name: str, id: str) -> str:
    """The name without blanks around it.

    Raises:
        ValueError: it is taken, empty, too long or not printable.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(
            f"a {what} must have a printable name of 1 to {MAX_NAME_LENGTH} characters, "
            f"got {name[:60]!r}"
        )
    if name in _names(cursor, what, id):
        raise ValueError(f"there is a {what} {name!r} already; choose another name")
    return name
