"""Many minima on the command line: what is missing, the matrix, the lowest ways, as JSON too."""

import dataclasses
import json
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.ask.estimate import tells_time
from explorer.ask.pair_wishes import Pairs, pairs_seconds, path_kinds, usual_values
from explorer.ask.study_cells import cells_of
from explorer.ask.study_run import ask_missing
from explorer.kinds import KINDS
from explorer.kinds.facts import AnswerFacts
from explorer.kinds.members import OfMembers
from explorer.supervisor.result_numbers import NumbersKeeper
from store import Catalog
from tests.filling import add_tiny, new_catalog, work

NAMES = ("one", "two", "three")
MODELS = [word for name in NAMES for word in ("--model", name)]
SHORT = ["--set", "x_count=3", "--set", "batchnorm=frozen"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, whose pairs are answered by lines of three points."""
    place = tmp_path_factory.mktemp("minima")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(NAMES)]
    kind = path_kinds()[0]
    settings = kind.settings(**{**usual_values(kind), "x_count": 3})
    pairs = Pairs.of(catalog, models, kind, settings)
    ask_missing(catalog, cells_of(catalog, pairs.reads, pairs.wishes))
    work(catalog)
    NumbersKeeper(catalog).keep_up()
    catalog.close()
    return catalog.folder


def said(capsys: pytest.CaptureFixture[str], folder: Path, *words: str, status: int = 0) -> str:
    """What the command printed; where it failed, its sentence."""
    capsys.readouterr()
    assert main(["--catalog", str(folder), "minima", *words]) == status
    shown = capsys.readouterr()
    return shown.err if status else shown.out


def test_stored_pairs_are_a_matrix_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row a model with its own loss and the number of each other; the two ways of the tree."""
    lines = said(capsys, folder, *MODELS, *SHORT).splitlines()
    head, *rows = lines[:4]
    assert head.split()[:3] == ["barrier", "own", "loss"]
    assert {row.split()[0] for row in rows} == set(NAMES)
    assert all(row.split().count("NULL") == 1 for row in rows)
    assert sum(line.startswith("lowest way") for line in lines) == 2


def test_json_has_all_numbers_of_all_pairs(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each pair every number; a barrier is no higher than the saddle, which is on the way."""
    content = json.loads(said(capsys, folder, *MODELS, *SHORT, "--json"))
    assert [model["name"] for model in content["models"]] == list(NAMES)
    assert len(content["pairs"]) == 3 and len(content["lowest_ways"]) == 2
    losses = {model["name"]: model["loss"] for model in content["models"]}
    for pair in content["pairs"]:
        assert pair["saddle"] >= max(losses[name] for name in pair["models"])
    assert sorted(content["order"]) == sorted(NAMES)
    lowest = json.loads(said(capsys, folder, *MODELS, *SHORT, "--json", "--ways", "lowest"))
    assert lowest["lowest_ways"] == content["lowest_ways"]


def test_a_dry_run_asks_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells how many pairs are missing with these settings, and leaves them so."""
    longer = ["--set", "x_count=5", "--set", "batchnorm=frozen"]
    assert "3 pairs missing" in said(capsys, folder, *MODELS, *longer, "--dry-run")
    assert "0 pairs missing" in said(capsys, folder, *MODELS, *SHORT, "--dry-run")
    assert len(Catalog(folder).questions()[0]) == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--model", "one"], "from 2 to 50 models, got 1"),
        (["--model", "one", "--model", "one"], "same weights twice"),
        (["--model", "one", "--model", "nobody"], "'nobody' is no model"),
        ([*MODELS, "--number", "horoscope"], "number must be one of barrier"),
        ([*MODELS, "--ways", "horoscope"], "ways must be one of"),
        ([*MODELS, "--set", "x_count=1"], "x_count must be from 2"),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    """Each is refused, with what must hold, and nothing is asked."""
    told = said(capsys, folder, *words, status=1)
    assert sentence in told and told.count("\n") == 1
    assert len(Catalog(folder).questions()[0]) == 3


def test_the_time_of_missing_pairs_is_that_of_the_answered_ones(folder: Path) -> None:
    """Two more pairs take twice the median of those that are there; none has what it is told."""
    catalog = Catalog(folder)
    kind = path_kinds()[0]
    by_name = {model.name: model for model in catalog.models()}
    settings = kind.settings(**{**usual_values(kind), "x_count": 3})
    pairs = Pairs.of(catalog, [by_name[name] for name in NAMES], kind, settings)
    cells = cells_of(catalog, pairs.reads, pairs.wishes)
    each = [
        cell.stored.seconds + (AnswerFacts.of(cell.stored.facts).timing.setup or 0.0)
        for cell in cells
        if cell.stored
    ]
    assert len(each) == 3
    assert pairs_seconds(cells[:2], cells) == pytest.approx(2 * sorted(each)[1])


def test_an_answer_of_few_points_does_not_tell_time(folder: Path) -> None:
    """Its seconds are those of setting out; one of many points tells what a point takes."""
    question, *_ = Catalog(folder).questions()[0]
    assert not tells_time(question)
    assert tells_time(dataclasses.replace(question, units_done=100))


def test_models_that_make_one_question_together_are_told_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each alone would be too few points: one sentence names the option that takes them all."""
    kinds = [kind.name for kind in KINDS if issubclass(kind.settings, OfMembers)]
    assert len(kinds) > 1
    for kind in kinds:
        assert main(["--catalog", str(folder), "compute", kind, *MODELS]) == 1
        sentence = capsys.readouterr().err
        assert "give --together for one about all models" in sentence and sentence.count("\n") == 1
