"""The few numbers that each answer comes down to; they are computed from it at any time."""

from collections.abc import Mapping, Sequence

from store.database_file import Cursor
from store.door import Door
from store.rows import put_row

Numbers = Mapping[str, tuple[float, float, float]]  # name -> value and the ends of its interval

_UNTOLD = """SELECT key FROM questions LEFT JOIN result_numbers ON question_key = key
    WHERE status = 'complete' AND deleted IS NULL
        AND result_numbers.units IS DISTINCT FROM units_done
    ORDER BY created DESC, key LIMIT ?"""
_STORED = """SELECT question_key, names, estimates, lows, highs FROM result_numbers
    WHERE list_contains(CAST(? AS VARCHAR[]), question_key)"""

_DROP = """DELETE FROM result_numbers WHERE question_key IN
    (SELECT key FROM questions WHERE list_contains(CAST(? AS VARCHAR[]), kind))"""


class AnswerNumbers(Door):
    """The part of the catalog about the numbers of answers."""

    def set_numbers(self, key: str, numbers: Numbers, units: int) -> None:
        """Keep the numbers of an answer, in place of earlier ones.

        Args:
            key: of the question.
            numbers: value and ends by name; NaN stays NaN.
            units: that were answered when they were computed.
        """
        columns = [list(column) for column in zip(*numbers.values(), strict=True)] or [[], [], []]
        row = {"question_key": key, "names": list(numbers), "units": units}
        row |= dict(zip(("estimates", "lows", "highs"), columns, strict=True))
        renewed = ("names", "estimates", "lows", "highs", "units")
        self._write(lambda c: put_row(c, "result_numbers", row, renewed))

    def numbers(self, keys: Sequence[str]) -> dict[str, dict[str, tuple[float, float, float]]]:
        """The numbers of those of these answers that have some: value and ends, by name."""

        def work(
            cursor: Cursor,
        ) -> list[tuple[str, list[str], list[float], list[float], list[float]]]:
            return cursor.execute(_STORED, [list(keys)]).fetchall()

        return {
            key: {name: (one, low, high) for name, one, low, high in zip(*columns, strict=True)}
            for key, *columns in self._read(work)
        }

    def drop_numbers(self, kinds: Sequence[str]) -> None:
        """Forget the numbers of all answers of these kinds, so that they are computed again."""
        self._write(lambda c: c.execute(_DROP, [list(kinds)]))

    def answers_without_numbers(self, limit: int) -> list[str]:
        """Keys of complete answers whose numbers are missing or outdated, newest first."""
        return self._read(lambda c: [key for (key,) in c.execute(_UNTOLD, [limit]).fetchall()])
