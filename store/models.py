"""Problems, models, their points and what was measured there."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from store.database_file import Cursor
from store.door import Door
from store.errors import UnknownEntry
from store.origins import make_own, origins_of
from store.read_memory import remembered
from store.records import AnswerPoint, Measurement, Model, Point, Problem
from store.rows import Record, is_among, now, put_row, put_rows, records, scalar
from store.seals import seal_after
from store.titles import replace_names

_IS_DIRECTION = "coalesce(facts ->> 'direction' = 'true', false)"
# How often a model is named: planned in half the time that joins of the same counts take. Many
# analyses are about the same models, and to take a list apart costs more than to group by it.
_COUNTS = """
SELECT 'points', model_id, count(*) FROM points GROUP BY model_id
UNION ALL SELECT 'analyses', model_id, CAST(sum(many) AS BIGINT)
FROM (SELECT unnest(list_distinct(model_ids)) AS model_id, many FROM (
    SELECT model_ids, count(*) AS many FROM questions WHERE deleted IS NULL GROUP BY model_ids))
GROUP BY model_id
"""


class Models(Door):
    """The part of the catalog about what questions can be asked of."""

    @remembered
    def problem(self, id: str) -> Problem:
        """The problem of that id.

        Raises:
            UnknownEntry: there is none.
        """
        problems = self._read(
            lambda c: records(c, Problem, "SELECT * FROM problems WHERE id = ?", [id])
        )
        return _only_row(problems, "problem", id)

    @remembered
    def problems(self) -> list[Problem]:
        """All problems, by name."""
        return self._read(
            lambda c: records(c, Problem, "SELECT * FROM problems ORDER BY name, created")
        )

    def add_import(
        self,
        problem: Problem | None = None,
        models: Sequence[Model] = (),
        points: Sequence[Point] = (),
        measurements: Sequence[Measurement] = (),
    ) -> None:
        """Store all of these, or nothing of them."""

        def work(cursor: Cursor) -> None:
            problems = [problem.id] if problem else []
            touched = {*(p.point_id for p in points), *(m.point_id for m in measurements)}
            renewed = [*(m.id for m in models), *(p.model_id for p in points)]
            renewed += models_at(cursor, touched)
            with seal_after(cursor, "problem", problems), seal_after(cursor, "model", renewed):
                add(cursor)

        def add(cursor: Cursor) -> None:
            if problem:
                _put_problem(cursor, problem)
            make_own(cursor, "model", [model.id for model in models])
            for model in models:
                _put_model(cursor, model)
            rows = [{**vars(point), "created": point.created or now()} for point in points]
            put_rows(cursor, "points", rows, ("label", "step", "file_hash", "facts"))
            put_rows(cursor, "measurements", [vars(m) for m in measurements], ("value", "count"))

        self._write(work)

    @remembered
    def model(self, id: str) -> Model:
        """The model of that id, also a deleted one.

        Raises:
            UnknownEntry: there is none.
        """
        return _only_row(self._read(lambda c: _models(c, "WHERE id = ?", [id])), "model", id)

    @remembered
    def models(
        self, search: str = "", include_deleted: bool = False, directions: bool = False
    ) -> list[Model]:
        """The models whose name or facts contain every word of `search`, newest first.

        Args:
            search: words.
            include_deleted: whether those in the trash are among them.
            directions: whether it is the imported directions instead, which are kept like models.
        """
        conditions = ["TRUE" if include_deleted else "deleted IS NULL"]
        conditions.append(_IS_DIRECTION if directions else f"NOT {_IS_DIRECTION}")
        words = search.lower().split()
        conditions += ["contains(lower(concat_ws(' ', name, facts)), ?)" for _ in words]
        where = f"WHERE {' AND '.join(conditions)} ORDER BY created DESC, name"
        return self._read(lambda c: _models(c, where, words))

    def rename_model(self, model_id: str, name: str) -> None:
        """Give a model another name, in the titles of its analyses too; no key depends on it.

        Raises:
            UnknownEntry: there is none.
            ValueError: the name is empty or has characters that cannot be shown.
        """
        new = name.strip()
        if not new or not new.isprintable():
            raise ValueError(f"a model's name must be printable and not empty, got {name!r}")

        def work(cursor: Cursor) -> None:
            _only_row(_models(cursor, "WHERE id = ?", [model_id]), "model", model_id)
            _retitle(cursor, model_id, new)
            cursor.execute("UPDATE models SET name = ? WHERE id = ?", [new, model_id])

        self._write(work)

    @remembered
    def points(self, model_id: str) -> list[Point]:
        """The points of a model by step; those without one come last."""
        order = "SELECT * FROM points WHERE model_id = ? ORDER BY step NULLS LAST, created, label"
        return self._read(lambda c: records(c, Point, order, [model_id]))

    @remembered
    def points_of(self, model_ids: Sequence[str]) -> dict[str, list[Point]]:
        """The points of each of these models, as `points` orders them: one read for all."""
        condition, values = is_among("model_id", model_ids, "VARCHAR")
        query = f"""SELECT * FROM points WHERE {condition}
            ORDER BY step NULLS LAST, created, label"""  # noqa: S608 - our own words
        points: dict[str, list[Point]] = {id: [] for id in model_ids}
        for point in self._read(lambda c: records(c, Point, query, values)):
            points[point.model_id].append(point)
        return points

    @remembered
    def point(self, point_id: str) -> Point:
        """The point of that id, as the first model that has it knows it, or an answer.

        Raises:
            UnknownEntry: there is none.
        """
        query = "SELECT * FROM {} WHERE point_id = ?"

        def work(cursor: Cursor) -> list[Point]:
            own = records(cursor, Point, query.format("points"), [point_id])
            if not own:
                brought = records(cursor, AnswerPoint, query.format("answer_points"), [point_id])
                own = [answer_point.point for answer_point in brought]
            return sorted(own, key=lambda point: str(point.created))  # ORDER BY takes twice as long

        return _only_row(self._read(work), "point", point_id)

    @remembered
    def measurements(self, point_id: str) -> dict[str, dict[str, float]]:
        """What was measured at a point: split -> name -> value."""
        query = "SELECT * FROM measurements WHERE point_id = ? ORDER BY split, name"
        rows = self._read(lambda c: records(c, Measurement, query, [point_id]))
        values_by_split: dict[str, dict[str, float]] = {}
        for row in rows:
            values_by_split.setdefault(row.split, {})[row.name] = row.value
        return values_by_split

    @remembered
    def measurements_by_point(self, model_id: str) -> dict[str, dict[str, dict[str, float]]]:
        """What was measured at each point of a model: point -> split -> name -> value."""
        query = """SELECT measurements.* FROM measurements
            JOIN models ON models.problem_id = measurements.problem_id AND models.id = ?
            WHERE measurements.point_id IN (SELECT point_id FROM points WHERE model_id = ?)
            ORDER BY measurements.point_id, split, measurements.name"""
        values_by_point: dict[str, dict[str, dict[str, float]]] = {}
        for row in self._read(lambda c: records(c, Measurement, query, [model_id, model_id])):
            values_by_point.setdefault(row.point_id, {}).setdefault(row.split, {})[row.name] = (
                row.value
            )
        return values_by_point


def _put_problem(cursor: Cursor, problem: Problem) -> None:
    row = {**vars(problem), "created": problem.created or now()}
    put_row(cursor, "problems", row, ("name", "path", "source_hash", "arguments", "facts"))


def _put_model(cursor: Cursor, model: Model) -> None:
    columns = ("id", "name", "problem_id", "point_id", "facts", "deleted")
    if scalar(cursor, "SELECT name FROM models WHERE id = ?", [model.id]) not in (None, model.name):
        _retitle(cursor, model.id, model.name)
    row: dict[str, object] = {name: getattr(model, name) for name in columns}
    row["created"] = model.created or now()
    put_row(cursor, "models", row, columns[1:])


def models_at(cursor: Cursor, points: Iterable[str]) -> list[str]:
    """Ids of the models that have one of these points."""
    condition, values = is_among("point_id", list(points), "VARCHAR")
    query = f"SELECT DISTINCT model_id FROM points WHERE {condition}"  # noqa: S608 - our own words
    return [id for (id,) in cursor.execute(query, values).fetchall()]


def _retitle(cursor: Cursor, model_id: str, new: str) -> None:
    """Put a model's new name into the titles of its analyses and of their jobs."""
    rows = cursor.execute(
        "SELECT key, title, model_ids FROM questions WHERE list_contains(model_ids, ?)", [model_id]
    ).fetchall()
    names = dict(cursor.execute("SELECT id, name FROM models").fetchall())
    for key, old, ids in rows:
        places = [place for place, id in enumerate(ids) if id == model_id]
        title = replace_names(old, [names.get(id, id) for id in ids], places, new)
        if title != old:
            cursor.execute("UPDATE questions SET title = ? WHERE key = ?", [title, key])
            cursor.execute("UPDATE jobs SET title = ? WHERE question_key = ?", [title, key])


def _models(cursor: Cursor, where: str, values: Sequence[object]) -> list[Model]:
    """Models with the measurements of their final points, and how many points and analyses."""
    models = records(cursor, Model, f"SELECT * FROM models {where}", values)  # noqa: S608
    if not models:
        return []
    rows: list[tuple[str, str, int]] = cursor.execute(_COUNTS).fetchall()
    counts = {(what, model_id): count for what, model_id, count in rows}
    origins = origins_of(cursor, "model", [model.id for model in models])
    measurements = _measurements(cursor, {model.point_id for model in models})
    return [
        replace(
            model,
            measurements=measurements.get((model.point_id, model.problem_id), {}),
            points=counts.get(("points", model.id), 0),
            analyses=counts.get(("analyses", model.id), 0),
            origin=origins.get(model.id, ""),
        )
        for model in models
    ]


def _measurements(
    cursor: Cursor, points: Collection[str]
) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """What was measured at these points, by point and problem: split -> name -> value."""
    condition, values = is_among("point_id", points, "VARCHAR")
    query = f"SELECT * FROM measurements WHERE {condition} ORDER BY split, name"  # noqa: S608
    measurements: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in records(cursor, Measurement, query, values):
        splits = measurements.setdefault((row.point_id, row.problem_id), {})
        splits.setdefault(row.split, {})[row.name] = row.value
    return measurements


def _only_row(rows: list[Record], what: str, id: str) -> Record:
    if not rows:
        raise UnknownEntry(what, id)
    return rows[0]
