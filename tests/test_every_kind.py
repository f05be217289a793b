"""What holds for every kind of analysis, by the list `KINDS`: a new one is tested by being in it.

One catalog is filled in this process, by a real supervisor and a real worker: two runs of the tiny
problem, and about them one small question of each kind. What changes it works on a copy.
"""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import vl_convert

from explorer.ask import questions
from explorer.ask.command_text import compute_command, values_query
from explorer.ask.provenance import provenance_of
from explorer.ask.question import ProblemIdentity, QuestionIdentity
from explorer.ask.subject_names import subject_names
from explorer.commands.app import main
from explorer.kinds import KINDS, Kind, settings_from_json
from explorer.kinds.objective_settings import ObjectiveSettings
from explorer.kinds.setting import SettingValue, setting_fields
from explorer.pages import _links as links
from explorer.pages._running import make_thumbnail
from explorer.render.drawing import drawing_of
from explorer.render.export import table
from explorer.render.export.views import whole_spec
from explorer.render.relief3d.relief import Relief
from store import Catalog
from tests.app_test import AppTest
from tests.filling import work, work_shared
from tests.screen import charts
from tests.setting_values import bad_values, changed_settings, settings_beside
from tests.small_answers import ask, columns_by_unit, question_of, two_runs
from tests.tiny import ROOT

# Several points in one launch agree with each alone to this, relative to the largest of a column.
AGREEMENT = 1e-5
SHARED = [kind for kind in KINDS if not kind.in_order]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with two runs of one problem."""
    return two_runs(tmp_path_factory.mktemp("every kind"))


def copied(source: Path, target: Path) -> Catalog:
    """A copy of a catalog."""
    shutil.copytree(source, target)
    catalog = Catalog(target)
    catalog.check()
    return catalog


@pytest.fixture(scope="module")
def filled(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with the whole answer of a small question of every kind."""
    catalog = copied(imported, tmp_path_factory.mktemp("filled") / "catalog")
    for kind in KINDS:
        ask(catalog, kind)
    work(catalog)
    assert [job.error for job in catalog.jobs()] == [None] * (2 + len(KINDS))
    catalog.close()
    return catalog.folder


@pytest.fixture(scope="module")
def resumed(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog with the same answers, each stopped after its first piece and resumed."""
    catalog = copied(imported, tmp_path_factory.mktemp("resumed") / "catalog")
    for kind in KINDS:
        ask(catalog, kind)
    work(catalog, pieces=1)
    for question in catalog.questions(limit=100)[0]:
        if question.status == "open":
            assert question.units_done or catalog.answer_states(question.key), question.title
            questions.resume(catalog, question)
    work(catalog)
    return catalog


@pytest.fixture(scope="module")
def shared(imported: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog with the same answers, but for those in order, each answered in shares."""
    catalog = copied(imported, tmp_path_factory.mktemp("shared") / "catalog")
    for kind in SHARED:
        ask(catalog, kind)
    assert work_shared(catalog) > len(SHARED)
    return catalog


@pytest.fixture(scope="module")
def catalog(filled: Path) -> Iterator[Catalog]:
    """The filled catalog, to be read."""
    catalog = Catalog(filled)
    yield catalog
    catalog.close()


@pytest.fixture(scope="module")
def merged(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """An empty catalog into which the filled one was merged."""
    catalog = Catalog(tmp_path_factory.mktemp("merged") / "catalog")
    catalog.check()
    catalog.merge(filled)
    return catalog


IDENTITY = ProblemIdentity("5" * 64, {}, "loss", (), {"train": "7" * 64, "test": "8" * 64})


def key(kind: Kind, settings: ObjectiveSettings) -> str:
    """The key of a question of that kind with those settings."""
    return QuestionIdentity(kind, settings, IDENTITY, ("9" * 64,)).key


@every_kind
def test_settings_survive_json(kind: Kind) -> None:
    """Each setting, at another value than its default, comes back from JSON as it went."""
    for field, settings in changed_settings(kind):
        text = json.dumps(dataclasses.asdict(settings))
        read = settings_from_json(kind.settings, json.loads(text))
        assert read == settings, field.name
        assert type(getattr(read, field.name)) is type(getattr(settings, field.name))


def free_fields(kind: Kind) -> list[str]:
    """The settings of a kind that are neither of one choice nor of use beside another choice."""
    fields = setting_fields(kind.settings)
    fixed = {field.name: field.setting.choices for field in fields}
    fixed = {name: choices for name, choices in fixed.items() if len(choices) == 1}

    def is_unused(rules: Mapping[str, tuple[SettingValue, ...]]) -> bool:
        return any(fixed[name][0] in values for name, values in rules.items() if name in fixed)

    free = [field for field in fields if field.name not in fixed]
    return [field.name for field in free if not is_unused(field.setting.unused_with)]


@every_kind
def test_any_other_setting_is_another_question(kind: Kind) -> None:
    """The same settings have the same key, and each other value of each setting another one."""
    keys = {key(kind, kind.settings())}
    assert keys == {key(kind, settings_from_json(kind.settings, {}))}
    others = [settings for _, settings in changed_settings(kind)]
    different = {settings for settings in others if settings != kind.settings()}
    assert len(keys | {key(kind, settings) for settings in different}) == 1 + len(different)
    assert len(different) > len(free_fields(kind)) / 2


@every_kind
def test_bad_settings_are_refused_in_one_sentence(kind: Kind) -> None:
    """Each value of a wrong type, out of range or among no choices is, by the setting's name."""
    for field in setting_fields(kind.settings):
        beside = settings_beside(kind, field)
        for value in bad_values(field):
            with pytest.raises(ValueError) as refused:
                settings_from_json(kind.settings, {**beside, field.name: value})
            said = str(refused.value)
            assert field.name in said and "\n" not in said and len(said) < 250, said


@every_kind
def test_a_stopped_answer_goes_on_to_the_same_values(
    kind: Kind, catalog: Catalog, resumed: Catalog
) -> None:
    """Stopped after a piece and resumed: complete, with the rows and values of one go."""
    assert_same_answers(catalog, resumed, kind)


@pytest.mark.parametrize("kind", SHARED, ids=lambda kind: kind.name)
def test_an_answer_in_shares_is_that_of_one_go(
    kind: Kind, catalog: Catalog, shared: Catalog
) -> None:
    """Units answered by several workers, each from its own start: rows and values of one go."""
    assert_same_answers(catalog, shared, kind)


def assert_same_answers(catalog: Catalog, other: Catalog, kind: Kind) -> None:
    """The other catalog has the whole answer of that kind, with the same rows and values."""
    assert question_of(other, kind).status == "complete"
    whole, parts = (columns_by_unit(one, kind) for one in (catalog, other))
    assert whole.keys() == parts.keys()
    for name, column in whole.items():
        largest = np.abs(column[np.isfinite(column)]).max(initial=0.0)
        np.testing.assert_allclose(
            parts[name], column, rtol=AGREEMENT, atol=AGREEMENT * largest, err_msg=name
        )


@every_kind
def test_an_answer_says_what_its_objective_is(kind: Kind, catalog: Catalog) -> None:
    """How many examples of how many, how many parameters and the device are among its facts."""
    facts = kind.facts.of(question_of(catalog, kind).facts)
    assert 0 < facts.examples <= facts.available and facts.parameters > 0 and facts.device


def test_answers_were_stopped_midway(resumed: Catalog) -> None:
    """Most kinds were stopped before their whole answer was there, so that resuming is tried."""
    stopped = resumed.jobs(status="cancelled")
    assert len(stopped) > len(KINDS) / 2, [job.title for job in stopped]


@every_kind
def test_an_answer_survives_the_store_and_a_merge(
    kind: Kind, catalog: Catalog, merged: Catalog
) -> None:
    """Read again and merged into another catalog it is the same, to the last bit."""
    question = question_of(catalog, kind)
    theirs = merged.question(question.key)
    assert theirs is not None and theirs.status == "complete"
    assert theirs.settings == question.settings and theirs.facts == question.facts
    before, after = (one.values(question.key, kind.table) for one in (catalog, merged))
    assert before.keys() == after.keys()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    result, merged_result = (questions.result_of(one, question) for one in (catalog, merged))
    assert table.to_parquet(result) == table.to_parquet(merged_result)


@every_kind
def test_an_answer_is_drawn_in_light_and_dark(kind: Kind, catalog: Catalog) -> None:
    """Its drawing is valid Vega-Lite: its schema and compiler take it in both themes."""
    question = question_of(catalog, kind)
    result, names = questions.result_of(catalog, question), subject_names(catalog, question)
    chart = drawing_of(kind, result, kind.look.usual(result), names)
    assert not isinstance(chart, Relief)  # a look at first sight is flat
    chart.to_dict(validate=True)  # what a page shows is not compared with the schema
    spec = whole_spec(chart)
    drawn = [vl_convert.vegalite_to_svg(spec, theme=theme) for theme in ("default", "dark")]
    assert all(svg.startswith("<svg") and "<path" in svg for svg in drawn)
    assert drawn[0] != drawn[1]


@every_kind
def test_an_answer_has_a_small_picture(kind: Kind, catalog: Catalog) -> None:
    """It is a PNG of the answer; as it is stored, no page draws it again."""
    key = question_of(catalog, kind).key
    make_thumbnail(catalog, key)
    picture = catalog.image(key)
    assert picture is not None and picture.startswith(b"\x89PNG")


@every_kind
def test_its_command_and_its_sql_find_it(
    kind: Kind, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is copied from the page: the command asks the same question, the SQL has its rows."""
    question = question_of(catalog, kind)
    words = shlex.split(compute_command(catalog, question))
    assert words[:3] == ["python", "-m", "explorer"]
    assert main(words[3:]) == 0
    assert capsys.readouterr().out == f"{question.key}\n"
    rows = catalog.query(values_query(question)).rows
    assert len(rows) == len(catalog.values(question.key, kind.table)["unit"])


@every_kind
def test_its_page_opens_on_the_answer(kind: Kind, catalog: Catalog, folder: Path) -> None:
    """The link of its card leads to a page without an error that shows it, or has a link to it."""
    link = links.link_to(question_of(catalog, kind), links.Subjects(catalog))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in link.parameters.items():
        app.query_params[name] = value
    app.switch_page(kind.page).run()
    assert [e.value for e in (*app.exception, *app.error)] == []
    stored = any(expander.label.startswith("Provenance") for expander in app.expander)
    offered = any(element.icon == ":material/history:" for element in app.get("page_link"))
    assert stored or offered or not kind.own_page  # a page need not have a control for each setting


@pytest.mark.parametrize("kinds", [KINDS[:6], KINDS[-6:]], ids=["first", "last"])
def test_kinds_stand_side_by_side(kinds: list[Kind], catalog: Catalog, folder: Path) -> None:
    """Six answers of different kinds on the page Compare: each drawn, without an error."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["panel"] = [question_of(catalog, kind).key for kind in kinds]
    app.switch_page("explorer/pages/compare.py").run()
    assert [e.value for e in (*app.exception, *app.error)] == []
    said = " ".join(text.value for text in app.markdown)
    assert all(f"**{kind.title} of" in said for kind in kinds)
    assert charts(app) >= len(kinds)


@every_kind
def test_an_answer_comes_down_to_the_numbers_that_its_kind_names(
    catalog: Catalog, kind: Kind
) -> None:
    """No number of a result is without its name in the kind, which is what tooltips know."""
    names = set(questions.result_of(catalog, question_of(catalog, kind)).numbers)
    assert names
    assert names <= set(kind.numbers)


@every_kind
def test_exports_load(kind: Kind, catalog: Catalog) -> None:
    """CSV and Parquet hold the same rows, which are the result's; each says what it is of."""
    question = question_of(catalog, kind)
    result = questions.result_of(catalog, question)
    provenance = provenance_of(catalog, question)
    rows = table.rows_with_subject(result, provenance)
    parquet = pa.parquet.read_table(pa.BufferReader(table.to_parquet(result, provenance)))
    pd.testing.assert_frame_equal(parquet.to_pandas(), rows.to_pandas(), check_exact=True)
    said = json.loads(parquet.schema.metadata[b"provenance"])
    assert said["analyses"][0]["key"] == question.key
    csv = pa.csv.read_csv(pa.BufferReader(table.to_csv(result, provenance)))
    assert csv.column_names == rows.column_names and len(csv) == len(rows) > 0
    for name in rows.column_names:
        ours, theirs = (one.column(name).to_pandas().to_numpy() for one in (rows, csv))
        np.testing.assert_array_equal(theirs.astype(ours.dtype), ours, err_msg=name)


@pytest.fixture(scope="module")
def hollow(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The filled catalog as an early version could have stored it: each kind lacks a column."""
    catalog = copied(filled, tmp_path_factory.mktemp("hollow") / "catalog")

    def work(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute("DELETE FROM value_seals")
        for kind in KINDS:
            cursor.execute(f'UPDATE {kind.table} SET "{kind.columns[0]}" = NULL')  # noqa: S608

    catalog._write(work)
    catalog.close()
    return catalog.folder


def error_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence of a command; what a thread of an app before it logs is none."""
    (sentence,) = (
        line for line in capsys.readouterr().err.splitlines() if not line.startswith("no thumbnail")
    )
    return str(sentence)


@every_kind
def test_an_answer_that_lacks_a_column_is_one_sentence_on_its_page(
    kind: Kind, hollow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored before pieces were looked at: no page of it ends in a traceback."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(hollow))
    catalog = Catalog(hollow)
    link = links.link_to(question_of(catalog, kind), links.Subjects(catalog))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in link.parameters.items():
        app.query_params[name] = value
    app.switch_page(kind.page).run()
    assert [e.value for e in app.exception] == []
    told = any("is no answer to it" in element.value for element in app.error)
    offered = any(element.icon == ":material/history:" for element in app.get("page_link"))
    assert told or offered or not kind.own_page


@every_kind
def test_an_answer_that_lacks_a_column_is_one_sentence_on_the_command_line(
    kind: Kind, hollow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export and draw refuse it by the column's name, and the check lists it."""
    key = question_of(Catalog(hollow), kind).key
    for command, file in (("export", "values.csv"), ("draw", "picture.svg")):
        assert main(["--catalog", hollow, command, key, tmp_path / file]) == 1
        assert f"lack the columns {kind.columns[0]};" in error_sentence(capsys)
    assert main(["--catalog", hollow, "check"]) == 1
    assert f"analysis {key}: what is stored of" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@every_kind
def test_an_answer_of_a_later_version_is_one_sentence_on_the_command_line(
    kind: Kind, filled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a setting that this version does not know: export and draw say what pages say."""
    catalog = copied(filled, tmp_path / "catalog")
    key = question_of(catalog, kind).key
    change = "UPDATE questions SET settings = json_merge_patch(settings, '{\"future\": 1}')"
    catalog._write(lambda cursor: cursor.execute(change))
    for command, file in (("export", "values.csv"), ("draw", "picture.svg")):
        assert main(["--catalog", catalog.folder, command, key, tmp_path / file]) == 1
        assert error_sentence(capsys).endswith("update this program to see it")
