"""A connection beside the lease: it reads one database as it is, and no other file."""

import contextlib
import random
import time
from collections.abc import Iterator

import duckdb

from store.errors import CatalogBusy, from_duckdb, holder_of, is_held
from store.instance import CONFIG
from store.lease import ATTEMPT_SECONDS, Cursor, Lease
from store.place import openable


@contextlib.contextmanager
def isolated(lease: Lease, timeout: float) -> Iterator[Cursor]:
    """A connection that reads only this database; another process lets it in as any of ours.

    Raises:
        CatalogError: busy, not a catalog, too new, or damaged.
    """
    place = openable(lease.path)
    with lease.let_go(timeout), _connect(lease, place, timeout) as connection:
        lease.beside = connection
        yield connection


def _connect(lease: Lease, place: str, timeout: float) -> Cursor:
    deadline = time.monotonic() + timeout
    while True:
        try:
            config = {**CONFIG, "enable_external_access": "false"}
            return duckdb.connect(place, read_only=True, config=config)
        except duckdb.Error as error:
            if not is_held(error):
                raise (from_duckdb(error, lease.path) or error) from error
            if time.monotonic() >= deadline:
                raise CatalogBusy(lease.path, holder_of(error), timeout) from error
        lease.leave_note()
        time.sleep(random.uniform(*ATTEMPT_SECONDS))
