"""Catalogs that others own, shown beside what is here; nothing is ever written there.

Their rows come into this database, as in a merge, whenever theirs has changed, and each says where
it is from. Their pictures are copied, for lists shall need no network; parameters and all else stay
where they are. So whatever reads a catalog reads one database, as fast as ever, and goes on with
what was read while a shared one is away.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from store.arrays import Files
from store.catalog_tables import BROUGHT_TABLES
from store.database_file import Cursor
from store.door import SHARED_CATALOGS
from store.errors import CannotShare, CatalogDamaged, SharedCatalogAway, UnknownEntry
from store.merging import CatalogMerging
from store.other_catalog import OtherCatalog, open_quiet_copy, other_database
from store.pictures import note_files
from store.place import mark_of
from store.records import MergeCounts, SharedCatalog
from store.rows import now, put_row, records
from store.shared_rows import change_of, remove_all_entries, take_change
from store.trash import named_files

MAX_NAME_LENGTH = 60
_POINT_FILES = """SELECT file_hash FROM points WHERE file_hash IS NOT NULL
    UNION SELECT file_hash FROM answer_points"""


class SharedCatalogs(CatalogMerging):
    """The part of the catalog about those that others own."""

    def add_shared(self, folder: Path | str, name: str = "") -> tuple[str, MergeCounts]:
        """Show what another catalog has beside what is here, from now on; its name, what came.

        Args:
            folder: where it lies, or the database in it.
            name: what it is called here; else after its folder.

        Raises:
            CannotShare: there is none, it is this one, or it is shown already.
            ValueError: the name is taken, empty, too long or not printable.
            CatalogReadOnly: this one can only be read.
            CatalogError: the other one cannot be read; it is not shown then.
        """
        self._refuse_read_only()
        self.check()
        other = Path(folder).expanduser().resolve()
        place = other_database(other, self._lease.path, CannotShare)
        if place.name != self._lease.path.name:
            raise CannotShare(other, "is a file and no catalog", "name the folder of a catalog")
        shared_folder = str(place.parent)
        name = name.strip() or _usual_name(place.parent)

        def work(cursor: Cursor) -> None:
            _refuse_taken(records(cursor, SharedCatalog, SHARED_CATALOGS), name, place.parent)
            row = {"name": name, "folder": shared_folder, "folders": [shared_folder], "mark": ""}
            put_row(cursor, "shared_catalogs", row)

        self._write(work)
        try:
            return name, self.refresh_shared(name)
        except BaseException:
            self.remove_shared(name)
            raise

    def refresh_shared(self, name: str) -> MergeCounts:
        """Show a shared catalog as it is by now, if it has changed; what came.

        Raises:
            UnknownEntry: none of that name is shown.
            SharedCatalogAway: it is not there now.
            CatalogError: it cannot be read: it is being written all the time, damaged, too new.
        """
        shared = self._shared(name)
        place = Path(shared.folder) / self._lease.path.name
        if not place.is_file():
            raise SharedCatalogAway(name, Path(shared.folder), "cannot be read")
        if _text(mark_of(place)) == shared.mark:
            return MergeCounts()
        with open_quiet_copy(place, self._timeout) as (cursor, mark):
            theirs = OtherCatalog(cursor, place)
            brought = {table.name: theirs.rows(table.brought_rows) for table in BROUGHT_TABLES}
            change = self._read(lambda c: change_of(c, brought, name))
            theirs.refuse_damage(change.ids)
            folders = list(dict.fromkeys([shared.folder, *theirs.shared_folders]))
            pictures = self._copy_files([row["hash"] for row in change.rows["images"]], folders)
            state = {"folders": folders, "mark": _text(mark), "read": now()}

            def work(cursor: Cursor) -> MergeCounts:
                note_files(cursor, pictures)
                counts = take_change(cursor, theirs, change, name)
                row = {"name": name, "folder": shared.folder, **state}
                put_row(cursor, "shared_catalogs", row, tuple(state))
                return counts

            return self._write(work)

    def remove_shared(self, name: str) -> int:
        """Show a shared catalog no longer; how many files that are needed could not be copied.

        What analyses of this catalog are about, and what was gone on with here, stays and is this
        catalog's own; its files are copied.

        Raises:
            UnknownEntry: none of that name is shown.
        """
        shared = self._shared(name)
        self._write(lambda c: remove_all_entries(c, name))
        wanted = [hash for hash in self._read(named_files) if not self._files.has(hash)]
        copied = self._copy_files(wanted, shared.folders)

        def work(cursor: Cursor) -> list[str]:
            note_files(cursor, copied)
            cursor.execute("DELETE FROM shared_catalogs WHERE name = ?", [name])
            cursor.execute("UPDATE shared_catalogs SET mark = ''")  # they may have the same
            return [hash for (hash,) in cursor.execute(_POINT_FILES).fetchall()]

        return sum(not self._has_file(hash) for hash in self._write(work))

    def _copy_files(self, wanted: Sequence[str], folders: Sequence[str]) -> list[str]:
        """Copy those of these files that lie in the folders, as they were stored; their hashes."""
        copied = []
        for folder in folders:
            files = Files(Path(folder) / "files")
            for hash in filter(files.has, wanted):
                with contextlib.suppress(CatalogDamaged):  # as if it were gone
                    self._files.adopt(files.path(hash))
                    copied.append(hash)
        return copied

    def _shared(self, name: str) -> SharedCatalog:
        """The one of that name.

        Raises:
            UnknownEntry: there is none.
        """
        for shared in self.shared_catalogs():
            if shared.name == name:
                return shared
        raise UnknownEntry("shared catalog", name)


def _usual_name(folder: Path) -> str:
    """A folder's name; that of the one around it where it is hidden, as `.catalog` is."""
    named = folder.parent if folder.name.startswith(".") and folder.parent.name else folder
    return named.name[:MAX_NAME_LENGTH]


def _refuse_taken(others: Sequence[SharedCatalog], name: str, folder: Path) -> None:
    """Let no catalog be shown twice, and no two of one name.

    Raises:
        CannotShare: it is shown already.
        ValueError: the name is taken, or none that can be shown.
    """
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(
            f"a shared catalog must have a printable name of 1 to {MAX_NAME_LENGTH} characters, "
            f"got {name[:80]!r}"
        )
    for other in others:
        if other.folder == str(folder):
            raise CannotShare(folder, f"is shown already, as {other.name}", "once is enough")
        if other.name == name:
            raise ValueError(f"a catalog is shared as {name!r} already; choose another name")


def _text(mark: tuple[int, ...]) -> str:
    return " ".join(map(str, mark))
