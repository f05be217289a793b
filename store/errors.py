"""What can go wrong at the door: one class per condition, one sentence per message."""

import errno
import os
import re
import shlex
from pathlib import Path

import duckdb

_FULL = ("no space left", "file too large", "disk quota", "could not write", "could not sync")
_OPEN_HERE = ("different configuration than existing", "Unique file handle conflict")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)


class CatalogError(Exception):
    """Something about a catalog that the user can act on."""


class CatalogBusy(CatalogError):
    """Another process held the catalog for longer than the time allowed."""

    def __init__(self, path: Path, pid: int | None, seconds: float) -> None:
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"the catalog {path.parent} is held by {holder} and stayed so for {seconds:g} s; "
            "close that program or wait until it lets go, then try again"
        )


class CatalogContended(CatalogBusy):
    """Other writers of this process came first each time that a write was tried."""

    def __init__(self, path: Path, attempts: int, reason: str) -> None:
        self.pid = os.getpid()
        CatalogError.__init__(
            self,
            f"a write to the catalog {path.parent} met another one of this very process "
            f"{attempts} times in a row ({reason[:300]}); end the transaction that a notebook or "
            "script of yours has open on it, then try again",
        )


class NotACatalog(CatalogError):
    """The place holds something else, which is left as it is."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} {why}; it was left as it is: choose another folder or move it away"
        )


class NotADatabase(NotACatalog):
    """The file is of another format, or its beginning is damaged."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is not a DuckDB database")


class CannotMerge(CatalogError):
    """What was named cannot be brought into the catalog; both are as they were."""

    outcome = "nothing was merged"

    def __init__(self, path: Path, why: str, way_out: str) -> None:
        super().__init__(f"{path} {why}; {self.outcome}: {way_out}")


class CannotShare(CannotMerge):
    """What was named cannot be shown beside the catalog."""

    outcome = "it is not shown here"


class CannotQuery(CatalogError):
    """A statement that is no query of this catalog."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"that cannot be asked: {reason}; a query can only read the catalog's own tables, "
            "which SHOW TABLES lists"
        )


class CannotFilter(CatalogError):
    """A search that states no condition on analyses."""

    def __init__(self, reason: str, way_out: str) -> None:
        super().__init__(f"that cannot be searched for: {reason}; {way_out}")


class CatalogTooNew(CatalogError):
    """A newer version of the program wrote the catalog."""

    def __init__(self, path: Path, stored_version: str, newest_version: str) -> None:
        super().__init__(
            f"the catalog {path.parent} was written by a newer version ({stored_version}, this one "
            f"knows {newest_version}); update the program or choose another folder"
        )


class CatalogLost(CatalogError):
    """The database is gone while what belongs to it is there."""

    def __init__(self, path: Path, files: int, log: bool) -> None:
        if not files and not log:
            super().__init__(
                f"{path} was open here and is gone: put its folder back where it was, or start the "
                "program again to begin an empty catalog"
            )
            return
        beside = [f"{files:,} files" if files else "", f"its log {path.name}.wal" if log else ""]
        super().__init__(
            f"{path} is gone or empty, though {' and '.join(filter(None, beside))} of it are there;"
            " put it back from a copy of the folder, or keep the files and begin a new database by "
            f"`python -m explorer --catalog {shlex.quote(str(path.parent))} rebuild`"
        )


class CatalogReadOnly(CatalogError):
    """The catalog can be read and not written here."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"the catalog {folder} can only be read: to compute or to change something, copy the "
            "folder to a place of your own and open it there"
        )


class CatalogFull(CatalogError):
    """A write failed for want of space; what was stored before is whole."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"there was no space to write to {path} ({reason}); nothing was half stored: free some "
            "space and try again"
        )


class CatalogDamaged(CatalogError):
    """The database or its disk cannot be read or written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} could not be read or written ({reason[:300]}); check the disk and the "
            "permissions, put back a copy of the folder, or save what can be read by "
            f"`python -m explorer --catalog {shlex.quote(str(path.parent))} rebuild`"
        )


class NotPermitted(CatalogDamaged):
    """The system lets this user not read or write there; nothing is damaged."""

    def __init__(self, path: Path, reason: str) -> None:
        CatalogError.__init__(
            self,
            f"{path} may not be read or written by you ({reason[:300]}); change its permissions or "
            "those of its folder, or choose a folder of your own",
        )


class UnknownEntry(CatalogError):
    """The catalog has nothing under that id."""

    def __init__(self, what: str, id: str) -> None:
        self.what, self.id = what, id
        super().__init__(
            f"there is no {what} {id!r} in the catalog; it may have been deleted: "
            "choose one that is listed"
        )


class SharedCatalogAway(CatalogError):
    """A shared catalog cannot be read now; what was read of it before is here."""

    def __init__(self, name: str, folder: Path, why: str) -> None:
        super().__init__(
            f"the shared catalog {name} is away ({folder} {why}); what was read of it before is "
            "shown, and its files are needed only to compute or to show points: see to the folder, "
            f"or remove it by `python -m explorer share remove {shlex.quote(name)}`"
        )


class FileAway(UnknownEntry):
    """A file lies in a shared catalog that cannot be read now."""

    def __init__(self, hash: str, name: str, folder: str) -> None:
        super().__init__("file", hash)
        self.args = (
            f"the file {hash} lies in the shared catalog {name}, which is away: {folder} cannot be "
            "read; see to that folder, then try again",
        )


class UnreadableAnswer(CatalogError, ValueError):
    """What is stored of an analysis is none that this version can show."""


def from_os(error: OSError, path: Path) -> CatalogError:
    """The error of the catalog that says what the system's says."""
    system_message = (os.strerror(error.errno) if error.errno else str(error)).lower()
    if error.errno in _NO_SPACE:
        return CatalogFull(path, system_message)
    if error.errno in _DENIED:
        return NotPermitted(path, system_message)
    return CatalogDamaged(path, system_message)


def from_duckdb(error: duckdb.Error, path: Path) -> CatalogError | None:
    """The error of the catalog for what DuckDB says; None when it is a defect of ours."""
    duckdb_message = " ".join(str(error).split())
    small = duckdb_message.lower()
    if "not a valid duckdb database file" in small:
        return NotADatabase(path)
    if "read a database file with version number" in small or "newer version of duckdb" in small:
        return CatalogTooNew(path, "a later DuckDB file format", f"DuckDB {duckdb.__version__}")
    if any(words in small for words in _FULL):
        return CatalogFull(path, duckdb_message)
    if isinstance(error, duckdb.OutOfMemoryException):
        return CatalogError(
            f"{path} could not be read in the memory that there is ({duckdb_message}); close "
            "other programs, or ask for less at once"
        )
    if any(os.strerror(code).lower() in small for code in _DENIED):
        return NotPermitted(path, duckdb_message)
    ours = duckdb.TransactionException | duckdb.ConstraintException | duckdb.ParserException
    return None if isinstance(error, ours) else CatalogDamaged(path, duckdb_message)


def is_of_a_value(error: duckdb.Error) -> bool:
    """Whether a value to be written was one that no column can hold: a huge number, half a letter.

    Both are refused before anything is written.
    """
    return isinstance(error, duckdb.DataError) or "Python Conversion Failure" in str(error)


def holder_of(error: duckdb.Error) -> int | None:
    """The process that DuckDB names as the holder of the lock, where it names one."""
    if any(words in str(error) for words in _OPEN_HERE):
        return os.getpid()
    match = re.search(r"PID (\d+)", str(error))
    return int(match.group(1)) if match else None


def is_held(error: duckdb.Error) -> bool:
    """Whether the database could not be opened because someone else has it open."""
    return any(words in str(error) for words in ("Could not set lock", *_OPEN_HERE))
