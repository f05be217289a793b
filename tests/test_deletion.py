"""What is deleted is computed no more, whoever deletes it: the command line or a page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from explorer.ask.deletion import delete_analysis, delete_model
from explorer.commands.app import main
from explorer.jobs.supervisor_lock import supervisor_lock
from store import Catalog
from tests.filling import new_catalog
from tests.screen import CATALOG_PAGE, fine, opened
from tests.stored import put_model, question

NEWER_JOBS = 201


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two models; of the first two analyses, of the second one; no supervisor can serve them."""
    catalog = new_catalog(tmp_path_factory.mktemp("deletion") / "catalog")
    put_model(catalog, "m1", "one", "w1")
    put_model(catalog, "m2", "two", "w2")
    for key, model, point in (("q1", "m1", "w1"), ("q2", "m1", "w1"), ("q3", "m2", "w2")):
        catalog.ask(question(key, model_ids=(model,), point_ids=(point,)))
    catalog.close()
    with supervisor_lock(catalog.jobs_folder):
        yield catalog.folder


@pytest.fixture
def catalog(folder: Path) -> Catalog:
    """The catalog with all in it again, and a new job for each question that nobody takes up."""
    catalog = Catalog(folder)
    for job in catalog.jobs(status=("queued", "running")):
        catalog.update_job(job.id, status="cancelled")
    for key in ("q1", "q2", "q3"):
        catalog.restore_question(key)
        catalog.add_job(f"{key}-{len(catalog.jobs(limit=99))}", "answer", key, {}, question_key=key)
    catalog.restore_model("m1")
    return catalog


def waiting(catalog: Catalog) -> list[str | None]:
    """The questions whose jobs still wait."""
    return sorted(job.question_key or "" for job in catalog.jobs(status=("queued", "running")))


@pytest.mark.parametrize(
    "delete",
    [
        lambda catalog: delete_model(catalog, "m1"),
        lambda catalog: main(["--catalog", str(catalog.folder), "delete", "one", "--yes"]),
    ],
)
def test_a_model_takes_its_jobs_along(
    catalog: Catalog, delete: Callable[[Catalog], object]
) -> None:
    """Those of its analyses are cancelled; those of other models wait on."""
    delete(catalog)
    assert waiting(catalog) == ["q3"]
    assert [model.id for model in catalog.models()] == ["m2"]


def test_an_analysis_takes_its_job_along(catalog: Catalog) -> None:
    """Its own job is cancelled, and no other."""
    delete_analysis(catalog, "q1")
    assert waiting(catalog) == ["q2", "q3"]
    assert [q.key for q in catalog.questions(deleted=True)[0]] == ["q1"]


def test_the_bin_of_a_card_stops_what_is_computed(catalog: Catalog) -> None:
    """As the command line does; the way back brings the analysis, which can be resumed."""
    fine(opened(CATALOG_PAGE)).button(key="delete-q2").click().run()
    assert waiting(catalog) == ["q1", "q3"]


def test_an_analysis_tells_its_last_job_however_many_came_since(catalog: Catalog) -> None:
    """It failed before hundreds of others were asked: its card says failed, not stopped."""
    (job,) = [job for job in catalog.jobs(status="queued") if job.question_key == "q3"]
    catalog.update_job(job.id, status="failed", error="out of luck")
    for number in range(NEWER_JOBS):
        catalog.add_job(f"newer-{number}", "import", "an import", {})
        catalog.update_job(f"newer-{number}", status="cancelled")
    words = " ".join(str(element.value) for element in opened(CATALOG_PAGE).get("markdown"))
    assert "failed · 0 of 4" in words
