"""Studies: kept, the same keys as asked one by one, cells that say how far they are or why not."""

import csv
import dataclasses
import io
import math
from pathlib import Path

import pytest

from explorer.ask import questions, requests, study_run
from explorer.ask.question import sha256
from explorer.ask.study import (
    EACH,
    START,
    Study,
    StudyModel,
    StudyQuestion,
    add_study,
    row_and_column,
    study_from_json,
    study_model,
    study_named,
    study_of,
    usual_subjects,
)
from explorer.ask.study_cells import Cell, cells, missing_cells, seconds_left
from explorer.ask.study_files import numbers_file, read_study, study_file
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_words import models_by_label, row_labels
from explorer.codec import to_json
from explorer.kinds import KINDS, Kind, kind_named
from explorer.kinds.line import LINE, LineSettings
from explorer.supervisor.result_numbers import NumbersKeeper
from store import Catalog, UnknownEntry, records
from tests.filling import add_answer, add_tiny, new_catalog, work
from tests.setting_values import small_settings
from tests.small_answers import ask, question_of, two_runs

SHORT, LONG = LineSettings(x_count=3), LineSettings(x_count=9)  # what is asked
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def line(settings: LineSettings = SHORT) -> StudyQuestion:
    """Those lines of each model."""
    return StudyQuestion(kind=LINE.name, settings={"x_count": settings.x_count})


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    """A model with a single snapshot, `alone`, and one with three, `run`."""
    catalog = new_catalog(tmp_path / "catalog")
    add_tiny(catalog, tmp_path, "alone")
    add_tiny(catalog, tmp_path, "run", range(3))
    return catalog


def models(catalog: Catalog) -> tuple[StudyModel, ...]:
    """All models of a catalog as a study's, by name."""
    return tuple(study_model(m) for m in sorted(catalog.models(), key=lambda m: m.name))


def states(all_cells: list[Cell]) -> list[str]:
    return [cell.state for cell in all_cells]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Two runs of one problem, of which a small question of each kind was asked."""
    catalog = Catalog(two_runs(tmp_path_factory.mktemp("study")))
    for kind in KINDS:
        ask(catalog, kind)
    return catalog


@every_kind
def test_an_analysis_becomes_a_row_and_a_column_of_the_same_key(runs: Catalog, kind: Kind) -> None:
    """The study of any analysis has one cell, whose key is that of the analysis, also from JSON."""
    question = question_of(runs, kind)
    study = study_from_json(to_json(study_of(runs, [question])))
    (cell,) = cells(runs, study)
    assert (cell.wish.key, cell.state) == (question.key, "waiting")
    assert "lengths" not in study.questions[0].settings


@every_kind
def test_each_kind_can_be_asked_of_each_model_of_a_run(runs: Catalog, kind: Kind) -> None:
    """With its usual subjects a kind is about each run of the study alone: two other questions."""
    pair = StudyQuestion(
        kind=kind.name,
        settings=dataclasses.asdict(small_settings(kind)),
        subjects=usual_subjects(kind),
    )
    first, second = cells(runs, Study(models=models(runs), questions=(pair,)))
    assert first.wish.refusal == second.wish.refusal == ""
    assert first.wish.key != second.wish.key
    for cell in (first, second):
        (own,) = {model.id for model, _ in cell.wish.subjects}
        assert own == models(runs)[cell.wish.row].id


def test_a_key_is_the_one_that_asking_gives(catalog: Catalog) -> None:
    """What a cell will be found under is what `ask` returns: of a model, a snapshot, a pair."""
    run = next(model for model in catalog.models() if model.name == "run")
    start = catalog.points(run.id)[0].point_id
    pair = kind_named("interpolation")
    study = Study(
        models=(study_model(run), study_model(run, start)),
        questions=(
            line(),
            StudyQuestion(kind=pair.name, settings={"x_count": 3}, subjects=(START, EACH)),
        ),
    )
    of_final, between, of_start, at_start = cells(catalog, study)
    assert of_final.wish.key == questions.ask(catalog, LINE, run, SHORT)
    assert of_start.wish.key == questions.ask(catalog, LINE, run, SHORT, point=start)
    settings = pair.settings(x_count=3)  # type: ignore[call-arg]
    others = [(run, run.point_id)]
    assert between.wish.key == questions.ask(
        catalog, pair, run, settings, point=start, others=others
    )
    assert at_start.sentence == "the from and the to are the same point here"


def test_a_study_is_computed_once(catalog: Catalog) -> None:
    """What is answered is not asked again, what is asked is answered, and then nothing is left."""
    alone = next(model for model in catalog.models() if model.name == "alone")
    stored = add_answer(catalog, LINE, SHORT, (alone, ""))
    jobs = len(catalog.jobs(limit=99))
    study = Study(models=models(catalog), questions=(line(), line(LONG)))
    assert states(cells(catalog, study)) == ["answered", *["not asked"] * 3]
    new = study_run.compute_missing(catalog, study)
    assert len(new) == 3 and stored.key not in new
    assert states(cells(catalog, study)) == ["answered", *["waiting"] * 3]
    assert study_run.compute_missing(catalog, study) == []
    work(catalog)
    assert states(cells(catalog, study)) == ["answered"] * 4
    assert study_run.compute_missing(catalog, study) == []
    assert len(catalog.jobs(limit=99)) == jobs + 3
    assert catalog.question(stored.key) == stored


def test_stopping_leaves_what_is_there_and_computing_goes_on(catalog: Catalog) -> None:
    """Stopped cells are missing again, with what they have; computing them completes them."""
    study = Study(models=models(catalog), questions=(line(LONG),))
    study_run.compute_missing(catalog, study)
    jobs = study_run.jobs_under_way(cells(catalog, study))
    assert len(jobs) == 2
    for job in jobs:
        requests.cancel(catalog, job)
    work(catalog)
    assert states(cells(catalog, study)) == ["partly"] * 2
    assert study_run.jobs_under_way(cells(catalog, study)) == []
    assert len(study_run.compute_missing(catalog, study)) == 2
    work(catalog)
    assert states(cells(catalog, study)) == ["answered"] * 2


def test_what_cannot_be_asked_says_why_and_the_rest_goes_on(catalog: Catalog) -> None:
    """One sentence for each sort of bad cell; the good ones are asked all the same."""
    gone = StudyModel(id="f" * 64, name="gone")
    alone, run = models(catalog)
    elsewhere = StudyModel(id=run.id, name="run", point="e" * 64)
    study = Study(
        models=(alone, gone, elsewhere),
        questions=(
            line(),
            StudyQuestion(kind="horoscope"),
            StudyQuestion(kind=LINE.name, settings={"x_count": "many"}),
            StudyQuestion(kind=LINE.name, settings={"split": "valid"}),
            StudyQuestion(kind=LINE.name, settings={"colour": 3}),
            StudyQuestion(kind=LINE.name, subjects=(EACH, START)),
            StudyQuestion(kind="run", settings={"x_count": 3, "y_count": 3}),
        ),
    )
    first, second, third = (cells(catalog, study)[n : n + 7] for n in (0, 7, 14))
    assert states(first) == ["not asked", *["refused"] * 6]
    said = [cell.sentence for cell in first[1:]]
    for sentence, words in zip(
        said,
        (
            "there is no kind 'horoscope'",
            "x_count must be of type int",
            "split must be one of train, test, got 'valid'",
            "there is no setting 'colour'",
            "has no earlier snapshot",
            "at least 3 different snapshots, alone has 1",
        ),
        strict=True,
    ):
        assert words in sentence and "\n" not in sentence
    assert second[0].sentence == "'gone' is not in this catalog; import it"
    assert third[0].sentence == "that point of 'run' is not in this catalog any more"
    assert len(study_run.compute_missing(catalog, study)) == 1


def test_a_deleted_model_is_named_and_comes_back(catalog: Catalog) -> None:
    """A model in the trash empties its own row alone; restored, the row is as it was."""
    study = Study(models=models(catalog), questions=(line(),))
    study_run.compute_missing(catalog, study)
    work(catalog)
    catalog.delete_model(study.models[0].id)
    first, second = cells(catalog, study)
    assert first.sentence == "'alone' is in the trash; restore it on the page Catalog"
    assert (first.state, second.state) == ("refused", "answered")
    catalog.restore_model(study.models[0].id)
    assert states(cells(catalog, study)) == ["answered"] * 2


def test_a_failed_cell_says_why_and_the_rest_is_answered(catalog: Catalog, tmp_path: Path) -> None:
    """A problem file that has changed fails its model's cell; another problem's is computed."""
    other = tmp_path / "other"
    add_tiny(catalog, other, "changed", deed="none")
    study = Study(models=models(catalog), questions=(line(),))
    study_run.compute_missing(catalog, study)
    (other / "problem" / "tiny_problem.py").write_text("changed = True\n")
    work(catalog)
    all_cells = cells(catalog, study)
    assert states(all_cells) == ["answered", "failed", "answered"]
    assert "must have a function problem" in all_cells[1].sentence
    assert study_run.compute_missing(catalog, study) == [all_cells[1].wish.key]


def test_an_empty_study_has_nothing_to_do(catalog: Catalog) -> None:
    """No models, no questions, neither: no cell, nothing asked, no time."""
    for study in (
        Study(),
        Study(models=models(catalog)),
        Study(questions=(line(),)),
    ):
        assert cells(catalog, study) == []
        assert study_run.compute_missing(catalog, study) == []
        assert seconds_left([]) == 0
        assert study_from_json(to_json(study)) == study


def test_the_same_weights_twice_are_asked_once(catalog: Catalog) -> None:
    """A model in two rows has cells of one key, which counts once in what is missing."""
    alone, _ = models(catalog)
    study = Study(models=(alone, alone), questions=(line(),))
    first, second = cells(catalog, study)
    assert first.wish.key == second.wish.key
    assert len(missing_cells([first, second])) == 1
    assert seconds_left([first, second]) == seconds_left([first])
    assert len(study_run.compute_missing(catalog, study)) == 1


def test_cheap_models_and_questions_come_first_and_a_model_in_one_go(catalog: Catalog) -> None:
    """By problem, by model, within it by time; what was never timed, and its model, last."""
    add_tiny(catalog, catalog.folder.parent, "slow", deed="none")
    study = Study(models=models(catalog), questions=(line(LONG), line()))
    missing = missing_cells(cells(catalog, study))
    assert [cell.units for cell in missing] == [9, 3] * 3
    for rates, wanted in (
        ({"alone": 5.0, "run": 1.0, "slow": 9.0}, ["run", "alone", "slow"]),
        ({"alone": 1.0, "run": 5.0, "slow": 9.0}, ["alone", "run", "slow"]),
        ({"alone": 1.0, "run": 5.0, "slow": 3.0}, ["slow", "alone", "run"]),  # of another problem
        ({"alone": 1.0, "run": 5.0, "slow": math.nan}, ["alone", "run", "slow"]),
    ):
        timed = [
            dataclasses.replace(cell, seconds=rates[cell.wish.subjects[0][0].name] * cell.units)
            for cell in missing
        ]
        ordered = study_run.in_order(timed)
        assert [cell.wish.subjects[0][0].name for cell in ordered[::2]] == wanted
        assert [cell.wish.subjects[0][0].name for cell in ordered[1::2]] == wanted
        assert [cell.units for cell in ordered[:4]] == [3, 9] * 2


def counted(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, study: Study) -> int:
    """How often the catalog was read for all cells of a study."""
    count = 0
    read = Catalog._read

    def counting_read(self: Catalog, work: object) -> object:
        nonlocal count
        count += 1
        return read(self, work)  # type: ignore[arg-type]

    catalog.remember("forget", count)  # what was read of another state is read anew
    with monkeypatch.context() as patch:
        patch.setattr(Catalog, "_read", counting_read)
        cells(catalog, study)
    return count


def test_a_large_study_takes_as_many_reads_as_a_small_one(tmp_path: Path, monkeypatch) -> None:
    """200 models and 5 questions, some stored, are read as often as 1 model and 1 question."""
    catalog = new_catalog(tmp_path / "catalog")
    model = add_tiny(catalog, tmp_path, "tiny", range(3))
    problem, points = catalog.problem(model.problem_id), catalog.points(model.id)
    copies = [dataclasses.replace(model, id=sha256(n), name=f"m{n}") for n in range(200)]
    all_points = [dataclasses.replace(p, model_id=copy.id) for copy in copies for p in points]
    catalog.add_import(problem, copies, all_points)
    columns = [line(LineSettings(x_count=n)) for n in (3, 5, 7, 9)]
    columns.append(StudyQuestion(kind="run", settings={"x_count": 3, "y_count": 3}))
    large = Study(models=tuple(map(study_model, copies)), questions=tuple(columns))
    add_answer(catalog, LINE, SHORT, (model, ""))
    questions.ask(catalog, LINE, model, LONG)  # open
    small = Study(models=(study_model(model),), questions=(line(LONG), columns[-1]))
    assert counted(catalog, monkeypatch, small) == counted(catalog, monkeypatch, large) <= 8
    all_cells = cells(catalog, large)
    assert len(all_cells) == 1000
    assert states(all_cells[:5]) == ["answered", *["not asked"] * 2, "waiting", "not asked"]
    assert all(map(math.isfinite, (cell.seconds for cell in all_cells)))


def test_a_model_never_timed_is_estimated_by_its_like(catalog: Catalog) -> None:
    """A model whose objective another one's answer took time for takes as long a point."""
    alone = next(model for model in catalog.models() if model.name == "alone")
    study = Study(models=models(catalog), questions=(line(LineSettings(x_count=99)),))
    add_answer(catalog, LINE, LineSettings(x_count=101), (alone, ""))
    own, like = cells(catalog, study)
    (answer,) = catalog.questions(kind=LINE.name)[0]
    assert answer.seconds > 0
    assert own.seconds == like.seconds
    assert own.seconds == pytest.approx(
        99 * answer.seconds / 101 + answer.facts["timing"]["setup"]  # type: ignore[index, call-overload]
    )


def test_a_study_is_kept_by_name_and_says_what_cannot_be_read(catalog: Catalog) -> None:
    """A document of the catalog; another version's is one sentence that names the field."""
    study = Study(models=models(catalog), questions=(line(),))
    id = add_study(catalog, "sweep", study)
    assert study_named(catalog, "sweep") == (id, study)
    with pytest.raises(UnknownEntry):
        study_named(catalog, "other")
    for content, words in (
        ({**to_json(study), "colour": 1}, "there is no field colour"),
        ({"models": [{"id": "a"}]}, r"models\[0\].name is missing"),
        ({"questions": [{"kind": 3}]}, r"questions\[0\].kind must be text"),
        ({"questions": [{"kind": "line", "subjects": ["elsewhere"]}]}, "subjects"),
        ([], "must be a mapping"),
    ):
        with pytest.raises(ValueError, match=f"no study that this version can read.*{words}"):
            study_from_json(content)


def test_a_study_goes_through_a_file(catalog: Catalog) -> None:
    """What is read of a file is what was written; anything else is refused in a sentence."""
    study = Study(models=models(catalog), questions=(line(),))
    assert read_study(study_file("βeta", study)) == ("βeta", study)
    for content, words in (
        (b"\xff\xfe", "no JSON"),
        (b"{", "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", 'must have a "name"'),
        (b'{"name": 3, "study": {}}', 'must have a "name"'),
        (b'{"name": "a"}', "must be a mapping"),
    ):
        with pytest.raises(ValueError, match=words):
            read_study(content)


def test_numbers_are_a_table_with_a_row_for_what_has_none(catalog: Catalog) -> None:
    """The values are the catalog's; a cell that is not answered says so in one row."""
    alone, run = models(catalog)
    study = Study(models=(alone, run), questions=(line(), StudyQuestion(kind="horoscope")))
    model = next(model for model in catalog.models() if model.id == alone.id)
    question = add_answer(catalog, LINE, SHORT, (model, ""))
    NumbersKeeper(catalog).keep_up()
    stored = catalog.numbers([question.key])[question.key]
    text = numbers_file(catalog, study, cells(catalog, study)).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    own = [row for row in rows if row["state"] == "answered"]
    assert {row["number"]: float(row["value"]) for row in own} == {
        name: value for name, (value, _, _) in stored.items()
    }
    assert {(row["model"], row["state"]) for row in rows} == {
        ("alone", "answered"),
        ("alone", "refused"),
        ("run", "not asked"),
        ("run", "refused"),
    }
    assert "there is no kind" in next(r["sentence"] for r in rows if r["state"] == "refused")


def test_a_model_s_analysis_names_the_others_of_a_pair(catalog: Catalog) -> None:
    """Of a pair of two models one is the row; the other one stays for every row."""
    alone, run = sorted(catalog.models(), key=lambda model: model.name)
    kind = kind_named("difference")
    settings = small_settings(kind)
    key = questions.ask(catalog, kind, alone, settings, others=[(run, "")])
    question = catalog.question(key)
    assert question is not None
    row, column = row_and_column(catalog, question)
    assert (row.name, column.subjects) == ("alone", (EACH, study_model(run)))
    study = Study(models=models(catalog), questions=(column,))
    first, second = cells(catalog, study)
    assert (first.wish.key, second.sentence) == (
        key,
        "the first and the second are the same point here",
    )


def test_what_was_read_at_once_is_what_the_catalog_reads(catalog: Catalog) -> None:
    """Points and problems of a study's models are the catalog's own, in the same order."""
    reads = StudyReads.of(catalog, Study(models=models(catalog)))
    for model in catalog.models():
        assert reads.points(model.id) == catalog.points(model.id)
        assert reads.problem(model.problem_id) == catalog.problem(model.problem_id)
    assert isinstance(catalog.latest_jobs([]), dict)


def test_the_latest_job_is_the_one_under_way(catalog: Catalog) -> None:
    """Of a question's jobs the one under way counts; without one the last."""
    run = next(model for model in catalog.models() if model.name == "run")
    key = questions.ask(catalog, LINE, run, LONG)
    first = catalog.active_job_for(key)
    assert isinstance(first, records.Job)
    assert catalog.latest_jobs([key, "other"]) == {key: first}
    catalog.update_job(first.id, status="failed", error="torn")
    assert catalog.latest_jobs([key])[key].status == "failed"
    second = catalog.add_job("second", "answer", "again", {}, question_key=key)
    assert catalog.latest_jobs([key]) == {key: second}


def test_every_row_and_every_other_model_keeps_a_label_of_its_own(catalog: Catalog) -> None:
    """A model that the catalog has no more is not told as one of the same name, however often."""
    gone = StudyModel(id="f" * 64, name="run")
    stored = next(model for model in models(catalog) if model.name == "run")
    for study in (Study(models=(gone,)), Study(models=(gone, stored, gone, gone))):
        by_label = models_by_label(catalog, study)
        labels = row_labels(catalog, study)
        assert [by_label[label] for label in labels] == list(study.models)
        assert len(set(labels)) == len(labels) and labels[0] == "run"
        assert stored in by_label.values()
