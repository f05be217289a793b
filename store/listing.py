"""Lists of analyses: what is searched for, in an order, with counts of what there is."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from store.database_file import Cursor
from store.door import Door
from store.errors import CannotFilter
from store.filter_language import is_expression, parsed
from store.filtering import FilterNames, Sql, SqlOfConditions, joined, words_sql
from store.questions import questions_by_key
from store.read_memory import remembered
from store.records import Question

_NOT_ARCHIVED = "key NOT IN (SELECT id FROM annotations WHERE what = 'analysis' AND archived)"
FACETS = {  # what there is to choose from, as a column or several of each analysis
    "kind": "[kind]",
    "status": "[status]",
    "model": "(SELECT list(name) FROM models WHERE list_contains(model_ids, id))",
    "split": "[settings ->> 'split']",
    "precision": "[settings ->> 'precision']",
    "tag": "(SELECT any_value(tags) FROM annotations WHERE what = 'analysis' AND id = key)",
    "favourite": """(SELECT list(CAST(favourite AS VARCHAR)) FROM annotations
        WHERE what = 'analysis' AND id = key AND favourite)""",
    "shared": "(SELECT list(shared) FROM origins WHERE what = 'analysis' AND id = key)",
}


class Listings(Door):
    """The part of the catalog that lists analyses."""

    @remembered
    def questions(
        self,
        search: str = "",
        *,
        kind: str | None = None,
        model_id: str | None = None,
        status: str | None = None,
        deleted: bool = False,
        archived: bool = True,
        facets: Mapping[str, Sequence[str]] = MappingProxyType({}),
        order: str = "created",
        descending: bool = True,
        limit: int = 24,
        offset: int = 0,
    ) -> tuple[list[Question], int]:
        """Questions in an order, and how many there are in all.

        Args:
            search: words that must all occur in title, kind, names of the models or settings; or
                a condition, as in `kind == "surface" and learning_rate < 0.1`.
            kind: only of this kind.
            model_id: only about this model.
            status: only "open" or "complete".
            deleted: those in the trash instead.
            archived: also those that are archived.
            facets: only those that have one of these values, by the facet's name.
            order: a name as in conditions; what has no such value comes last.
            descending: the largest, or newest, first.
            limit: how many at most.
            offset: how many to skip.

        Raises:
            CannotFilter: the condition or the order cannot be read, or nothing has such a value.
        """
        equal = {"kind = ?": kind, "list_contains(model_ids, ?)": model_id, "status = ?": status}

        def work(cursor: Cursor) -> tuple[list[Question], int]:
            condition = _condition(cursor, search, equal, deleted=deleted, archived=archived)
            condition = joined(" AND ", [condition, *_facet_conditions(facets)])
            by = _order(cursor, order, descending)
            page, count = _page(cursor, condition, by, limit, offset)
            questions = {q.key: q for q in questions_by_key(cursor, page)}
            return [questions[key] for key in page], count

        return self._read(work)

    @remembered
    def neighbour(self, question: Question, following: bool) -> Question | None:
        """The question of the same kind that was created just before this one; None at the end.

        What is archived is passed over.

        Args:
            question: this one.
            following: in a list whose newest comes first; else the one created just after it.
        """
        sign, way = ("<", "DESC") if following else (">", "ASC")
        query = f"""SELECT key FROM questions WHERE deleted IS NULL AND kind = ?
            AND {_NOT_ARCHIVED} AND (created, key) {sign} (?, ?)
            ORDER BY created {way}, key {way} LIMIT 1"""  # noqa: S608 - our own words

        def work(cursor: Cursor) -> Question | None:
            row = cursor.execute(query, [question.kind, question.created, question.key]).fetchone()
            return next(iter(questions_by_key(cursor, [row[0]])), None) if row else None

        return self._read(work)

    @remembered
    def listing_query(
        self,
        search: str = "",
        *,
        archived: bool = True,
        facets: Mapping[str, Sequence[str]] = MappingProxyType({}),
        order: str = "created",
        descending: bool = True,
    ) -> str:
        """The SQL that lists the same analyses as `questions`, for use with `query`.

        Raises:
            CannotFilter: as for `questions`.
        """

        def work(cursor: Cursor) -> str:
            condition = _condition(cursor, search, {}, deleted=False, archived=archived)
            condition = joined(" AND ", [condition, *_facet_conditions(facets)])
            by = _order(cursor, order, descending)
            columns = "key, kind, title, status, units_done, units, created, settings"
            where, order_by = (
                Sql(" ".join(part.text.split()), part.values).with_values
                for part in (condition, by)
            )
            return f"SELECT {columns} FROM questions WHERE {where} ORDER BY {order_by}, key"  # noqa: S608

        return self._read(work)

    @remembered
    def facets(self, search: str = "", *, archived: bool = True) -> dict[str, dict[str, int]]:
        """Of what is searched for, how many have each kind, status, model, ...: the most first.

        Raises:
            CannotFilter: the condition cannot be read, or nothing has such a value.
        """

        def work(cursor: Cursor) -> dict[str, dict[str, int]]:
            condition = _condition(cursor, search, {}, deleted=False, archived=archived)
            return _facet_counts(cursor, condition)

        return self._read(work)

    @remembered
    def filter_names(self) -> list[str]:
        """The names that conditions can be about."""
        return self._read(lambda cursor: FilterNames.of(cursor).all)


def _condition(
    cursor: Cursor, search: str, equal: Mapping[str, str | None], *, deleted: bool, archived: bool
) -> Sql:
    """What is searched for, as one condition."""
    if search.encode(errors="replace") != search.encode(errors="surrogatepass"):
        raise CannotFilter("it has characters that are no text", "write it anew")
    parts = [Sql(f"deleted IS {'NOT ' if deleted else ''}NULL")]
    parts += [Sql(text, (value,)) for text, value in equal.items() if value is not None]
    if is_expression(search):
        parts.append(SqlOfConditions(cursor).sql(parsed(search)))
    else:
        parts += [words_sql(cursor, word) for word in search.lower().split()]
    if not archived:
        parts.append(Sql(_NOT_ARCHIVED))
    return joined(" AND ", parts)


def _facet_conditions(facets: Mapping[str, Sequence[str]]) -> list[Sql]:
    return [
        Sql(f"list_has_any({FACETS[name]}, CAST(? AS VARCHAR[]))", (list(values),))
        for name, values in facets.items()
        if values
    ]


def _order(cursor: Cursor, order: str, descending: bool) -> Sql:
    if order == "created":
        return Sql("created DESC" if descending else "created")
    return SqlOfConditions(cursor).order(order, descending)


def _page(
    cursor: Cursor, condition: Sql, by: Sql, limit: int, offset: int
) -> tuple[list[str], int]:
    """Keys of a page of the questions that meet the condition, and how many do: in one scan."""
    query = f"""WITH met AS MATERIALIZED (SELECT key FROM questions WHERE {condition.text})
        SELECT (SELECT count(*) FROM met), (SELECT list(key) FROM (
            SELECT key FROM questions WHERE key IN (SELECT key FROM met)
            ORDER BY {by.text}, key LIMIT ? OFFSET ?))"""  # noqa: S608
    values = [*condition.values, *by.values, limit, offset]
    count, keys = cursor.execute(query, values).fetchall()[0]
    return keys or [], count


def _facet_counts(cursor: Cursor, condition: Sql) -> dict[str, dict[str, int]]:
    """How many that meet the condition have each value of each facet, in one scan.

    Each setting is looked for in all texts, and many analyses are about the same models: both
    settings are taken at once, and lists are taken apart once for all that are the same.
    """
    query = f"""WITH met AS MATERIALIZED (
            SELECT key, kind, status, model_ids,
                json_extract_string(settings, ['$.split', '$.precision']) AS texts
            FROM questions WHERE {condition.text}),
        same AS MATERIALIZED (
            SELECT kind, status, model_ids, texts, count(*) AS many FROM met GROUP BY ALL),
        noted AS (SELECT * FROM annotations WHERE what = 'analysis' AND id IN (SELECT key FROM met))
        SELECT facet, value, CAST(sum(many) AS BIGINT) FROM (
            SELECT unnest(['kind', 'status', 'split', 'precision']) AS facet,
                unnest([kind, status, texts[1], texts[2]]) AS value, many FROM same
            UNION ALL SELECT 'model', name, many FROM models JOIN
                (SELECT unnest(list_distinct(model_ids)) AS id, many FROM same) USING (id)
            UNION ALL SELECT 'tag', unnest(tags), 1 FROM noted
            UNION ALL SELECT 'favourite', 'true', 1 FROM noted WHERE favourite
            UNION ALL SELECT 'shared', shared, 1 FROM origins
                WHERE what = 'analysis' AND id IN (SELECT key FROM met))
        WHERE value IS NOT NULL GROUP BY facet, value ORDER BY sum(many) DESC, value"""  # noqa: S608
    counts: dict[str, dict[str, int]] = {name: {} for name in FACETS}
    for facet, value, count in cursor.execute(query, list(condition.values)).fetchall():
        counts[facet][value] = count
    return counts
