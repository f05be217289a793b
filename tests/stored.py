"""A catalog's smallest entries: a model, a question, pieces of its answer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from store import Catalog, records
from store.migrations import MIGRATIONS
from store.records import Measurement, Model, Point, Problem, Question

TABLE = "surface_values"
POINT = "9" * 64  # the final one of `stored_model`


def question(key="q1", units=4, **changes) -> Question:
    fields = {
        "key": key,
        "kind": "surface",
        "version": 1,
        "title": f"surface {key}",
        "settings": {"split": "train", "seed": 3, "precision": "float32", "normalisation": "raw"},
        "problem_id": "p1",
        "model_ids": ("m1",),
        "point_ids": ("w1",),
        "units": units,
    }
    return Question(**{**fields, **changes})


def put_model(catalog: Catalog, id="m1", name="ResNet", point="w1", facts=None) -> str:
    facts = {"parameters": 9} if facts is None else facts
    file_hash = catalog.put_file(f"weights of {id}".encode(), "safetensors")
    catalog.add_import(
        Problem(id="p1", name="rings", path="/x/rings.py", source_hash="0" * 64),
        [Model(id=id, name=name, problem_id="p1", point_id=point, facts=facts)],
        [Point(model_id=id, point_id=point, label="final", step=7, file_hash=file_hash)],
        [
            Measurement(
                point_id=point, problem_id="p1", split="train", name="loss", value=0.5, count=30
            )
        ],
    )
    return file_hash


def put_models(catalog: Catalog, names: Sequence[str], facts: records.Json) -> None:
    """Models of one problem by their names, which are their ids too."""
    points = [
        Point(
            model_id=name,
            point_id=f"w {name}",
            label="final",
            file_hash=catalog.put_file(name.encode(), "safetensors"),
        )
        for name in names
    ]
    catalog.add_import(
        Problem(id="p1", name="rings", path="/x/rings.py", source_hash="0" * 64, facts=facts),
        [Model(id=n, name=n, problem_id="p1", point_id=f"w {n}") for n in names],
        points,
    )


def piece(units, loss=None) -> dict[str, np.ndarray]:
    units = np.asarray(units)
    return {"unit": units, "loss": units * 0.5 if loss is None else np.asarray(loss)}


def ingest(catalog, units, key="q1", loss=None, facts=None, **more) -> int:
    return catalog.ingest(
        key, TABLE, piece(units, loss), facts or {}, 0.1, {"device": "cpu"}, **more
    )


def first_schema(folder: Path) -> None:
    """A catalog as the first version wrote it, with one answered question."""
    folder.mkdir()
    with duckdb.connect(folder / "catalog.duckdb") as old:
        old.execute(
            "CREATE TABLE migrations (version BIGINT PRIMARY KEY, name VARCHAR, applied TIMESTAMP)"
        )
        old.execute(MIGRATIONS[0][1])
        old.execute("INSERT INTO migrations VALUES (1, 'first schema', now())")
        old.execute("""INSERT INTO questions (key, kind, version, title, settings, problem_id,
            model_ids, point_ids, units, units_done, status, seconds, facts, provenance)
            VALUES ('q1', 'surface', 1, 'surface q1', '{"seed": 3}', 'p1', ['m1'], ['w1'], 4, 2,
            'open', 0.1, '{"a": 1}', '{}')""")
        old.execute("CREATE TABLE surface_values (question_key VARCHAR, unit BIGINT, loss DOUBLE)")
        old.execute("INSERT INTO surface_values VALUES ('q1', 0, 0.0), ('q1', 1, 'nan')")


def stored_model(catalog: Catalog, name: str, path: str, facts: dict[str, Any]) -> records.Model:
    """A model of the catalog, as an import leaves it."""
    prints = {"train": {"count": 40, "fingerprint": "7"}, "test": {"count": 13, "fingerprint": "8"}}
    facts = {"splits": prints, "loss": "cross_entropy", "metrics": ["accuracy"], **facts}
    stem = Path(path).stem
    problem = records.Problem(
        id="p",
        name=stem,
        path=path,
        source_hash="5" * 64,
        arguments={"width": 6},
        facts=facts,
    )
    file = catalog.put_file(b"weights", ".safetensors")
    ids = ("0" * 64, "1" * 64, POINT)  # the last is the final one
    points = [stored_point(name, id, step, file) for step, id in enumerate(ids)]
    catalog.add_import(
        problem, [records.Model(id=name, name=name, problem_id="p", point_id=POINT)], points
    )
    return catalog.model(name)


def stored_point(model_id: str, id: str, step: int, file: str) -> records.Point:
    return records.Point(model_id=model_id, point_id=id, label=model_id, step=step, file_hash=file)


def line_rows(units: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of a line along one direction, each at the place that its unit has as an index."""
    units = np.asarray(units, dtype=np.int64)
    places = {"k": np.zeros_like(units), "i": units, "x": units * 0.5}
    return {"unit": units, **places, "loss": units / 7}
