"""The Import page: it resolves, asks before it runs anything, follows its job, shows the findings.

By Streamlit's `AppTest` over a real catalog, supervisor and worker.
"""

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch

from explorer.importing import following
from explorer.pages import _running
from explorer.wording import counted
from store import Catalog
from tests.app_test import AppTest
from tests.screen import (
    CATALOG_PAGE,
    IMPORT_PAGE,
    fine,
    identities,
    one_sentence,
    opened,
    pressed,
    texts,
)
from tests.tiny import checkpoint, end_workers, problem_file, record, tensors, until_stored


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a problem file, checkpoints, and a catalog without samples."""
    folder = tmp_path_factory.mktemp("import")
    problem_file(folder / "p")
    for step in (9, 10):
        checkpoint(folder / f"step_{step}.safetensors", seed=step)
    Catalog(folder / "catalog").remember("samples", identities())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLORER_CATALOG", str(folder / "catalog"))
        yield folder
    _running.stop_apps()
    end_workers(Catalog(folder / "catalog"))


def agreement(app: AppTest):
    (box,) = [box for box in app.checkbox if box.label.startswith("Run ")]
    return box


def importing(app: AppTest) -> bool:
    """Whether the button can be pressed."""
    (button,) = [b for b in app.button if b.label == "Import"]
    return not button.disabled


def filled(place: Path, checkpoints: str, **fields: str) -> AppTest:
    """The page with its fields filled in."""
    app = opened(IMPORT_PAGE)
    app.text_input(key="problem").set_value(str(place / "p" / "tiny_problem.py"))
    app.text_area(key="checkpoints").set_value(checkpoints)
    for key, value in fields.items():
        app.text_input(key=key).set_value(value)
    return app.run()


def settled(app: AppTest) -> AppTest:
    """The page once its import has ended."""
    catalog = Catalog(_running.catalog_folder())
    until_stored(catalog, lambda: not app.run().get("progress") and not app.info)
    return app


def test_it_asks_before_it_runs_a_file_and_again_after_a_change(place: Path) -> None:
    """Path, hash and source are shown; the button waits for the agreement to this very content.

    A press counts for nothing where the file has changed since the page was drawn.
    """
    file = place / "p" / "tiny_problem.py"
    app = fine(filled(place, str(place / "step_9.safetensors")))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert any(str(file) in said and digest in said for said in texts(app, "caption"))
    assert file.read_text().strip() in [code.value for code in app.code]
    assert not importing(app)
    assert importing(agreement(app).check().run())
    file.write_text(file.read_text() + "\n# changed\n")
    pressed(app, "Import")
    assert not importing(app) and not agreement(app).value
    assert Catalog(place / "catalog").jobs() == []


def test_files_are_listed_in_order_and_bad_names_said(place: Path) -> None:
    """A pattern's files in natural order; a name that gives nothing is one sentence, no button."""
    app = fine(filled(place, f"{place}/step_*.safetensors"))
    assert "2 checkpoints, the last is the final one:" in texts(app, "caption")
    listed = next(code.value for code in app.code if code.value.startswith(str(place)))
    assert [Path(line).name for line in listed.splitlines()] == [
        "step_9.safetensors",
        "step_10.safetensors",
    ]
    agreement(app).check()
    app.text_area(key="checkpoints").set_value(f"{place}/none_*.pt").run()
    assert one_sentence(app) == f"Nothing matches {place}/none_*.pt; check the pattern."
    assert not importing(app)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("problem", "/nowhere/p.py", "There is no problem file /nowhere/p.py; check the path."),
        ("arguments", "width=6", "The arguments must be JSON, got width=6 ("),
        ("arguments", '{"a": NaN}', "NaN is no JSON value"),
        ("arguments", "[1]", "The arguments must be a JSON object, got [1]; write them"),
    ],
)
def test_a_bad_field_is_one_sentence(place: Path, field: str, text: str, words: str) -> None:
    """Each field that cannot be used says why, and nothing can be ordered."""
    app = filled(place, str(place / "step_9.safetensors"), **{field: text})
    assert words in one_sentence(app)
    assert not importing(app)


def test_an_import_shows_what_was_found(place: Path) -> None:
    """Tensors, losses, seconds, fingerprints; links to the model's pages; one from the catalog."""
    app = filled(place, f"{place}/step_*.safetensors", name="mine", arguments='{"width": 6}')
    agreement(app).check().run()
    fine(pressed(app, "Import"))
    fine(settled(app))
    (model,) = Catalog(place / "catalog").models()
    assert (model.name, model.points) == ("mine", 2)
    measured, tensor_table = (table.value for table in app.dataframe)
    assert list(tensor_table["Name"]) == list(tensors())
    row = tensor_table.set_index("Name").loc["0.weight"]
    assert (row["Shape"], row["Type"], row["Role"]) == ("6 × 8", "float32", "parameter")
    assert tensor_table.set_index("Name").loc["1.running_mean", "Role"] == "buffer"
    test = measured.set_index("Split").loc["test"]
    assert test["Loss"] == model.measurements["test"]["loss"] and test["Examples"] == 13
    assert test["Seconds per evaluation"] > 0 and len(test["Fingerprint of the data"]) == 64
    assert any(model.point_id in said for said in texts(app, "caption"))
    assert not app.warning
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert links["Surface of mine"] == links["Line of mine"] == "model=mine"
    home = fine(opened(CATALOG_PAGE))
    assert "Import" in [link.proto.label for link in home.get("page_link")]


def test_weights_that_are_not_finite_come_with_a_warning(place: Path) -> None:
    """NaN weights are imported, counted and warned of."""
    state = tensors() | {"3.bias": tensors()["3.bias"] + math.nan}
    safetensors.torch.save_file(state, place / "bad.safetensors")
    app = filled(place, str(place / "bad.safetensors"))
    agreement(app).check().run()
    pressed(app, "Import")
    (warning,) = fine(settled(app)).warning
    assert warning.value.startswith("NaN or infinite weights in bad (3): ")


def test_a_failed_import_says_why(place: Path) -> None:
    """The worker's sentence, with file and key, stands on the page; nothing was stored."""
    models = len(Catalog(place / "catalog").models())
    checkpoint(place / "wide.safetensors", width=7)
    app = filled(place, str(place / "wide.safetensors"))
    agreement(app).check().run()
    pressed(app, "Import")
    until_stored(Catalog(place / "catalog"), lambda: app.run().error)
    said = one_sentence(app)
    assert said.startswith("Import of wide failed: ")
    assert "wide.safetensors: 0.weight must have shape (6, 8), got (7, 8)" in said
    assert len(Catalog(place / "catalog").models()) == models


def test_follow_is_offered_for_a_growing_run(place: Path) -> None:
    """With Follow on, Import also follows: the run is listed, and Unfollow ends that."""
    record(place / "run", 1)
    app = filled(place, str(place / "run"), name="followed")
    (toggle,) = app.toggle
    agreement(app).check()
    toggle.set_value(True).run()
    fine(pressed(app, "Import"))
    assert f"{place}/run · 0 snapshots" in texts(app, "markdown")

    def lists(count: int) -> bool:
        return f"{place}/run · {counted(count, 'snapshot')}" in texts(fine(app.run()), "markdown")

    catalog = Catalog(place / "catalog")
    until_stored(catalog, lambda: lists(1))
    record(place / "run", 2)
    until_stored(catalog, lambda: lists(2))
    assert "followed" in [title.value for title in app.subheader]  # still shown after it has grown
    fine(pressed(app, "Unfollow"))
    assert following.followed_runs(Catalog(place / "catalog")) == {}
    record(place / "run", end=True)
    assert not filled(place, str(place / "run")).toggle


def test_an_imported_direction_leads_to_the_pages_along_it(place: Path) -> None:
    """The links below it open a model of its problem with the direction as the axis x."""
    arguments = '{"width": 7}'
    for name in ("of seven", "step of seven"):
        file = checkpoint(place / f"{name}.safetensors", seed=1, width=7)
        app = filled(place, str(file), name=name, arguments=arguments)
        agreement(app).check().run()
        if name.startswith("step"):
            boxes = {box.label: box for box in app.checkbox}
            boxes["The file holds a direction"].check().run()
        fine(pressed(app, "Import"))
        fine(settled(app))
    links = {link.proto.label: link.proto.query_string for link in app.get("page_link")}
    assert "model=of+seven" in links["Line"] and "x_stored=step+of+seven" in links["Line"]
    assert "direction=given" in links["Surface"]
