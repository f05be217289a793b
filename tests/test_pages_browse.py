"""The list of analyses as it is browsed: conditions, facets, order, table, what is done at once."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest

from explorer.importing.samples import first_questions, order_sample
from explorer.kinds import kind_named
from explorer.pages._analyses_table import split_settings
from explorer.pages._browse import EXAMPLE
from store import Catalog
from store.annotations import Annotation
from store.records import Question
from tests.app_test import AppTest
from tests.filling import new_catalog, work
from tests.screen import fine, labels, opened, pressed, texts
from tests.stored import put_model
from tests.tiny import ROOT

LAMBDAS = {"first": 3.0, "second": 40.0, "third": 7.0}  # of the models' spectra


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models, each with a surface and a spectrum whose numbers are known."""
    catalog = new_catalog(tmp_path_factory.mktemp("browse") / "catalog")
    for place, (name, lambda_max) in enumerate(LAMBDAS.items()):
        put_model(
            catalog,
            name,
            name,
            f"w{place}",
            facts={"parameters": 9, "lr": 0.1 * place, "learning_rate": 0.05},
        )
        for kind in ("surface", "spectrum"):
            add_question(catalog, kind, name, place)
        catalog.set_numbers(f"spectrum {name}", {"lambda_max": (lambda_max,) * 3}, 0)
    catalog.close()
    return catalog.folder


def add_question(catalog: Catalog, name: str, model: str, place: int) -> None:
    """A question about the model, its seed the model's number."""
    kind = kind_named(name)
    settings = kind.settings(seed=place)
    catalog.ask(
        Question(
            key=f"{name} {model}",
            kind=name,
            version=kind.version,
            title=f"{kind.title} of {model}",
            settings=dataclasses.asdict(settings),
            problem_id="p1",
            model_ids=(model,),
            point_ids=(f"w{place}",),
            units=settings.units,
        )
    )


def listed(app: AppTest) -> list[str]:
    """The analyses of the table, from the top on."""
    return list(app.dataframe[0].value["Analysis"])


def test_a_table_shows_numbers_and_settings_that_differ(folder: Path) -> None:
    """Results and differing settings are columns; what is equal in all is told once."""
    app = fine(opened(view="Table", kind="Spectrum", order="lambda_max"))
    assert listed(app) == [f"Spectrum of {name}" for name in ("second", "third", "first")]
    table = app.dataframe[0].value
    assert list(table["lambda_max"]) == [40.0, 7.0, 3.0]
    assert list(table["seed"]) == [1, 2, 0]
    assert "split" not in table
    assert any("split  train" in text for text in texts(app, "text"))
    assert "/spectrum?model=second&seed=1" in list(table[""])


def test_settings_that_say_nothing_are_left_out() -> None:
    """One value in all is told once, two make a column, and none at all makes neither."""
    columns, equal = split_settings([{"a": 1, "b": None, "c": 2}, {"a": 1, "c": 3}])
    assert (columns, equal) == ({"c": [2, 3]}, {"a": 1})


def test_a_condition_and_an_order_are_in_the_address(folder: Path) -> None:
    """What an address says is what is listed; a number of another kind's analysis chooses, too."""
    search = 'spectrum.lambda_max > 5 and kind == "surface"'
    app = fine(opened(view="Table", search=search, order="lr", way="ascending"))
    assert listed(app) == ["Surface of second", "Surface of third"]


@pytest.mark.parametrize(
    ("search", "sentence"),
    [
        ("kind ==", "cannot be read at its end"),
        ("lambda_mux > 3", "nothing has 'lambda\\_mux' (character 1); there are lambda"),
        ('name ~ "["', "is no pattern"),
    ],
)
def test_a_bad_search_is_one_sentence_and_the_rest_stays(
    folder: Path, search: str, sentence: str
) -> None:
    """It stands in place of the list; the models below are shown, and the search can be mended."""
    app = opened(search=search)
    assert not app.exception
    (error,) = texts(app, "error")
    assert sentence.replace("\\_", "_") in error.replace("\\", "")
    assert set(app.dataframe[0].value["Model"]) == set(LAMBDAS)
    app.text_input(key="search").set_value("").run()
    assert not app.error


def test_an_order_that_nothing_has_is_one_sentence(folder: Path) -> None:
    """An address with an unknown column says so."""
    (error,) = texts(opened(order="no_such"), "error")
    assert "order in the address must be one of the columns" in error


def test_facets_narrow_the_list(folder: Path) -> None:
    """Values of one facet are united, facets meet; where nothing is left, that is said."""
    app = fine(opened(view="Table", kind="Spectrum"))
    app.multiselect(key="models").set_value(["first", "third"]).run()
    assert set(listed(app)) == {"Spectrum of first", "Spectrum of third"}
    app = fine(opened(view="Table", kind="Line"))
    assert any("Nothing matches these filters" in text for text in texts(app, "info"))


def test_tags_are_found_again(folder: Path) -> None:
    """A tag is a column of the table, a facet, and a name in conditions."""
    catalog = Catalog(folder)
    catalog.annotate(Annotation(what="analysis", id="surface first", tags=("paper",)))
    assert catalog.tags("analysis") == {"paper": 1}
    app = fine(opened(view="Table", search='tag == "paper"'))
    assert listed(app) == ["Surface of first"]
    assert list(app.dataframe[0].value["Tags"]) == [["paper"]]
    app = fine(opened(view="Table"))
    app.multiselect(key="tag").set_value(["paper"]).run()
    assert listed(app) == ["Surface of first"]
    catalog.annotate(Annotation(what="analysis", id="surface first"))


ACTIONS = """
import streamlit as st
from explorer.pages._analyses_table import show_actions
from sample_models import samples
from store import Catalog

catalog = Catalog({folder!r})
show_actions(catalog, [catalog.question(key) for key in {keys!r}])
"""


def test_what_is_chosen_is_tagged_archived_and_deleted_at_once(folder: Path) -> None:
    """All chosen ones and no other; a tag that is none is one sentence; all comes back."""
    catalog, keys = Catalog(folder), ["spectrum first", "spectrum third"]
    app = fine(AppTest.from_string(ACTIONS.format(folder=str(folder), keys=keys)).run())
    app.text_input(key="new-tag").set_value(" fig 2 ")
    pressed(app, "Add tag")
    assert [catalog.annotations("analysis", keys)[key].tags for key in keys] == [("fig 2",)] * 2
    app.text_input(key="new-tag").set_value("x" * 60)
    (error,) = texts(pressed(app, "Add tag"), "error")
    assert "a tag must be printable and have 1 to 40 characters" in error.lower()
    pressed(app, "Archive")
    assert {q.key for q in catalog.questions(archived=False)[0]}.isdisjoint(keys)
    table = fine(opened(view="Table", kind="Spectrum"))
    assert listed(table) == ["Spectrum of second"]
    assert len(listed(fine(opened(view="Table", search="archived == true")))) == len(keys)
    pressed(app, "Unarchive")
    pressed(app, "Delete")
    assert {item.id for item in catalog.trash()} == set(keys)
    for key in keys:
        catalog.restore_question(key)
        catalog.annotate(Annotation(what="analysis", id=key))
    assert catalog.questions()[1] == 2 * len(LAMBDAS)


ON_A_MODEL = """
from explorer.pages._models import show_actions
from explorer.pages._undo import offer_undo
from sample_models import samples
from store import Catalog

catalog = Catalog({folder!r})
offer_undo(catalog)
model = catalog.model({model!r})
show_actions(catalog, model.name, model, catalog.annotations("model", [model.id])[model.id])
"""
FORM = """
from explorer.pages._annotations import edit_annotation
from sample_models import samples
from store import Catalog
from store.annotations import Annotation

catalog = Catalog({folder!r})
edit_annotation(catalog, Annotation(what="analysis", id={key!r}), "its title")
"""


def test_a_deletion_is_undone_by_a_press(folder: Path) -> None:
    """Of an analysis and of a model with all its analyses, in the session that deleted them."""
    catalog = Catalog(folder)
    app = fine(opened())
    app.button(key="delete-surface first").click().run()
    assert [item.id for item in catalog.trash()] == ["surface first"]
    fine(pressed(app, "Undo"))
    assert catalog.trash() == []
    assert "Undo" not in labels(app)
    script = ON_A_MODEL.format(folder=str(folder), model="second")
    app = fine(AppTest.from_string(script).run())
    pressed(app, "Delete")
    assert "second" in {item.title for item in catalog.trash()}
    assert catalog.questions()[1] == 2 * len(LAMBDAS) - 2
    fine(pressed(app, "Undo"))
    assert catalog.trash() == [] and catalog.questions()[1] == 2 * len(LAMBDAS)


def test_what_is_noted_is_shown_and_a_note_fetches_nothing(folder: Path) -> None:
    """A name in place of the title, tags, a star that a press turns, a note without its images."""
    catalog = Catalog(folder)
    noted = Annotation(
        what="analysis",
        id="surface first",
        name="The wide one",
        note="**Look** at ![it](http://example.org/a.png)",
        tags=("fig 2",),
    )
    catalog.annotate(noted)
    app = fine(opened())
    assert any("The wide one" in element.label for element in app.get("page_link"))
    assert any("fig 2" in text and "-badge" in text for text in texts(app, "markdown"))
    (note,) = [text for text in texts(app, "markdown") if "Look" in text]
    assert "![" not in note and "[it]" in note
    app.button(key="star-surface first").click().run()
    assert catalog.annotations("analysis", [noted.id])[noted.id].favourite
    table = fine(opened(view="Table", favourite="true"))
    assert listed(table) == ["The wide one"]
    catalog.annotate(Annotation(what="analysis", id="surface first"))


def test_the_form_keeps_what_is_written(folder: Path) -> None:
    """Name, note and tags of the dialog, once it is saved; a card's button opens it."""
    catalog = Catalog(folder)
    page = fine(opened())
    page.button(key="notes-spectrum third").click().run()
    assert "Spectrum of third" in texts(fine(page), "caption")
    assert page.text_area(key="noted-note-spectrum third").value == ""
    script = FORM.format(folder=str(folder), key="spectrum third")
    app = fine(AppTest.from_string(script).run())
    app.text_input(key="noted-name-spectrum third").set_value("Sharp")
    app.text_area(key="noted-note-spectrum third").set_value("at the *edge*")
    catalog.change_annotation("analysis", "spectrum third", tags=("meanwhile",))  # another tab
    fine(pressed(app, "Save"))
    kept = catalog.annotations("analysis", ["spectrum third"])["spectrum third"]
    assert (kept.name, kept.note, kept.tags) == ("Sharp", "at the *edge*", ("meanwhile",))
    assert listed(fine(opened(view="Table", search="sharp"))) == ["Sharp"]  # found by that name
    catalog.annotate(Annotation(what="analysis", id="spectrum third"))


def test_a_list_is_copied_as_link_command_and_sql(folder: Path) -> None:
    """Words, facets and all: the command's condition and the SQL list what the page lists."""
    catalog = Catalog(folder)
    app = fine(opened(search="first", kind="Spectrum", split="train"))
    link, command, sql = texts(app, "code")
    assert "search=first" in link and "kind=Spectrum" in link
    words = shlex.split(command)
    assert words[:5] == ["python", "-m", "explorer", "--catalog", str(folder)]
    assert words[5] == "list" and len(words) == 7
    assert [q.key for q in catalog.questions(words[6])[0]] == ["spectrum first"]
    assert [row[0] for row in catalog.query(sql).rows] == ["spectrum first"]


@pytest.mark.parametrize("search", ["kind = surface", 'kind = "surface"', "x_count=51"])
def test_one_equals_sign_is_told_how_it_is_written(folder: Path, search: str) -> None:
    """Such a search finds nothing, and one sentence has the right way; the way itself matches."""
    (said,) = texts(fine(opened(search=search)), "info")
    assert f"two equals signs, words in quotes: `{EXAMPLE}`" in said
    assert not texts(fine(opened(search=EXAMPLE)), "info")


def test_the_searches_of_the_readme_match_a_sample(tmp_path: Path) -> None:
    """Imported and answered as at the first start."""
    catalog = new_catalog(tmp_path / "catalog")
    order_sample(catalog, "mlp_a", first_questions())
    work(catalog)
    work(catalog)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    searches = re.findall(r"""(?:as in `|list ')(kind == [^`']*)""", readme)
    assert len(searches) == 2
    for search in (*searches, EXAMPLE):
        assert catalog.questions(search)[1] == 1, search


def test_the_address_keeps_what_is_selected(folder: Path) -> None:
    """The rows of an address are selected with their actions; keys that are gone select nothing."""
    catalog = Catalog(folder)
    keys = [question.key for question in catalog.questions(kind="spectrum")[0]]
    app = fine(opened(view="Table", kind="Spectrum", selected=[key[:12] for key in keys[:2]]))
    assert {"Compare", "Delete"} <= {button.label for button in app.button}
    assert app.query_params["selected"] == [key[:12] for key in keys[:2]]
    app = fine(opened(view="Table", kind="Spectrum", selected=["0" * 12]))
    assert "Compare" not in {button.label for button in app.button}
    assert "selected" not in app.query_params


def test_catalogs_are_merged_on_the_page(filled: Path, tmp_path: Path, monkeypatch) -> None:
    """The field takes several folders: what came is said in sum, and why one did not come."""
    own = new_catalog(tmp_path / "own")
    own.close()
    monkeypatch.setenv("EXPLORER_CATALOG", str(own.folder))
    app = opened()
    app.text_area(key="merged-folders").set_value(f"{filled}\n\n{tmp_path / 'none'}\n")
    pressed(app, "Merge")
    assert [success.value for success in app.success] == [
        "Brought 3 models, 3 checkpoints, 6 analyses, 3 files."
    ]
    assert len(app.error) == 1 and "does not exist" in app.error[0].value
    assert len(own.models()) == 3
