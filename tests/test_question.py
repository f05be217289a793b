"""The key of a question: any ingredient of an answer asks a new one, and nothing else does."""

import copy
import dataclasses
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.analysis.model.problems import load_problem
from explorer.analysis.objective.named_tensors import content_hash
from explorer.ask import questions
from explorer.ask.question import ProblemIdentity, QuestionIdentity
from explorer.ask.subjects import named_points
from explorer.kinds import KINDS, Kind, kind_named, settings_from_json
from explorer.kinds.kind import named_code
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import SettingField, setting_fields
from store import Catalog, records
from tests.setting_values import (
    changed_settings,
    other_values,
    small_settings,
)
from tests.stored import POINT, stored_model, stored_point
from tests.tiny import problem_file, tensors

ROOT = Path(__file__).parent.parent
IDENTITY = ProblemIdentity(
    source_hash="5" * 64,
    arguments={"width": 6, "nested": {"a": [1, 2.5], "b": None}},
    loss="cross_entropy",
    metrics=("accuracy",),
    fingerprints={"train": "7" * 64, "test": "8" * 64},
)


def another(kind: Kind, field: SettingField) -> Any:
    """Another value of a kind's setting than its default; where there is none, one not allowed."""
    return next(iter(other_values(field)), "another")


def changed(kind: Kind) -> dict[str, Any]:
    """The kind's settings with each field alone at another value, by its name."""
    return {
        field.name: altered(kind.settings(), **{field.name: another(kind, field)})
        for field in setting_fields(kind.settings)
    }


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
RANGED = [  # their ranges are settings
    kind for kind in KINDS if not kind.whole_run and hasattr(kind.settings, "x_min")
]
every_ranged_kind = pytest.mark.parametrize("kind", RANGED, ids=lambda kind: kind.name)


def asked(
    kind: Kind = KINDS[0],
    settings: ObjectiveSettings | None = None,
    identity: ProblemIdentity = IDENTITY,
    points: tuple[str, ...] = (POINT,),
) -> QuestionIdentity:
    return QuestionIdentity(kind, settings or kind.settings(), identity, points)


def key(
    kind: Kind = KINDS[0],
    settings: ObjectiveSettings | None = None,
    identity: ProblemIdentity = IDENTITY,
    points: tuple[str, ...] = (POINT,),
) -> str:
    return asked(kind, settings, identity, points).key


def altered(record: Any, **fields: Any) -> Any:
    """A copy with other fields, also where its checks would refuse the value (yet)."""
    changed = copy.copy(record)
    for name, value in fields.items():
        object.__setattr__(changed, name, value)
    return changed


def test_every_setting_is_in_the_key_and_none_stands_for_another():
    """Each field of each kind's settings, changed alone, asks something new."""
    keys = {key(kind) for kind in KINDS}
    count = len(keys)
    for kind in KINDS:
        for name, settings in changed(kind).items():
            assert getattr(settings, name) != getattr(kind.settings(), name)
            keys.add(key(kind, settings))
            count += 1
    for field, other in itertools.combinations(("x_min", "y_min", "x_count", "y_count"), 2):
        keys.add(key(KINDS[0], altered(KINDS[0].settings(), **{field: 3.0, other: 3.0})))
        count += 1
    assert len(keys) == count


@pytest.mark.parametrize(
    "changed",
    [
        {"source_hash": "6" * 64},
        {"arguments": {**IDENTITY.arguments, "width": 7}},
        {"arguments": {**IDENTITY.arguments, "nested": {"a": [2.5, 1], "b": None}}},
        {"arguments": {**IDENTITY.arguments, "more": None}},
        {"arguments": {}},
        {"loss": "squared_error"},
        {"metrics": ()},
        {"fingerprints": {"train": "0" * 64, "test": "8" * 64}},
    ],
    ids=lambda changed: str(changed)[:40],
)
def test_every_part_of_the_problem_is_in_the_key(changed):
    """Source, arguments to their depth, loss, metrics and the data asked about each count."""
    assert key(identity=dataclasses.replace(IDENTITY, **changed)) != key()


@every_kind
def test_only_settings_that_place_points_leave_the_family(kind):
    """A setting changed alone keeps the family exactly where the kind counts it to its axes."""
    for name, settings in changed(kind).items():
        assert (asked(kind, settings).family == asked(kind).family) == (name in kind.axes), name


@every_kind
def test_an_objective_is_its_own_settings(kind):
    """A setting changed alone keeps the objective exactly where it is none of its settings."""
    mine = {field.name for field in dataclasses.fields(ObjectiveSettings)}
    for name, settings in changed(kind).items():
        same = asked(kind, settings).objective == asked(kind).objective
        assert same == (name not in mine), name


def test_families_and_objectives_are_of_one_problem():
    """Whatever of the problem is in the key is in both; kind and points are in the family alone."""
    for changed in (
        {"source_hash": "6" * 64},
        {"arguments": {}},
        {"loss": "squared_error"},
        {"metrics": ()},
        {"fingerprints": {"train": "0" * 64, "test": "8" * 64}},
    ):
        other = asked(identity=dataclasses.replace(IDENTITY, **changed))
        assert other.family != asked().family
        assert other.objective != asked().objective
    raised = dataclasses.replace(KINDS[0], version=KINDS[0].version + 1)
    for other in (asked(raised), asked(KINDS[1]), asked(points=("1" * 64,))):
        assert other.family != asked().family
        assert other.objective == asked().objective
    assert asked().family != asked().key


@every_kind
def test_what_a_kind_says_of_its_axes_exists(kind):
    """The axes are settings of the kind, and the function that takes rows over is there."""
    assert set(kind.axes) <= {field.name for field in dataclasses.fields(kind.settings)}
    assert bool(kind.axes) == bool(kind.taken_over)
    assert not kind.taken_over or callable(named_code(kind.taken_over))


@every_kind
def test_kind_version_and_points_are_in_the_key(kind):
    """Another kind, a raised version, another point, and the order of points ask something new."""
    others = [
        key(dataclasses.replace(kind, name="other")),
        key(dataclasses.replace(kind, version=kind.version + 1)),
        key(kind, points=("1" * 64,)),
        key(kind, points=(POINT, "1" * 64)),
        key(kind, points=("1" * 64, POINT)),
        key(kind),
    ]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize("name", list(tensors()))
def test_the_last_bit_of_every_tensor_is_in_the_point(name):
    """One unit in the last place of one weight or one running statistic makes another point."""
    before = tensors()
    after = {**before, name: before[name].clone()}
    flat = after[name].view(-1)
    if flat.is_floating_point():
        flat[-1] = torch.nextafter(flat[-1], torch.tensor(math.inf))
    else:
        flat += 1
    assert content_hash(after) != content_hash(before)


def test_names_types_and_shapes_are_in_the_point():
    """The same bytes under another name, as another type or in another shape are another point."""
    value = torch.arange(6, dtype=torch.float32)
    hashes = {
        content_hash(point)
        for point in (
            {"a": value},
            {"b": value},
            {"a": value.view(2, 3)},
            {"a": value.view(torch.int32)},
            {"a": value.to(torch.float64)},
            {"a": value[:3], "b": value[3:]},
        )
    }
    assert len(hashes) == 6


def test_the_order_of_tensors_and_their_memory_do_not_matter():
    """A point is its content: neither the order of its names nor strides count."""
    before = tensors()
    after = {name: value.t().contiguous().t() for name, value in reversed(before.items())}
    assert content_hash(after) == content_hash(before)


def loaded_identity(file: Path, **arguments: Any) -> ProblemIdentity:
    loaded = load_problem(file, arguments)
    return ProblemIdentity.of(loaded.source_hash, arguments, loaded.facts)


def test_a_problem_file_counts_by_its_content(tmp_path):
    """The same file in another folder asks the same; one more comment in it asks anew."""
    first, second = problem_file(tmp_path / "a"), problem_file(tmp_path / "b")
    assert key(identity=loaded_identity(first)) == key(identity=loaded_identity(second))
    second.write_text(second.read_text() + "# another thought\n")
    assert key(identity=loaded_identity(first)) != key(identity=loaded_identity(second))


SHIFTED = """
from pathlib import Path
plain = split

def split(count, seed):
    inputs, labels = plain(count, seed)
    if seed == 2:  # the test split
        inputs[0, 0] += float(Path(__file__).with_name("shift.txt").read_text())
    return inputs, labels
"""


def test_real_data_and_arguments_count(tmp_path):
    """One changed value of the asked split asks anew; of the other split it does not."""
    file = problem_file(tmp_path)
    file.write_text(file.read_text() + SHIFTED)
    keys = {}
    for shift in ("0", "1e-3"):
        (tmp_path / "shift.txt").write_text(shift)
        identity = loaded_identity(file)
        for split in ("train", "test"):
            keys[shift, split] = key(settings=KINDS[0].settings(split=split), identity=identity)
    assert keys["0", "train"] == keys["1e-3", "train"]
    assert keys["0", "test"] != keys["1e-3", "test"]
    assert key(identity=loaded_identity(file, width=7)) != keys["0", "train"]


@pytest.mark.parametrize(
    ("given", "other"),
    [
        ({"x_max": 1}, {"x_max": 1.0}),
        ({"x_min": 0, "x_max": 2}, {"x_min": -0.0, "x_max": 2.0}),
        ({"x_count": 51, "seed": 3}, {"seed": 3.0, "x_count": 51.0}),
        ({}, {"batchnorm_batch": 128.0, "split": "train", "ignore_1d": True}),
    ],
)
@every_kind
def test_ways_to_write_a_setting_do_not_matter(kind, given, other):
    """1 and 1.0, 0.0 and -0.0, the order of settings and a default said aloud ask the same."""
    names = {field.name for field in dataclasses.fields(kind.settings)}
    both = ({n: v for n, v in values.items() if n in names} for values in (given, other))
    settings = [settings_from_json(kind.settings, values) for values in both]
    assert key(kind, settings[0]) == key(kind, settings[1])


def test_numbers_given_in_code_are_written_in_one_way():
    """Settings made by a page with whole numbers or -0.0 have the key of those from JSON."""
    for kind in RANGED:
        assert key(kind, kind.settings(x_min=-2, x_max=0)) == key(
            kind, kind.settings(x_min=-2.0, x_max=-0.0)
        )


def test_the_order_of_arguments_and_other_splits_do_not_matter():
    """Order of the arguments at any depth, and what becomes of splits not asked, do not count."""
    nested = {"b": None, "a": [1, 2.5]}
    reordered = {"nested": nested, "width": 6}
    assert list(reordered) != list(IDENTITY.arguments)
    assert key(identity=dataclasses.replace(IDENTITY, arguments=reordered)) == key()
    for prints in ({"train": "7" * 64, "test": "0" * 64}, {"more": "1", "train": "7" * 64}):
        assert key(identity=dataclasses.replace(IDENTITY, fingerprints=prints)) == key()


def test_an_unknown_split_is_refused():
    """A split that the problem lacks has no key; the message lists those there are."""
    with pytest.raises(ValueError, match="split must be one of train, test, got 'valid'"):
        key(settings=KINDS[0].settings(split="valid"))


@every_kind
def test_paths_names_and_machines_ask_nothing_new(tmp_path, kind):
    """One question, and one job, for the same point under two names, paths and architectures."""
    catalog = Catalog(tmp_path)
    settings = small_settings(kind)
    model = stored_model(catalog, "a", "/here/p.py", {})
    file = catalog.put_file(b"early weights", ".safetensors")
    catalog.add_import(points=[stored_point("a", "1" * 64, 7, file)])
    further = "" if kind.whole_run else "1" * 64
    others = [(model, further)] * (len(kind.subjects) - 1)
    first = questions.ask(catalog, kind, model, settings, others=others)
    moved = stored_model(catalog, "b", "/there/p.py", {"architecture": "other", "device": "cuda"})
    others = [(moved, further)] * (len(kind.subjects) - 1)
    assert questions.ask(catalog, kind, moved, settings, others=others) == first
    assert [q.key for q in catalog.questions()[0]] == [first]
    assert len(catalog.jobs()) == 1


@every_kind
def test_a_question_has_the_subjects_of_its_kind(tmp_path, kind):
    """One too many or too few is refused, and so is a model of another problem.

    The same point twice is answered, or refused by that.
    """
    catalog, settings = Catalog(tmp_path), small_settings(kind)
    model = stored_model(catalog, "a", "/here/p.py", {})
    for wrong in (len(kind.subjects), len(kind.subjects) - 2):
        if wrong >= 0:
            with pytest.raises(ValueError, match=f"the subjects of {kind.name} must be "):
                questions.question_about(
                    catalog, kind, model, settings, point="", others=[(model, "")] * wrong
                )
    if kind.whole_run:
        return
    if len(kind.subjects) > 1:
        other = dataclasses.replace(model, problem_id="another", name="b")
        with pytest.raises(ValueError, match=r"must be of one problem, .* got a and b"):
            questions.question_about(catalog, kind, model, settings, point="", others=[(other, "")])
        file = catalog.put_file(b"early weights", ".safetensors")
        catalog.add_import(points=[stored_point("a", "1" * 64, 7, file)])
        early = questions.question_about(
            catalog, kind, model, settings, point="1" * 64, others=[(model, "")]
        )
        assert early.points == ("1" * 64, POINT)
        swapped = questions.question_about(
            catalog, kind, model, settings, point="", others=[(model, "1" * 64)]
        )
        assert swapped.points == (POINT, "1" * 64)
        assert swapped.key != early.key
        stored_question = catalog.question(
            questions.ask(catalog, kind, model, settings, point="1" * 64, others=[(model, "")])
        )
        assert stored_question.title == f"{kind.title} of a at step 7 {kind.joined} a"
        assert (stored_question.model_ids, stored_question.model_names) == (("a", "a"), ("a", "a"))
        try:
            alone = questions.ask(catalog, kind, model, settings, others=[(model, "")])
        except ValueError as error:  # of a kind that makes nothing of one point alone
            assert "got the same twice" in str(error)
            return
        named = "a" if kind.own_second else f"a {kind.joined} a"
        assert catalog.question(alone).title == f"{kind.title} of {named}"


KEY_BEFORE = "574d956ecf1398f061749f5034d00c611b5b08dea04ff0695d720a102c6af519"


def test_one_run_keeps_the_key_it_had():
    """The key of a run asked by itself is that of before there could be several, to the letter."""
    kind = kind_named("run")
    assert key(kind) == KEY_BEFORE
    assert key(kind, kind.settings(lengths=(3,), plane="first")) == KEY_BEFORE


KEYS_BEFORE = {  # settings that came later are in none of them
    "surface": "91219730c65bd1e498e6958da2721872ce0f48c50a227630a4304cf262fd9f7d",
    "line": "4f2c9356089091148162581c678fabb62ff1bb07ff75a4826d730b441fc7bdd9",
    "projection": "e983eda96824e6884e692132040322ec0ee945b193c530e990dcba8810a80ccd",
    "convexity": "0cf8b7999bac4ab209accecc412f4edf9f65ae8c3fccf0ff2a2c525b8f6177ee",
    "spectrum": "7d244d556088fd195c096269c227f9e65dd54f3eac34a80aabed2f0536b33770",
    "stability": "1fb825f3ac42e1c15e6a78f0f6806a22caa091cb4bdbe619cb55b46ffd0c0ac4",
}
EIGENVECTOR_BEFORE = "fd11efa38fb841c7b9341273e11d38edb00e8e7235bbf145c55d30da5a096618"


def test_questions_keep_the_keys_they_had():
    """Settings that a kind got later change no key while they are at their default."""
    assert {name: key(kind_named(name)) for name in KEYS_BEFORE} == KEYS_BEFORE
    line = kind_named("line")
    assert key(line, line.settings(direction="eigenvector")) == EIGENVECTOR_BEFORE


def test_runs_and_how_they_divide_are_in_the_key(tmp_path):
    """Other lengths of the same snapshots are another question; the order of further runs none."""
    kind = kind_named("run")
    points = ("1" * 64, "2" * 64, "3" * 64, POINT)
    keys = [
        key(kind, kind.settings(lengths=lengths, plane=plane), points=points)
        for lengths in ((1, 3), (3, 1), (2, 2))
        for plane in ("together", "first")
    ]
    assert len({*keys, key(kind, points=points)}) == 7
    catalog = Catalog(tmp_path)
    first = stored_model(catalog, "first", "/p.py", {})
    others = []
    for number, name in enumerate(("b", "c")):
        file = catalog.put_file(name.encode(), ".safetensors")
        ids = [f"{number}{step}" * 32 for step in range(4 + number)]
        points = [stored_point(name, id, step, file) for step, id in enumerate(ids)]
        last = records.Model(
            id=name, name=name, problem_id=first.problem_id, point_id=points[-1].point_id
        )
        catalog.add_import(models=[last], points=points)
        others.append((catalog.model(name), ""))
    there, back = (
        questions.question_about(catalog, kind, first, kind.settings(), point="", others=order)
        for order in (others, others[::-1])
    )
    assert there.key == back.key and there.settings.lengths == (3, 4, 5)
    swapped = questions.question_about(
        catalog, kind, others[0][0], kind.settings(), point="", others=[(first, "")]
    )
    straight = questions.question_about(
        catalog, kind, first, kind.settings(), point="", others=others[:1]
    )
    assert swapped.key != straight.key
    stored_question = catalog.question(
        questions.ask(catalog, kind, first, kind.settings(), others=others[::-1])
    )
    assert stored_question.title == "Training run of first and b and c"
    settings = settings_from_json(kind.settings, stored_question.settings)
    assert settings == there.settings
    assert named_points(kind, settings, stored_question.point_ids) == [
        model.point_id for model in (first, *(model for model, _ in others))
    ]


PRINT_KEYS = f"""
from explorer.ask.question import ProblemIdentity, QuestionIdentity
from explorer.kinds import KINDS
print([QuestionIdentity(kind, kind.settings(), {IDENTITY}, ("{POINT}",)).key for kind in KINDS])
"""


def test_another_process_finds_the_same_key():
    """Keys do not depend on the order in which a process hashes its strings."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT_KEYS],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},  # this process has another
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str([key(kind) for kind in KINDS])


def test_the_gradient_is_one_question():
    """Seed and normalisation of random directions ask nothing new beside the gradient's."""
    kind = kind_named("line")
    other = {"seed": 1, "normalisation": "layer", "ignore_1d": False}
    settings = [kind.settings(direction="gradient", **more) for more in ({}, other)]
    assert key(kind, settings[0]) == key(kind, settings[1]) != key(kind)


@every_kind
def test_a_setting_without_effect_asks_nothing_new(kind):
    """A setting that counts only beside another one is in the key only beside it."""
    usual = dataclasses.asdict(kind.settings())
    for field in setting_fields(kind.settings):
        if field.counts(usual):
            continue
        value = another(kind, field)
        assert key(kind, kind.settings(**{field.name: value})) == key(kind), field.name
    for field, settings in changed_settings(kind):
        if not field.counts(usual):  # beside others
            reset = altered(settings, **{field.name: field.default})
            same = getattr(settings, field.name) == field.default  # of no use for this kind
            assert (key(kind, settings) == key(kind, reset)) == same, field.name


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"x_min": 1.0, "x_max": -1.0}, "the range of x must increase, got 1.0 to -1.0"),
        ({"x_min": 2, "x_max": 2}, "the range of x must increase, got 2.0 to 2.0"),
        ({"colour": 1}, "there is no setting 'colour'; there are "),
        ({"x_countt": 5}, "there is no setting 'x_countt'"),
    ],
)
@every_ranged_kind
def test_what_does_not_fit_together_is_refused(kind, values, words):
    """A range that does not increase and names that do not exist are told as they are."""
    with pytest.raises(ValueError, match="^" + words):
        settings_from_json(kind.settings, values)


def test_a_grid_beyond_a_million_points_is_refused():
    """Each axis may have 2,001 points, both together may not."""
    kind = kind_named("surface")
    with pytest.raises(ValueError, match=r"at most 1,000,000 points, got 4,004,001"):
        settings_from_json(kind.settings, {"x_count": 2001, "y_count": 2001})
    assert settings_from_json(kind.settings, {"x_count": 2001, "y_count": 499}).units == 998_499


@pytest.mark.parametrize("count", [2, 3, 50, 2000, 2001])
@every_ranged_kind
def test_even_and_odd_counts_are_allowed(kind, count):
    """Any count from 2 to 2,001 makes an axis of so many points with exact ends."""
    settings = settings_from_json(kind.settings, {"x_count": count, "x_min": -0.3, "x_max": 0.7})
    axis = settings.axes[0] if hasattr(settings, "axes") else settings.axis
    assert (len(axis), axis[0], axis[-1]) == (count, -0.3, 0.7)


@pytest.mark.parametrize(
    ("count", "of", "said"),
    [
        (1, None, "1 search"),
        (85, None, "85 searches"),
        (1, 85, "1 of 85 searches"),
        (1, 1, "1 of 1 search"),
    ],
)
def test_units_are_counted_in_words(count: int, of: int | None, said: str) -> None:
    """One unit is said in the singular."""
    assert kind_named("critical").count_text(count, of) == said


def test_only_questions_that_got_another_answer_got_another_key():
    """A trace by products of its own was XTrace's, then of one part; others are found again."""
    kind = kind_named("spectrum")
    plain, traced = kind.settings(), kind.settings(trace_products=20)
    assert (kind.version_of(plain), kind.version_of(traced)) == (1, 3)
    unchanged = kind.settings(matrix="empirical_fisher", trace_products=20)
    assert kind.version_of(unchanged) == 2
    assert key(kind, plain) == KEYS_BEFORE["spectrum"]
