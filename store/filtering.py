"""A condition on analyses as SQL with bound values: what its names stand for in a catalog."""

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import duckdb

from store.database_file import Cursor
from store.errors import CannotFilter
from store.filter_language import Comparison, Condition, Joined, Name, Value, Word
from store.rows import identifier

COLUMNS = ("kind", "title", "status", "units", "units_done", "seconds", "created", "completed")
ANNOTATIONS = ("tag", "note", "favourite", "archived")  # of the analysis
SHARED = "shared"  # the shared catalog that an analysis came from
MODEL_NAMES = ("model", "name")  # what the name of a model goes by
MOST_NAMES_LISTED = 12
WORDS = """(contains(lower(concat_ws(' ', title, kind, settings)), ?)
    OR list_has_any(model_ids, CAST(? AS VARCHAR[]))
    OR key IN (SELECT id FROM annotations WHERE what = 'analysis' AND contains(lower(name), ?)))"""


@dataclass(frozen=True)
class Sql:
    """A part of a statement with what is bound in it."""

    text: str
    values: tuple[object, ...] = ()

    def within(self, text: str, *values: object) -> "Sql":
        """The text with this at its braces, and what is bound after it."""
        return Sql(text.replace("{}", self.text), (*self.values, *values))

    @property
    def with_values(self) -> str:
        """The text with its values in their places: for a reader, who runs it elsewhere."""
        first, *others = self.text.split("?")  # no text of ours has one but for a value
        literals = map(_literal, self.values)
        return first + "".join(
            f"{value}{text}" for value, text in zip(literals, others, strict=True)
        )


def _literal(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    return "NULL" if value is None else str(value)


@dataclass(frozen=True)
class FilterNames:
    """The names that a catalog's analyses can be searched by."""

    settings: frozenset[str]
    model_facts: frozenset[str]  # of models, with what their runs were trained with
    numbers: dict[str, frozenset[str]] = field(default_factory=dict)  # of results, by kind

    @classmethod
    def of(cls, cursor: Cursor) -> "FilterNames":
        """Those of a catalog: all questions of one kind and version have the same settings."""
        settings = cursor.execute(_SETTING_NAMES).fetchall()
        facts = cursor.execute(_FACT_NAMES).fetchall()
        numbers: dict[str, set[str]] = {}
        for kind, name in cursor.execute(_NUMBER_NAMES).fetchall():
            numbers.setdefault(kind, set()).add(name)
        frozen = {kind: frozenset(names) for kind, names in numbers.items()}
        plain = [frozenset(n for (n,) in rows if '"' not in n) for rows in (settings, facts)]
        return cls(plain[0], plain[1], frozen)

    @property
    def all(self) -> list[str]:
        """All of them, what every analysis has first."""
        numbers = [f"{kind}.{name}" for kind, names in self.numbers.items() for name in names]
        numbers += [name for names in self.numbers.values() for name in names]
        return [
            *COLUMNS,
            *MODEL_NAMES,
            *ANNOTATIONS,
            SHARED,
            *sorted({*self.settings, *self.model_facts, *numbers}),
        ]


_SETTING_NAMES = """SELECT DISTINCT unnest(json_keys(settings)) FROM questions
    WHERE rowid IN (SELECT min(rowid) FROM questions GROUP BY kind, version)"""
_PLACES_OF_FACTS = ("$", "$.run.hyperparameters", "$.run.trained_by")  # in a model's facts
_NUMBER_NAMES = """SELECT DISTINCT kind, unnest(names)
    FROM (SELECT DISTINCT kind, names FROM result_numbers JOIN questions ON key = question_key)"""
_NUMBER = """CAST((SELECT n.estimates[list_position(n.names, ?)] FROM result_numbers AS n
    WHERE n.question_key = {}.key) AS VARCHAR)"""
_FACT_NAMES = " UNION ".join(
    f"SELECT unnest(json_keys(facts, '{place}')) FROM models"  # noqa: S608 - our own words
    for place in _PLACES_OF_FACTS
)


class SqlOfConditions:
    """Turns conditions into SQL on the table of questions."""

    def __init__(self, cursor: Cursor) -> None:
        """For the analyses of the catalog that the cursor is of."""
        self._cursor, self._names = cursor, FilterNames.of(cursor)

    def sql(self, condition: Condition) -> Sql:
        """The condition.

        Raises:
            CannotFilter: a name that nothing has, or a pattern that is none.
        """
        match condition:
            case Joined(how="NOT", parts=(part,)):
                return self.sql(part).within("(NOT {})")
            case Joined(how=how, parts=parts):
                return joined(f" {how} ", [self.sql(part) for part in parts])
            case Word(text=word):
                return words_sql(self._cursor, word.lower())
            case Comparison(name=name, symbol=symbol, values=values):
                if symbol == "~":
                    _require_pattern(self._cursor, str(values[0]))
                return self._comparison(name, lambda column: compared(column, symbol, values))
        raise AssertionError(condition)

    def order(self, name: str, descending: bool) -> Sql:
        """How analyses are put in order by a column; numbers as numbers, what lacks it last.

        Raises:
            CannotFilter: nothing has it.
        """
        column = self._column(Name(name, 1))
        way = "DESC" if descending else "ASC"
        number = column.within(f"TRY_CAST({{}} AS DOUBLE) {way} NULLS LAST")
        text = column.within(f"{{}} {way} NULLS LAST")
        return Sql(f"{number.text}, {text.text}", (*number.values, *text.values))

    def _column(self, name: Name) -> Sql:
        """One value of each analysis; of several models that of the first."""
        owner, key = self._parts(name)
        if not owner and key in MODEL_NAMES:
            return Sql(_FIRST_MODEL.format("name"))
        if not owner and key in ANNOTATIONS:
            column = "array_to_string(tags, ', ')" if key == "tag" else identifier(key)
            return Sql(_ANNOTATION.replace("[]", column))
        if owner and key in self._names.numbers.get(owner, ()):
            number = _NUMBER.replace("{}", "questions")
            return Sql(f"(CASE WHEN kind = ? THEN {number} END)", (owner, key))
        if owner in ("", "model") and key in self._names.model_facts - self._own_names(owner):
            return _model_fact(key).within(_FIRST_MODEL)
        return self._comparison(name, lambda column: column)

    def _parts(self, name: Name) -> tuple[str, str]:
        """Whose a name is and what it is there; a setting or fact may have a dot in its name."""
        if name.text in self._names.settings | self._names.model_facts:
            return "", name.text
        owner, _, key = name.text.rpartition(".")
        return owner, key

    def _own_names(self, owner: str) -> frozenset[str]:
        """The names of analyses that go before the same ones of models."""
        return frozenset() if owner else self._names.settings | frozenset(COLUMNS)

    def _comparison(self, name: Name, compare: Callable[[Sql], Sql]) -> Sql:
        owner, key = self._parts(name)
        if not owner and key in COLUMNS:
            return compare(Sql(f"CAST({identifier(key)} AS VARCHAR)"))
        if not owner and key in ANNOTATIONS:
            column = "unnest(tags)" if key == "tag" else identifier(key)
            return compare(Sql("noted")).within(_OF_ANNOTATIONS.replace("[]", column))
        if not owner and key in MODEL_NAMES:
            return compare(Sql("name")).within(_OF_MODELS)
        if owner in ("", "settings") and key in self._names.settings:
            return compare(Sql("(settings ->> ?)", (_path("$", key),)))
        if owner in ("", "model") and key in self._names.model_facts:
            return compare(_model_fact(key)).within(_OF_MODELS)
        if not owner and key == SHARED:
            return compare(Sql(_ORIGIN))
        if not owner and any(key in names for names in self._names.numbers.values()):
            return compare(Sql(_NUMBER.replace("{}", "questions"), (key,)))
        if key in self._names.numbers.get(owner, ()):
            return compare(Sql(_NUMBER.replace("{}", "others"), (key,))).within(_OF_ANSWERS, owner)
        raise self._unknown(name)

    def _unknown(self, name: Name) -> CannotFilter:
        names = self._names.all
        close = difflib.get_close_matches(name.text, names, MOST_NAMES_LISTED, 0.6) or names
        more = ", ..." if len(close) > MOST_NAMES_LISTED else ""
        listed = ", ".join(close[:MOST_NAMES_LISTED])
        reason = f"nothing has {name.text!r} (character {name.place})"
        return CannotFilter(reason, f"there are {listed}{more}")


_OF_ANNOTATIONS = """(key IN (SELECT id FROM (
    SELECT id, CAST([] AS VARCHAR) AS noted FROM annotations WHERE what = 'analysis') WHERE {}))"""
_ANNOTATION = """(SELECT CAST([] AS VARCHAR) FROM annotations
    WHERE what = 'analysis' AND id = key)"""
_ORIGIN = "(SELECT shared FROM origins WHERE what = 'analysis' AND id = key)"
_OF_ANSWERS = """list_has_any(model_ids, (SELECT coalesce(list(DISTINCT id), []) FROM
    (SELECT unnest(model_ids) AS id FROM questions AS others
     WHERE others.deleted IS NULL AND {} AND others.kind = ?)))"""
_FIRST_MODEL = "(SELECT {} FROM models WHERE id = model_ids[1])"
_OF_MODELS = "list_has_any(model_ids, (SELECT coalesce(list(id), []) FROM models WHERE {}))"


def compared(column: Sql, symbol: str, values: tuple[Value, ...]) -> Sql:
    """A column of text compared with a value, or with several for "in"; NULL is in no relation.

    NaN neither: to DuckDB it is the largest of all numbers.

    Raises:
        CannotFilter: a pattern that is none.
    """
    if symbol == "in":
        return joined(" OR ", [compared(column, "=", (value,)) for value in values])
    (value,) = values
    if value is None:
        return column.within("({} IS NULL)" if symbol == "=" else "({} IS NOT NULL)")
    if symbol == "~":
        return column.within("coalesce(regexp_matches({}, ?), FALSE)", value)
    if isinstance(value, bool | str):
        text = str(value).lower() if isinstance(value, bool) else value
        return column.within(f"coalesce({{}} {symbol} ?, FALSE)", text)
    number = column.within("TRY_CAST({} AS DOUBLE)")
    is_nan = number.within("NOT coalesce(isnan({}), FALSE)")
    related = number.within(f"coalesce({{}} {symbol} CAST(? AS DOUBLE), FALSE)", value)
    return related if symbol == "!=" else joined(" AND ", [related, is_nan])


def joined(word: str, parts: Sequence[Sql]) -> Sql:
    """Conditions with a word between them; of none, one that never holds."""
    text = word.join(part.text for part in parts) or "FALSE"
    return Sql(f"({text})", tuple(value for part in parts for value in part.values))


def words_sql(cursor: Cursor, word: str) -> Sql:
    """That a word in small letters is somewhere in what an analysis says of itself."""
    return Sql(WORDS, (word, models_named(cursor, word), word))


def models_named(cursor: Cursor, word: str) -> list[str]:
    """Ids of the models whose name contains the word: far fewer than there are questions."""
    query = "SELECT id FROM models WHERE contains(lower(name), ?)"
    return [id for (id,) in cursor.execute(query, [word]).fetchall()]


def _model_fact(key: str) -> Sql:
    """A fact of a model: its own, or what its run was trained with."""
    paths = [_path(place, key) for place in _PLACES_OF_FACTS]
    texts = ", ".join(["facts ->> ?"] * len(paths))
    return Sql(f"coalesce({texts})", tuple(paths))


def _path(place: str, key: str) -> str:
    return f'{place}."{key}"'


def _require_pattern(cursor: Cursor, pattern: str) -> None:
    """DuckDB's patterns are RE2's, which are nearly Python's.

    Raises:
        CannotFilter: it is none.
    """
    try:
        cursor.execute("SELECT regexp_matches('', ?)", [pattern])
    except duckdb.Error as error:
        why = " ".join(str(error).split()).partition(": ")[2]
        raise CannotFilter(f"{pattern!r} is no pattern: {why}", "write one as in mlp_.*") from error
