"""A connection beside the lease: it reads one database as it is, and no other file."""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from store.database_file import Cursor
from store.errors import CatalogBusy, from_duckdb, holder_of, is_held
from store.instance import CONFIG
from store.lease import ATTEMPT_SECONDS, Lease
from store.place import openable

ISOLATED = {**CONFIG, "enable_external_access": "false"}  # no other file


@contextlib.contextmanager
def isolated(lease: Lease, timeout: float) -> Iterator[Cursor]:
    """A connection that reads only this database; another process lets it in as any of ours.

    Raises:
        CatalogError: busy, not a catalog, too new, or damaged.
    """
    with (
        lease.let_go(timeout),
        connect_isolated(lease.path, timeout, lease.leave_note) as connection,
    ):
        lease.beside = connection
        yield connection


def connect_isolated(
    path: Path, timeout: float, leave_note: Callable[[], None] = lambda: None
) -> Cursor:
    """A connection that reads only this database; the caller sees to it that nobody here has it.

    Raises:
        CatalogError: as for `isolated`.
    """
    place, deadline = openable(path), time.monotonic() + timeout
    while True:
        try:
            return duckdb.connect(place, read_only=True, config=ISOLATED)
        except duckdb.Error as error:
            if not is_held(error):
                raise (from_duckdb(error, path) or error) from error
            if time.monotonic() >= deadline:
                raise CatalogBusy(path, holder_of(error), timeout) from error
        leave_note()
        time.sleep(random.uniform(*ATTEMPT_SECONDS))
