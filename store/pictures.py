"""Files of the catalog, and the thumbnails of its answers."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from store.database_file import Cursor
from store.door import Door
from store.errors import UnknownEntry
from store.rows import put_row, put_rows


class Pictures(Door):
    """The part of the catalog about files."""

    def put_file(self, source: Path | str | bytes, suffix: str) -> str:
        """Keep a copy of a file, or these bytes; the hash to find it by.

        Raises:
            ValueError: the suffix is not a few lower-case letters or digits.
        """
        hash = self._keep(source, suffix)
        self._write(lambda c: note_files(c, [hash]))
        return hash

    def file_path(self, hash: str) -> Path:
        """Where the file of that hash lies; read it, never change it.

        Raises:
            UnknownEntry: there is none.
        """
        return self._stored_file(hash)

    def set_image(self, key: str, png: bytes) -> None:
        """Keep the thumbnail of an answer, in place of an earlier one."""
        row = {"question_key": key, "hash": self._keep(png, "png")}

        def work(cursor: Cursor) -> None:
            note_files(cursor, [row["hash"]])
            put_row(cursor, "images", row, ("hash",))

        self._write(work)

    def image(self, key: str) -> bytes | None:
        """The thumbnail of an answer as PNG; None when there is none."""
        return self.images([key]).get(key)

    def images(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The thumbnails of those of these answers that have one."""
        query = "SELECT * FROM images WHERE list_contains(CAST(? AS VARCHAR[]), question_key)"

        def work(cursor: Cursor) -> list[tuple[str, str]]:
            return cursor.execute(query, [list(keys)]).fetchall()

        image_contents = {}
        for key, hash in self._read(work):
            try:
                image_contents[key] = self._stored_file(hash).read_bytes()
            except (UnknownEntry, FileNotFoundError):
                continue  # lost with its file: it is drawn again
        return image_contents


def note_files(cursor: Cursor, hashes: Iterable[str]) -> None:
    """Note files that were put: they may be removed when nothing names them any more."""
    put_rows(cursor, "kept_files", [{"hash": hash} for hash in hashes])
