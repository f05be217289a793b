"""Which rows point to nothing: the catalog has no foreign keys, so it is asked."""

from store.lease import Cursor
from store.tables import value_tables

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
     " WHERE id NOT IN (SELECT point_id FROM points)"),
    ("analysis {} is marked complete but has units missing",
     "SELECT key FROM questions WHERE (status = 'complete') != (units_done >= units)"),
)  # fmt: skip
_FILES = """
SELECT 'point ' || point_id, file_hash FROM points WHERE file_hash IS NOT NULL
UNION ALL SELECT 'the image of ' || question_key, hash FROM images
UNION ALL SELECT 'the state of ' || key, state_hash FROM questions WHERE state_hash IS NOT NULL
"""
_OF_A_QUESTION = ("pieces", "directions", "images")


def findings(cursor: Cursor) -> tuple[list[str], list[tuple[str, str]]]:
    """Sentences on what is wrong among the rows; (owner, hash) of each file that must be there."""
    found = [sentence.format(id) for sentence, query in _CHECKS for id in _ids(cursor, query)]
    tables = value_tables(cursor)
    for table in (*tables, *_OF_A_QUESTION):
        query = f"""SELECT DISTINCT question_key FROM {table}
            WHERE question_key NOT IN (SELECT key FROM questions)"""  # noqa: S608 - our own names
        found += [
            f"{table} has rows of analysis {k}, which is not stored" for k in _ids(cursor, query)
        ]
    found += [
        f"analysis {key} has other units than its pieces say" for key in _torn(cursor, tables)
    ]
    return found, cursor.execute(_FILES).fetchall()


def _torn(cursor: Cursor, tables: list[str]) -> list[str]:
    """Questions whose rows and count of units differ."""
    none = "SELECT NULL AS question_key, NULL AS unit WHERE FALSE"
    rows = " UNION ALL ".join([none, *(f"SELECT question_key, unit FROM {t}" for t in tables)])  # noqa: S608
    query = f"""SELECT key FROM questions LEFT JOIN (
            SELECT question_key, count(DISTINCT unit) AS stored FROM ({rows}) GROUP BY question_key
        ) ON question_key = key WHERE units_done != coalesce(stored, 0)"""  # noqa: S608
    return _ids(cursor, query)


def _ids(cursor: Cursor, query: str) -> list[str]:
    return [row[0] for row in cursor.execute(query).fetchall()]
