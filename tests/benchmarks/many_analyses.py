"""A catalog of very many analyses: those of a small one, again and again under other keys."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from store import Catalog
from store.catalog_tables import KEYS, TABLES_OF_QUESTIONS

MOST_UNITS = 64  # of an answer that is copied: its rows are copied too
_COPIED_KEYS = """CREATE TEMP TABLE copied AS
    SELECT key, sha256(key || number) AS copy, number FROM (
        SELECT key, row_number() OVER (ORDER BY created, key) - 1 AS place, count(*) OVER () AS many
        FROM questions WHERE status = 'complete' AND deleted IS NULL AND units <= ?
    ) JOIN range(1, ?) AS numbers(number) ON number % many = place"""
NUMBER_SEARCH = "kind == 'line' and lowest_loss < 1"
_CHANGED = {  # expressions of what a copy has otherwise; each number is a little larger
    "questions": {
        "key": "copy",
        "created": "created - to_seconds(number)",
        "completed": "completed - to_seconds(number)",
        "settings": "json_merge_patch(settings, json_object('examples_seed', number))",
        "family": "sha256(family || number)",
    },
    "result_numbers": {
        "estimates": "list_transform(estimates, lambda each: each * (1 + number / 1e6))"
    },
    "jobs": {"id": "sha256(id || number)"},
}


def multiply(folder: Path, count: int) -> None:
    """Bring a catalog to so many analyses by copies of its small answers, with all their rows.

    Copies have no seal, which only the check looks for; pictures are shared.

    Args:
        folder: of the catalog, which nobody else uses.
        count: of the analyses that are wanted, not counting those in the trash.
    """
    catalog = Catalog(folder)
    catalog.check()
    stored = catalog.questions(limit=1)[1]
    catalog.close()
    with duckdb.connect(folder / "catalog.duckdb") as database:
        database.execute("SET preserve_insertion_order = false")
        database.execute(_COPIED_KEYS, [MOST_UNITS, 1 + max(0, count - stored)])
        tables = database.execute("""SELECT table_name, list(column_name) FROM duckdb_columns()
            WHERE NOT internal AND database_name = current_database() GROUP BY table_name
            HAVING list_contains(list(column_name), 'question_key') AND table_name IN
                (SELECT table_name FROM duckdb_tables())""").fetchall()
        for table, columns in tables:
            if table in TABLES_OF_QUESTIONS or table not in KEYS:  # or of values
                _copy_rows(database, table, columns, "question_key")
        columns = [name for name, *_ in database.execute("DESCRIBE questions").fetchall()]
        _copy_rows(database, "questions", columns, "key")


def _copy_rows(
    database: duckdb.DuckDBPyConnection, table: str, columns: list[str], key: str
) -> None:
    changed = {key: "copy", **_CHANGED.get(table, {})}
    chosen = ", ".join(f"{changed.get(name, f'rows.{name}')} AS {name}" for name in columns)
    database.execute(
        f"INSERT INTO {table} BY NAME SELECT {chosen} FROM {table} AS rows"  # noqa: S608
        f" JOIN copied ON copied.key = rows.{key}"
    )


def small_catalog(folder: Path) -> Path:
    """The folder of a new catalog with a few answers about the tiny model."""
    from explorer.kinds import kind_named
    from explorer.kinds.line import LineSettings
    from explorer.supervisor.result_numbers import NumbersKeeper
    from tests.filling import add_answer, add_tiny, new_catalog

    catalog = new_catalog(folder / "catalog")
    model = add_tiny(catalog, folder, "tiny")
    for seed in range(3):
        add_answer(catalog, kind_named("line"), LineSettings(seed=seed, x_count=5), (model, ""))
    NumbersKeeper(catalog).keep_up()
    catalog.close()
    return catalog.folder


def looks_at(original: Path, folder: Path, count: int) -> Callable[[], None]:
    """What the first page does with a catalog of so many analyses, nothing being remembered."""
    shutil.copytree(original, folder)
    multiply(folder, count)

    def look() -> None:
        catalog = Catalog(folder)
        catalog.note_choice("none", "cpu", {})  # a change: what was read is read again
        catalog.questions()
        catalog.facets()
        catalog.filter_names()
        catalog.questions(NUMBER_SEARCH)
        catalog.close()

    return look
