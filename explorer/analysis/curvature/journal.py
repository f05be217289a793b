"""Work half done on disk: records of one size, appended, readable after a kill at any byte."""

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

_CHECK = 4  # bytes of the checksum after each record


class Journal:
    """An append-only file of records; for convenience alone: a full disk ends it without a word."""

    def __init__(self, path: Path, size: int, expected: int = 0) -> None:
        """Open the file, or begin it.

        Args:
            path: of the file; its folder is made.
            size: bytes of a record.
            expected: records to come; they are not kept where they would take half of the disk.
        """
        self.path, self._size = path, size
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            roomy = shutil.disk_usage(path.parent).free > 2 * expected * (size + _CHECK)
        except OSError:
            roomy = False
        self._kept = roomy

    def records(self) -> Iterator[bytes]:
        """The whole records, in order; what follows the last whole one is cut off."""
        whole = 0
        try:
            file = self.path.open("r+b")
        except OSError:
            return
        with file:
            while len(entry := file.read(self._size + _CHECK)) == self._size + _CHECK:
                record, check = entry[: self._size], entry[self._size :]
                if zlib.crc32(record).to_bytes(_CHECK, "big") != check:
                    break
                whole += len(entry)
                yield record
            file.truncate(whole)

    def append(self, record: bytes) -> None:
        """Add a record."""
        if not self._kept:
            return
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(record + zlib.crc32(record).to_bytes(_CHECK, "big"))
        except OSError:
            self.remove()
            self._kept = False

    def remove(self) -> None:
        """Remove the file; its work is done."""
        self.path.unlink(missing_ok=True)
