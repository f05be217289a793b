"""The catalog's own tables: what merging, the trash, the check and every writer know of each.

A table whose rows are of a question goes with it; what else a table is, its columns say, which are
those of the migrations.
"""

from dataclasses import dataclass

_KEPT_QUESTIONS = "(SELECT key FROM questions WHERE deleted IS NULL)"
_KEPT_MODELS = """(SELECT id FROM models WHERE deleted IS NULL
    OR id IN (SELECT unnest(model_ids) FROM questions WHERE deleted IS NULL))"""
_OF_KEPT_QUESTIONS = f"question_key IN {_KEPT_QUESTIONS}"


@dataclass(frozen=True)
class CatalogTable:
    """One table. Its name and its key are in statements of all kinds."""

    name: str
    key: tuple[str, ...]  # primary
    needed: tuple[str, ...] = ()  # further columns that no row goes without
    json: tuple[str, ...] = ()  # columns with a mapping that no row goes without
    files: tuple[str, ...] = ()  # columns in which files beside the database are named
    of_question: bool = False  # whether its rows go with the question of their `question_key`
    brought: str = ""  # condition on the rows that a merge brings; "" where none come

    @property
    def brought_rows(self) -> str:
        """The query of the rows that a merge brings, the first stored first."""
        order = " ORDER BY created, key" if self.name == "questions" else ""
        return f"SELECT * FROM {self.name} WHERE {self.brought}{order}"  # noqa: S608 - our words


# A hash anywhere in JSON names a file: better one file too many kept than one lost. The trash does
# not come with a merge, and neither do jobs and what the app remembers.
CATALOG_TABLES = (
    CatalogTable(
        "problems",
        ("id",),
        needed=("name", "path", "source_hash"),
        json=("arguments", "facts"),
        files=("facts",),
        brought="TRUE",
    ),
    CatalogTable(
        "models",
        ("id",),
        needed=("name", "problem_id", "point_id"),
        json=("facts",),
        files=("facts",),
        brought=f"id IN {_KEPT_MODELS}",
    ),
    CatalogTable(
        "points",
        ("model_id", "point_id"),
        needed=("label",),
        json=("facts",),
        files=("file_hash", "facts"),
        brought=f"model_id IN {_KEPT_MODELS}",
    ),
    CatalogTable(
        "measurements",
        ("point_id", "problem_id", "split", "name"),
        needed=("value", "count"),
        brought=f"point_id IN (SELECT point_id FROM points WHERE model_id IN {_KEPT_MODELS})",  # noqa: S608
    ),
    CatalogTable(
        "questions",
        ("key",),
        needed=(
            *("kind", "version", "title", "problem_id", "model_ids", "point_ids"),
            *("units", "units_done", "status", "seconds"),
        ),
        json=("settings", "facts", "provenance"),
        files=("facts", "settings"),
        brought="deleted IS NULL",
    ),
    CatalogTable("pieces", ("question_key", "first_unit"), needed=("units",), of_question=True),
    CatalogTable(
        "directions",
        ("question_key", "axis"),
        needed=("id",),
        json=("recipe",),
        files=("recipe", "facts"),
        of_question=True,
        brought=_OF_KEPT_QUESTIONS,
    ),
    CatalogTable(
        "jobs",
        ("id",),
        needed=("task", "title", "status", "priority", "attempts", "units_done"),
        json=("request",),
        files=("request",),
        of_question=True,
    ),
    CatalogTable(
        "images",
        ("question_key",),
        needed=("hash",),
        files=("hash",),
        of_question=True,
        brought=_OF_KEPT_QUESTIONS,
    ),
    CatalogTable("settings", ("name",), files=("value",)),
    CatalogTable("choices", ("objective", "device"), json=("facts",), brought="TRUE"),
    CatalogTable("kept_files", ("hash",)),
    CatalogTable("seals", ("what", "id"), needed=("digest",)),
    CatalogTable(
        "value_seals",
        ("question_key", "first_unit"),
        needed=("table_name", "unit_ranges", "rows", "digest"),
        of_question=True,
    ),
    CatalogTable(  # whose question may be gone while others are about the point
        "answer_points",
        ("question_key", "name", "point_id"),
        needed=("unit", "model_id", "file_hash", "label"),
        files=("file_hash",),
        brought=f"""{_OF_KEPT_QUESTIONS}
            OR point_id IN (SELECT unnest(point_ids) FROM questions WHERE deleted IS NULL)""",  # noqa: S608
    ),
    CatalogTable(
        "answer_states",
        ("question_key", "unit", "part"),
        needed=("file_hash",),
        files=("file_hash",),
        of_question=True,
        brought=_OF_KEPT_QUESTIONS,
    ),
    CatalogTable(
        "annotations",
        ("what", "id"),
        needed=("note", "tags", "favourite", "archived"),
        brought=f"id IN {_KEPT_MODELS} OR id IN {_KEPT_QUESTIONS}",
    ),
    CatalogTable(
        "documents",
        ("what", "id"),
        needed=("name",),
        json=("content",),
        files=("content",),
        brought="deleted IS NULL",
    ),
    CatalogTable(
        "result_numbers",
        ("question_key",),
        needed=("names", "estimates", "lows", "highs", "units"),
        of_question=True,
    ),
    CatalogTable("shared_catalogs", ("name",), needed=("folder", "folders", "mark")),
    CatalogTable("origins", ("what", "id"), needed=("shared",)),
)
TABLES_OF_QUESTIONS = tuple(table.name for table in CATALOG_TABLES if table.of_question)
BROUGHT_TABLES = tuple(table for table in CATALOG_TABLES if table.brought)
KEYS = {table.name: table.key for table in CATALOG_TABLES}
