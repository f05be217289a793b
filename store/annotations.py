"""What a user notes about models and analyses: name, tags, note, favourite, archive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from store.database_file import Cursor
from store.door import Door
from store.read_memory import remembered
from store.rows import put_row, records

MAX_TAG_LENGTH, MAX_NOTE_LENGTH = 40, 20_000  # characters


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What is noted about one model or analysis."""

    what: str  # "model" or "analysis"
    id: str
    name: str | None = None  # in place of an analysis's title
    note: str = ""  # Markdown
    tags: tuple[str, ...] = ()
    favourite: bool = False
    archived: bool = False


class Annotations(Door):
    """The part of the catalog about what a user notes; no number depends on it."""

    @remembered
    def annotations(self, what: str, ids: Sequence[str]) -> dict[str, Annotation]:
        """What is noted about each of these models or analyses."""
        query = """SELECT * FROM annotations
            WHERE what = ? AND list_contains(CAST(? AS VARCHAR[]), id)"""
        rows = self._read(lambda c: records(c, Annotation, query, [what, list(ids)]))
        return {id: Annotation(what=what, id=id) for id in ids} | {
            annotation.id: annotation for annotation in rows
        }

    def annotate(self, annotation: Annotation) -> None:
        """Keep all that is noted, in place of what was.

        Raises:
            ValueError: a tag is empty, too long or not printable, or the note too long.
        """
        row = vars(_checked(annotation))
        self._write(lambda c: put_row(c, "annotations", row, _RENEWED))

    def change_annotation(self, what: str, id: str, **fields: object) -> None:
        """Keep these fields of what is noted; the others stay as they are by now.

        Raises:
            ValueError: as for `annotate`.
        """

        def work(cursor: Cursor) -> None:
            query = "SELECT * FROM annotations WHERE what = ? AND id = ?"
            stored = records(cursor, Annotation, query, [what, id])
            annotation = stored[0] if stored else Annotation(what=what, id=id)
            changed = _checked(replace(annotation, **fields))  # type: ignore[arg-type]
            put_row(cursor, "annotations", vars(changed), _RENEWED)

        self._write(work)

    def tags(self, what: str) -> dict[str, int]:
        """All tags of models or analyses, each with how many have it, the most frequent first."""

        def work(cursor: Cursor) -> list[tuple[str, int]]:
            query = """SELECT tag, count(*) FROM (
                SELECT unnest(tags) AS tag FROM annotations WHERE what = ?)
                GROUP BY tag ORDER BY count(*) DESC, tag"""
            return cursor.execute(query, [what]).fetchall()

        return dict(self._read(work))


_RENEWED = ("name", "note", "tags", "favourite", "archived")


def _checked(annotation: Annotation) -> Annotation:
    """The annotation, each tag once and without blanks around it.

    Raises:
        ValueError: a tag is empty, too long or not printable, or the note too long.
    """
    tags = tuple(dict.fromkeys(tag.strip() for tag in annotation.tags))
    for tag in tags:
        if not tag or len(tag) > MAX_TAG_LENGTH or not tag.isprintable():
            raise ValueError(
                f"a tag must be printable and have 1 to {MAX_TAG_LENGTH} characters, "
                f"got {tag[:60]!r}"
            )
    if len(annotation.note) > MAX_NOTE_LENGTH:
        raise ValueError(f"a note must have at most {MAX_NOTE_LENGTH:,} characters")
    return replace(annotation, tags=tags)
