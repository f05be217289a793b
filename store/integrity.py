"""What is not as it was stored, and which rows point to nothing: there are no foreign keys."""

from collections.abc import Collection

import duckdb
import pyarrow as pa

from store.catalog_tables import CATALOG_TABLES, TABLES_OF_QUESTIONS
from store.database_file import Cursor
from store.migrations import MIGRATIONS
from store.rows import is_identifier, row_count
from store.seals import (
    ENTRY_QUERIES,
    places_in_ranges,
    rows_digest,
    seal_of,
    stored_rows,
    unsealed_places,
)
from store.tables import arrow_types, value_tables

# (what, query of the ids that are wrong)
_CHECKS = (
    ("model {} belongs to a problem that is not stored",
     "SELECT id FROM models WHERE problem_id NOT IN (SELECT id FROM problems)"),
    ("model {} has no final point",
     "SELECT id FROM models WHERE (id, point_id) NOT IN (SELECT (model_id, point_id) FROM points)"),
    ("a point belongs to model {}, which is not stored",
     "SELECT DISTINCT model_id FROM points WHERE model_id NOT IN (SELECT id FROM models)"),
    ("analysis {} is about a problem that is not stored",
     "SELECT key FROM questions WHERE problem_id NOT IN (SELECT id FROM problems)"),
    ("analysis {} is about a model that is not stored",
     "SELECT DISTINCT key FROM (SELECT key, unnest(model_ids) AS id FROM questions)"
     " WHERE id NOT IN (SELECT id FROM models)"),
    ("analysis {} is about a point that is not stored",
     "SELECT DISTINCT key FROM (SELECT key, unnest(point_ids) AS id FROM questions)"
     " WHERE id NOT IN (SELECT point_id FROM points UNION SELECT point_id FROM answer_points)"),
    ("answer_points has a point of analysis {}, which is not stored, and nothing is about it",
     "SELECT DISTINCT question_key FROM answer_points"
     " WHERE question_key NOT IN (SELECT key FROM questions)"
     " AND point_id NOT IN (SELECT unnest(point_ids) FROM questions)"),
    ("a point that an answer brought belongs to model {}, which is not stored",
     "SELECT DISTINCT model_id FROM answer_points WHERE model_id NOT IN (SELECT id FROM models)"),
    ("analysis {} is marked complete but has units missing",
     "SELECT key FROM questions WHERE (status = 'complete')"
     " != (units_done >= units OR coalesce(finished, false))"),
    ("analysis {} has another number of units in its pieces than it says",
     "SELECT key FROM questions LEFT JOIN (SELECT question_key, sum(units) AS stored FROM pieces"
     " GROUP BY question_key) ON question_key = key WHERE units_done != coalesce(stored, 0)"),
)  # fmt: skip
_NAMED_FILES = """
SELECT 'point ' || point_id, file_hash FROM points WHERE file_hash IS NOT NULL
UNION ALL SELECT 'the image of ' || question_key, hash FROM images
UNION ALL SELECT label || ' of analysis ' || question_key, file_hash FROM answer_points
UNION ALL SELECT 'the state of ' || question_key, file_hash FROM answer_states
"""
_COLUMNS = """SELECT table_name, column_name, data_type FROM duckdb_columns()
    WHERE NOT internal AND database_name = current_database()
    AND table_name IN (SELECT table_name FROM duckdb_tables())"""
_SEALED_PARTS = {
    "problem": "its source, arguments or facts",
    "model": "its facts, points or measurements",
    "analysis": "its settings, subjects, facts, directions or points",
}


def findings(cursor: Cursor) -> tuple[list[str], list[tuple[str, str]]]:
    """Sentences on what is wrong among the rows; (owner, hash) of each file that must be there."""
    if altered := altered_tables(cursor):
        return altered, []  # nothing can be said about the rows
    sentences = rows_with_gaps(cursor)
    sentences += [sentence.format(id) for sentence, query in _CHECKS for id in _ids(cursor, query)]
    sentences += changed_entries(cursor) + changed_values(cursor)
    tables = value_tables(cursor)
    for table in (*tables, *TABLES_OF_QUESTIONS):
        query = f"""SELECT DISTINCT question_key FROM {table}
            WHERE question_key NOT IN (SELECT key FROM questions)"""  # noqa: S608 - our own names
        sentences += [
            f"{table} has rows of analysis {k}, which is not stored" for k in _ids(cursor, query)
        ]
    sentences += [
        f"analysis {key} has other units than its pieces say"
        for key in _inconsistent_answers(cursor, tables)
    ]
    return sentences, cursor.execute(_NAMED_FILES).fetchall()


def altered_tables(cursor: Cursor) -> list[str]:
    """A sentence for each table that is not as it was made: it lacks columns, or has strange ones.

    The name of a column comes into statements, also of a catalog that this one is merged into.
    """
    with duckdb.connect(":memory:") as fresh:
        for _, statements in MIGRATIONS:
            fresh.execute(statements)
        made = set(fresh.execute(_COLUMNS).fetchall())
    lacking: dict[str, list[str]] = {}
    strange: list[str] = []
    for table, column, type in sorted(made - set(cursor.execute(_COLUMNS).fetchall())):
        lacking.setdefault(table, []).append(f"{column} ({type.lower()})")
    for table in value_tables(cursor):
        columns = arrow_types(cursor, table).items()
        lacking[table] = [f"{name} as a number" for name, type in columns if type == pa.string()]
        lacking[table].remove("question_key as a number")
        strange += [f"{table} has the column {n!r}" for n, _ in columns if not is_identifier(n)]
    return [f"table {each}, a name that none of ours has" for each in strange] + [
        f"table {table} is not as it was made: it lacks {', '.join(columns)}"
        for table, columns in lacking.items()
        if columns
    ]


def rows_with_gaps(cursor: Cursor) -> list[str]:
    """A sentence for each row that lacks what no row of its table goes without."""
    sentences = []
    for table in CATALOG_TABLES:
        gaps = [(name, f"{name} IS NULL") for name in table.needed]
        gaps += [(name, f"coalesce(TRY(json_type({name})), '') <> 'OBJECT'") for name in table.json]
        for column, condition in gaps:
            query = (
                f"SELECT {', '.join(table.key)} FROM {table.name} WHERE {condition} ORDER BY ALL"  # noqa: S608
            )
            sentences += [
                f"the row {' '.join(map(str, key))} of {table.name} has no {column}"
                for key in cursor.execute(query).fetchall()
            ]
    return sentences


def changed_entries(cursor: Cursor, ids: Collection[str] | None = None) -> list[str]:
    """A sentence for each problem, model or analysis, or of these, that is not what was stored."""
    query = "SELECT what, id, digest FROM seals ORDER BY ALL"
    lost, changed = [], []
    for what, id, digest in cursor.execute(query).fetchall():
        if ids is not None and id not in ids:
            continue
        now = seal_of(cursor, what, id)
        if now is None:
            lost.append(f"{what} {id} is gone, though nobody deleted it")
        elif now != digest:
            changed.append(f"{what} {id} is not what was stored: {_SEALED_PARTS[what]}")
    return lost + changed


def changed_values(cursor: Cursor, keys: Collection[str] | None = None) -> list[str]:
    """A sentence for each answer, or of these, whose values are not what was stored."""
    query = "SELECT DISTINCT question_key, table_name FROM value_seals ORDER BY ALL"
    sealed_answers = cursor.execute(query).fetchall()
    tables = value_tables(cursor)
    sentences = [
        _value_change(cursor, key, table)
        if table in tables
        else f"the values of analysis {key} are gone with their table {table}"
        for key, table in sealed_answers
        if keys is None or key in keys
    ]
    return list(filter(None, sentences))


def _value_change(cursor: Cursor, key: str, table: str) -> str:
    """What is wrong with the values of an answer; empty when nothing is."""
    rows = stored_rows(cursor, key, table)
    query = "SELECT unit_ranges, rows, digest FROM value_seals WHERE question_key = ?"
    for ranges, count, digest in cursor.execute(f"{query} ORDER BY first_unit", [key]).fetchall():
        piece = rows.take(places_in_ranges(rows, ranges))
        where = f"analysis {key}, units {ranges[0]:,} to {ranges[-1] - 1:,}"
        if len(piece) != count:
            return f"{where}: {count:,} rows of values were stored, there are {len(piece):,}"
        if rows_digest(piece) != digest:
            return f"{where}: the values are not what was stored"
    return ""


def count_unsealed(cursor: Cursor) -> int:
    """How many entries and answers have no hash: they are from an older version."""
    count = 0
    for what, query in ENTRY_QUERIES.items():
        sealed_ids = "SELECT id FROM seals WHERE what = ?"
        rows = f"SELECT count(*) FROM ({query}) AS t(id) WHERE id NOT IN ({sealed_ids})"  # noqa: S608
        count += row_count(cursor, rows, [what])
    for table in value_tables(cursor):
        for key in _ids(cursor, f"SELECT DISTINCT question_key FROM {table}"):  # noqa: S608
            count += bool(len(unsealed_places(cursor, key, stored_rows(cursor, key, table))))
    return count


def _inconsistent_answers(cursor: Cursor, tables: list[str]) -> list[str]:
    """Questions whose rows and count of units differ."""
    none = "SELECT NULL AS question_key, NULL AS unit WHERE FALSE"
    rows = " UNION ALL ".join([none, *(f"SELECT question_key, unit FROM {t}" for t in tables)])  # noqa: S608
    query = f"""SELECT key FROM questions LEFT JOIN (
            SELECT question_key, count(DISTINCT unit) AS stored, min(unit) AS low, max(unit) AS high
            FROM ({rows}) GROUP BY question_key
        ) ON question_key = key
        WHERE units_done != coalesce(stored, 0) OR low < 0 OR high >= units"""  # noqa: S608
    return _ids(cursor, query)


def _ids(cursor: Cursor, query: str) -> list[str]:
    return [row[0] for row in cursor.execute(query).fetchall()]
