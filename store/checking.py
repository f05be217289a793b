"""Looking for damage: tables that cannot be read, changed content, what does not fit together."""

from store.arrays import file_hash
from store.blocks import damaged_blocks
from store.door import Door
from store.errors import CatalogDamaged, FileAway, UnknownEntry
from store.integrity import count_unsealed, findings
from store.rows import quoted
from store.seals import seal_unsealed

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE NOT internal ORDER BY table_name"


class IntegrityChecks(Door):
    """The part of the catalog about damage."""

    def check_integrity(self, contents: bool = False) -> list[str]:
        """What does not fit together, one sentence each; empty when all is well.

        Args:
            contents: also read every table and every file whole and compare with their hashes.
        """
        unreadable = self._unreadable() if contents else []
        if unreadable:
            return unreadable  # nothing can be said about the rows
        try:
            wrong, files = self._read(findings)
        except CatalogDamaged as error:
            return [str(error)]
        wrong += list(filter(None, (self._missing(owner, hash) for owner, hash in files)))
        if contents:
            changed = [p for p in self._files.all() if file_hash(p) != p.stem]
            wrong += [f"the file {path} is not what was stored" for path in changed]
        return wrong

    def unsealed_count(self) -> int:
        """How many entries and answers have no hash of what was stored: older versions had none."""
        return self._read(count_unsealed)

    def seal(self) -> int:
        """Hash what has no hash, as it is now; how many entries and answers that were."""
        return self._write(seal_unsealed)

    def foreign_files(self) -> list[str]:
        """Hashes of files that no row names and that this database has not put; they are kept."""
        kept_rows = self._read(lambda c: c.execute("SELECT hash FROM kept_files").fetchall())
        ours = {hash for (hash,) in kept_rows}
        return sorted(path.stem for path in self._files.all() if path.stem not in ours)

    def _missing(self, owner: str, hash: str) -> str:
        """That the file of something is missing; empty when it is there."""
        try:
            self._stored_file(hash)
        except FileAway as error:
            return f"{owner}: {error}"
        except UnknownEntry:
            return f"the file {hash} of {owner} is missing"
        return ""

    def _unreadable(self) -> list[str]:
        """A sentence for each table that cannot be read whole: DuckDB checks sums as it reads."""
        try:
            tables = [name for (name,) in self._read(lambda c: c.execute(_TABLES).fetchall())]
        except CatalogDamaged as error:
            return [str(error)]
        troubles = list(filter(None, map(self._trouble, tables)))
        return troubles or self._bad_blocks()

    def _trouble(self, table: str) -> str:
        """What is wrong with a table as a whole; empty when nothing is."""
        whole = f"SELECT bit_xor(hash(t)) FROM {quoted(table)} AS t"  # noqa: S608
        try:
            self._read(lambda c: c.execute(whole).fetchone())
        except CatalogDamaged as error:
            return f"table {table}: {error}"
        return ""

    def _bad_blocks(self) -> list[str]:
        """What is wrong in the database beside its tables: in an index, or where nothing is."""
        try:
            with self._lease.writing:
                bad = self._read(lambda c: damaged_blocks(self._lease.path))
        except CatalogDamaged as error:
            return [str(error)]
        if not bad:
            return []
        named = ", ".join(map(str, bad[:5]))
        damage = CatalogDamaged(self._lease.path, f"block {named} is damaged, outside the tables")
        return [str(damage)]
