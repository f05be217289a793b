"""What keeps two stored answers from being compared, and in what they differ."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.ask.comparability import compared_rows, hindrances
from explorer.codec import to_json
from explorer.kinds import Kind
from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.averaging import AVERAGING
from explorer.kinds.averaging_settings import AveragingSettings
from explorer.kinds.connection import CONNECTION
from explorer.kinds.connection_settings import BAND, ConnectionSettings
from explorer.kinds.ensemble import ENSEMBLE
from explorer.kinds.ensemble_settings import EnsembleSettings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.path_shape import BEZIER, CHAIN
from explorer.kinds.surface import SURFACE, SurfaceSettings
from store import Catalog, records
from tests.stored import question

DATA = {
    "train": {"count": 9, "fingerprint": "a" * 64},
    "test": {"count": 5, "fingerprint": "b" * 64},
}


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Two problems with the same data, one of another loss; a model of each, and one decayed."""
    catalog = Catalog(tmp_path / "catalog")
    for id, loss in (("p1", "cross_entropy"), ("p2", "mean_squared")):
        problem = records.Problem(
            id=id,
            name=id,
            path=f"/x/{id}.py",
            source_hash="0" * 64,
            facts={"splits": DATA, "loss": loss},
        )
        models = [("m1", 0.0), ("m3", 0.1)] if id == "p1" else [("m2", 0.0)]
        catalog.add_import(
            problem,
            [
                records.Model(
                    id=m, name=m, problem_id=id, point_id=f"w{m}", facts={"weight_decay": decay}
                )
                for m, decay in models
            ],
            [
                records.Point(
                    model_id=m,
                    point_id=f"w{m}",
                    label="final",
                    file_hash=catalog.put_file(m.encode(), "safetensors"),
                )
                for m, _ in models
            ],
            [],
        )
    yield catalog
    catalog.close()


def asked(catalog: Catalog, model: str = "m1", **changes: Any) -> records.Question:
    """A stored question about a surface, or about a line where `kind` says so."""
    kind = changes.pop("kind", SURFACE)
    settings = (SurfaceSettings if kind is SURFACE else LineSettings)(**changes)
    key = f"{kind.name} {model} {sorted(changes.items())}"
    return catalog.ask(
        question(
            key,
            kind=kind.name,
            settings=to_json(settings),
            units=settings.units,
            model_ids=(model,),
            point_ids=(f"w{model}",),
            problem_id="p2" if model == "m2" else "p1",
        )
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "test"}, "other data (train aaaaaaaaaaaa, test bbbbbbbbbbbb)"),
        ({"model": "m2"}, "another loss (cross_entropy, mean_squared)"),
        ({"precision": "float64"}, "other Precision (float32, float64)"),
        ({"batchnorm": "recalibrated"}, "other BatchNorm (frozen, recalibrated)"),
    ],
)
def test_other_losses_have_numbers_that_are_not_compared(
    catalog: Catalog, changes: dict[str, Any], words: str
) -> None:
    """Other data, another loss, another precision or policy: a reason each, of whatever kinds."""
    for kind in (SURFACE, LINE):
        reasons = hindrances(catalog, asked(catalog), asked(catalog, kind=kind, **changes))
        assert words in reasons.of_numbers
        assert words in reasons.words


@pytest.mark.parametrize("changes", [{"seed": 4}, {"x_count": 5}])
def test_other_places_have_no_difference_point_by_point(
    catalog: Catalog, changes: dict[str, Any]
) -> None:
    """Another plane or another grid of the same loss: numbers are compared, points are not."""
    reasons = hindrances(catalog, asked(catalog), asked(catalog, **changes))
    assert reasons.of_numbers == () and len(reasons.of_places) == 1


@pytest.mark.parametrize(
    ("kind", "settings", "other"),
    [
        (CONNECTION, ConnectionSettings(), ConnectionSettings(minimised=BAND, steps=100)),
        (CONNECTION, ConnectionSettings(), ConnectionSettings(shape=CHAIN, bends=3)),
        (AVERAGING, AveragingSettings(), AveragingSettings(method="greedy")),
        (ENSEMBLE, EnsembleSettings(), EnsembleSettings(trajectory=BEZIER)),
        (ALIGNMENT, AlignmentSettings(), AlignmentSettings(method="activations")),
    ],
)
def test_ways_to_the_same_numbers_are_compared(
    catalog: Catalog, kind: Kind, settings: ObjectiveSettings, other: ObjectiveSettings
) -> None:
    """A curve with a band, a soup with an average, two matchings: how high, how far, how good."""
    pair = [
        catalog.ask(
            question(
                f"{kind.name} {number}",
                kind=kind.name,
                settings=to_json(values),
                model_ids=("m1", "m1"),
                point_ids=("wm1", "wm1"),
                problem_id="p1",
            )
        )
        for number, values in enumerate((settings, other))
    ]
    reasons = hindrances(catalog, *pair)
    assert reasons.of_numbers == () and reasons.of_places


@pytest.mark.parametrize("changes", [{"normalisation": "raw"}, {"x_max": 2.0}])
def test_numbers_of_other_ranges_are_not_compared(
    catalog: Catalog, changes: dict[str, Any]
) -> None:
    """A plane that goes farther, or in other units, has another highest loss."""
    reasons = hindrances(catalog, asked(catalog), asked(catalog, **changes))
    assert len(reasons.of_numbers) == 1 and reasons.of_places == ()


def test_numbers_of_another_version_are_not_compared(catalog: Catalog) -> None:
    """A kind's version is raised when the same question gets another answer; of two kinds, none."""
    old, new = asked(catalog), dataclasses.replace(asked(catalog), key="new", version=2)
    assert hindrances(catalog, old, new).of_numbers == ("another version (1, 2)",)
    line = dataclasses.replace(asked(catalog, kind=LINE), version=2)
    assert hindrances(catalog, old, line).of_numbers == ()


def test_another_kind_has_no_difference_point_by_point(catalog: Catalog) -> None:
    """Of two kinds nothing hinders the numbers that mean the same in both."""
    reasons = hindrances(catalog, asked(catalog), asked(catalog, kind=LINE, seed=4, x_max=3.0))
    assert reasons.of_numbers == () and reasons.words == "another kind of analysis"


def test_settings_that_came_later_are_at_their_default(catalog: Catalog) -> None:
    """An answer that was asked before a setting existed differs in nothing from one after."""
    old = asked(catalog)
    settings = {name: value for name, value in old.settings.items() if name != "direction"}
    assert hindrances(catalog, dataclasses.replace(old, settings=settings), old).words == ""


def test_another_training_is_a_remark(catalog: Catalog) -> None:
    """The stored loss has no penalty in it: models trained with and without are comparable."""
    reasons = hindrances(catalog, asked(catalog), asked(catalog, "m3"))
    assert reasons.words == ""
    (remark,) = reasons.remarks
    assert "weight decay (0, 0.1)" in remark


def test_rows_tell_what_is_equal_and_what_is_not(catalog: Catalog) -> None:
    """Settings by their labels, data and problem by theirs; a hash by its beginning."""
    rows = {r.name: r for r in compared_rows(catalog, [asked(catalog), asked(catalog, seed=4)])}
    assert rows["Seed"].values == ("0", "4") and not rows["Seed"].equal
    assert rows["Normalisation"].equal and rows["Problem: loss"].equal
    assert rows["Data: fingerprint"].values == ("a" * 12,) * 2
    mixed = compared_rows(catalog, [asked(catalog), asked(catalog, kind=LINE)])
    assert {r.name: r.values for r in mixed}["How many directions"] == ("", "1")


def put_problem(catalog: Catalog, id: str, source: str, **arguments: Any) -> None:
    """A problem with the data and the loss of p1, and a model of it."""
    facts = {"splits": DATA, "loss": "cross_entropy"}
    problem = records.Problem(
        id=id, name=id, path=f"/x/{id}.py", source_hash=source, arguments=arguments, facts=facts
    )
    model = records.Model(id=f"of {id}", name=id, problem_id=id, point_id=f"wof {id}")
    file = catalog.put_file(id.encode(), "safetensors")
    point = records.Point(model_id=model.id, point_id=model.point_id, label=id, file_hash=file)
    catalog.add_import(problem, [model], [point], [])


def asked_of(catalog: Catalog, problem: str) -> records.Question:
    """A surface of the problem's model."""
    return dataclasses.replace(
        asked(catalog), key=problem, problem_id=problem, model_ids=(f"of {problem}",)
    )


def test_another_problem_file_is_not_compared(catalog: Catalog) -> None:
    """Its loss may mean something else under the same name: no difference, no rank, but why."""
    put_problem(catalog, "other file", "1" * 64)
    reasons = hindrances(catalog, asked(catalog), asked_of(catalog, "other file"))
    assert reasons.of_numbers == ("another problem file, whose loss may be another one",)
    assert reasons.words and reasons.remarks == ()


def test_other_arguments_have_no_difference_point_by_point(catalog: Catalog) -> None:
    """The network may be another one, whose directions are others; losses on the data compare."""
    put_problem(catalog, "wide", "0" * 64, width=9)
    reasons = hindrances(catalog, asked(catalog), asked_of(catalog, "wide"))
    assert reasons.of_numbers == ()
    assert reasons.words == "a problem with other arguments (none, width=9)"
    assert reasons.remarks == (reasons.words,)
