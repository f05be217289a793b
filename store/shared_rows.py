"""Rows of a shared catalog: which of them come, and which go again."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from store.database_file import Cursor
from store.missing_rows import add_missing
from store.other_catalog import OtherCatalog, Row
from store.part import Part, Rows
from store.records import MergeCounts
from store.rows import is_among, put_rows
from store.trash import remove_orphans, remove_questions

_HERE = {
    "analysis": "SELECT key, deleted IS NOT NULL, status FROM questions",
    "model": "SELECT id, deleted IS NOT NULL, '' FROM models",
}
_TABLES = {"analysis": "questions", "model": "models"}
_IDS = {"analysis": "key", "model": "id"}


@dataclass(frozen=True)
class Change:
    """What is to change here so that a shared catalog is shown as it is by now."""

    rows: dict[str, list[Row]]  # that come, by table
    gone: Mapping[str, set[str]]  # ids of what is not there any more: "analysis", "model"

    @property
    def ids(self) -> set[str]:
        """Of the entries that come."""
        named = {str(row[_IDS[what]]) for what in _TABLES for row in self.rows[_TABLES[what]]}
        return named | {str(row["id"]) for row in self.rows["problems"]}


def change_of(cursor: Cursor, theirs: Rows, name: str) -> Change:
    """What is there and not here, or not as much of it; but nothing that was deleted here.

    Args:
        cursor: of this catalog.
        theirs: all that the shared one has, by table.
        name: of the shared one.
    """
    seen, here = _seen(cursor, name), _here(cursor)
    unwanted = {what: _unwanted(seen[what].keys(), here[what]) for what in _TABLES}
    models = [row for row in theirs["models"] if row["id"] not in unwanted["model"]]
    questions = [
        row
        for row in theirs["questions"]
        if row["key"] not in unwanted["analysis"]
        and not unwanted["model"] & set(row["model_ids"])
        and seen["analysis"].get(row["key"]) != row["units_done"]
        and here["analysis"].get(row["key"], (False, ""))[1] != "complete"
    ]
    part = Part(
        keys=frozenset(row["key"] for row in questions),
        models=frozenset(row["id"] for row in models),
    )
    rows = part.rows_of({**theirs, "questions": questions, "documents": []})
    gone = {
        what: seen[what].keys() - {row[_IDS[what]] for row in theirs[table]}
        for what, table in _TABLES.items()
    }
    return Change(rows, gone)


def take_change(cursor: Cursor, theirs: OtherCatalog, change: Change, name: str) -> MergeCounts:
    """Have the rows come and go, and note where they are from; how much came."""
    before = _here(cursor)
    counts = add_missing(cursor, theirs, change.rows)
    seen = _seen(cursor, name)
    for what, table in _TABLES.items():
        origins = [
            {"what": what, "id": id, "shared": name, "units_there": row.get("units_done")}
            for row in change.rows[table]
            if (id := row[_IDS[what]]) in seen[what] or id not in before[what]
        ]
        put_rows(cursor, "origins", origins, ("units_there",))
    remove_entries(cursor, name, change.gone, kept_are_own=False)
    return counts


def remove_all_entries(cursor: Cursor, name: str) -> None:
    """Remove everything that came from a shared catalog; what own analyses need is own from now."""
    ids = {what: set(seen) for what, seen in _seen(cursor, name).items()}
    remove_entries(cursor, name, ids, kept_are_own=True)


def remove_entries(
    cursor: Cursor, name: str, ids: Mapping[str, Collection[str]], *, kept_are_own: bool
) -> None:
    """Remove entries of a shared catalog, but what was gone on with here, or is asked about.

    Args:
        cursor: of the transaction.
        name: of the shared catalog.
        ids: of its models and analyses.
        kept_are_own: whether those that stay are no longer noted as the shared catalog's.
    """
    worked_on = cursor.execute("SELECT question_key FROM jobs").fetchall()
    remove_questions(cursor, set(ids["analysis"]) - {key for (key,) in worked_on})
    condition, values = is_among("id", ids["model"], "VARCHAR")
    used = "SELECT unnest(model_ids) FROM questions"
    cursor.execute(f"DELETE FROM models WHERE {condition} AND id NOT IN ({used})", values)  # noqa: S608
    remove_orphans(cursor)
    here = _here(cursor)
    for what in _TABLES:
        noted = [id for id in ids[what] if kept_are_own or id not in here[what]]
        condition, values = is_among("id", noted, "VARCHAR")
        query = f"DELETE FROM origins WHERE what = ? AND shared = ? AND {condition}"  # noqa: S608
        cursor.execute(query, [what, name, *values])


def _seen(cursor: Cursor, name: str) -> dict[str, dict[str, int | None]]:
    """What has come from a shared catalog: by sort and id, how many units it had there."""
    query = "SELECT what, id, units_there FROM origins WHERE shared = ?"
    seen: dict[str, dict[str, int | None]] = {what: {} for what in _TABLES}
    for what, id, units in cursor.execute(query, [name]).fetchall():
        seen[what][id] = units
    return seen


def _here(cursor: Cursor) -> dict[str, dict[str, tuple[bool, str]]]:
    """What is here: by sort and id, whether it is in the trash, and its status."""
    rows = {what: cursor.execute(query).fetchall() for what, query in _HERE.items()}
    return {what: {id: (gone, status) for id, gone, status in rows[what]} for what in rows}


def _unwanted(seen: Collection[str], here: Mapping[str, tuple[bool, str]]) -> set[str]:
    """Ids of what was deleted here: it lies in the trash, or came once and is gone."""
    return {id for id, (deleted, _) in here.items() if deleted} | (set(seen) - here.keys())
