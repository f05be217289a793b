"""Paths end to end: trained on their page, followed on the page of interpolations, by commands."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
from streamlit.testing.v1 import local_script_runner

from explorer.ask import questions
from explorer.ask.command_text import compute_command
from explorer.ask.stored_paths import like_copies, stored_paths
from explorer.commands.app import main
from explorer.kinds.alignment import ALIGNMENT
from explorer.kinds.alignment_settings import AlignmentSettings
from explorer.kinds.connection import CONNECTION, ConnectionLook
from explorer.kinds.connection_result import Connection
from explorer.kinds.connection_settings import ConnectionSettings
from explorer.kinds.interpolation import INTERPOLATION, Interpolation, InterpolationSettings
from explorer.kinds.line import LINE
from explorer.kinds.path_shape import BEZIER, CHAIN
from explorer.kinds.projection import PROJECTION, ProjectionSettings
from explorer.kinds.surface import SURFACE
from explorer.pages._address import CURVES_KEY
from explorer.pages._links import Subjects, link_to
from explorer.render.connection import draw
from explorer.render.export.views import whole_spec
from explorer.render.marks.colours import BLUE, SERIES_GREY
from store import Catalog, records
from tests.app_test import AppTest
from tests.filling import add_answer, add_tiny, new_catalog
from tests.screen import badges, charts, computes, fine, opened, texts

SETTINGS = ConnectionSettings(
    steps=60,
    every=20,
    t_count=5,
    bends=2,
    batch_examples=8,
    tolerance=-1.0,
    batchnorm="recalibrated",
)
PROFILE = InterpolationSettings(
    shape=BEZIER, x_min=0.0, x_max=1.0, x_count=5, batchnorm="recalibrated"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny networks, a path with two bends between them, its profile, and an alignment."""
    folder = tmp_path_factory.mktemp("paths")
    catalog = new_catalog(folder / "catalog")
    ends = [
        (add_tiny(catalog, folder / "tiny", name, [seed]), "")
        for name, seed in (("one", 1), ("two", 2))
    ]
    add_answer(catalog, CONNECTION, SETTINGS, *ends)
    add_answer(catalog, ALIGNMENT, AlignmentSettings(restarts=2), *ends)
    (path,) = stored_paths(catalog, *((model, model.point_id) for model, _ in ends))
    add_answer(catalog, INTERPOLATION, PROFILE, *ends, *path.bends)
    catalog.close()
    return catalog.folder


def merged_copy(folder: Path, target: Path) -> Path:
    """A catalog with the same; a copy of its files could be one of a file that is written."""
    catalog = Catalog(target)
    catalog.merge(folder)
    catalog.close()
    return target


@pytest.fixture
def catalog(folder: Path) -> Catalog:
    """The catalog of the pages, open."""
    return Catalog(folder)


def ends_of(catalog: Catalog) -> list[tuple[records.Model, str]]:
    """Both networks' final points."""
    models = sorted(catalog.models(), key=lambda model: model.name)
    return [(model, model.point_id) for model in models]


def answer_of(catalog: Catalog, kind: str) -> records.Question:
    """The one question of a kind."""
    (question,), _ = catalog.questions(kind=kind)
    return question


def test_the_bends_of_a_path_are_points_in_its_order(catalog: Catalog) -> None:
    """Both bends are found from either end; each is stored under the hash of its tensors."""
    first, second = ends_of(catalog)
    (path,), (back,) = stored_paths(catalog, first, second), stored_paths(catalog, second, first)
    assert path.label == f"bezier, 2 bends ({path.question.key[:8]})"
    assert len(path.bends) == 2 and back.bends == path.bends[::-1]
    brought = catalog.answer_points(key=path.question.key)
    assert [point.label for point in brought] == ["bend 1", "bend 2"]
    assert [point.point_id for point in brought] == [point for _, point in path.bends]
    assert catalog.check_integrity(contents=True) == []


def test_the_profile_agrees_with_the_training(catalog: Catalog) -> None:
    """At the same places the last measurement and the profile have one loss."""
    question = answer_of(catalog, INTERPOLATION.name)
    profile = questions.result_as(catalog, question, Interpolation)
    rows = catalog.values(answer_of(catalog, CONNECTION.name).key, CONNECTION.table)
    last = rows["measurement"] == rows["measurement"].max()
    assert profile.loss == pytest.approx(rows["loss"][last], rel=1e-5)
    assert question.title == "Interpolation of one to two (2 bends)"
    assert len(question.point_ids) == 4


def test_its_page_shows_the_path_and_leads_on(folder: Path, catalog: Catalog) -> None:
    """Verdict, two charts, badges; links to the profile along it and to planes through its ends."""
    link = link_to(answer_of(catalog, CONNECTION.name), Subjects(catalog))
    app = fine(opened(CONNECTION.page, **link.parameters))
    assert next(e.value for e in app.subheader) == "Path from one to two"
    assert any("Highest loss along the path" in text for text in texts(app, "markdown"))
    assert charts(app) == 2 and computes(app) == []
    captions = texts(app, "caption")
    assert any(text.startswith("4 measurements are stored.") for text in captions)
    assert any(text.startswith("Pale: earlier in the training; length") for text in captions)
    assert any(text.startswith("Dashed: the loss of the higher end.") for text in captions)
    assert "steps: 60" in badges(app) and "bends: 2" in badges(app)
    labels = {way.proto.label for way in app.get("page_link")}
    assert "Interpolation along it" in labels
    assert "Surface through both ends and the bend" in labels
    (along,) = [
        parse_qs(way.proto.query_string)["paths"]
        for way in app.get("page_link")
        if way.proto.label == "Interpolation along it"
    ]
    profiles = fine(opened(INTERPOLATION.page, model="one", to="two", paths=along))
    assert [c.value for c in profiles.multiselect if c.key == "paths"] == [along]
    assert along[0] == "straight" and along[1].startswith("bezier, 2 bends")


def test_a_small_picture_of_a_path_is_on_a_log_scale(catalog: Catalog) -> None:
    """Else a low path and the chord's foot are one line; not so where a loss is 0, or none is."""
    path = questions.result_as(catalog, answer_of(catalog, CONNECTION.name), Connection)
    zero = replace(path, values={**path.values, "loss": 0 * path.loss})
    unknown = replace(path, computed=np.zeros_like(path.computed))
    assert [ConnectionLook.small(p).log for p in (path, zero, unknown)] == [True, False, False]


def test_a_path_keeps_its_colour_while_it_grows(catalog: Catalog) -> None:
    """The straight line is grey and the path blue, after any number of steps."""
    path = questions.result_as(catalog, answer_of(catalog, CONNECTION.name), Connection)
    for measurements in (2, 3, 4):
        computed = path.computed & (np.arange(len(path.computed)) < measurements)[:, None]
        spec = whole_spec(draw(replace(path, computed=computed), ConnectionLook()))
        assert f'"range": {json.dumps([SERIES_GREY, BLUE])}' in json.dumps(spec)


def test_a_path_that_ended_early_says_how_much_is_stored(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One measurement of four, where the straight line is good enough."""
    copied = merged_copy(folder, tmp_path / "copied")
    monkeypatch.setenv("EXPLORER_CATALOG", str(copied))
    catalog = Catalog(copied)
    settings = replace(SETTINGS, tolerance=1000.0)
    question = add_answer(catalog, CONNECTION, settings, *((m, "") for m, _ in ends_of(catalog)))
    assert question.ended_early
    app = fine(opened(CONNECTION.page, **link_to(question, Subjects(catalog)).parameters))
    stored = [text for text in texts(app, "caption") if "stored." in text]
    assert stored == ["1 measurement is stored. Change a setting to ask something else."]


def test_a_link_to_a_path_over_a_plane_shows_that_path(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card of a projected path opens its plane with the path chosen, and no runs beside it."""
    copied = merged_copy(folder, tmp_path / "copied")
    monkeypatch.setenv("EXPLORER_CATALOG", str(copied))
    catalog = Catalog(copied)
    first, second = ends_of(catalog)
    (path,) = stored_paths(catalog, first, second)
    settings = ProjectionSettings(
        direction="given", trajectory=BEZIER, orthogonal=True, batchnorm="recalibrated"
    )
    plane = (first, second, first, path.bends[0])
    control = (first, *path.bends, second)
    question = add_answer(catalog, PROJECTION, settings, first, *plane, *control)
    link = link_to(question, Subjects(catalog))
    assert "runs" not in link.parameters and "trajectory" not in link.parameters
    app = fine(opened(SURFACE.page, **link.parameters))
    chosen = {box.key: box.value for box in app.multiselect}
    assert chosen["curves"] == [f"one to two: {path.label}"] and chosen["runs"] == []
    (wanted,) = computes(app)  # the surface; the path is there
    assert wanted == "Compute 2,601 points"
    assert charts(app) == 1  # the path alone


def test_links_to_plain_paths_name_no_bends(catalog: Catalog) -> None:
    """Nor do those to straight lines; a bent path's does."""
    question = answer_of(catalog, INTERPOLATION.name)
    plain = replace(
        question,
        settings={**question.settings, "shape": "spherical", "bends": 0},
        model_ids=question.model_ids[:2],
        model_names=question.model_names[:2],
        point_ids=question.point_ids[:2],
    )
    assert "bends" not in link_to(plain, Subjects(catalog)).parameters
    assert "bends" in link_to(question, Subjects(catalog)).parameters


def test_the_plane_of_a_path_shows_the_whole_of_it(folder: Path, catalog: Catalog) -> None:
    """The link names the path, which the plane's page has chosen; ends and bend lie inside."""
    question = answer_of(catalog, CONNECTION.name)
    app = fine(opened(CONNECTION.page, **link_to(question, Subjects(catalog)).parameters))
    ways = {way.proto.label: way.proto for way in app.get("page_link")}
    address = parse_qs(ways["Surface through both ends and the bend"].query_string)
    plane = fine(opened(SURFACE.page, **address))
    (curves,) = [box for box in plane.multiselect if box.key == "curves"]
    assert curves.value == [f"one to two: bezier, 2 bends ({question.key[:8]})"]
    numbers = {n.key: n.value for n in plane.number_input}
    assert (numbers["x_min"], numbers["y_max"]) == (-0.25, 1.25)
    assert {0.0, 0.5, 1.0} <= set(np.linspace(-0.25, 1.25, numbers["x_count"]).tolist())
    assert next(box.value for box in plane.checkbox if box.key == "orthogonal")
    assert CURVES_KEY not in ways["Convexity map through both ends and the bend"].query_string


def test_the_address_of_a_profile_opens_it(folder: Path, catalog: Catalog) -> None:
    """A stored profile's link names the path by its key; the page has nothing to compute."""
    link = link_to(answer_of(catalog, INTERPOLATION.name), Subjects(catalog))
    key = answer_of(catalog, CONNECTION.name).key[:8]
    assert link.parameters["bends"] == key and "bend_1" not in link.parameters
    values = {n: v for n, v in link.parameters.items() if n not in ("shape", "bends")}
    app = fine(opened(INTERPOLATION.page, **values, paths=f"bezier, 2 bends ({key})"))
    assert computes(app) == [] and charts(app) == 1
    assert "ends = both models" in badges(app)
    linked = fine(opened(INTERPOLATION.page, **link.parameters))
    assert computes(linked) == []
    (chosen,) = [box for box in linked.multiselect if box.key == "paths"]
    assert chosen.value == [f"bezier, 2 bends ({key})"]


def test_a_followed_link_shows_its_path(
    folder: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the path's own page and from another one, as the browser asks for it: see links.js."""
    link = link_to(answer_of(catalog, INTERPOLATION.name), Subjects(catalog))
    key = answer_of(catalog, CONNECTION.name).key[:8]
    apps = [fine(opened(page, model="one", to="two")) for page in (CONNECTION.page, LINE.page)]
    followed = partial(local_script_runner.RerunData, is_history_navigation=True)
    monkeypatch.setattr(local_script_runner, "RerunData", followed)
    for app in apps:
        app.query_params = link.parameters
        app = fine(app.switch_page(INTERPOLATION.page).run())
        (chosen,) = [box for box in app.multiselect if box.key == "paths"]
        assert chosen.value == [f"bezier, 2 bends ({key})"]
        assert app.query_params["paths"] in (chosen.value, chosen.value[0])


def test_a_path_that_diverged_says_so(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of its highest loss stands what to do; the page opens."""
    catalog = Catalog(merged_copy(folder, tmp_path / "catalog"))
    monkeypatch.setenv("EXPLORER_CATALOG", str(catalog.folder))
    wild = replace(SETTINGS, learning_rate=1000.0, weight_decay=100.0, steps=100, every=50)
    add_answer(catalog, CONNECTION, wild, *ends_of(catalog))
    names = ("learning_rate", "weight_decay", "steps", "every", "bends", "t_count", "tolerance")
    values = {name: str(getattr(wild, name)) for name in names}
    values["batch_examples"] = str(wild.batch_examples)
    catalog.close()
    app = fine(opened(CONNECTION.page, model="one", to="two", **values))
    assert computes(app) == []
    assert any("The path has diverged" in text for text in texts(app, "markdown"))


@pytest.mark.parametrize("bends", ["00000000", ""])
def test_a_link_to_a_path_that_is_gone_says_so(folder: Path, bends: str) -> None:
    """The straight line stands in its place, and not in silence."""
    link = {"model": "one", "to": "two", "shape": CHAIN, "bends": bends}
    app = fine(opened(INTERPOLATION.page, **link))
    (warning,) = app.warning
    assert "leads between both points: restore it from the trash" in warning.value
    (chosen,) = [box for box in app.multiselect if box.key == "paths"]
    assert chosen.value == []


@pytest.mark.parametrize(("several", "scale"), [(False, "Linear"), (True, "Log")])
def test_paths_that_are_decades_apart_are_on_a_log_scale_at_first(
    folder: Path, several: bool, scale: str
) -> None:
    """Several of them; one alone, whose barrier is seen best, is not."""

    def page(several: bool) -> None:
        from explorer.pages._controls import choose_profile

        choose_profile({"loss": 0}, several)

    app = fine(AppTest.from_function(page, args=(several,)).run())
    assert [control.value for control in app.button_group] == [scale]


def test_the_paths_that_are_offered(folder: Path, catalog: Catalog) -> None:
    """A permuted copy and plain paths are offered; none with REPAIR where there is BatchNorm."""
    first, second = ends_of(catalog)
    (copy,) = like_copies(catalog, first, second)
    assert copy.startswith("to permuted copy")
    values = {"model": "one", "to": "two", "x_min": "0", "x_max": "1", "x_count": "5"}
    paths = ["straight", copy, "spherical", "layers"]
    app = fine(opened(INTERPOLATION.page, **values, paths=paths))
    assert computes(app) != []
    (offered,) = [box for box in app.multiselect if box.key == "paths"]
    assert not any("REPAIR" in option for option in offered.options)  # they have BatchNorm


def test_no_such_path_is_one_sentence(folder: Path) -> None:
    """An address that names a path that is not stored says which there are."""
    app = opened(INTERPOLATION.page, model="one", to="two", paths="bezier, 9 bends (00000000)")
    (error,) = app.error
    assert "paths in the address must be some of straight" in error.value


def test_a_command_asks_the_same_question(
    folder: Path, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command shown for a profile finds its answer; of other keys and shapes it says what."""
    profile = answer_of(catalog, INTERPOLATION.name)
    path = answer_of(catalog, CONNECTION.name)
    command = compute_command(catalog, profile).split("compute ", 1)[1].split()
    assert f"--bends={path.key[:12]}" in command
    here = ["--catalog", str(folder)]
    catalog.close()
    assert main([*here, "compute", *command]) == 0
    assert capsys.readouterr().out.strip().endswith(profile.key)
    both = ["--model", "one", "--model", "two", "--x-min", "0", "--x-max", "1"]
    command_words = [*here, "compute", INTERPOLATION.name, *both]
    assert main([*command_words, "--shape", CHAIN]) == 1
    assert "the bends of a chain path must be 1 or more, got 0" in capsys.readouterr().err
    assert main([*command_words, "--shape", CHAIN, "--bends", "0" * 8]) == 1
    assert "names no path that is trained to its end" in capsys.readouterr().err
    elsewhere = f"one@{path.key[:12]}:01"  # no end of the path, though the first is one
    others = ["--model", "one", "--model", elsewhere, *both[4:], "--bends", path.key[:12]]
    assert main([*here, "compute", INTERPOLATION.name, *others, "--shape", CHAIN]) == 1
    assert "is no path between one and one; name one that is" in capsys.readouterr().err


def test_a_path_is_that_of_its_ends(catalog: Catalog) -> None:
    """A path is found only between its own ends."""
    assert stored_paths(catalog, ends_of(catalog)[0], ends_of(catalog)[0]) == []


def test_each_copy_that_computes_the_same_is_a_point_of_its_own(catalog: Catalog) -> None:
    """The permuted copy lies elsewhere than its parent, under the hash of its own tensors."""
    first, second = ends_of(catalog)
    ((model, point),) = like_copies(catalog, first, second).values()
    assert model.id == second[0].id and point != second[1]
    brought, *_ = (p for p in catalog.answer_points(model_id=model.id) if p.point_id == point)
    assert brought.question_key == answer_of(catalog, ALIGNMENT.name).key
