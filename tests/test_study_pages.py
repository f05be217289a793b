"""The page Study: chosen, changed, computed and shown; the same keys as on the command line."""

import io
import shutil
from pathlib import Path

import pytest
from PIL import Image

from explorer.ask.study import Study, StudyModel, StudyQuestion, add_study, study_model, study_named
from explorer.ask.study_cells import cells
from explorer.figures.recipe import FIGURE, Recipe
from explorer.kinds.line import LINE, LineSettings
from explorer.pages import _running
from explorer.supervisor.result_numbers import NumbersKeeper
from store import Catalog
from tests.app_test import AppTest
from tests.filling import add_answer, add_tiny, new_catalog, work
from tests.screen import fine, labels, opened, pressed, texts
from tests.tiny import ROOT

STUDY_PAGE = "explorer/pages/study.py"


@pytest.fixture
def folder(
    filled: Path, tmp_path: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the filled catalog, as the app's own."""
    copy = tmp_path / "catalog"
    shutil.copytree(filled, copy)
    monkeypatch.setenv("EXPLORER_CATALOG", str(copy))
    # The test process answers: no supervisor may hire workers of its own.
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)
    return copy


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, an answer about one, and a study of both with that question and a bad one."""
    place = tmp_path_factory.mktemp("study")
    catalog = new_catalog(place / "catalog")
    models = [add_tiny(catalog, place, name, [seed]) for seed, name in enumerate(("one", "two"))]
    add_answer(catalog, LINE, LineSettings(x_count=3), (models[0], ""))
    NumbersKeeper(catalog).keep_up()
    line = StudyQuestion(kind=LINE.name, settings={"x_count": 3})
    rows = tuple(map(study_model, models))
    questions = (line, StudyQuestion(kind="horoscope"))
    add_study(catalog, "sweep", Study(models=rows, questions=questions))
    catalog.close()
    return catalog.folder


def stored(folder: Path, name: str = "sweep") -> Study:
    """The study of that name as the catalog has it."""
    return study_named(Catalog(folder), name)[1]


def shown(name: str = "sweep", **address: str) -> AppTest:
    """The page with that study, which neither raised nor complained."""
    return fine(opened(STUDY_PAGE, study=name, **address))


def said(app: AppTest) -> str:
    """Everything that stands on the page, captions and links included."""
    links = [link.proto.label for link in app.get("page_link")]
    return "\n".join([*texts(app, "markdown", "caption", "text", "warning", "info"), *links])


def test_cells_say_how_far_they_are(folder: Path) -> None:
    """The answered cell its number, the other one its time, the bad ones why; the count of all."""
    app = shown()
    catalog = Catalog(folder)
    (question,) = catalog.questions()[0]
    value, _, _ = next(iter(catalog.numbers([question.key])[question.key].values()))
    assert f"**{value:.4g}" in said(app).replace("\N{MINUS SIGN}", "-")
    assert "**1 of 4** answered · 2 cannot be asked · 1 not asked" in said(app).replace(
        "1 not asked · 2 cannot be asked", "2 cannot be asked · 1 not asked"
    )
    assert said(app).count("There is no kind") == 2
    ways = [link.proto.query_string for link in app.get("page_link") if link.proto.query_string]
    assert any("model=two" in way and "x_count=3" in way for way in ways)


def test_the_button_asks_what_is_missing_and_then_there_is_none(folder: Path) -> None:
    """It asks the cell's own key once; answered, the page has nothing left to compute."""
    app = shown()
    (label,) = [label for label in labels(app) if label.startswith("Compute")]
    app = fine(pressed(app, label))
    catalog = Catalog(folder)
    keys = {cell.wish.key for cell in cells(catalog, stored(folder)) if cell.wish.key}
    assert {question.key for question in catalog.questions()[0]} == keys
    assert "waits for the app or a command" in said(app)  # the test process supervises nothing
    assert "Stop" in labels(app) and not [one for one in labels(app) if one.startswith("Compute")]
    work(catalog)
    app = shown()
    assert "**2 of 4** answered" in said(app)
    assert not [one for one in labels(app) if one.startswith("Compute") or one == "Stop"]


def test_stop_stops_the_study_s_jobs(folder: Path) -> None:
    """What waits is cancelled, and can be computed again."""
    app = shown()
    app = fine(pressed(app, next(one for one in labels(app) if one.startswith("Compute"))))
    shown_labels = labels(fine(pressed(app, "Stop")))
    assert "Stopping …" in shown_labels and "Stop" not in shown_labels
    catalog = Catalog(folder)
    work(catalog)
    assert catalog.active_jobs() == []
    assert "1 stopped" in said(shown())


def test_studies_are_made_renamed_copied_deleted_and_brought_back(folder: Path) -> None:
    """Each by its button; the address names the study; the trash gives back what it had."""
    app = shown()
    name = next(field for field in app.text_input if str(field.key).startswith("new-name"))
    name.set_value("another")
    app = fine(pressed(app, "Create"))
    assert app.query_params["study"] in ("another", ["another"])
    assert stored(folder, "another") == Study()
    name = next(field for field in app.text_input if str(field.key).startswith("name-"))
    name.set_value("other")
    app = fine(pressed(app, "Rename"))
    assert stored(folder, "other") == Study()
    app = fine(pressed(shown(), "Duplicate"))
    assert stored(folder, "sweep (2)") == stored(folder)
    app = fine(pressed(app, "Delete"))
    names = [document.name for document in Catalog(folder).documents("study")]
    assert sorted(names) == ["other", "sweep"]
    fine(pressed(app, "Undo"))
    assert stored(folder, "sweep (2)") == stored(folder)


def test_models_and_questions_are_chosen(folder: Path) -> None:
    """A model taken out and brought in again; a question of an analysis and a new one are kept."""
    app = shown()
    choice = next(one for one in app.multiselect if one.label == "Models")
    app = fine(choice.set_value(["one"]).run())
    assert [model.name for model in stored(folder).models] == ["one"]
    choice = next(one for one in app.multiselect if one.label == "Models")
    app = fine(choice.set_value(["one", "two"]).run())
    assert [model.name for model in stored(folder).models] == ["one", "two"]
    before = stored(folder).questions
    app = fine(pressed(app, "Add its question"))
    assert [one.kind for one in stored(folder).questions] == ["line", "horoscope", "line"]
    fine(pressed(app, "Add question"))
    *others, new = stored(folder).questions
    assert others[: len(before)] == list(before) and "split" in new.settings


def test_a_column_is_moved_and_taken_out(folder: Path) -> None:
    """The order of the questions is the study's; one that is taken out is gone from it alone."""
    app = shown()
    right = next(one for one in app.button if one.key == "To the right-0")
    app = fine(right.click().run())
    assert [one.kind for one in stored(folder).questions] == ["horoscope", "line"]
    out = next(one for one in app.button if one.key == "remove-0")
    fine(out.click().run())
    assert [one.kind for one in stored(folder).questions] == ["line"]
    assert len(Catalog(folder).questions()[0]) == 1


def test_numbers_are_a_view_without_pictures(folder: Path) -> None:
    """An answer's picture stands in its cell, unless the address says to show numbers alone."""
    catalog = Catalog(folder)
    picture = io.BytesIO()
    Image.new("RGB", (4, 3)).save(picture, "PNG")
    catalog.set_image(catalog.questions()[0][0].key, picture.getvalue())
    assert len(shown().get("image")) == 1
    app = shown(view="Numbers")
    assert len(app.get("image")) == 0 and "**1 of 4** answered" in said(app)


def test_charts_of_numbers_are_as_the_address_says(folder: Path) -> None:
    """Columns and scales are taken from the address; an unknown column is told."""
    app = opened(STUDY_PAGE, study="sweep", view="Parallel", scale="Log")
    names = list(fine(app).multiselect(key="columns").value)
    assert len(names) > 2 and app.button_group(key="scale").value == "Log"
    app = shown(view="Parallel", columns=names[1])
    assert app.multiselect(key="columns").value == [names[1]]
    app = shown(view="Scatter", scale_x="Log")
    scales = [app.button_group(key=key).value for key in ("scale_x", "scale_y")]
    assert scales == ["Log", "Linear"]
    app = opened(STUDY_PAGE, study="sweep", view="Parallel", columns="nothing")
    assert any("columns in the address" in error.value for error in app.error)


def test_a_study_of_many_models_has_pages(folder: Path) -> None:
    """Eight models a page with pictures; the second page has the others."""
    models = tuple(StudyModel(id=f"{n:064x}", name=f"gone {n:02}") for n in range(10))
    question = StudyQuestion(kind=LINE.name)
    add_study(Catalog(folder), "large", Study(models=models, questions=(question,)))
    assert "gone 07" in said(shown("large")) and "gone 08" not in said(shown("large"))
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["study"], app.query_params["page"] = "large", "2"
    second = said(fine(app.switch_page(STUDY_PAGE).run()))
    assert "gone 09" in second and "gone 07**" not in second


def test_what_is_no_study_is_a_sentence(folder: Path) -> None:
    """A name that is none, one that cannot be read, an empty one: each says what to do."""
    assert "There is no study nowhere" in said(shown("nowhere"))
    Catalog(folder).add_document("study", "strange", {"colour": 1})
    app = opened(STUDY_PAGE, study="strange")
    assert not app.exception and "no field colour" in app.error[0].value
    add_study(Catalog(folder), "empty", Study())
    assert "Choose models and add questions" in said(shown("empty"))


def test_chosen_analyses_become_a_study(folder: Path) -> None:
    """The catalog's way: a new study of the model and the question, under a free name."""

    def script() -> None:
        from explorer.pages._analyses_table import begin_study
        from explorer.pages._running import app_state

        catalog = app_state().catalog
        begin_study(catalog, catalog.questions()[0])

    for name in ("Study of Line of one", "Study of Line of one (2)"):
        AppTest.from_function(script, default_timeout=60).run()  # it cannot go to the page here
        (cell,) = cells(Catalog(folder), stored(folder, name))
        assert cell.state == "answered"


def test_a_shown_answer_is_added_to_a_study_and_a_figure(folder: Path) -> None:
    """From the analysis's own page: to one that is there, each thing once, and to a new one."""
    catalog = Catalog(folder)
    (question,) = catalog.questions()[0]
    add_study(catalog, "empty", Study())
    app = fine(opened(LINE.page, model="one", x_count="3"))
    for _ in range(2):
        app = fine(app.button(key=f"add-to-study-{question.key}").click().run())
        assert "It is in empty" in said(app)
        study = stored(folder, "empty")
        assert [model.name for model in study.models] == ["one"]
        assert [column.kind for column in study.questions] == ["line"]
    (cell,) = cells(catalog, stored(folder, "empty"))
    assert cell.wish.key == question.key
    app = fine(app.selectbox(key=f"into-study-{question.key}").set_value("").run())
    app = fine(app.button(key=f"add-to-study-{question.key}").click().run())
    assert stored(folder, "Study of Line of one") == stored(folder, "empty")
    app = fine(app.button(key=f"add-to-figure-{question.key}").click().run())
    (figure,) = catalog.documents(FIGURE)
    assert [panel.key for panel in Recipe.of(figure.content).panels] == [question.key]
    assert "It is in Figure 1" in said(app)


def test_the_study_becomes_a_catalog_of_its_own(folder: Path, tmp_path: Path) -> None:
    """A press makes the folder, and says how it is opened; a second one says that it is there."""
    app = shown()
    [field] = [f for f in app.text_input if f.label.startswith("Folder to be made")]
    assert field.value == str(tmp_path / "study-sweep")
    field.set_value(str(tmp_path / "own"))
    app = pressed(app, "Make catalog")
    assert "2 models, 2 checkpoints, 1 analysis" in app.success[0].value
    own = Catalog(tmp_path / "own")
    assert study_named(own, "sweep")[1] == stored(folder)
    own.close()
    assert "exists already" in pressed(app, "Make catalog").error[0].value
