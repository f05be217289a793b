"""Records and JSON: what goes in comes out, and what fits no record is refused by its name."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from explorer.codec import OTHERS, Json, JsonValue, Record, from_json, named, prefixed, to_json
from explorer.contracts.checkpoint import (
    Checkpoint,
    InspectedFile,
    InspectedSnapshots,
    RunFolder,
    RunIdentity,
)
from explorer.contracts.facts import (
    ModelFacts,
    PointFacts,
    ProblemFacts,
    RunFacts,
    SplitFacts,
    TensorFacts,
)
from explorer.contracts.inspection import ImportResult, InspectedPoint
from explorer.contracts.progress import Ending, StoredProgress, WorkerProgress
from explorer.contracts.request import (
    AnswerRequest,
    ImportRequest,
    NextQuestion,
    request_from_json,
    stored_import,
)
from explorer.importing.following import FollowedRun
from explorer.kinds.execution import Choice, EarlierChoice, Timing


@dataclass(frozen=True, kw_only=True)
class Inner:
    """A record within another."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Outer:
    """A record with a field of each type."""

    count: int
    inner: Inner
    several: tuple[Inner, ...] = ()
    pair: tuple[int, float] = (0, 0.0)
    by_name: Mapping[str, Inner] = field(default_factory=dict)
    by_number: Mapping[int, int] = field(default_factory=dict, metadata=prefixed("products_"))
    path: Path | None = None
    number_or_text: float | str = 0.0
    imported: str = field(default="", metadata=named("import"))
    mode: Literal["a", "b"] = "a"
    any_json: JsonValue = None
    others: Json = field(default_factory=dict, metadata=OTHERS)


FULL = Outer(
    count=3,
    inner=Inner(name="ä\n", weight=-0.0),
    several=(Inner(name="x"), Inner(name="y", weight=math.inf)),
    pair=(1, 0.1),
    by_name={"a b": Inner(name="z")},
    by_number={0: 4, 12: 5},
    path=Path("/a/b.pt"),
    number_or_text="NaN",
    imported="job",
    mode="b",
    any_json={"deep": [1, None, {"er": True}]},
    others={"later": [1]},
)
PROBLEM = ProblemFacts(
    splits={"train": SplitFacts(count=3, fingerprint="f", of=9, seed=1)},
    loss="mean",
    metrics=("accuracy",),
    architecture="Net()",
    batchnorm_layers=0,
    moved="2 of 3",
)
IDENTITY = RunIdentity(started="then", machine="here", seed=3)
POINT = InspectedPoint(
    point_id="p" * 64,
    label="step_1",
    step=1,
    changed=2**60,
    not_finite=0,
    moments="",
    losses={"train": {"loss": 0.5, "accuracy": 1.0}},
    seconds={"train": 1e-3},
)
RECORDS: list[Record] = [
    FULL,
    Checkpoint(file=Path("/w.pt"), step=3, label="w", part="ema", optimizer=Path("/o")),
    Checkpoint(file=Path("w.pt")),
    RunFolder(folder=Path("/run"), identity=IDENTITY),
    InspectedSnapshots(
        source_hash="s",
        problem=PROBLEM,
        files={"step_1": InspectedFile(changed=None, point_id="p", state_seen=True)},
    ),
    NextQuestion(kind="surface", settings={"x_count": 31}, priority=49),
    ImportRequest(
        problem=Path("/p.py"),
        arguments={"width": 6},
        checkpoints=(Checkpoint(file=Path("/w.pt")),),
        name="name",
        facts={"lr": 0.1},
        then=(NextQuestion(kind="line"),),
        run=RunFolder(folder=Path("/run"), identity=IDENTITY),
        inspected=(InspectedSnapshots(source_hash="s", problem=PROBLEM),),
    ),
    AnswerRequest(
        key="k",
        kind="line",
        settings={"split": "train"},
        problem=Path("/p.py"),
        arguments={},
        source_hash="s",
        fingerprint="f",
        points=("p", "q"),
        files=(Path("/p"), Path("/q")),
        done=tuple(range(100_000)),
        choices={
            "CPU": EarlierChoice(
                choice=Choice(batch=3, lanes=2),
                timing=Timing(seconds={"plain": 0.1}, setup=1.0, start=2.0),
                begun=True,
            )
        },
        losses=(0.25, None),
    ),
    PROBLEM,
    PointFacts(seconds={"train": 0.1}, not_finite=2, changed=1, moments=""),
    TensorFacts(name="w", shape=(2, 3), dtype="float32", role="parameter"),
    RunFacts(folder="/run", started=1, curves={"loss": [[0, "NaN"], [1, 0.5]]}, ended=True),
    ModelFacts(parameters=6, run=RunFacts(folder="/run"), import_job="j", others={"lr": 0.1}),
    POINT,
    ImportResult(
        source_hash="s",
        problem=PROBLEM,
        points=(POINT,),
        final_point="p",
        tensors=(TensorFacts(name="w", shape=(), dtype="float32", role="buffer"),),
        no_gradient="none",
        remarks=("one",),
    ),
    Ending(status="failed", error="why"),
    WorkerProgress(stage="loading", done=1, total=2, time=3.0),
    StoredProgress(title="Line", units=None, units_done=0),
    FollowedRun(problem=Path("/p.py"), digest="d", arguments={}, name="n", stopped="why"),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda r: type(r).__name__)
def test_every_record_survives_a_file(record):
    """Through JSON text and back it is the same record, to the last bit of its numbers."""
    again = from_json(type(record), json.loads(json.dumps(to_json(record))))
    assert again == record
    assert repr(again) == repr(record)  # -0.0 and 0.0, 1 and 1.0, are equal


def test_stored_names_stay():
    """A field may be called otherwise in code; entries under a prefix stand beside the others."""
    stored = to_json(FULL)
    assert (stored["import"], stored["products_12"], stored["later"]) == ("job", 5, [1])
    assert not stored.keys() & {"imported", "by_number", "others"}
    assert "any_json" not in to_json(dataclasses.replace(FULL, any_json=None))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"count": "3"}, "count must be a whole number, got '3'"),
        ({"count": True}, "count must be a whole number, got True"),
        ({"count": 2.5}, "count must be a whole number, got 2.5"),
        ({"inner": {"name": "n", "weigth": 2}}, "there is no field inner.weigth"),
        ({"inner": {}}, "the field inner.name is missing"),
        ({"inner": [1]}, "inner must be a mapping of its fields, got [1]"),
        (
            {"several": [{"name": "n"}, {"name": "n", "weight": None}]},
            "several[1].weight must be a number, got None",
        ),
        ({"several": {"name": "n"}}, "several must be a list, got {'name': 'n'}"),
        ({"pair": [1]}, "pair must be a list of 2, got [1]"),
        ({"by_name": {"a": 1}}, "by_name['a'] must be a mapping of its fields, got 1"),
        ({"products_x": 1}, "products_ must be a mapping of whole numbers, got 'x'"),
        ({"path": 3}, "path must be a path, got 3"),
        ({"mode": "c"}, "mode must be one of a, b, got 'c'"),
        ({"import": None}, "import must be text, got None"),
    ],
)
def test_what_fits_no_field_is_refused_by_its_name(change, sentence):
    """A wrong type, a missing and an unknown field: one sentence that says where."""
    with pytest.raises(ValueError) as refusal:
        from_json(Outer, {**to_json(FULL), **change})
    assert str(refusal.value) == sentence


def test_a_missing_field_is_named():
    stored = to_json(FULL)
    del stored["count"]
    with pytest.raises(ValueError, match=r"^the field count is missing$"):
        from_json(Outer, stored)


def test_unknown_fields_within_are_passed_over_where_that_is_wished():
    """What a newer version has added to a record of its own facts stops no older one."""
    stored = {"count": 1, "inner": {"name": "n", "newer": [1]}, "newest": 2}
    read = from_json(Outer, stored, ignore_unknown=True)
    assert read.inner == Inner(name="n") and read.others == {"newest": 2}


def test_facts_of_a_newer_version_are_kept():
    """They come out as they went in, beside what this version knows."""
    stored = {"parameters": 3, "tensors": [], "newer": {"a": 1}, "import": "j"}
    assert to_json(ModelFacts.of(stored)).items() >= stored.items()


def test_a_value_of_no_json_type_is_refused():
    with pytest.raises(TypeError, match="is no JSON value"):
        to_json(dataclasses.replace(FULL, any_json=object()))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"task": "answer", "key": "k"}, "the field kind is missing"),
        ({"task": "dance"}, "the field task must be answer or import, got 'dance'"),
        ({}, "the field task must be answer or import, got None"),
        ([], "the field task must be answer or import, got None"),
        ("x" * 10_000, "the field task must be answer or import, got None"),
    ],
)
def test_what_is_no_request_is_refused(value, sentence):
    with pytest.raises(ValueError, match=rf"^{sentence}$"):
        request_from_json(value)


def test_an_import_that_an_earlier_version_stored_is_read():
    """With fields that are no more, and without those that came since."""
    stored = {
        "problem": "/p.py",
        "digest": "",
        "arguments": {"a": 1},
        "checkpoints": [{"file": "/w.pt", "step": None}],
        "name": "old",
        "then": [{"kind": "surface", "settings": {}}],
        "run": None,
    }
    request = stored_import(stored)
    assert request.checkpoints == (Checkpoint(file=Path("/w.pt")),)
    assert request.then == (NextQuestion(kind="surface"),)
    assert (request.name, request.run, request.facts) == ("old", None, {})
    del stored["name"]
    with pytest.raises(ValueError, match=r"cannot be read .the field name is missing."):
        stored_import(stored)
