"""What answers bring beside their rows: points for other questions, and state to go on from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store.database_file import Cursor
from store.door import Door
from store.pictures import note_files
from store.read_memory import remembered
from store.records import AnswerPiece, AnswerPoint, AnswerState, PointFile, StateFile
from store.rows import is_among, now, put_row, records, scalar
from store.seals import seal_after
from store.tables import value_tables

_SUFFIX = "safetensors"
_USED = """SELECT DISTINCT id FROM (
    SELECT unnest(point_ids) AS id FROM questions WHERE deleted IS NULL) WHERE """


class Brought(Door):
    """The part of the catalog about points and state of answers."""

    @remembered
    def answer_points(
        self, *, key: str | None = None, model_id: str | None = None
    ) -> list[AnswerPoint]:
        """Points that answers brought, the latest answer first, each answer's by unit of work.

        Args:
            key: only of this answer; also where it is in the trash.
            model_id: only of this model, of answers or in use by answers outside the trash.
        """
        equal = {"question_key = ?": key, "model_id = ?": model_id}
        where = " AND ".join(["TRUE", *(text for text, value in equal.items() if value)])
        latest = "max(created) OVER (PARTITION BY question_key) DESC"
        query = (
            f"SELECT * FROM answer_points WHERE {where} ORDER BY {latest}, question_key, unit, name"  # noqa: S608
        )

        def work(cursor: Cursor) -> list[AnswerPoint]:
            points = records(cursor, AnswerPoint, query, [v for v in equal.values() if v])
            return _listed(cursor, points) if key is None else points

        return self._read(work)

    def answer_point(self, point_id: str) -> AnswerPoint | None:
        """The point of that id as the first answer that brought it knows it."""
        query = "SELECT * FROM answer_points WHERE point_id = ? ORDER BY created, name LIMIT 1"
        return next(iter(self._read(lambda c: records(c, AnswerPoint, query, [point_id]))), None)

    def answer_states(self, key: str) -> dict[int, list[AnswerState]]:
        """What the units of an answer that are half done go on from: unit -> parts in order."""
        query = """SELECT unit, part, file_hash FROM answer_states WHERE question_key = ?
            ORDER BY unit, part"""
        parts_by_unit: dict[int, list[AnswerState]] = {}
        for state in self._read(lambda c: records(c, AnswerState, query, [key])):
            parts = parts_by_unit.setdefault(state.unit, [])
            if state.part == len(parts):  # a part that is lost takes those after it along
                parts.append(state)
        return {unit: parts for unit, parts in parts_by_unit.items() if parts}

    def take_points(self, key: str, points: Sequence[AnswerPoint]) -> None:
        """Give an answer points of another's, as it names them."""
        rows = [{**vars(point), "question_key": key, "created": now()} for point in points]

        def work(cursor: Cursor) -> None:
            with seal_after(cursor, "analysis", [key]):
                for row in rows:
                    put_row(cursor, "answer_points", row)

        self._write(work)

    def users_of_points(self, key: str) -> list[str]:
        """Keys of the analyses outside the trash that are about points that an answer brought."""
        query = """SELECT DISTINCT key FROM (SELECT key, unnest(point_ids) AS point_id
            FROM questions WHERE deleted IS NULL AND key != ?) AS users
            WHERE point_id IN (SELECT point_id FROM answer_points WHERE question_key = ?)
            AND point_id NOT IN (SELECT point_id FROM points) ORDER BY key"""
        return self._read(lambda c: [row[0] for row in c.execute(query, [key, key]).fetchall()])

    def _link_files(self, piece: AnswerPiece) -> dict[str, str]:
        """Keep the files that a piece brings: path -> hash."""
        files = [point.file for point in piece.points]
        files += [piece.state.file] if piece.state else []
        return {str(file): self._link(file, _SUFFIX) for file in files}


@dataclass(frozen=True)
class LinkedPiece:
    """A piece, the units of work that it is the first to bring, and the hashes of its files."""

    piece: AnswerPiece
    units: Sequence[int]
    files: Mapping[str, str]  # by path


def store_brought(cursor: Cursor, key: str, pieces: Sequence[LinkedPiece]) -> None:
    """Store points that came with new units, and state of units that are still to be done."""
    for linked in pieces:
        note_files(cursor, linked.files.values())
        for point in linked.piece.points:
            if point.unit in linked.units:
                _put_point(cursor, key, point, linked.files[str(point.file)])
    if units := [unit for linked in pieces for unit in linked.units]:
        condition, values = is_among("unit", units, "BIGINT")
        cursor.execute(
            f"DELETE FROM answer_states WHERE question_key = ? AND {condition}",  # noqa: S608
            [key, *values],
        )
    for linked in pieces:
        if (state := linked.piece.state) and not is_stored(cursor, key, state.unit):
            _put_state(cursor, key, state, linked.files[str(state.file)])


def _put_point(cursor: Cursor, key: str, point: PointFile, hash: str) -> None:
    row = {name: value for name, value in vars(point).items() if name != "file"}
    row |= {"question_key": key, "file_hash": hash, "created": now()}
    put_row(cursor, "answer_points", row)


def _put_state(cursor: Cursor, key: str, state: StateFile, hash: str) -> None:
    """Store a part in place of itself and of all after it, which went on from another one."""
    cursor.execute(
        "DELETE FROM answer_states WHERE question_key = ? AND unit = ? AND part > ?",
        [key, state.unit, state.part],
    )
    row = {"question_key": key, "unit": state.unit, "part": state.part, "file_hash": hash}
    put_row(cursor, "answer_states", row, ("file_hash",))


def drop_states(cursor: Cursor, key: str) -> None:
    """Drop all state of an answer: it is complete."""
    cursor.execute("DELETE FROM answer_states WHERE question_key = ?", [key])


def is_stored(cursor: Cursor, key: str, unit: int) -> bool:
    """Whether a unit of an answer is there."""
    query = "SELECT 1 FROM {} WHERE question_key = ? AND unit = ? LIMIT 1"
    tables = value_tables(cursor)
    return any(scalar(cursor, query.format(table), [key, unit]) for table in tables)


def _listed(cursor: Cursor, points: Sequence[AnswerPoint]) -> list[AnswerPoint]:
    """Those of answers, or in use by answers, outside the trash.

    Their answers are looked up by key: only for those in the trash are all questions gone through.
    """
    among, values = is_among("key", {point.question_key for point in points}, "VARCHAR")
    query = f"SELECT key FROM questions WHERE deleted IS NULL AND {among}"  # noqa: S608
    keys = {key for (key,) in cursor.execute(query, values).fetchall()}
    among, values = is_among(
        "id", {point.point_id for point in points if point.question_key not in keys}, "VARCHAR"
    )
    used = {id for (id,) in cursor.execute(_USED + among, values).fetchall()} if values else set()
    return [point for point in points if point.question_key in keys or point.point_id in used]
