"""The ways to stored analyses: of many, those that can be shown."""

from pathlib import Path

import pytest

from explorer.kinds.surface import SURFACE, SurfaceSettings
from explorer.pages._links import Subjects, address_of, analysis_name, links_of
from store import Catalog
from store.annotations import Annotation
from store.records import Question
from tests.filling import new_catalog
from tests.screen import JOBS_PAGE, fine, opened
from tests.stored import POINT, ingest, question, stored_model

GOOD = SurfaceSettings(x_count=7, y_count=7)


def surface(key: str, model: str, **more: object) -> Question:
    """A question of today about a model's final point, with settings that came later."""
    settings = {**vars(GOOD), **more}
    return question(
        key, version=SURFACE.version, settings=settings, model_ids=(model,), point_ids=(POINT,)
    )


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An analysis that can be shown, one of a later program, one without its model; their jobs."""
    catalog = new_catalog(tmp_path_factory.mktemp("links") / "catalog")
    stored_model(catalog, "net", "rings.py", {"parameters": 9})
    for key, model, more in (
        ("good", "net", {}),
        ("later", "net", {"a_later_setting": 3}),
        ("damaged", "lost", {}),
    ):
        catalog.ask(surface(key, model, **more))
        ingest(catalog, [0], key)
        catalog.add_job(key, "answer", f"job of {key}", {}, question_key=key)
        catalog.update_job(key, status="failed", error="out of luck")
    catalog.close()
    return catalog.folder


def test_what_cannot_be_shown_is_left_out(folder: Path) -> None:
    """No way to an analysis of a later program, nor to one without its model; to the others one."""
    catalog = Catalog(folder)
    questions = catalog.questions_of(["good", "later", "damaged"])
    links = links_of(questions.values(), Subjects(catalog))
    assert list(links) == ["good"]
    addresses = {key: address_of(q, Subjects(catalog)) for key, q in questions.items()}
    assert addresses.pop("good") and set(addresses.values()) == {None}


def test_one_damaged_model_leaves_the_rest_of_the_jobs(folder: Path) -> None:
    """All three are listed with what went wrong; only what can be shown has a way."""
    app = opened(JOBS_PAGE)
    assert not app.exception
    said = " ".join(str(e.value) for e in app.error)
    assert all(f"job of {key}: out of luck." in said for key in ("good", "later", "damaged"))
    ways = [link.proto.label for link in app.get("page_link")]
    assert ways.count("**job of good**") == 1 and not [way for way in ways if "later" in way]


def test_what_is_offered_leaves_out_what_cannot_be_shown(folder: Path) -> None:
    """Beside a question that is not stored: the one with other settings that this program knows."""
    app = fine(opened(SURFACE.page, model="net", x_count="9", y_count="9"))
    offered = [link.proto.query_string for link in app.get("page_link") if link.proto.query_string]
    assert offered == ["model=net&x_count=7&y_count=7"]


def test_an_analysis_goes_by_one_name(folder: Path) -> None:
    """Somebody's own, else kind and subjects; the subjects alone where the kind has an icon."""
    catalog = Catalog(folder)
    stored = catalog.questions_of(["good"])
    link = links_of(stored.values(), Subjects(catalog))["good"]
    assert analysis_name(link, Annotation(what="analysis", id="good")) == "Surface of net"
    assert analysis_name(link, Annotation(what="analysis", id="good"), short=True) == "net"
    noted = Annotation(what="analysis", id="good", name="Figure 2")
    assert analysis_name(link, noted) == analysis_name(link, noted, short=True) == "Figure 2"
