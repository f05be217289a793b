"""Merging: everything of another catalog comes into this one, by the keys that contents give it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from store.arrays import CONTENT_HASH, Files
from store.catalog_tables import BROUGHT_TABLES
from store.database_file import Cursor
from store.door import Door
from store.errors import CannotMerge, CatalogDamaged, CatalogReadOnly
from store.missing_rows import add_missing
from store.other_catalog import OtherCatalog, Row, open_snapshot, other_database
from store.pictures import note_files
from store.records import MergeCounts


class CatalogMerging(Door):
    """The part of the catalog about other catalogs."""

    def merge(self, other: Path | str) -> MergeCounts:
        """Bring everything of another catalog, which is only read, into this one.

        What is here already stays as it is; answers are united by unit of work, and one is complete
        when all its units are there. What was deleted there is not brought; what was deleted here
        and is not deleted there is restored. Files are copied first, then the rows come in one
        transaction: whatever fails, no row is without its file.

        Args:
            other: its folder, or the database in it.

        Raises:
            CannotMerge: there is no catalog, it is this one, of another schema, or with rows of
                which nothing can be made; no row was brought.
            CatalogBusy: another process holds one of the two.
            CatalogReadOnly: this one can only be read.
            CatalogDamaged: the other one lacks a file, or has one that is not what was stored.
        """
        if self.read_only:
            raise CatalogReadOnly(self.folder)
        place = other_database(Path(other).expanduser().resolve(), self._lease.path)
        self.check()  # no file comes before the database that notes it
        with open_snapshot(place, self._timeout) as cursor, self._lease.writing:
            theirs = OtherCatalog(cursor, place)
            theirs.refuse_damage()
            brought = {table.name: theirs.rows(table.brought_rows) for table in BROUGHT_TABLES}
            named, fresh = self._adopt(place, brought)

            def work(cursor: Cursor) -> MergeCounts:
                note_files(cursor, named)
                return add_missing(cursor, theirs, brought)

            try:
                merged = self._write(work)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                why = f"does not fit this catalog ({' '.join(str(error).split())})"
                raise CannotMerge(place, why, "look for damage in both by `check`") from error
        return replace(merged, files=fresh)

    def _adopt(self, place: Path, brought: dict[str, list[Row]]) -> tuple[list[str], int]:
        """Copy the files that the rows name; their hashes, and how many were not here."""
        there = {file.stem: file for file in Files(place.parent / "files").all()}
        for row in (*brought["points"], *brought["answer_points"]):
            hash = row["file_hash"]
            if hash and hash not in there and not self._files.has(hash):
                raise CatalogDamaged(
                    place, f"the file {hash} of point {row['point_id']} is missing"
                )
        # a picture without its file is drawn again, and what was half done is begun anew
        brought["images"] = [row for row in brought["images"] if row["hash"] in there]
        states = brought["answer_states"]
        brought["answer_states"] = [row for row in states if row["file_hash"] in there]
        named = {hash for rows in brought.values() for row in rows for hash in _hashes(row)}
        file_hashes = sorted(named & there.keys())
        return file_hashes, sum(self._files.adopt(there[hash]) for hash in file_hashes)


def _hashes(row: Row) -> Iterator[str]:
    """Everything in a row that could be the name of a file."""
    for cell in row.values():
        if isinstance(cell, str):
            yield from CONTENT_HASH.findall(cell)
