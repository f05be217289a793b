"""What the address of a page says, and what it and the session hand on to the next page."""

from functools import partial
from pathlib import Path

import pytest
from streamlit.testing.v1 import local_script_runner

from explorer.kinds import KINDS, Kind
from explorer.kinds.averaging import AVERAGING
from explorer.kinds.convexity import CONVEXITY
from explorer.kinds.difference import DIFFERENCE
from explorer.kinds.ensemble import ENSEMBLE
from explorer.kinds.interpolation import INTERPOLATION
from explorer.kinds.line import LINE
from explorer.kinds.run import RUN
from explorer.kinds.stability import STABILITY
from explorer.kinds.surface import SURFACE
from store import Catalog
from store.records import Model
from tests.app_test import AppTest
from tests.filling import new_catalog
from tests.screen import CATALOG_PAGE, JOBS_PAGE, fine, opened, texts
from tests.stored import POINT, stored_model, stored_point
from tests.tiny import ROOT

PAGES = [kind.page for kind in KINDS if kind.own_page]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models in the order of the menus: two of one snapshot, one of three."""
    catalog = new_catalog(tmp_path_factory.mktemp("address") / "catalog")
    stored_model(catalog, "run", "rings.py", {"parameters": 9})
    for name in ("later", "latest"):
        add_single(catalog, name)
    assert [model.name for model in catalog.models()][-1] == "run"
    catalog.close()
    return catalog.folder


def add_single(catalog: Catalog, name: str) -> None:
    """A model of one snapshot, listed before the others from now on."""
    (problem,) = [catalog.problem(model.problem_id) for model in catalog.models()[-1:]]
    file = catalog.put_file(b"weights", ".safetensors")
    model = Model(id=name, name=name, problem_id=problem.id, point_id=POINT)
    catalog.add_import(problem, [model], [stored_point(name, POINT, 0, file)])


def chosen(app: AppTest) -> list[str]:
    """The models that the page is about, as its control shows them."""
    key = "model"
    several = [control.value for control in app.multiselect if control.key == key]
    return several[0] if several else [c.value for c in app.selectbox if c.key == key]


def moved(app: AppTest, page: str) -> AppTest:
    """The next page as a link of the sidebar leads to it: the browser hands on what is bound."""
    return app.switch_page(page).run()


@pytest.mark.parametrize("page", PAGES)
def test_the_address_names_the_model_shown(folder: Path, page: str) -> None:
    """Also the one that is there at first: a bookmark means the same after the next import."""
    app = opened(page)
    (name, *_) = chosen(app)
    assert app.query_params["model"] == name
    assert chosen(opened(page, model=name)) == [name]


def test_the_address_names_both_models_of_a_pair(folder: Path) -> None:
    """The second one's default too, which depends on what else was imported."""
    app = opened(DIFFERENCE.page)
    assert app.query_params == {"model": "latest", "second": "later"}


@pytest.mark.parametrize("last", PAGES)
def test_the_model_is_kept_from_page_to_page_and_settings_are_not(folder: Path, last: str) -> None:
    """From a plane with its own grid, by way of a menu of several models and of a list, to each."""
    app = fine(opened(SURFACE.page, model="run", x_count="21", y_count="23", seed="5"))
    for page in (LINE.page, JOBS_PAGE, last):
        app = moved(app, page)
        assert not app.exception
    assert chosen(app) == ["run"]
    seconds = {kind.subjects[1] for kind in KINDS if len(kind.subjects) == 2}
    assert app.query_params.keys() <= {"model", *seconds}
    for control in app.number_input:
        fresh = [c.value for c in opened(last, model="run").number_input if c.key == control.key]
        assert [control.value] == fresh, control.key


@pytest.mark.parametrize("page", [SURFACE.page, LINE.page])
def test_a_followed_address_is_shown_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    """What it says to controls that the page before has too, and not what those said; also there.

    As the browser asks for it: see links.js.
    """
    app = fine(opened(LINE.page, model="run", split="test", seed="5"))
    followed = partial(local_script_runner.RerunData, is_history_navigation=True)
    monkeypatch.setattr(local_script_runner, "RerunData", followed)
    app.query_params = {"model": "later", "split": "test"}
    app = fine(moved(app, page))
    fresh = opened(page, model="later", split="test")
    assert app.query_params == fresh.query_params == {"model": "later", "split": "test"}
    assert chosen(app) == ["later"]
    said = {control.key: control.value for control in (*app.number_input, *app.button_group)}
    assert said == {c.key: c.value for c in (*fresh.number_input, *fresh.button_group)}
    assert (said["split"], said["seed"]) == ("test", 0)


@pytest.mark.parametrize("kind", [AVERAGING, ENSEMBLE])
def test_a_page_about_several_points_says_what_it_is_before_they_are_chosen(
    folder: Path, kind: Kind
) -> None:
    """A heading, and what to do; also for a model that no other stands beside yet."""
    app = fine(opened(kind.page, model="later"))
    assert [heading.value for heading in app.subheader] == [kind.title]
    assert "two points at least" in app.info[0].value


def test_a_link_to_repaired_activations_shows_them(folder: Path) -> None:
    """And not the line without."""
    own = {"model": "later", "to": "latest", "shape": "straight", "repair": "true"}
    app = opened(INTERPOLATION.page, **own)
    (shown,) = [box.value for box in app.multiselect if box.key == "paths"]
    assert shown == ["straight, REPAIR"]


def test_several_models_are_kept_for_pages_about_several(folder: Path) -> None:
    """A page about one model takes the first of them, and leaves the next page all."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["model"] = ["run", "later"]
    app.switch_page(LINE.page).run()
    assert chosen(app) == ["run", "later"]
    assert chosen(moved(app, CONVEXITY.page)) == ["run"]
    assert chosen(moved(app, LINE.page)) == ["run", "later"]


def test_a_model_chosen_in_the_catalog_is_the_next_page_s(folder: Path) -> None:
    """Its row, then a link of the sidebar."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    later = next(m for m in Catalog(folder).models() if m.name == "later")
    app.query_params["chosen"] = later.id[:12]
    app = fine(app.switch_page(CATALOG_PAGE).run())
    assert chosen(moved(app, SURFACE.page)) == ["later"]


@pytest.mark.parametrize("page", [RUN.page, STABILITY.page])
def test_a_page_about_runs_begins_with_a_run(folder: Path, page: str) -> None:
    """Also after a model that has none; that one is not forgotten by it."""
    assert chosen(opened(page)) == ["run"]
    app = moved(opened(SURFACE.page, model="later"), page)
    assert chosen(app) == ["run"]
    assert chosen(moved(app, SURFACE.page)) == ["later"]


@pytest.mark.parametrize("page", [RUN.page, STABILITY.page])
def test_without_any_run_one_sentence_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_left: None, page: str
) -> None:
    """Nothing else is asked, and nothing is an error."""
    catalog = new_catalog(tmp_path / "catalog")
    stored_model(catalog, "run", "rings.py", {"parameters": 9})
    add_single(catalog, "single")
    catalog.delete_model("run")
    catalog.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(catalog.folder))
    app = fine(opened(page))
    (said,) = texts(app, "info")
    assert said.startswith("No model has 3 snapshots: import several checkpoints")
    assert not app.button
