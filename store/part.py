"""A part of a catalog: some analyses, and all that they stand on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from store.arrays import CONTENT_HASH
from store.other_catalog import Row

Rows = Mapping[str, Sequence[Row]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some analyses with their models, these with all their points, and what they stand on.

    That are their problems, the answers that brought points they are about, notes, pictures, and
    the documents that are put together of them alone.
    """

    keys: frozenset[str]  # of the analyses
    models: frozenset[str] = frozenset()  # further ones, by id
    documents: frozenset[str] = frozenset()  # further ones, by id

    def rows_of(self, brought: Rows) -> dict[str, list[Row]]:
        """Those of the rows, by table, that are of this part."""
        by_key = {row["key"]: row for row in brought["questions"]}
        points = {row["point_id"] for row in brought["points"]}
        keys = _with_bringers(brought, set(self.keys & by_key.keys()), points)
        used = {point for key in keys for point in by_key[key]["point_ids"]} - points
        models = self.models | {id for key in keys for id in by_key[key]["model_ids"]}
        problems = {row["problem_id"] for row in brought["models"] if row["id"] in models}
        problems |= {by_key[key]["problem_id"] for key in keys}
        own = {row["point_id"] for row in brought["points"] if row["model_id"] in models}
        objectives = {by_key[key]["objective"] for key in keys}
        belongs: Mapping[str, Callable[[Row], bool]] = {
            "problems": lambda row: row["id"] in problems,
            "models": lambda row: row["id"] in models,
            "points": lambda row: row["model_id"] in models,
            "measurements": lambda row: row["point_id"] in own and row["problem_id"] in problems,
            "questions": lambda row: row["key"] in keys,
            "choices": lambda row: row["objective"] in objectives,
            "answer_points": lambda row: row["question_key"] in keys or row["point_id"] in used,
            "annotations": lambda row: row["id"] in keys or row["id"] in models,
            "documents": lambda row: row["id"] in self.documents or _is_of(row, keys, by_key),
        }

        def is_of_answers(row: Row) -> bool:
            return row["question_key"] in keys

        return {
            table: list(filter(belongs.get(table, is_of_answers), rows))
            for table, rows in brought.items()
        }


def _with_bringers(brought: Rows, keys: set[str], points: set[str]) -> set[str]:
    """The keys, with those of the answers that brought points which these are about, and so on."""
    by_key = {row["key"]: row for row in brought["questions"]}
    bringers: dict[str, set[str]] = {}
    for row in brought["answer_points"]:
        bringers.setdefault(row["point_id"], set()).add(row["question_key"])
    everything, fresh = set(keys), set(keys)
    while fresh:
        used = {point for key in fresh for point in by_key[key]["point_ids"]} - points
        fresh = {key for point in used for key in bringers.get(point, ())} & by_key.keys()
        fresh -= everything
        everything |= fresh
    return everything


def _is_of(document: Row, keys: Collection[str], all_keys: Collection[str]) -> bool:
    """Whether a document names analyses, and none but these."""
    named = set(CONTENT_HASH.findall(document["content"])) & set(all_keys)
    return bool(named) and named <= set(keys)
