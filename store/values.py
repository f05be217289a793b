"""Answers: pieces come in, values go out."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from store.brought import Brought, LinkedPiece, drop_states, store_brought
from store.database_file import Cursor
from store.questions import question_row
from store.read_memory import remembered
from store.records import AnswerPiece, Json, Question, Share, StateFile
from store.rows import now, put_rows, records, sql_value
from store.seals import seal_after, seal_rows
from store.tables import append, arrow_table, check_table, has_table

MOST_PARTS = 1_000_000  # of the state of a unit


class Values(Brought):
    """The part of the catalog about what was answered: one table per kind."""

    def ingest(
        self,
        key: str,
        table: str,
        columns: Mapping[str, np.ndarray],
        facts: Json,
        seconds: float,
        provenance: Json,
        *,
        taken_from: Json | None = None,
    ) -> int:
        """Store a piece of an answer, whole or not at all; the units that are answered now.

        Rows of units that are stored already are left out, so that a piece may come twice or
        overlap another. Facts and provenance are merged, the later value wins. When all units are
        there the question is complete.

        Args:
            key: of the question.
            table: of the kind.
            columns: `unit` and others, all (R,); may be empty when a piece brings only facts.
            facts: JSON values that hold for the whole answer.
            seconds: that the piece took.
            provenance: where and with what it was computed.
            taken_from: where and with what another computed these rows, if they are another's.

        Raises:
            UnknownEntry: the question was never asked.
            ValueError: columns that do not fit each other or the table.
        """
        piece = AnswerPiece(
            columns=columns,
            facts=facts,
            seconds=seconds,
            provenance=provenance,
            taken_from=taken_from,
        )
        return self.ingest_together(key, table, [piece])

    def ingest_together(self, key: str, table: str, pieces: Sequence[AnswerPiece]) -> int:
        """Store pieces of an answer, all or none of them; the units that are answered now.

        As `ingest` one after the other, with the database opened and written once. The files of
        points and state are linked into the catalog and stay where they are. State is dropped with
        the unit that it is of.

        Raises:
            UnknownEntry: the question was never asked.
            ValueError: columns that do not fit each other or the table, units of no question.
        """
        tables = [arrow_table(piece.columns) for piece in pieces]
        check_table(table)
        files = [self._link_files(piece) for piece in pieces]

        def work(cursor: Cursor) -> int:
            question = question_row(cursor, key)
            stored = _stored_units(cursor, key, table)
            fresh: list[tuple[AnswerPiece, pa.Table]] = []
            brought: list[LinkedPiece] = []
            for piece, rows, linked in zip(pieces, tables, files, strict=True):
                new = _rows_not_stored(rows, stored)
                units = np.unique(new["unit"].to_numpy())
                check_units(units, question.units)
                _check_state(piece.state, question.units)
                question = _question_with_piece(question, piece, len(units))
                brought.append(LinkedPiece(piece, units.tolist(), linked))
                if len(units):
                    fresh.append((piece, new))
                    stored = np.concatenate([stored, units])
            with seal_after(cursor, "analysis", [key]):
                _store_rows(cursor, key, table, fresh)
                store_brought(cursor, key, brought)
                write_progress(cursor, question)
            return question.units_done

        return self._write(work)

    def values(self, key: str, table: str) -> dict[str, np.ndarray]:
        """All rows of an answer by unit: column -> (R,); empty when there are none.

        Floats are float64 with NaN and Inf as they were computed. Columns that no row of this
        answer has are left out; where only some rows have a column, the others read NaN (and whole
        numbers float64).
        """

        def work(cursor: Cursor) -> dict[str, np.ndarray]:
            if not has_table(cursor, table):
                return {}
            return cursor.execute(
                f"SELECT * EXCLUDE (question_key) FROM {check_table(table)}"  # noqa: S608 - checked
                " WHERE question_key = ? ORDER BY unit, rowid",
                [key],
            ).fetchnumpy()

        columns = self._read(work)
        if not columns or not len(columns["unit"]):
            return {}
        return {
            name: _fill_gaps(v) for name, v in columns.items() if not np.ma.getmaskarray(v).all()
        }

    def done_units(self, key: str, table: str) -> np.ndarray:
        """The units that are answered, sorted, (U,) int64."""
        return self._read(lambda c: _stored_units(c, key, table))

    @remembered
    def shares(self, key: str) -> list[Share]:
        """Who computed how much of an answer, the largest share first; pieces that say it alone."""
        query = """SELECT provenance, CAST(sum(units) AS BIGINT) AS units FROM pieces
            WHERE question_key = ? AND CAST(provenance AS VARCHAR) <> '{}'
            GROUP BY provenance ORDER BY units DESC, provenance"""
        return self._read(lambda c: records(c, Share, query, [key]))

    def units_done(self, key: str) -> int:
        """How many units are answered.

        Raises:
            UnknownEntry: the question was never asked.
        """
        return self._read(lambda c: question_row(c, key)).units_done


def check_units(units: Sequence[int] | np.ndarray, count: int) -> None:
    """Refuse sorted units that the question does not have: they would count as others.

    Raises:
        ValueError: there is one.
    """
    if len(units) and not 0 <= units[0] <= units[-1] < count:
        raise ValueError(
            f"a piece has units {units[0]} to {units[-1]}, the question 0 to {count - 1}; "
            "compute it anew"
        )


def _check_state(state: StateFile | None, units: int) -> None:
    """Refuse state of a unit or part that there cannot be.

    Raises:
        ValueError: it is such.
    """
    if state is not None:
        check_units([state.unit], units)
        if not 0 <= state.part < MOST_PARTS:
            raise ValueError(f"state has part {state.part}, there are 0 to {MOST_PARTS - 1:,}")


def _store_rows(
    cursor: Cursor, key: str, table: str, fresh: Sequence[tuple[AnswerPiece, pa.Table]]
) -> None:
    """Add rows that are not there yet, with their seals and where they come from."""
    for _, alike in itertools.groupby((rows for _, rows in fresh), lambda rows: rows.schema):
        append(cursor, key, table, pa.concat_tables(alike))
    seal_rows(cursor, key, table, [rows for _, rows in fresh])
    entries = []
    for piece, rows in fresh:
        units = np.unique(rows["unit"].to_numpy())
        entry = {"question_key": key, "first_unit": int(units[0]), "units": len(units)}
        origin = piece.provenance if piece.taken_from is None else piece.taken_from
        entry |= {"seconds": piece.seconds, "provenance": origin, "ingested": now()}
        entries.append(entry)
    put_rows(cursor, "pieces", entries)


def _question_with_piece(question: Question, piece: AnswerPiece, units: int) -> Question:
    """The question after a piece that brought so many new units."""
    return replace(
        question,
        units_done=question.units_done + units,
        seconds=question.seconds + (piece.seconds if units else 0.0),
        facts={**question.facts, **piece.facts},
        provenance={**question.provenance, **piece.provenance},
        finished=question.finished or piece.finished or None,
    )


def _stored_units(cursor: Cursor, key: str, table: str) -> np.ndarray:
    if not has_table(cursor, table):
        return np.empty(0, dtype=np.int64)
    query = f"SELECT DISTINCT unit FROM {check_table(table)} WHERE question_key = ? ORDER BY unit"  # noqa: S608
    return cursor.execute(query, [key]).fetchnumpy()["unit"]


def new_rows(cursor: Cursor, key: str, table: str, piece: pa.Table) -> pa.Table:
    """The rows of the piece whose units are not stored yet."""
    return _rows_not_stored(piece, _stored_units(cursor, key, table))


def _rows_not_stored(piece: pa.Table, stored: np.ndarray) -> pa.Table:
    return piece.filter(pa.array(~np.isin(piece["unit"].to_numpy(), stored)))


def write_progress(cursor: Cursor, question: Question) -> None:
    """Write what a piece changed; the question is complete when no unit is missing, or needed."""
    complete = question.units_done >= question.units or bool(question.finished)
    if complete:
        drop_states(cursor, question.key)
    cursor.execute(
        """UPDATE questions SET units_done = ?, status = ?, seconds = ?, facts = ?, provenance = ?,
        finished = ?, completed = coalesce(completed, ?) WHERE key = ?""",
        [
            question.units_done,
            "complete" if complete else "open",
            question.seconds,
            sql_value(question.facts),
            sql_value(question.provenance),
            question.finished,
            sql_value(now()) if complete else None,
            question.key,
        ],
    )


def _fill_gaps(column: np.ndarray) -> np.ndarray:
    """A column of a query; NaN in the rows that do not have it."""
    if not isinstance(column, np.ma.MaskedArray):
        return column
    if not column.mask.any():
        return column.data
    return np.where(column.mask, np.nan, column.data.astype(np.float64))
