"""Merging: everything of another catalog comes into this one, by the keys that contents give it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from store.arrays import CONTENT_HASH, Files
from store.catalog_tables import BROUGHT_TABLES
from store.database_file import Cursor
from store.door import Door
from store.errors import CannotMerge, CatalogDamaged, CatalogError
from store.missing_rows import add_missing
from store.origins import make_own
from store.other_catalog import OtherCatalog, Row, open_snapshot, other_database
from store.part import Part
from store.pictures import note_files
from store.records import MergeCounts, MergedCatalogs

Tell = Callable[[int, int], object]  # is given how many of how many are done


def tell_nobody(done: int, of: int) -> None:
    """Nothing is shown of how far it is."""


class CatalogMerging(Door):
    """The part of the catalog about other catalogs."""

    def merge_all(
        self,
        others: Sequence[Path | str],
        begin: Callable[[Path], Tell] = lambda other: tell_nobody,
    ) -> MergedCatalogs:
        """Bring everything of several catalogs into this one, as `merge` does of each.

        One that cannot be merged is left out whole, with a sentence; the others are merged.

        Args:
            others: their folders, or the databases in them.
            begin: is called with each before it is merged; what it returns is told of its files.

        Raises:
            CatalogReadOnly: this one can only be read.
            CatalogError: this one cannot be opened.
        """
        self._refuse_read_only()
        self.check()
        counts, refused = MergeCounts(), {}
        places: set[Path] = set()
        for other in map(Path, others):
            try:
                place = other_database(other.expanduser().resolve(), self._lease.path)
                if place in places:
                    raise CannotMerge(other, "is named twice", "the first time is enough")
                places.add(place)
                counts += self.merge(place, begin(other))
            except CatalogError as error:
                refused[other] = str(error)
        return MergedCatalogs(counts, refused)

    def merge(
        self, other: Path | str, tell: Tell = tell_nobody, part: Part | None = None
    ) -> MergeCounts:
        """Bring everything of another catalog, which is only read, into this one.

        What is here already stays as it is; answers are united by unit of work, and one is complete
        when all its units are there. What was deleted there is not brought; what was deleted here
        and is not deleted there is restored. Files are copied first, then the rows come in one
        transaction: whatever fails, no row is without its file. Both can be used meanwhile: the
        other one is held while its database is copied, this one while the rows come.

        Args:
            other: its folder, or the database in it.
            tell: is given how many of how many files are here.
            part: what of it comes, where that is not everything.

        Raises:
            CannotMerge: there is no catalog, it is this one, of another schema, or with rows of
                which nothing can be made; no row was brought.
            CatalogBusy: another process holds one of the two.
            CatalogReadOnly: this one can only be read.
            CatalogDamaged: the other one lacks a file, or has one that is not what was stored.
        """
        self._refuse_read_only()
        place = other_database(Path(other).expanduser().resolve(), self._lease.path)
        self.check()  # no file comes before the database that notes it
        with open_snapshot(place, self._timeout) as cursor:
            theirs = OtherCatalog(cursor, place)
            theirs.refuse_damage()
            brought = {table.name: theirs.rows(table.brought_rows) for table in BROUGHT_TABLES}
            return self._bring(theirs, part.rows_of(brought) if part else brought, tell)

    def _bring(
        self, theirs: OtherCatalog, brought: dict[str, list[Row]], tell: Tell
    ) -> MergeCounts:
        """Copy the files of these rows, then add what is not here."""
        named, fresh = self._adopt(theirs, brought, tell)

        def work(cursor: Cursor) -> MergeCounts:
            note_files(cursor, named)
            merged = add_missing(cursor, theirs, brought)
            make_own(cursor, "analysis", [row["key"] for row in brought["questions"]])
            make_own(cursor, "model", [row["id"] for row in brought["models"]])
            return merged

        with self._lease.writing:  # no file is collected any more
            self._adopt(theirs, brought, tell_nobody)
            try:
                merged = self._write(work)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                why = f"does not fit this catalog ({' '.join(str(error).split())})"
                way_out = "look for damage in both by `check`"
                raise CannotMerge(theirs.place, why, way_out) from error
        return replace(merged, files=fresh)

    def _adopt(
        self, theirs: OtherCatalog, brought: dict[str, list[Row]], tell: Tell
    ) -> tuple[list[str], int]:
        """Copy the files that the rows name; their hashes, and how many were not here."""
        named = {hash for rows in brought.values() for row in rows for hash in _hashes(row)}
        there = _files_of(theirs, named)
        for row in (*brought["points"], *brought["answer_points"]):
            hash = row["file_hash"]
            if hash and hash not in there and not self._has_file(hash):
                raise CatalogDamaged(
                    theirs.place, f"the file {hash} of point {row['point_id']} is missing"
                )
        # a picture without its file is drawn again, and what was half done is begun anew
        brought["images"] = [row for row in brought["images"] if row["hash"] in there]
        states = brought["answer_states"]
        brought["answer_states"] = [row for row in states if row["file_hash"] in there]
        file_hashes = sorted(named & there.keys())
        fresh = 0
        for done, hash in enumerate(file_hashes, 1):
            fresh += self._files.adopt(there[hash])
            tell(done, len(file_hashes))
        return file_hashes, fresh


def _files_of(theirs: OtherCatalog, named: set[str]) -> dict[str, Path]:
    """The other catalog's files by hash; of those in catalogs shared with it the named ones."""
    there = {file.stem: file for file in Files(theirs.place.parent / "files").all()}
    for folder in theirs.shared_folders:
        files = Files(Path(folder) / "files")
        there |= {hash: files.path(hash) for hash in named - there.keys() if files.has(hash)}
    return there


def _hashes(row: Row) -> Iterator[str]:
    """Everything in a row that could be the name of a file."""
    for cell in row.values():
        if isinstance(cell, str):
            yield from CONTENT_HASH.findall(cell)
