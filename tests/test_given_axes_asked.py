"""Given axes from the command line and on pages: asked, named, linked, imported, refused."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from explorer.ask import questions
from explorer.ask.brought_points import directions_by_model
from explorer.ask.command_text import compute_command
from explorer.ask.comparability import hindrances
from explorer.ask.study import Study, add_study, study_model, study_named, study_of
from explorer.ask.study_reads import StudyReads
from explorer.ask.study_wishes import wishes_of
from explorer.commands.app import main
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.importing.storing import imported_model, warnings
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.projection import PROJECTION, ProjectionSettings
from explorer.kinds.surface import SURFACE, Surface, SurfaceSettings
from explorer.pages import _links as links
from explorer.pages import _running
from store import Catalog, records
from tests.filling import add_answer, add_tiny, done, new_catalog, work
from tests.screen import (
    CATALOG_PAGE,
    fine,
    one_sentence,
    opened,
    pressed,
    shown_charts,
    texts,
)
from tests.tiny import problem_file, tensors

GIVEN = SurfaceSettings(direction="given", x_count=5, y_count=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a catalog with three models, a plane through them, and an eigenvector."""
    place = tmp_path_factory.mktemp("given")
    catalog = new_catalog(place / "catalog")
    one, two, three = (add_tiny(catalog, place, name, (n,)) for n, name in enumerate(NAMES))
    add_answer(catalog, SURFACE, GIVEN, (one, ""), (one, ""), (two, ""), (one, ""), (three, ""))
    add_answer(catalog, LINE, LineSettings(direction="eigenvector", x_count=5), (one, ""))
    catalog.close()
    return place / "catalog"


NAMES = ("one", "two", "three")


@pytest.fixture
def catalog(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("EXPLORER_CATALOG", str(folder))
    opened_catalog = Catalog(folder)
    yield opened_catalog
    opened_catalog.close()


def plane(catalog: Catalog) -> records.Question:
    """The plane through three models."""
    title = "Surface of one (x to two, y to three)"
    return next(q for q in catalog.questions()[0] if q.title == title)


def eigenvector(catalog: Catalog) -> records.Question:
    """The line along an eigenvector."""
    stored = catalog.questions()[0]
    return next(q for q in stored if q.settings.get("direction") == "eigenvector")


def test_its_title_says_what_the_axes_are(catalog: Catalog) -> None:
    """The model itself is not said again; the true losses of the others are kept with it."""
    question = plane(catalog)
    assert question.title == "Surface of one (x to two, y to three)"
    surface = questions.result_as(catalog, question, Surface)
    measured = [catalog.measurements(id)["train"]["loss"] for id in question.point_ids[2::2]]
    assert [mark.loss for mark in surface.facts.marks] == pytest.approx(measured, rel=1e-5)


def test_its_link_shows_it(catalog: Catalog) -> None:
    """The page of its link asks the same question: nothing is left to compute; models are named."""
    link = links.link_to(plane(catalog), links.Subjects(catalog))
    assert link.parameters["x_end"] == "two" and link.parameters["y_end"] == "three"
    app = fine(opened(link.kind.page, **link.parameters))
    assert not [b.label for b in app.button if b.label.startswith("Compute")]
    (chart,) = shown_charts(app)
    assert "one to two" in chart.proto.spec and "two, " in chart.proto.spec


def test_its_command_finds_it(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    """What is copied asks the same question, with each point by its option."""
    words = shlex.split(compute_command(catalog, plane(catalog)))
    assert {"--model=one", "--x-start=one", "--x-end=two", "--y-end=three"} <= set(words)
    assert main(words[3:]) == 0
    assert capsys.readouterr().out == f"{plane(catalog).key}\n"
    shorter = [word for word in words[3:] if not word.endswith("-from=one")]
    assert main(shorter) == 0  # the model itself unless given
    assert capsys.readouterr().out == f"{plane(catalog).key}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x-end", "two"], "--y-end must say what the axis is made of"),
        (["--x-end", "two", "--y-end", "two", "--x-stored", "one"], "--x-stored is of no use"),
        (["--x-end", "one", "--y-end", "two"], "the axis x must lead from one point to another"),
        (["--x-axis", "stored", "--x-stored", "two", "--y-end", "two"], "got a point of two"),
        (["--x-end", "nobody", "--y-end", "two"], "'nobody' is no model"),
    ],
)
def test_what_makes_no_axes_is_refused(
    catalog: Catalog, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """In one sentence; nothing is asked."""
    before = {q.key for q in catalog.questions()[0]}
    assert main(["compute", "surface", "--model", "one", "--direction", "given", *words]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error and "\n" not in error
    assert {q.key for q in catalog.questions()[0]} == before


def test_what_an_analysis_was_made_along_is_an_axis_of_another_model(
    catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its direction is named by its key; it is no point of its model on any page."""
    (brought,) = catalog.answer_points(key=eigenvector(catalog).key)
    assert brought.is_direction and brought.label == "eigenvector 1"
    words = ["--direction", "given", "--x-axis", "stored", "--x-count", "5"]
    stored = f"one@{brought.question_key[:12]}:x"
    two = next(m for m in catalog.models() if m.name == "two")
    one = next(m for m in catalog.models() if m.name == "one")
    settings = LineSettings(direction="given", x_axis="stored", x_count=5)
    question = add_answer(catalog, LINE, settings, (two, ""), (one, brought.point_id))
    assert main(["compute", "line", "--model", "two", *words, "--x-stored", stored]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == question.key
    link = links.link_to(question, links.Subjects(catalog))
    app = fine(opened(LINE.page, **link.parameters))
    assert not [b.label for b in app.button if b.label.startswith("Compute")]
    assert "Point" not in [box.label for box in fine(opened(SURFACE.page, model="one")).selectbox]
    with pytest.raises(ValueError, match="point must be a point, got a direction of one"):
        questions.ask(catalog, SURFACE, one, SurfaceSettings(), point=brought.point_id)


def test_a_file_is_a_direction(
    catalog: Catalog, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One tensor of the model is enough; it is listed apart from the models, and is an axis."""
    name, value = next((n, v) for n, v in tensors().items() if v.dim() == 2)
    file = folder.parent / "step.safetensors"
    safetensors.torch.save_file({name: torch.ones_like(value)}, file)
    problem = problem_file(folder.parent / "problem")
    before = {model.name for model in catalog.models()}
    job = order_import(catalog, problem, {}, [Checkpoint(file=file)], "step", direction=True)
    done(catalog, job)
    assert {model.name for model in catalog.models()} == before
    (direction,) = catalog.models(directions=True)
    assert "are not in the file" in direction.facts["remarks"][0]
    one = next(m for m in catalog.models() if m.name == "one")
    settings = LineSettings(direction="given", x_axis="stored", x_count=5)
    question = add_answer(catalog, LINE, settings, (one, ""), (direction, ""))
    assert question.title == "Line of one (x step)"
    link = links.link_to(question, links.Subjects(catalog))
    assert link.parameters["x_stored"] == "step"
    fine(opened(LINE.page, **link.parameters))
    home = fine(opened(CATALOG_PAGE))
    assert "Directions" in texts(home, "subheader")
    words = shlex.split(compute_command(catalog, question))
    assert "--x-stored=step" in words and main(words[3:]) == 0
    check_commands_name_it(catalog, question, capsys)


def test_a_direction_of_no_model_s_problem_is_told(catalog: Catalog, folder: Path) -> None:
    """With other arguments than the models have, an import says which those are; else nothing."""
    file = folder.parent / "elsewhere.safetensors"
    safetensors.torch.save_file(tensors(), file)
    problem = problem_file(folder.parent / "problem")
    for arguments, told in (({"width": 6}, True), ({}, False)):
        job = order_import(
            catalog, problem, arguments, [Checkpoint(file=file)], "elsewhere", direction=True
        )
        direction = imported_model(catalog, done(catalog, job))
        assert direction is not None
        words = " ".join(warnings(catalog, direction))
        assert ("again with the arguments of the model that it is for, as {} of" in words) is told
        catalog.delete_model(direction.id)


def check_commands_name_it(
    catalog: Catalog, question: records.Question, capsys: pytest.CaptureFixture[str]
) -> None:
    """The imported direction "step" is listed, renamed, deleted with what is along it, and back."""
    assert main(["rename", "step", "stride"]) == 0
    capsys.readouterr()
    assert main(["list"]) == 0 and "direction stride: 1 analysis\n" in capsys.readouterr().out
    assert catalog.question(question.key).title == "Line of one (x stride)"
    assert main(["delete", "stride", "--yes"]) == 0
    assert catalog.models(directions=True) == []
    assert catalog.question(question.key).deleted is not None
    assert main(["restore", "stride"]) == 0
    assert catalog.question(question.key).deleted is None
    catalog.delete_model(catalog.models(directions=True)[0].id)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"other": torch.ones(3)}, "holds no parameter of this model"),
        ({"3.weight": torch.ones(2, 2)}, "must have shape"),
        ({"3.weight": None}, "norm 0.0; it must be finite and above 0"),
    ],
)
def test_a_file_that_is_no_direction_is_refused(
    catalog: Catalog, folder: Path, held: dict[str, torch.Tensor | None], words: str
) -> None:
    """In one sentence; nothing is stored."""
    own = tensors()
    held = {n: torch.zeros_like(own[n]) if v is None else v for n, v in held.items()}
    file = folder.parent / "wrong.safetensors"
    safetensors.torch.save_file(held, file)
    problem = problem_file(folder.parent / "problem")
    job = order_import(catalog, problem, {}, [Checkpoint(file=file)], "wrong", direction=True)
    work(catalog)
    assert words in (catalog.job(job).error or "")
    assert "wrong" not in {model.name for model in catalog.models(directions=True)}


def test_paths_lie_over_the_same_plane_alone(catalog: Catalog) -> None:
    """Single models are dots on it; over a plane of other axes they are not drawn."""
    from explorer.figures.panels import lies_over

    one, two, three = (next(m for m in catalog.models() if m.name == n) for n in NAMES)
    settings = ProjectionSettings(direction="given")
    subjects = [(one, ""), (one, ""), (two, ""), (one, ""), (three, ""), (two, ""), (three, "")]
    paths = add_answer(catalog, PROJECTION, settings, *subjects)
    other = add_answer(
        catalog, SURFACE, GIVEN, (one, ""), (one, ""), (three, ""), (one, ""), (two, "")
    )
    random = add_answer(catalog, SURFACE, SurfaceSettings(x_count=5, y_count=5), (one, ""))
    assert [lies_over(paths, under) for under in (plane(catalog), other, random)] == [
        True,
        False,
        False,
    ]
    link = links.link_to(paths, links.Subjects(catalog))
    fine(opened(link.kind.page, **link.parameters, x_count="5", y_count="5"))
    first = hindrances(catalog, plane(catalog), other)
    assert "axes made of other points or directions" in first.of_places


def test_a_study_asks_it_of_other_models(catalog: Catalog) -> None:
    """As a column it has the same key for its own model; of another that one is the origin."""
    question = plane(catalog)
    study = study_of(catalog, [question, eigenvector(catalog)])
    two = next(m for m in catalog.models() if m.name == "two")
    assert wishes_of(StudyReads.of(catalog, study), study)[0].key == question.key
    more = study_of(catalog, [question]).with_models([type(study.models[0])(id=two.id, name="two")])
    wish = wishes_of(StudyReads.of(catalog, more), more)[1]
    assert "the axis x must lead from one point to another" in wish.refusal  # from itself to itself


def test_a_study_s_form_makes_a_question_along_a_stored_direction(catalog: Catalog) -> None:
    """Kind, axes and the direction are chosen in the form; every model is asked along it."""
    study = Study(models=tuple(study_model(m) for m in catalog.models()))
    add_study(catalog, "along", study)
    app = fine(opened("explorer/pages/study.py", study="along"))
    menus = {box.label: box for box in app.selectbox}
    menus["Kind"].select("Line").run()
    {box.label: box for box in app.selectbox}["Direction"].select("given").run()
    {box.label: box for box in app.selectbox}["x axis"].select("stored").run()
    stored = {box.label: box for box in app.selectbox}["X stored"]
    words = next(str(option) for option in stored.options if "eigenvector 1" in str(option))
    stored.select(words).run()
    fine(pressed(app, "Add question"))
    _, changed = study_named(catalog, "along")
    (question,) = changed.questions
    wishes = wishes_of(StudyReads.of(catalog, changed), changed)
    assert question.settings["x_axis"] == "stored" and len(question.subjects) == 2
    assert [wish.refusal for wish in wishes] == [""] * len(study.models)


def test_directions_are_listed_under_their_models_alone(catalog: Catalog) -> None:
    """Each under the model that it is of, ends of searches and the like not at all."""
    listed = directions_by_model(catalog)
    own = {
        model.id: [p for p in catalog.answer_points(model_id=model.id) if p.is_direction]
        for model in catalog.models()
    }
    assert listed and listed == {id: points for id, points in own.items() if points}


def test_an_address_that_names_nothing_is_refused(catalog: Catalog) -> None:
    """A model that is not there, a direction that is none."""
    wrong = opened(SURFACE.page, model="one", direction="given", x_end="nobody")
    assert "x_end in the address must be one of" in one_sentence(wrong)
    wrong = opened(LINE.page, model="one", direction="given", x_axis="stored", x_stored="three")
    assert "x_stored in the address must be one of" in one_sentence(wrong)


def test_axes_lead_to_other_models_at_first(catalog: Catalog) -> None:
    """Whichever model is asked about, its page offers at once a plane through two others."""
    for name in NAMES:
        app = fine(opened(SURFACE.page, model=name, direction="given"))
        ends = [box.value for box in app.selectbox if box.label.startswith("End point of")]
        assert {name, *ends} == set(NAMES)


def test_a_setting_of_no_use_keeps_nothing_apart(catalog: Catalog) -> None:
    """Random and stored directions are other directions, not also another sort of given axis."""
    (one,) = [m for m in catalog.models() if m.name == "one"]
    random = add_answer(catalog, LINE, LineSettings(x_count=5), (one, ""))
    direction = eigenvector(catalog)
    (stored,) = [
        q
        for q in catalog.questions()[0]
        if q.settings.get("x_axis") == "stored" and q.kind == "line"
    ][:1]
    words = " ".join(hindrances(catalog, random, stored).of_numbers)
    assert "other Direction (random, given)" in words and "x axis" not in words
    assert "rank" not in " ".join(hindrances(catalog, random, direction).of_numbers).lower()


def test_another_window_s_width_moves_nothing(catalog: Catalog) -> None:
    """A picture keeps its size when its page is drawn anew after a wider window was opened."""
    link = links.link_to(plane(catalog), links.Subjects(catalog))
    app = fine(opened(link.kind.page, **link.parameters))
    (before,) = shown_charts(app)
    state = _running.app_state()
    width, state.width = state.width, 2 * state.width
    try:
        (after,) = shown_charts(fine(app.run()))
        (wider,) = shown_charts(fine(opened(link.kind.page, **link.parameters)))
    finally:
        state.width = width
    assert after.proto.spec == before.proto.spec != wider.proto.spec


def test_an_axis_that_leads_nowhere_is_told_beside_the_settings(catalog: Catalog) -> None:
    """The sentence stands in the part of the page for answers, which would else be empty."""
    wrong = opened(SURFACE.page, model="one", direction="given", x_end="one", y_end="two")
    assert "The axis x must lead from one point to another" in one_sentence(wrong)
    settings, answer = wrong.main.children[len(wrong.main.children) - 1].children.values()
    assert settings.get("selectbox") and not settings.get("error")
    assert answer.get("error")


def test_directions_come_with_a_merge(catalog: Catalog, folder: Path, tmp_path: Path) -> None:
    """Brought and imported ones are what they were; nothing is damaged; the command finds all."""
    other = new_catalog(tmp_path / "other")
    other.merge(folder)
    mine, theirs = (
        {(p.point_id, bool(p.is_direction)) for p in one.answer_points()}
        for one in (catalog, other)
    )
    assert mine == theirs and any(is_direction for _, is_direction in theirs)
    names = [{m.name for m in one.models(directions=True)} for one in (catalog, other)]
    assert names[0] == names[1]
    assert other.check_integrity(contents=True) == []
    words = shlex.split(compute_command(other, plane(other)))
    assert main(words[3:]) == 0
    other.close()


def test_a_refined_or_coarser_plane_brings_its_directions_too(catalog: Catalog) -> None:
    """Its corner is taken over, which the directions come with; they outlive the first grid."""
    one = next(m for m in catalog.models() if m.name == "one")
    eigenvectors = SurfaceSettings(direction="eigenvector", x_count=3, y_count=3)
    first, finer, coarser = (
        add_answer(catalog, SURFACE, replace(eigenvectors, x_count=n, y_count=n), (one, ""))
        for n in (3, 5, 2)
    )
    taken = [
        catalog.question(q.key).facts.get("taken_over", {}).get("points") for q in (finer, coarser)
    ]
    assert taken == [9, 4]
    brought = [
        [(p.name, p.unit, p.point_id, p.label) for p in catalog.answer_points(key=q.key)]
        for q in (first, finer, coarser)
    ]
    assert len(brought[0]) == 2 and brought[0] == brought[1] == brought[2]
    assert catalog.check_integrity(contents=True) == []


def test_a_merge_calls_models_what_they_are_called_here(
    catalog: Catalog, folder: Path, tmp_path: Path
) -> None:
    """In the titles of what it brings too, so that a later rename finds them."""
    other = new_catalog(tmp_path / "other")
    for number, name in enumerate(("two", "first")):  # "one" is called "two" here, "two" "first"
        add_tiny(other, tmp_path, name, (number,))
    other.merge(folder)
    titles = {q.title for q in other.questions()[0]}
    assert "Surface of two (x to first, y to three)" in titles
    two = next(m for m in other.models() if m.name == "two")
    other.rename_model(two.id, "again")
    titles = {q.title for q in other.questions()[0]}
    assert "Surface of again (x to first, y to three)" in titles
    other.close()
