"""DuckDB without a database: starting it takes ten times as long as opening a file in it.

So what has served one file is kept, and the next one is attached to it. It serves one file at a
time: the names of two catalogs never meet, and a fatal error in one ends no other.
"""

import os
import threading

import duckdb

from store.errors import is_held

MAX_IDLE = 2  # that are kept without a file; each has threads of its own
TEMPORARY_SUFFIX = ".tmp"  # of the folder beside a database
USE_DATABASE = "USE catalog"  # for a connection; a file `catalog.duckdb` has this name by itself
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": "v1.4.0",  # DuckDB 1.4 and 1.5 clients can read the file
    "autoinstall_known_extensions": False,  # a file that names one fetches nothing
    "autoload_known_extensions": False,
    "memory_limit": "2GB",
    "threads": min(4, os.cpu_count() or 1),
}

_idle: list[duckdb.DuckDBPyConnection] = []
_guard = threading.Lock()


def attach(place: str, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection to this database file, in an instance that has no other.

    Raises:
        duckdb.Error: somebody else has it open, it is no database, or it is damaged.
    """
    connection = _instance(place + TEMPORARY_SUFFIX)
    options = "TYPE DUCKDB, READ_ONLY" if read_only else "TYPE DUCKDB"
    try:
        connection.execute(f"ATTACH {_quoted(place)} AS catalog ({options})")
        connection.execute(USE_DATABASE)
    except BaseException as error:
        if isinstance(error, duckdb.Error) and is_held(error):
            _keep(connection)
        else:
            connection.close()  # whatever it is, it does not meet the next file
        raise
    return connection


def _instance(temporary: str) -> duckdb.DuckDBPyConnection:
    """One without a file; what does not fit into its memory lies in that folder."""
    with _guard:
        connection = _idle.pop() if _idle else None
    if connection is not None:
        try:
            connection.execute(f"SET temp_directory = {_quoted(temporary)}")
            return connection
        except duckdb.Error:  # it has used another one
            connection.close()
    return duckdb.connect(":memory:", config={**CONFIG, "temp_directory": temporary})


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def detach(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the file go, and all that was committed is in it.

    Raises:
        duckdb.Error: it is let go with its log beside it.
    """
    try:
        connection.execute("USE memory")
        connection.execute("DETACH catalog")
    except BaseException:
        connection.close()
        raise
    _keep(connection)


def _keep(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep an instance without a file for the next one, or end it."""
    with _guard:
        if len(_idle) < MAX_IDLE:
            _idle.append(connection)
            return
    connection.close()


def end_idle() -> None:
    """End the instances that are kept."""
    with _guard:
        connections = [_idle.pop() for _ in range(len(_idle))]
    for connection in connections:
        connection.close()
