"""A key stands for everything that can change an answer, and for nothing else."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from explorer.analysis.parameters import content_hash
from explorer.analysis.problems import load
from explorer.jobs import desk
from explorer.jobs.question import ProblemIdentity, Question
from explorer.kinds import KINDS, settings_from_json
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog
from store.records import Model, Point, Problem
from tests.tiny import PROBLEM, write_problem

OTHER = {  # another value of every setting; one without an entry here fails the tests
    "split": "test",
    "precision": "float64",
    "batchnorm": None,  # there is one policy so far
    "seed": 1,
    "normalisation": "layer",
    "ignore_1d": False,
    "x_min": -0.5,
    "x_max": 0.5,
    "x_count": 50,
    "y_min": -0.5,
    "y_max": 0.5,
    "y_count": 50,
    "orthogonal": True,
}
IDENTITY = ProblemIdentity(
    "5" * 64, {"width": 6, "depth": 2}, "cross_entropy", ("accuracy",), {"train": "a", "test": "a"}
)
SETTINGS = [(kind, field.name) for kind in KINDS for field in dataclasses.fields(kind.settings)]
BOTH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def key(kind=SURFACE, settings=None, identity=IDENTITY, points=("p",), **changes) -> str:
    settings = settings or kind.settings(**changes)
    return Question(kind, settings, identity, points).key


@pytest.mark.parametrize(("kind", "name"), SETTINGS, ids=lambda v: getattr(v, "name", v))
def test_every_setting_is_in_the_key(kind, name):
    """Another value of any one setting asks another question; no setting is forgotten."""
    if OTHER[name] is None:
        changed = kind.settings()
        object.__setattr__(changed, name, "another")  # past the check: no second value is allowed
    else:
        changed = dataclasses.replace(kind.settings(), **{name: OTHER[name]})
    assert key(kind, changed) != key(kind)


@BOTH
def test_all_single_changes_ask_different_questions(kind):
    """No two single changes are confounded: as many keys as changes."""
    names = [f.name for f in dataclasses.fields(kind.settings) if OTHER[f.name] is not None]
    keys = {key(kind, dataclasses.replace(kind.settings(), **{n: OTHER[n]})) for n in names}
    assert len(keys) == len(names)


@pytest.mark.parametrize(
    "change",
    [
        {"source_hash": "6" * 64},
        {"arguments": {"width": 7, "depth": 2}},
        {"arguments": {"width": 6}},
        {"loss": "squared_error"},
        {"metrics": ()},
        {"metrics": ("accuracy", "margin")},
        {"fingerprints": {"train": "b", "test": "a"}},
    ],
    ids=str,
)
def test_everything_of_the_problem_is_in_the_key(change):
    """Another source, argument, loss, metric or data of the asked split is another question."""
    assert key(identity=dataclasses.replace(IDENTITY, **change)) != key()


def test_the_kind_and_its_version_are_in_the_key():
    """A raised version and another kind ask anew, also with the same settings."""
    newer = dataclasses.replace(SURFACE, version=SURFACE.version + 1)
    renamed = dataclasses.replace(SURFACE, name="other")
    assert len({key(), key(newer), key(renamed)}) == 3


def test_points_and_their_order_are_in_the_key():
    """From a to b is another question than from b to a."""
    assert len({key(points=p) for p in (("a",), ("b",), ("a", "b"), ("b", "a"))}) == 4


@pytest.mark.parametrize("name", ["weight", "running_mean", "num_batches_tracked"])
def test_parameters_and_buffers_are_in_the_key(name):
    """One changed number in a parameter, a buffer or a counter makes another point."""
    state = torch.nn.BatchNorm1d(3).state_dict()
    changed = {n: value.clone() for n, value in state.items()}
    changed[name].view(-1)[0] += 1
    assert content_hash(state) == content_hash(dict(reversed(state.items())))
    assert key(points=(content_hash(changed),)) != key(points=(content_hash(state),))


def test_names_shapes_and_types_of_tensors_are_in_the_key():
    """The same bytes under another name, shape or type are another point."""
    zeros = torch.zeros(4)
    variants = [{"a": zeros}, {"b": zeros}, {"a": zeros.view(2, 2)}, {"a": zeros.to(torch.int32)}]
    assert len({content_hash(v) for v in variants}) == 4


def test_data_of_the_other_split_are_not_in_the_key():
    """More test data leave the answers about the training data valid."""
    grown = dataclasses.replace(IDENTITY, fingerprints={"train": "a", "test": "b", "more": "c"})
    assert key(identity=grown) == key()
    assert key(identity=grown, split="test") != key(split="test")


def test_the_order_of_arguments_is_not_in_the_key():
    """Arguments are named: their order says nothing."""
    turned = dataclasses.replace(IDENTITY, arguments={"depth": 2, "width": 6})
    assert list(turned.arguments) != list(IDENTITY.arguments)
    assert key(identity=turned) == key()


@BOTH
def test_a_number_written_in_another_way_is_the_same(kind):
    """1 and 1.0, -0.0 and 0.0, 51 and 51.0 ask the same."""
    same = key(kind, x_min=0.0, x_max=1.0)
    assert key(kind, x_min=-0.0, x_max=1) == same
    read = settings_from_json(kind.settings, {"x_min": -0.0, "x_max": 1, "seed": 0.0})
    assert key(kind, read) == same
    assert key(kind, settings_from_json(kind.settings, {"x_count": 7.0})) == key(kind, x_count=7)


@BOTH
def test_settings_survive_json(kind):
    """What is written to a request is read again as the same settings and the same key."""
    names = [f.name for f in dataclasses.fields(kind.settings) if OTHER[f.name] is not None]
    changed = kind.settings(**{n: OTHER[n] for n in names})
    for settings in (kind.settings(), changed):
        text = json.dumps(dataclasses.asdict(settings))
        again = settings_from_json(kind.settings, json.loads(text))
        assert again == settings
        assert key(kind, again) == key(kind, settings)


@pytest.mark.parametrize("hashing", ["0", "1", "4711"])
def test_another_process_makes_the_same_key(hashing):
    """Keys do not depend on the process's hash seed."""
    code = """
from explorer.jobs.question import ProblemIdentity, Question
from explorer.kinds.surface import SURFACE
identity = ProblemIdentity("5" * 64, {"depth": 2, "width": 6}, "cross_entropy", ("accuracy",),
                           {"train": "a", "test": "a"})
print(Question(SURFACE, SURFACE.settings(), identity, ("p",)).key)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": hashing},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == key()


def test_path_names_and_device_are_not_in_the_key(tmp_path):
    """The same content in another folder, under another name, for another device: the same key."""
    keys, problems = [], []
    for name, device in (("one", "cpu"), ("two", "cuda")):
        catalog = Catalog(tmp_path / name)
        catalog.remember("device", device)
        file = write_problem(tmp_path / f"{name} of the problem")
        loaded = load(file, {})
        identity = ProblemIdentity.of(loaded.source_hash, {}, loaded.facts)
        problem = Problem(
            id=identity.id,
            name=name,
            path=str(file),
            source_hash=loaded.source_hash,
            facts=loaded.facts,
        )
        model = Model(id="m", name=name, problem_id=identity.id, point_id="p")
        stored = catalog.put_file(b"tensors", "safetensors")
        point = Point(model_id="m", point_id="p", label=name, file_hash=stored)
        catalog.add_import(problem, [model], [point])
        problems.append(identity.id)
        keys.append(desk.ask(catalog, LINE, model, LineSettings()))
        catalog.close()
    assert problems[0] == problems[1]
    assert keys[0] == keys[1]


def test_the_problem_file_and_what_it_imports_make_its_source(tmp_path):
    """One changed character in the file, or in a module beside it, is another source."""
    plain = load(write_problem(tmp_path / "a"), {}).source_hash
    assert load(write_problem(tmp_path / "b", PROBLEM + "\n#"), {}).source_hash != plain
    with_module = "import beside_c\n" + PROBLEM
    hashes = []
    for number in (1, 2):
        folder = tmp_path / f"c{number}"
        file = write_problem(folder, with_module)
        (folder / "beside_c.py").write_text(f"NUMBER = {number}\n")
        hashes.append(load(file, {}).source_hash)
        sys.modules.pop("beside_c", None)
    assert len({plain, *hashes}) == 3


def test_data_type_and_content_make_the_fingerprint(tmp_path):
    """Data drawn from another seed, and the same data in float64, have other fingerprints."""
    texts = [
        PROBLEM,
        PROBLEM.replace("manual_seed(5)", "manual_seed(6)"),
        PROBLEM.replace("(inputs, ", "(inputs.double(), "),
    ]
    found = [load(write_problem(tmp_path / str(n), t), {}).splits for n, t in enumerate(texts)]
    assert len({splits["train"]["fingerprint"] for splits in found}) == 3


def test_an_unknown_split_is_refused_with_the_known_ones():
    """The sentence lists what can be asked."""
    with pytest.raises(ValueError, match="split must be one of train, test, got 'validation'"):
        key(split="validation")


BAD = [
    ({"x_count": 0}, "points along x must be from 2 to 2001, got 0"),
    ({"x_count": 1}, "points along x must be from 2 to 2001, got 1"),
    ({"x_count": -5}, "points along x must be from 2 to 2001, got -5"),
    ({"x_count": 10**9}, "points along x must be from 2 to 2001, got 1000000000"),
    ({"x_count": 2.5}, "x_count must be of type int, got 2.5"),
    ({"x_count": True}, "x_count must be of type int, got True"),
    ({"x_count": "9"}, "x_count must be of type int, got '9'"),
    ({"x_count": None}, "x_count must be of type int, got None"),
    ({"x_count": float("nan")}, "x_count must be of type int, got nan"),
    ({"x_count": float("inf")}, "x_count must be of type int, got inf"),
    ({"x_min": float("nan")}, "range of x must be finite, got nan to 1.0"),
    ({"x_max": float("inf")}, "range of x must be finite, got -1.0 to inf"),
    ({"x_min": 1.0, "x_max": -1.0}, "range of x must increase, got 1.0 to -1.0"),
    ({"x_min": 1.0}, "range of x must increase, got 1.0 to 1.0"),
    ({"x_min": True}, "x_min must be of type float, got True"),
    ({"x_min": "0"}, "x_min must be of type float, got '0'"),
    ({"seed": -1}, "seed must be a whole number from 0 to 2^32 - 1, got -1"),
    ({"seed": 2**32}, "seed must be a whole number from 0 to 2^32 - 1, got 4294967296"),
    ({"seed": False}, "seed must be of type int, got False"),
    ({"ignore_1d": 1}, "ignore_1d must be of type bool, got 1"),
    ({"precision": "float16"}, "precision must be one of float32, float64, got 'float16'"),
    ({"batchnorm": "batch"}, "batchnorm must be one of frozen, got 'batch'"),
    ({"normalisation": "none"}, "normalisation must be one of filter, layer, raw, got 'none'"),
    ({"split": ""}, "split must name a split of the data, got ''"),
    ({"split": 3}, "split must be of type str, got 3"),
    ({"x_cuont": 9}, "there is no setting 'x_cuont'; there are split, precision,"),
]


@BOTH
@pytest.mark.parametrize(("given", "sentence"), BAD, ids=lambda v: str(v)[:40])
def test_bad_settings_are_refused_in_one_sentence(kind, given, sentence):
    """Each refusal says what must hold and what came, on one line."""
    with pytest.raises(ValueError) as refused:
        settings_from_json(kind.settings, given)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"y_count": 0}, "points along y must be from 2 to 2001, got 0"),
        ({"y_max": float("nan")}, "range of y must be finite, got -1.0 to nan"),
        ({"y_min": 2.0}, "range of y must increase, got 2.0 to 1.0"),
        ({"x_count": 1001, "y_count": 1001}, "at most 1,000,000 points, got 1,002,001"),
        ({"orthogonal": 0}, "orthogonal must be of type bool, got 0"),
    ],
)
def test_bad_settings_of_a_surface_are_refused(given, sentence):
    """The second axis is checked like the first, and the size of the grid."""
    with pytest.raises(ValueError, match=sentence):
        settings_from_json(SurfaceSettings, given)


@BOTH
@pytest.mark.parametrize("count", [2, 4, 50, 2001])
def test_even_counts_are_allowed(kind, count):
    """Only the ends of the range of counts matter, not whether a count is odd."""
    small = {"y_count": 3} if kind is SURFACE else {}
    assert settings_from_json(kind.settings, {"x_count": count, **small}).x_count == count
