"""Code in a database file that would run as its tables are used: it could read other files."""

from pathlib import Path

from store.catalog_tables import KEYS
from store.database_file import Cursor
from store.errors import NotACatalog
from store.instance import USE_DATABASE
from store.place import log_of

_EMPTY_BYTES = 3 * 4096  # bytes of a database without content
_TABLES = ", ".join(f"'{table}'" for table in ("migrations", *KEYS))
# A view is read as if it were the table, and a macro comes before DuckDB's function of its name.
_CODE = f"""
SELECT 'view ' || view_name FROM duckdb_views()
    WHERE NOT internal AND lower(view_name) IN ({_TABLES})
UNION ALL SELECT 'trigger ' || trigger_name FROM duckdb_triggers()
UNION ALL SELECT 'macro ' || lower(function_name) FROM duckdb_functions()
    GROUP BY ALL HAVING count(DISTINCT internal) = 2
"""  # noqa: S608 - our own words
_examined: set[tuple[int, int]] = set()  # files, once a process: the functions alone cost 30 ms


def refuse_stored_code(connection: Cursor, path: Path) -> None:
    """Let no file be used that has more than tables under the names that we use.

    Raises:
        NotACatalog: it has.
    """
    status = path.stat()
    file = (status.st_dev, status.st_ino)
    if file not in _examined and (status.st_size > _EMPTY_BYTES or log_of(path).exists()):
        connection.execute("USE memory")  # its macros are not in use here
        code = connection.execute(_CODE).fetchall()
        connection.execute(USE_DATABASE)
        if code:
            raise NotACatalog(path, f"has code of its own, the {code[0][0]}, which could do harm")
    _examined.add(file)
