"""Content-addressed files: written once, named by the hash of what is in them, never changed."""

import contextlib
import hashlib
import io
import os
import re
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from store.errors import CatalogDamaged, UnknownEntry, from_os

CHUNK_BYTES = 1 << 20  # bytes read at a time
_SUFFIX = re.compile(r"[a-z0-9]{1,16}")
CONTENT_HASH = re.compile(r"[0-9a-f]{64}")


class Files:
    """The files beside a database: `<folder>/<first two of the hash>/<hash>.<suffix>`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, source: Path | str | bytes, suffix: str) -> str:
        """The hash under which the content is kept from now on.

        Raises:
            ValueError: the suffix is not a few lower-case letters or digits.
            CatalogFull: no space; nothing is left behind.
            CatalogDamaged: the file cannot be read or written.
        """
        suffix = suffix.removeprefix(".")
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"a suffix must be lower-case letters or digits, got {suffix!r}")
        try:
            with _open_source(source) as stream:
                return self._keep(stream, suffix)
        except OSError as error:
            raise from_os(error, self.folder) from error

    def link(self, source: Path, suffix: str) -> str:
        """As `put`, of a file that nobody changes any more: no byte is copied where it can be.

        The file stays where it is, under its own name too.

        Raises:
            CatalogFull: no space; nothing is left behind.
            CatalogDamaged: the file cannot be read or written.
        """
        temporary = self.folder / f"{uuid.uuid4().hex}.tmp"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.link(source, temporary, follow_symlinks=False)
        except FileNotFoundError as error:
            raise from_os(error, self.folder) from error
        except OSError:  # another file system, or one without links
            return self.put(source, suffix)
        try:
            temporary.chmod(0o600)
            os.utime(temporary)  # young: a row that names it is about to come
            hash = file_hash(temporary)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            self._name(temporary, hash, suffix.removeprefix("."))
        except OSError as error:
            raise from_os(error, self.folder) from error
        finally:
            temporary.unlink(missing_ok=True)
        return hash

    def adopt(self, file: Path) -> bool:
        """Keep a copy of a file named as these are; whether it was not here already.

        Raises:
            CatalogFull: no space; nothing is left behind.
            CatalogDamaged: it cannot be read or written, or is not what its name says.
        """
        if self.has(file.stem):
            os.utime(self.path(file.stem))  # young again: a row that names it is about to come
            return False
        if not file.is_file():
            raise CatalogDamaged(file, "it is no file")
        if self.put(file, file.suffix) != file.stem:
            raise CatalogDamaged(file, "its content is not what was stored")
        return True

    def path(self, hash: str) -> Path:
        """Where the content of that hash lies.

        Raises:
            UnknownEntry: there is no such file.
        """
        if CONTENT_HASH.fullmatch(hash):
            for file in (self.folder / hash[:2]).glob(f"{hash}.*"):
                if file.is_file():  # a pipe or a device would be read without end
                    return file
        raise UnknownEntry("file", hash)

    def has(self, hash: str) -> bool:
        """Whether there is a file of that content."""
        with contextlib.suppress(UnknownEntry):
            return bool(self.path(hash))
        return False

    def all(self) -> Iterator[Path]:
        """Every file that is kept."""
        yield from (p for p in self.folder.glob("??/*") if CONTENT_HASH.fullmatch(p.stem))

    def leftovers(self) -> Iterator[Path]:
        """Unfinished files of writers that died."""
        yield from self.folder.glob("*.tmp")

    def _keep(self, stream: BinaryIO, suffix: str) -> str:
        """Hash while copying, so that the name is that of the bytes that lie there."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
        temporary = Path(name)
        try:
            digest = hashlib.sha256()
            with os.fdopen(handle, "wb") as target:
                while chunk := stream.read(CHUNK_BYTES):
                    digest.update(chunk)
                    target.write(chunk)
                target.flush()
                os.fsync(target.fileno())
            self._name(temporary, digest.hexdigest(), suffix)
        finally:
            temporary.unlink(missing_ok=True)
        return digest.hexdigest()

    def _name(self, temporary: Path, hash: str, suffix: str) -> None:
        place = self.folder / hash[:2] / f"{hash}.{suffix}"
        if self.has(hash):
            place = self.path(hash)
            if file_hash(place) == hash:
                os.utime(place)  # young again, so that a collection running now spares it
                return
        place.parent.mkdir(mode=0o700, exist_ok=True)
        temporary.replace(place)


def is_older(path: Path, seconds: float) -> bool:
    """Whether a file has lain there for that long; false when it is gone."""
    try:
        return time.time() - path.stat().st_mtime >= seconds
    except OSError:
        return False


def file_hash(path: Path) -> str:
    """sha256 of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _open_source(source: Path | str | bytes) -> BinaryIO:
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")
