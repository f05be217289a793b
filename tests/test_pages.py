"""What the pages show, by Streamlit's `AppTest`: a real catalog, a real supervisor and worker."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from explorer.ask import questions
from explorer.contracts.checkpoint import Checkpoint
from explorer.jobs.spool import Spool
from explorer.jobs.worker_states import worker_states
from explorer.kinds import KINDS, Kind
from explorer.kinds.difference import DIFFERENCE
from explorer.kinds.interpolation import INTERPOLATION
from explorer.kinds.line import LINE, LineSettings
from explorer.kinds.members import OfMembers
from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages import _parts
from explorer.pages._facts import distinguishing_text
from sample_models import samples
from store import Catalog, records
from store.door import Door
from tests.app_test import AppTest
from tests.filling import add_answer, add_model, add_tiny, new_catalog, work
from tests.screen import (
    CATALOG_PAGE,
    IMPORT_PAGE,
    JOBS_PAGE,
    PAUSE,
    asked_keys,
    badges,
    charts,
    fine,
    identities,
    labels,
    one_sentence,
    opened,
    pressed,
    texts,
)
from tests.tiny import (
    ROOT,
    end_workers,
    ended,
    trapped,
    until,
    until_stored,
)

SAMPLE = "mlp_b"
PLANE = SurfaceSettings(x_count=11, y_count=11)
LINE_21 = LineSettings(x_count=21)
SURFACE_PAGE, LINE_PAGE = SURFACE.page, LINE.page
KIND_PAGES = sorted({kind.page for kind in KINDS})
# of a catalog without models, while the app starts and then
WAITING = ("The sample models are being imported", "No models: **Import** brings one in")


def refuses_one_point(kind: Kind) -> bool:
    """Whether nothing can be asked, as settings are at first, about one point for all subjects."""
    if kind.fewest > 1 or issubclass(kind.settings, OfMembers):
        return True
    try:
        kind.settings().check_points(dict.fromkeys(kind.subjects, "the same"))
    except ValueError:
        return True
    return False


MORE_POINTS_PAGES = {kind.page for kind in KINDS if refuses_one_point(kind)}
PAIR_PAGES = (INTERPOLATION.page, DIFFERENCE.page)  # visited by tests/test_pages_lines.py
STORED = {"model": SAMPLE, "x_count": "11", "y_count": "11"}


def answered(catalog: Catalog, kind: Any, model: records.Model, settings: Any) -> records.Job:
    """The job of a question just asked, at its end."""
    key = questions.ask(catalog, kind, model, settings)
    job = catalog.active_job_for(key)
    assert job
    return ended(catalog, job.id)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with a sample, its surface and its line, a slow model, and one that stumbles."""
    folder = tmp_path_factory.mktemp("pages")
    catalog = new_catalog(folder / "catalog")
    sample = next(s for s in samples() if s.name == SAMPLE)
    facts = {"about": sample.about, "optimiser": sample.training.optimiser, "seed": sample.seed}
    weights = [Checkpoint(file=sample.weights)]
    model = add_model(catalog, sample.problem, weights, SAMPLE, sample.arguments, **facts)
    add_answer(catalog, SURFACE, PLANE, (model, ""))
    add_answer(catalog, LINE, LINE_21, (model, ""))
    add_tiny(catalog, folder / "slow", "slow", [1], pause=PAUSE, gate=str(folder / "gate"))
    trap = trapped(LINE_21, unit=13)
    stumbling = add_tiny(catalog, folder / "stumbling", "stumbling", trap=trap, deed="stumble")
    questions.ask(catalog, LINE, stumbling, LINE_21)
    work(catalog)
    assert catalog.jobs(limit=1)[0].status == "failed"
    catalog.close()
    return catalog.folder


def test_home_shows_models_and_analyses(folder: Path) -> None:
    """A card for each analysis with its settings and address, a row for each model with facts."""
    app = fine(opened())
    captions = texts(app, "caption")
    (alone,) = (q.facts["stand_alone"] for q in Catalog(folder).questions("surface")[0])
    told = f"11×11 · train · filter · seed\xa00  \nloss {alone['loss']:.4g}  \n20"  # and the day
    assert [text for text in captions if text.startswith(told)]
    told = "21\xa0points · train · filter · seed\xa00"
    assert [text for text in captions if text.startswith(told)]
    addresses = {link.proto.query_string for link in app.get("page_link")}
    assert "model=mlp_b&x_count=11&y_count=11" in addresses
    table = app.dataframe[0].value.set_index("Model")
    assert set(table.index) == {SAMPLE, "slow", "stumbling"}
    sample = next(s for s in samples() if s.name == SAMPLE)
    row = table.loc[SAMPLE]
    assert row["Parameters"] == 3466
    assert row["Analyses"] == 2
    # Measured when it was trained, perhaps on another machine: sums of float32 differ in the last.
    assert row["Loss, test"] == pytest.approx(sample.measured["test"]["loss"], rel=1e-4)
    assert row["Seed"] == sample.seed


def test_pictures_appear_on_the_cards(folder: Path) -> None:
    """Each complete analysis gets its picture without being asked."""
    opened()
    catalog = Catalog(folder)
    keys = [q.key for q in catalog.questions(status="complete")[0]]
    until_stored(catalog, lambda: len(catalog.images(keys)) == len(keys))
    assert len(fine(opened()).get("image")) == len(keys) >= 2


@pytest.mark.parametrize(
    ("address", "cards"),
    [
        ({"search": SAMPLE}, 2),
        ({"search": "SURFACE"}, 1),
        ({"search": f"{SAMPLE} line"}, 1),
        ({"kind": "Line"}, 2),
        ({"search": SAMPLE, "kind": "Line"}, 1),
        ({"search": "nothing like it"}, 0),
    ],
)
def test_search_and_kind_choose_the_cards(folder: Path, address: dict, cards: int) -> None:
    """Words match name, kind and settings in any case; no match is said."""
    app = fine(opened(**address))
    links = [link for link in app.get("page_link") if "x_count" in link.proto.query_string]
    assert len(links) == cards
    assert any("Nothing matches" in text for text in texts(app, "info")) is not bool(cards)


def test_a_chosen_model_is_renamed_deleted_and_restored(folder: Path) -> None:
    """A name typed and Rename pressed at once; chosen is a model, whatever its row is by then."""
    catalog = Catalog(folder)
    model = next(model for model in catalog.models() if model.name == "stumbling")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.query_params["chosen"] = model.id[:12]
    fine(app.switch_page(CATALOG_PAGE).run())
    app.text_input(key=f"name-{model.id}").set_value("a *new* name")
    fine(pressed(app, "Rename"))
    assert catalog.model(model.id).name == "a *new* name"
    assert "a *new* name" in list(app.dataframe[0].value["Model"])
    assert catalog.questions("new name")[1] == 1  # its line has another title

    slow = next(model for model in catalog.models() if model.name == "slow")
    catalog.delete_model(slow.id)  # somebody else: the rows change places
    assert app.text_input(key=f"name-{model.id}").value == "a *new* name"
    fine(pressed(app, "Delete"))
    assert [model.name for model in catalog.models()] == [SAMPLE]
    assert "Delete" not in labels(app)
    for gone in (model, slow):
        fine(app.button(key=f"restore-{gone.id}").click().run())
    assert catalog.questions("new name")[1] == 1
    catalog.rename_model(model.id, model.name)


def test_deleted_restored(folder: Path) -> None:
    """The bin puts the analysis in the trash; its page offers to compute it; Restore undoes it."""
    (stored_question,) = Catalog(folder).questions("surface")[0]
    app = opened()
    app.button(key=f"delete-{stored_question.key}").click().run()
    assert not [text for text in texts(app, "caption") if text.startswith("11×11")]
    assert any(text.startswith(stored_question.title) for text in texts(app, "markdown"))
    assert "Compute 121 points" in labels(fine(opened(SURFACE_PAGE, **STORED)))
    app.button(key=f"restore-{stored_question.key}").click().run()
    assert [text for text in texts(fine(app), "caption") if text.startswith("11×11")]
    assert Catalog(folder).question(stored_question.key) == stored_question
    assert not Catalog(folder).trash()


def test_a_stored_surface_is_shown_at_once(folder: Path) -> None:
    """Chart, four green badges, export and provenance; nothing to compute."""
    app = fine(opened(SURFACE_PAGE, **STORED))
    assert charts(app) == 1
    said = badges(app)
    assert said.count(":green-badge[") == 4
    for words in ("centre = stand-alone loss", "filter norms match", "cos(axes)", "all finite"):
        assert words in said
    assert not any(label.startswith("Compute") for label in labels(app))
    assert {b.label for b in app.get("download_button")} >= {"Download PDF", "Download CSV"}


def test_the_same_surface_in_three_dimensions(folder: Path) -> None:
    """The viewer in place of the chart; the badges stay."""
    app = fine(opened(SURFACE_PAGE, **STORED, view="3-D"))
    assert charts(app) == 0
    assert "relief" in {component.key for component in app.get("bidi_component")}
    assert "all finite" in badges(app)


def test_what_is_stored_with_other_settings_is_offered(folder: Path) -> None:
    """A size that is not there: the one that is, by a link that says in what it differs."""
    app = fine(opened(SURFACE_PAGE, **{**STORED, "x_count": "13", "split": "test"}))
    assert "Stored with other settings:" in texts(app, "caption")
    (link,) = (link.proto for link in app.get("page_link"))
    assert link.label == f"{SAMPLE}: Data train, Points along x 11"
    assert link.query_string == "model=mlp_b&x_count=11&y_count=11"


def test_what_takes_long_is_said_beside_compute(folder: Path) -> None:
    """A million points: a warning with the hours; a few: none."""
    app = fine(opened(SURFACE_PAGE, model="slow", x_count="1000", y_count="1000"))
    assert [text for text in texts(app, "warning") if text.startswith("This takes about ")]
    app = fine(opened(SURFACE_PAGE, model="slow", x_count="7", y_count="7"))
    assert not texts(app, "warning")


def test_a_stored_line_is_shown_at_once(folder: Path) -> None:
    """Chart and badges of the profile; nothing to compute."""
    app = fine(opened(LINE_PAGE, model=SAMPLE, x_count="21"))
    assert charts(app) == 1
    assert badges(app).count(":green-badge[") == 3
    assert not any(label.startswith("Compute") for label in labels(app))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with one model and nothing else."""
    folder = tmp_path_factory.mktemp("first")
    catalog = new_catalog(folder / "catalog")
    add_tiny(catalog, folder / "first", "first")
    catalog.close()
    return catalog.folder


@pytest.mark.parametrize("page", KIND_PAGES)
def test_a_page_waits_for_the_first_model(
    page: str, first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a model a page says so and offers nothing; with the first one it is as usual."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path / "empty"))
    Catalog(tmp_path / "empty").remember("samples", identities())
    app = fine(opened(page))
    assert [text for text in texts(app, "info") if text.startswith(WAITING)]
    assert not [label for label in labels(app) if label.startswith("Compute")]
    catalog = Catalog(tmp_path / "empty")
    assert catalog.merge(first).models == 1
    app = app.run()
    assert not [text for text in texts(app, "info") if text.startswith(WAITING)]
    if page not in MORE_POINTS_PAGES:
        assert [label for label in labels(fine(app)) if label.startswith("Compute")]


def test_an_unasked_question_costs_nothing_until_the_button(folder: Path) -> None:
    """The button says how many points and the caption how long; looking stores nothing."""
    before = asked_keys(folder)
    app = fine(opened(SURFACE_PAGE, model=SAMPLE, x_count="12", y_count="7"))
    assert "Compute 84 points" in labels(app)
    assert any(text.startswith("About ") for text in texts(app, "caption"))
    assert charts(app) == 0
    assert asked_keys(folder) == before


def test_compute_asks_once_grows_and_ends_with_the_answer(folder: Path) -> None:
    """One job from the button, also with a second tab; its progress; the chart when complete."""
    address = {"model": "slow", "x_count": "9", "y_count": "9"}
    app, other = opened(SURFACE_PAGE, **address), opened(SURFACE_PAGE, **address)
    catalog = Catalog(folder)
    jobs = {job.id for job in catalog.jobs()}
    fine(pressed(app, "Compute 81 points"))
    fine(pressed(other, "Compute 81 points"))
    assert "Stop" in labels(app)
    (new,) = [job for job in catalog.jobs() if job.id not in jobs]
    said: list[str] = []

    def grown() -> bool:
        fine(app.run())
        bars = app.get("progress")
        said.extend(bar.proto.text for bar in bars)
        return not bars

    until_stored(catalog, grown)
    assert any("of 81 points · " in text for text in said)
    assert charts(app) == 1
    assert "all finite" in badges(app)
    assert ended(catalog, new.id).status == "done"
    assert {job.id for job in catalog.jobs()} - jobs == {new.id}
    assert charts(fine(other.run())) == 1


def test_stop_and_resume(folder: Path) -> None:
    """Stop keeps what is there and offers to go on; Resume computes the rest only."""
    app = opened(SURFACE_PAGE, model="slow", x_count="13", y_count="13")
    pressed(app, "Compute 169 points")
    catalog = Catalog(folder)
    stored = until_stored(
        catalog, lambda: next((q for q in catalog.questions("slow 13")[0] if q.units_done), None)
    )
    gate = Path(catalog.problem(stored.problem_id).arguments["gate"])
    gate.touch()  # nothing more is computed until the slow page has had its time
    until(lambda: charts(app.run()))
    shown = labels(pressed(app, "Stop"))
    assert "Stopping …" in shown and "Stop" not in shown  # at once, while the piece goes on
    shown = labels(opened(JOBS_PAGE))
    assert "Stopping …" in shown and "Stop" not in shown
    gate.unlink()
    until_stored(catalog, lambda: not catalog.active_job_for(stored.key))
    assert "Resume" in labels(app.run())
    stored = catalog.question(stored.key)
    assert stored
    assert 0 < stored.units_done < 169
    fine(pressed(app, "Resume"))
    until_stored(catalog, lambda: not catalog.active_job_for(stored.key))
    assert not app.run().get("progress") and "Resume" not in labels(app)
    whole = catalog.question(stored.key)
    assert whole and (whole.status, whole.units_done) == ("complete", 169)
    assert badges(fine(app)).count(":green-badge[") >= 3


BAD_ADDRESSES = [
    ({"x_count": "0"}, "a whole number from 2 to 2,001, got '0'"),
    ({"x_count": "1"}, "from 2 to 2,001, got '1'"),
    ({"x_count": "-5"}, "from 2 to 2,001, got '-5'"),
    ({"x_count": "1000000000000"}, "from 2 to 2,001, got '1000000000000'"),
    ({"x_count": "9" * 40}, "whole number"),
    ({"x_count": "inf"}, "whole number"),
    ({"x_count": "2.5"}, "whole number"),
    ({"x_count": "many"}, "whole number"),
    ({"x_min": "1", "x_max": "-1"}, "must increase, got 1.0 to -1.0"),
    ({"x_min": "1"}, "must increase, got 1.0 to 1.0"),
    ({"x_min": "nan"}, "finite number"),
    ({"x_max": "inf"}, "finite number"),
    ({"x_max": "1e999"}, "finite number"),
    ({"x_min": "left"}, "finite number"),
    ({"seed": "nan"}, "whole number"),
    ({"seed": "-1"}, "from 0 to"),
    ({"seed": "4294967296"}, "from 0 to"),
    ({"precision": "float16"}, "precision"),
    ({"split": "nothing"}, "split"),
    ({"normalisation": "none"}, "normalisation"),
    ({"model": "nobody"}, "nobody"),
]
BAD_LINES = [pair for pair in BAD_ADDRESSES if {"0", "left", "nobody"} & set(pair[0].values())]


@pytest.mark.parametrize(
    ("page", "address", "words"),
    [
        *((SURFACE_PAGE, *pair) for pair in BAD_ADDRESSES),
        *((LINE_PAGE, *pair) for pair in BAD_LINES),  # read by the same code: one of each type
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(folder: Path, page: str, address: dict, words: str) -> None:
    """What makes no question is refused in one sentence, never replaced; nothing is stored."""
    before = asked_keys(folder)
    app = opened(page, **({"model": SAMPLE} | address))
    assert [e.value for e in app.exception] == []
    (said,) = [e.value for e in app.error]
    assert words in said
    assert said.endswith(".")
    assert "\n" not in said
    assert not any(label.startswith("Compute") for label in labels(app))
    assert asked_keys(folder) == before


def test_too_many_points_are_one_sentence(folder: Path) -> None:
    """Each axis may be long, but not both."""
    app = opened(SURFACE_PAGE, model=SAMPLE, x_count="2001", y_count="2001")
    assert [e.value for e in app.exception] == []
    assert ["at most 1,000,000" in e.value for e in app.error] == [True]


def test_bad_numbers_typed_on_the_page(folder: Path) -> None:
    """Typed instead of in the address: one sentence, and typing a good one goes on."""
    app = opened(SURFACE_PAGE, **STORED)
    app.number_input(key="x_min").set_value(5.0).run()
    assert [e.value for e in app.exception] == []
    assert ["must increase, got 5.0 to 1.0" in e.value for e in app.error] == [True]
    assert charts(app) == 0
    app.number_input(key="x_min").set_value(-1.0).run()
    assert charts(fine(app)) == 1


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ({"contours": "101"}, "contours in the address must be a whole number from 0 to 100"),
        ({"clip": "-1"}, "clip in the address must be a finite number at least 0, got '-1'"),
        ({"decay": "-1"}, "decay in the address must be a finite number at least 0, got '-1'"),
        ({"colours": "jet"}, "colours in the address must be one of viridis"),
    ],
    ids=str,
)
def test_a_look_that_cannot_be_is_one_sentence(folder: Path, address: dict, words: str) -> None:
    """How a plane is drawn, too, is refused where the address says what its fields do not take."""
    app = opened(SURFACE_PAGE, **STORED, **address)
    assert [e.value for e in app.exception] == []
    assert [words in e.value for e in app.error] == [True]


def test_a_weight_decay_in_the_address_is_drawn_at_once(folder: Path) -> None:
    """The values that it adds are there although its field comes after their menu."""
    app = fine(opened(SURFACE_PAGE, **STORED, decay="0.5", value="weight decay"))
    assert app.selectbox(key="value").value == "weight decay"
    assert app.number_input(key="decay").value == 0.5


def test_an_even_count_has_its_centre_off_the_grid(folder: Path) -> None:
    """Even counts are answered; the badge says that the loss at the centre was computed apart."""
    (model,) = [m for m in Catalog(folder).models() if m.name == SAMPLE]
    opened()  # its supervisor serves
    assert answered(Catalog(folder), SURFACE, model, SurfaceSettings(x_count=6, y_count=7))
    app = fine(opened(SURFACE_PAGE, model=SAMPLE, x_count="6", y_count="7"))
    assert ":blue-badge[:material/info: centre off the grid" in badges(app)
    assert badges(app).count(":green-badge[") == 3


def test_several_lines_at_once(folder: Path) -> None:
    """Models chosen together share a chart; what one of them lacks is named with its points."""
    app = opened(LINE_PAGE, model=SAMPLE, x_count="21")
    app.multiselect(key="model").set_value([SAMPLE, "slow"]).run()
    fine(app)
    assert any("Not computed yet for slow" in text for text in texts(app, "info"))
    assert "Compute 21 points" in labels(app)
    assert charts(app) == 1
    app.multiselect(key="model").set_value([]).run()
    assert any("at least one model" in text for text in texts(fine(app), "info"))


def test_jobs_are_looked_at_seldom_while_nothing_is_computed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look each five seconds is all that an open page costs; what is live costs the browser."""
    intervals: list[float | None] = []
    live_fragment = _parts.live_fragment

    def noted(seconds: float | None) -> Callable:
        intervals.append(seconds)
        return live_fragment(seconds)

    monkeypatch.setattr(_parts, "live_fragment", noted)
    end_workers(Catalog(folder))
    until(lambda: not worker_states(Spool(folder / "jobs")))  # as the kernel drops their locks
    opened(JOBS_PAGE)
    assert [seconds for seconds in intervals if seconds is not None] == [5.0]


def test_jobs_tell_why_one_failed_and_offer_to_resume(folder: Path) -> None:
    """The failed job with its error and Resume, which queues another; the done ones with none."""
    app = opened(JOBS_PAGE)
    assert [e.value for e in app.exception] == []
    (error,) = [e.value for e in app.error]
    assert error.startswith("Line of stumbling: ")
    assert "RuntimeError: stumbled over the trap (line " in error
    assert labels(app).count("Resume") == 1
    said = badges(app)
    assert "red-badge[:material/error: failed]" in said
    assert "green-badge[:material/check: done]" in said
    links = {link.proto.label: link.proto for link in app.get("page_link")}
    assert links[f"**Surface of {SAMPLE}**"].query_string == "model=mlp_b&x_count=11&y_count=11"
    earlier_jobs = {job.id for job in Catalog(folder).jobs()}
    pressed(app, "Resume")
    assert badges(app).count("-badge[") == said.count("-badge[") + 1  # it stands there at once
    (again,) = [job for job in Catalog(folder).jobs() if job.id not in earlier_jobs]
    assert again.title == "Line of stumbling"
    assert "stumbled over the trap (line " in ended(Catalog(folder), again.id).error
    page = opened(LINE_PAGE, model="stumbling", x_count="21")
    assert [e.value for e in page.exception] == []
    assert "Resume" in labels(page)
    assert ["stumbled over the trap" in e.value for e in page.error] == [True]


PAGES = """
import os, sys
from tests.app_test import AppTest
visits = [({}, "catalog"), ({"model": "mlp_b", "x_count": "11", "y_count": "11"}, "surface"),
    ({"model": "mlp_b", "x_count": "11", "y_count": "11", "view": "3-D"}, "surface"),
    ({"model": "mlp_b", "x_count": "21"}, "line"), ({}, "interpolation"), ({}, "difference"),
    ({}, "import"), ({}, "jobs")]
for address, page in visits:
    app = AppTest.from_file("app.py", default_timeout=60)
    for name, value in address.items():
        app.query_params[name] = value
    app.switch_page(f"explorer/pages/{page}.py").run()
    assert not app.exception, app.exception
    print("seen", page)
print("modules", *sys.modules)
sys.stdout.flush()
os._exit(0)
"""


def test_the_app_process_stays_light(folder: Path) -> None:
    """After every page, 3-D too, the process has loaded neither torch nor pyvista nor VTK."""
    done = subprocess.run(
        [sys.executable, "-c", PAGES], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.count("seen") == 8, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.split("modules ")[1].split()}
    assert "streamlit" in loaded
    assert not loaded & {"torch", "pyvista", "vtk", "vtkmodules"}


def test_the_first_chart_finds_its_libraries_loaded(folder: Path) -> None:
    """Pages have a chart that is not seen, for the browser's libraries; the app has its own."""
    for page in (CATALOG_PAGE, SURFACE_PAGE):
        app = fine(opened(page))
        assert len(app.get("vega_lite_chart")) == charts(app) + 1
    ahead = "from explorer.pages import _running; _running.load_ahead()"
    code = f"import sys; {ahead}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    drawn_by = {kind.draw.partition(":")[0] for kind in KINDS}
    assert drawn_by | {"altair", "matplotlib", "scipy.special", "scipy.optimize"} <= set(
        done.stdout.split()
    ), done.stderr


def digest(folder: Path) -> dict[str, str]:
    """Each file with its content, as it lies on the disk."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".wanted"
    }


@pytest.mark.parametrize(
    "page", [CATALOG_PAGE, SURFACE_PAGE, LINE_PAGE, *PAIR_PAGES, IMPORT_PAGE, JOBS_PAGE]
)
def test_a_file_that_is_no_catalog(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text file in the catalog's place: one sentence on each page, the file as it was."""
    (tmp_path / "catalog.duckdb").write_text("my thesis\n" * 1000)
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path))
    before = digest(tmp_path)
    assert "left as it is" in one_sentence(opened(page))
    assert digest(tmp_path) == before


def test_a_database_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's DuckDB file: one sentence, and its table stays alone in it."""
    with duckdb.connect(tmp_path / "catalog.duckdb") as other:
        other.execute("CREATE TABLE mine AS SELECT 42 AS answer")
    monkeypatch.setenv("EXPLORER_CATALOG", str(tmp_path))
    assert "left as it is" in one_sentence(opened())
    with duckdb.connect(tmp_path / "catalog.duckdb") as other:
        assert other.execute("SELECT * FROM mine").fetchall() == [(42,)]
        assert other.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(1,)]


HOLDER = """
import sys, duckdb
held = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_catalog_held_by_another_process(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held for longer than the time allowed: one sentence with the process; later all is well."""
    monkeypatch.setattr(Door.__init__, "__defaults__", (0.4,))  # seconds, in place of ten
    until(lambda: Catalog(filled).close() or True)
    copy = tmp_path / "catalog"
    copy.mkdir()
    shutil.copy(filled / "catalog.duckdb", copy)
    monkeypatch.setenv("EXPLORER_CATALOG", str(copy))
    before = digest(copy)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(copy / "catalog.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout
        holder.stdout.readline()
        assert f"held by process {holder.pid}" in one_sentence(opened())
        assert {n: d for n, d in digest(copy).items() if "wal" not in n} == before
    finally:
        holder.communicate()
    assert len(fine(opened()).dataframe) == 1


def live_part() -> None:
    """A script whose live part finds the catalog busy; nothing else on it is guarded."""
    from pathlib import Path

    import streamlit as st

    from explorer.pages._parts import live_fragment
    from store import CatalogBusy

    @live_fragment(60.0)
    def shown(name: str) -> None:
        st.caption(name)
        raise CatalogBusy(Path("/somewhere/catalog.duckdb"), 42, 10.0)

    shown("before")


def test_a_live_part_is_guarded_by_itself() -> None:
    """A part that reruns alone, outside the guard of its page, says its sentence too."""
    app = AppTest.from_function(live_part).run()
    assert texts(app, "caption") == ["before"]
    assert "held by process 42" in one_sentence(app)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_analysis_of_every_kind_has_a_card(kind: Kind) -> None:
    """The gallery's words for each kind's usual settings name the split."""
    settings = dataclasses.asdict(kind.settings())
    question = records.Question(
        key="k",
        kind=kind.name,
        version=1,
        title="t",
        settings=settings,
        problem_id="p",
        model_ids=(),
        point_ids=("a", "b", "c"),
        units=1,
    )
    said = distinguishing_text(question)
    assert "train" in said


def test_the_address_keeps_the_camera(folder: Path) -> None:
    """A link's nine numbers reach the view; what is no camera is one sentence."""
    numbers = "3,-4,2,0,0,0.3,0,0,1"
    app = fine(opened(SURFACE_PAGE, **STORED, view="3-D", camera=numbers))
    (viewer,) = [c for c in app.get("bidi_component") if c.key == "relief"]
    sent = json.loads(viewer.proto.json)["camera"]
    assert sent == {"position": [3, -4, 2], "focal_point": [0, 0, 0.3], "up": [0, 0, 1]}
    for bad in ("1,2,3", "0,0,0,0,0,0,0,0,1", "nan,0,0,1,1,1,0,0,1", "3,4,5,0,0,0,0,0,0", "a"):
        (said,) = opened(SURFACE_PAGE, **STORED, view="3-D", camera=bad).error
        assert "camera in the address must be nine numbers" in said.value
