"""The schema as a list of steps. Append only: a step that was released is never changed."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import duckdb

from store.catalog_tables import KEYS
from store.database_file import Cursor
from store.errors import CatalogTooNew, NotACatalog

# No foreign keys (DuckDB 2.0 refuses to delete child and parent in one transaction), no sequences
# (ids come from contents, so that catalogs merge). Times are UTC.
_FIRST = """
CREATE TABLE problems (id VARCHAR PRIMARY KEY, name VARCHAR, path VARCHAR, source_hash VARCHAR,
    arguments JSON, facts JSON, created TIMESTAMP);
CREATE TABLE models (id VARCHAR PRIMARY KEY, name VARCHAR, problem_id VARCHAR, point_id VARCHAR,
    facts JSON, created TIMESTAMP, deleted TIMESTAMP);
CREATE TABLE points (model_id VARCHAR, point_id VARCHAR, label VARCHAR, step BIGINT,
    file_hash VARCHAR, facts JSON, created TIMESTAMP, PRIMARY KEY (model_id, point_id));
CREATE TABLE measurements (point_id VARCHAR, problem_id VARCHAR, split VARCHAR, name VARCHAR,
    value DOUBLE, count BIGINT, PRIMARY KEY (point_id, problem_id, split, name));
CREATE TABLE questions (key VARCHAR PRIMARY KEY, kind VARCHAR, version BIGINT, title VARCHAR,
    settings JSON, problem_id VARCHAR, model_ids VARCHAR[], point_ids VARCHAR[], units BIGINT,
    units_done BIGINT, status VARCHAR, seconds DOUBLE, facts JSON, provenance JSON,
    state_hash VARCHAR, created TIMESTAMP, completed TIMESTAMP, deleted TIMESTAMP,
    opened TIMESTAMP);
CREATE TABLE pieces (question_key VARCHAR, first_unit BIGINT, units BIGINT, seconds DOUBLE,
    provenance JSON, ingested TIMESTAMP, PRIMARY KEY (question_key, first_unit));
CREATE TABLE directions (id VARCHAR, question_key VARCHAR, axis BIGINT, recipe JSON, facts JSON,
    PRIMARY KEY (question_key, axis));
CREATE TABLE jobs (id VARCHAR PRIMARY KEY, task VARCHAR, question_key VARCHAR, title VARCHAR,
    request JSON, status VARCHAR, priority BIGINT, attempts BIGINT, pid BIGINT, pid_started DOUBLE,
    worker JSON, units_done BIGINT, units BIGINT, error VARCHAR, created TIMESTAMP,
    started TIMESTAMP, finished TIMESTAMP);
CREATE TABLE images (question_key VARCHAR PRIMARY KEY, hash VARCHAR);
CREATE TABLE settings (name VARCHAR PRIMARY KEY, value JSON);

CREATE VIEW question_models AS
    SELECT key, list(name ORDER BY place) AS model_names
    FROM (SELECT key, unnest(model_ids) AS model_id, generate_subscripts(model_ids, 1) AS place
          FROM questions) AS named JOIN models ON models.id = model_id
    GROUP BY key;
CREATE VIEW analyses AS
    SELECT key, kind, title, array_to_string(model_names, ', ') AS models, status, units_done,
        units, settings ->> 'split' AS split, settings ->> 'precision' AS precision,
        CAST(settings ->> 'seed' AS BIGINT) AS seed, settings ->> 'normalisation' AS normalisation,
        settings, facts, provenance, seconds, created, completed
    FROM questions LEFT JOIN question_models USING (key) WHERE deleted IS NULL;
CREATE VIEW grids AS
    SELECT key, kind, models, split, precision, seed, normalisation,
        CAST(settings ->> 'x_min' AS DOUBLE) AS x_min,
        CAST(settings ->> 'x_max' AS DOUBLE) AS x_max,
        CAST(settings ->> 'x_count' AS BIGINT) AS x_count,
        CAST(settings ->> 'y_min' AS DOUBLE) AS y_min,
        CAST(settings ->> 'y_max' AS DOUBLE) AS y_max,
        CAST(settings ->> 'y_count' AS BIGINT) AS y_count,
        CAST(facts -> 'stand_alone' ->> 'loss' AS DOUBLE) AS centre_loss, units_done, units
    FROM analyses WHERE settings ->> 'x_count' IS NOT NULL;
CREATE VIEW model_measurements AS
    SELECT models.id AS model_id, models.name AS model, split, measurements.name, value, count
    FROM models JOIN measurements USING (point_id, problem_id) WHERE deleted IS NULL;
"""

_FAMILIES = """
ALTER TABLE questions ADD COLUMN family VARCHAR;
ALTER TABLE questions ADD COLUMN objective VARCHAR;
CREATE TABLE choices (objective VARCHAR, device VARCHAR, facts JSON, noted TIMESTAMP,
    PRIMARY KEY (objective, device));
"""

# kept_files: those that this database has put beside itself; no other is ever removed.
_SEALS = """
CREATE TABLE kept_files (hash VARCHAR PRIMARY KEY);
CREATE TABLE seals (what VARCHAR, id VARCHAR, digest VARCHAR, PRIMARY KEY (what, id));
CREATE TABLE value_seals (question_key VARCHAR, first_unit BIGINT, table_name VARCHAR,
    unit_ranges BIGINT[], rows BIGINT, digest VARCHAR, PRIMARY KEY (question_key, first_unit));
INSERT INTO kept_files SELECT DISTINCT hash FROM (
    SELECT file_hash AS hash FROM points UNION SELECT hash FROM images
    UNION SELECT state_hash FROM questions) WHERE hash IS NOT NULL;
"""

# What an answer brings beside its rows. `questions.state_hash` was never used; `finished` is true
# of an answer that is complete though some of its units were not needed. The answer that brought a
# point may be gone while others are about it.
_BROUGHT = """
CREATE TABLE answer_points (question_key VARCHAR, name VARCHAR, point_id VARCHAR, unit BIGINT,
    model_id VARCHAR, file_hash VARCHAR, label VARCHAR, created TIMESTAMP,
    PRIMARY KEY (question_key, name, point_id));
CREATE TABLE answer_states (question_key VARCHAR, unit BIGINT, part BIGINT, file_hash VARCHAR,
    PRIMARY KEY (question_key, unit, part));
ALTER TABLE questions DROP COLUMN state_hash;
ALTER TABLE questions ADD COLUMN finished BOOLEAN;
"""

_HOSTS = "ALTER TABLE jobs ADD COLUMN host VARCHAR;"

# Computed from the rows of an answer, for lists and searches; the view is for a user's own SQL.
_NUMBERS = """
CREATE TABLE annotations (what VARCHAR, id VARCHAR, name VARCHAR, note VARCHAR, tags VARCHAR[],
    favourite BOOLEAN, archived BOOLEAN, PRIMARY KEY (what, id));
CREATE TABLE result_numbers (question_key VARCHAR PRIMARY KEY, names VARCHAR[], estimates DOUBLE[],
    lows DOUBLE[], highs DOUBLE[], units BIGINT);
CREATE VIEW numbers AS
    SELECT question_key AS key, kind, models, unnest(names) AS name, unnest(estimates) AS value,
        unnest(lows) AS low, unnest(highs) AS high
    FROM result_numbers JOIN analyses ON key = question_key;
"""

# What users put together out of analyses and name: figures, studies.
_DOCUMENTS = """
CREATE TABLE documents (what VARCHAR, id VARCHAR, name VARCHAR, content JSON, created TIMESTAMP,
    changed TIMESTAMP, deleted TIMESTAMP, PRIMARY KEY (what, id));
"""

# A setting that is no such number, as a seed of 20 digits, is NULL: it hides no other analysis.
_LENIENT_VIEWS = """
CREATE OR REPLACE VIEW analyses AS
    SELECT key, kind, title, array_to_string(model_names, ', ') AS models, status, units_done,
        units, settings ->> 'split' AS split, settings ->> 'precision' AS precision,
        TRY_CAST(settings ->> 'seed' AS BIGINT) AS seed,
        settings ->> 'normalisation' AS normalisation, settings, facts, provenance, seconds,
        created, completed
    FROM questions LEFT JOIN question_models USING (key) WHERE deleted IS NULL;
CREATE OR REPLACE VIEW grids AS
    SELECT key, kind, models, split, precision, seed, normalisation,
        TRY_CAST(settings ->> 'x_min' AS DOUBLE) AS x_min,
        TRY_CAST(settings ->> 'x_max' AS DOUBLE) AS x_max,
        TRY_CAST(settings ->> 'x_count' AS BIGINT) AS x_count,
        TRY_CAST(settings ->> 'y_min' AS DOUBLE) AS y_min,
        TRY_CAST(settings ->> 'y_max' AS DOUBLE) AS y_max,
        TRY_CAST(settings ->> 'y_count' AS BIGINT) AS y_count,
        TRY_CAST(facts -> 'stand_alone' ->> 'loss' AS DOUBLE) AS centre_loss, units_done, units
    FROM analyses WHERE settings ->> 'x_count' IS NOT NULL;
"""

# A point that is a direction from others, no place of its own; rows from before have NULL.
_DIRECTIONS = """
ALTER TABLE answer_points ADD COLUMN is_direction BOOLEAN;
"""

# Catalogs that others own, whose rows are here while their files stay there; `folders` is where
# files of theirs may lie, `mark` the state in which they were read last. An origin says which
# model or analysis came from where; one whose entry is gone was deleted here, and does not return.
_SHARED = """
CREATE TABLE shared_catalogs (name VARCHAR PRIMARY KEY, folder VARCHAR, folders VARCHAR[],
    mark VARCHAR, read TIMESTAMP);
CREATE TABLE origins (what VARCHAR, id VARCHAR, shared VARCHAR, units_there BIGINT,
    PRIMARY KEY (what, id));
"""

MIGRATIONS: tuple[tuple[str, str], ...] = (
    ("first schema", _FIRST),
    ("families of questions, remembered choices", _FAMILIES),
    ("seals of what is stored, files that are ours", _SEALS),
    ("points and state that answers bring, answers that end early", _BROUGHT),
    ("hosts of workers", _HOSTS),
    ("numbers of results, annotations", _NUMBERS),
    ("documents that users name", _DOCUMENTS),
    ("views that no odd setting breaks", _LENIENT_VIEWS),
    ("directions that answers bring", _DIRECTIONS),
    ("catalogs that are shared", _SHARED),
)
VIEWS = frozenset(
    re.findall(r"CREATE (?:OR REPLACE )?VIEW (\w+)", "".join(s for _, s in MIGRATIONS))
)
OWN_NAMES = frozenset({"migrations", *KEYS, *VIEWS})  # that no table of values can have


def migrate(connection: Cursor, path: Path) -> None:
    """Bring the schema up to date; each step and its record are one transaction, a new schema one.

    Raises:
        CatalogTooNew: the schema is newer than this program.
        NotACatalog: a DuckDB database with tables of somebody else.
    """
    stored = stored_version(connection, path)
    if stored > len(MIGRATIONS):
        raise CatalogTooNew(path, f"schema {stored}", f"up to {len(MIGRATIONS)}")
    if stored == 0:
        connection.execute("BEGIN")
        connection.execute(
            "CREATE TABLE migrations (version BIGINT PRIMARY KEY, name VARCHAR, applied TIMESTAMP)"
        )
        _take(connection, 0, MIGRATIONS)
        connection.execute("COMMIT")
    for version, step in enumerate(MIGRATIONS[stored:] if stored else (), start=stored):
        connection.execute("BEGIN")
        _take(connection, version, (step,))
        connection.execute("COMMIT")


def _take(connection: Cursor, stored: int, steps: Sequence[tuple[str, str]]) -> None:
    """Take the steps that follow those stored, and record them."""
    applied = datetime.now(UTC).replace(tzinfo=None)
    for _, statements in steps:
        connection.execute(statements)
    rows = [(stored + place, name, applied) for place, (name, _) in enumerate(steps, start=1)]
    marks = ", ".join(["(?, ?, ?)"] * len(rows))
    connection.execute(f"INSERT INTO migrations VALUES {marks}", list(chain(*rows)))  # noqa: S608


def stored_version(connection: Cursor, path: Path) -> int:
    """The newest step in the file; 0 when the file is new."""
    try:  # at each opening: the usual case first, for it costs a third
        return _newest(connection)
    except duckdb.CatalogException:
        pass  # new, or no catalog of ours
    names = {
        row[0]
        for row in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal"
        ).fetchall()
    }
    if not names:
        return 0
    if not {"migrations", "questions"} <= names:
        raise NotACatalog(path, "is a DuckDB database but no catalog")
    return _newest(connection)


def _newest(connection: Cursor) -> int:
    """The newest step of a database that has the tables of a catalog.

    Raises:
        duckdb.CatalogException: it has not.
    """
    query = "SELECT version FROM migrations UNION ALL SELECT NULL FROM questions WHERE false"
    return max((int(version) for (version,) in connection.execute(query).fetchall()), default=0)
