"""The gallery: phenomena wished for are computed with their samples, and shown with numbers."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from explorer.__main__ import main
from explorer.gallery import wishes
from explorer.gallery.state import proofs_of, sample_models_in, states_of
from explorer.importing.samples import is_coming
from explorer.kinds.citations import CITATIONS
from explorer.kinds.result import Result
from explorer.pages import _running
from explorer.phenomena import PHENOMENA, phenomenon_named
from explorer.phenomena.phenomenon import WHOSE_EXPECTATION, Group, Phenomenon, Proof, Verdict
from explorer.phenomena.statements import STATEMENTS, TEXTS
from sample_models import sample_named
from sample_models.verification import row_lines, verified
from store import Catalog
from tests.filling import new_catalog, work
from tests.screen import charts, fine, labels, one_sentence, opened, texts

PAGE = "explorer/pages/gallery.py"
SHOWN = phenomenon_named("mode-connectivity")  # it has a question about what another one brings


def computed(catalog: Catalog, phenomenon: Phenomenon) -> None:
    """Have the phenomenon computed in this process, as supervisor and worker would."""
    wishes.wish(catalog, [phenomenon])
    for _ in range(4):  # samples, questions, those about what the first ones brought, the end
        work(catalog)
        wishes.ask_possible(catalog, [phenomenon])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog in which one phenomenon is computed."""
    catalog = new_catalog(tmp_path_factory.mktemp("gallery") / "catalog")
    computed(catalog, SHOWN)
    catalog.close()
    return catalog.folder


@pytest.fixture
def shown(filled: Path, nothing_left: None, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The same, as the app's own."""
    monkeypatch.setenv("EXPLORER_CATALOG", str(filled))
    monkeypatch.setattr(_running, "FIRST_SCREEN_SECONDS", 3600.0)  # it orders nothing by itself
    return Catalog(filled)


def test_what_is_wished_for_is_computed_with_its_samples(filled: Path) -> None:
    """Its samples are imported, each question asked once it can be, and nothing is left to wish."""
    catalog = Catalog(filled)
    assert set(sample_models_in(catalog)) == set(SHOWN.samples)
    (state,) = states_of(catalog, [SHOWN])
    assert state.is_complete and not state.trouble
    assert wishes.wishes(catalog) == {}
    before = len(catalog.jobs(limit=100))
    computed(catalog, SHOWN)
    assert len(catalog.jobs(limit=100)) == before  # a second wish asks nothing


def test_catalog_and_command_measure_the_same(filled: Path) -> None:
    """The numbers read off the catalog's answers are those that `verify` computes without one."""
    from sample_models.answers import SampleAnswers

    (state,) = states_of(Catalog(filled), [SHOWN])
    stored = proofs_of(Catalog(filled), state)
    row = verified(SHOWN, SampleAnswers())
    assert row.verdict == Verdict.HOLDS.value
    assert [p.value for p in stored] == pytest.approx([p.value for p in row.proofs], rel=1e-3)
    assert "ok " in row_lines(row)[1]


def ended(catalog: Catalog, status: str, error: str | None = None) -> None:
    """End all jobs that wait."""
    for job in catalog.active_jobs():
        catalog.update_job(job.id, status=status, error=error)


def test_a_sample_that_cannot_be_imported_is_said(tmp_path: Path) -> None:
    """A wish that nothing can fulfil ends with the reason, and a new wish tries again."""
    catalog = new_catalog(tmp_path / "catalog")
    for status, error, said in (
        ("failed", "no room is left", "could not be imported (no room is left)"),
        ("cancelled", None, "could not be imported (its import is cancelled)"),
        ("done", None, "in the catalog no longer"),
    ):
        wishes.wish(catalog, [SHOWN])
        assert wishes.wishes(catalog)[SHOWN.name] == ""
        ended(catalog, status, error)
        wishes.ask_possible(catalog, [SHOWN])
        assert said in wishes.wishes(catalog)[SHOWN.name]
        assert not catalog.active_jobs()


def test_samples_that_only_an_update_needs_are_ordered(tmp_path: Path) -> None:
    """A wish that an earlier version of the program left orders the samples it needs by now."""
    catalog = new_catalog(tmp_path / "catalog")
    catalog.remember(wishes.NAME, {SHOWN.name: ""})
    wishes.WishKeeper(catalog).keep_up()
    assert all(is_coming(catalog, name) for name in SHOWN.samples)
    assert wishes.wishes(catalog)[SHOWN.name] == ""


def test_failed_and_cancelled_are_asked_again_on_a_wish_alone(tmp_path: Path) -> None:
    """A look leaves them and ends the wish; pressing the button once more has them computed."""
    catalog = new_catalog(tmp_path / "catalog")
    wishes.wish(catalog, [SHOWN])
    work(catalog)
    for status, error, left in (("failed", "it broke", "it broke"), ("cancelled", None, None)):
        wishes.wish(catalog, [SHOWN])
        assert catalog.active_jobs()
        ended(catalog, status, error)
        wishes.ask_possible(catalog, [SHOWN])
        assert wishes.wishes(catalog).get(SHOWN.name) == left
        assert not catalog.active_jobs()


def test_an_import_that_ends_during_a_look_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the models and that at the imports one may end: the wish waits on."""
    catalog = new_catalog(tmp_path / "catalog")
    wishes.wish(catalog, [SHOWN])

    def ends_now(catalog: Catalog, name: str) -> bool:
        work(catalog)
        return is_coming(catalog, name)

    monkeypatch.setattr(wishes, "is_coming", ends_now)
    wishes.ask_possible(catalog, [SHOWN])
    assert wishes.wishes(catalog)[SHOWN.name] == ""


def test_cards_and_phenomenon_are_shown(shown: Catalog) -> None:
    """A card with its verdict leads to the page of one: table, pictures, links, no button."""
    app = fine(opened(PAGE))
    counted = f"1 of {len(PHENOMENA)} phenomena computed"
    assert any(counted in text for text in texts(app, "markdown"))
    app = fine(opened(PAGE, phenomenon=SHOWN.name))
    assert charts(app) == 2
    (table,) = app.table
    assert list(table.value["As expected"]) == ["yes", "yes"]
    assert WHOSE_EXPECTATION in texts(app, "caption")
    assert not [label for label in labels(app) if label.startswith("Compute")]
    links = [link.proto.label for link in app.get("page_link")]
    assert sum(label.startswith("Open in ") for label in links) == 3


def test_the_command_line_has_the_gallery_too(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Numbers of what is computed, or that it is not; a name that there is not fails."""
    assert main(["--catalog", str(filled), "phenomena", SHOWN.name, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["verdict"] for row in rows] == [Verdict.HOLDS.value] * 2
    assert main(["--catalog", str(filled), "phenomena"]) == 0
    assert "not computed" in capsys.readouterr().out
    assert main(["--catalog", str(filled), "phenomena", "flat-earth"]) == 1
    assert "flat-earth" in capsys.readouterr().err


def test_an_address_of_no_phenomenon_is_one_sentence(shown: Catalog) -> None:
    """Another name, and one that is Markdown."""
    for name in ("flat-earth", "**[x](y)**"):
        assert "no phenomenon" in one_sentence(opened(PAGE, phenomenon=name))


def test_verdicts_say_what_came_out() -> None:
    """As expected; not; and not as is known: NaN is never as expected, no number neither."""

    def with_value(value: float, tried: str = "") -> Verdict:
        def prove(results: Sequence[Result]) -> list[Proof]:
            return [Proof("a number", value, 1.0, 2.0)]

        phenomenon = Phenomenon(
            name="x", title="X", group=Group.MINIMA, text="X.", prove=prove, tried=tried
        )
        return phenomenon.verdict(prove([]))

    assert with_value(1.0) is with_value(2.0) is Verdict.HOLDS
    assert with_value(2.1) is with_value(float("nan")) is Verdict.DIFFERS
    assert with_value(0.9, tried="Three seeds.") is Verdict.OPEN
    assert SHOWN.verdict([]) is Verdict.DIFFERS


@pytest.mark.parametrize("phenomenon", PHENOMENA, ids=lambda each: each.name)
def test_a_phenomenon_is_whole(phenomenon: Phenomenon) -> None:
    """It has words, sources that can be looked up, samples that are shipped, a time."""
    assert phenomenon.text.endswith(".") and not phenomenon.title.endswith(".")
    assert phenomenon.sources and set(phenomenon.sources) <= set(CITATIONS)
    assert phenomenon.questions and phenomenon.seconds > 0
    for name in phenomenon.samples:
        assert sample_named(name).weights.is_file()
    for place, question in enumerate(phenomenon.questions):
        assert all(s.question is None or s.question < place for s in question.subjects)
        if question.kind.own_second:  # as its page asks: from where the run began
            point, start = question.subjects[:2]
            steps = [checkpoint.step for checkpoint in sample_named(point.sample).checkpoints]
            assert start.step == steps[0] if len(steps) > 1 else start == point
    assert len({each.name for each in PHENOMENA}) == len(PHENOMENA)


@pytest.mark.parametrize("phenomenon", PHENOMENA, ids=lambda each: each.name)
def test_a_catalog_can_be_asked_what_a_phenomenon_asks(phenomenon: Phenomenon) -> None:
    """Each question is of one problem, and of runs with snapshots enough, as `ask` demands."""
    for question in phenomenon.questions:
        samples = [sample_named(name) for name in question.samples]
        assert len({(each.problem, repr(each.arguments)) for each in samples}) == 1
        if question.kind.whole_run:
            runs = question.subjects[len(question.kind.single_subjects(question.settings)) :]
            for run in runs:
                snapshots = sample_named(run.sample).checkpoints
                assert len(snapshots) >= question.kind.fewest


def test_statements_are_searched_and_lead_to_what_shows_them(shown: Catalog) -> None:
    """All by text, each with a way; the words of the address leave those that have them all."""
    app = fine(opened(PAGE, part="Statements"))
    rows = [row for table in app.table for row in table.value.itertuples(index=False)]
    assert len(rows) == len(STATEMENTS) and len(app.table) == len(TEXTS)
    assert all("](/" in seen_in for _, seen_in in rows)
    app = fine(opened(PAGE, part="Statements", search="KESKAR sharp"))
    said = [row for table in app.table for row in table.value["Statement"]]
    assert said and len(said) < 20
    assert not fine(opened(PAGE, part="Statements", search="no such words")).table


def test_pictures_that_cards_lack_are_drawn(shown: Catalog, filled: Path) -> None:
    """What a command line computed has none yet: the page has the covers drawn, each once."""
    fine(opened(PAGE))
    thumbnails = _running.app_state().thumbnails
    (state,) = states_of(shown, [SHOWN])
    cover = state.questions[SHOWN.cover].key
    keys = [*thumbnails._keys.queue]
    assert keys.count(cover) == 1
    fine(opened(PAGE))
    assert [*thumbnails._keys.queue].count(cover) == 1


def test_a_step_of_the_tour_says_more_and_goes_on(shown: Catalog) -> None:
    """Above and below the pictures are the ways to the neighbours; one leads to the phenomenon."""
    app = fine(opened(PAGE, part="Tour", step="9"))
    labels_of_ways = [link.proto.label for link in app.get("page_link")]
    assert labels_of_ways.count("Next") == labels_of_ways.count("Back") == 2
    assert SHOWN.title in labels_of_ways


def test_an_address_without_a_value_is_as_usual(shown: Catalog) -> None:
    """An empty view, group or part leaves all at what is usual, and hides nothing."""
    fine(opened(PAGE, phenomenon="skip-connections", view=""))
    assert len(fine(opened(PAGE, group="")).get("page_link")) == len(PHENOMENA)
    fine(opened(PAGE, part=""))


def test_what_an_address_has_wrong_is_said_shortly(shown: Catalog) -> None:
    """A long wrong value is cut in the sentence, and so is a long list of what it may be."""
    said = one_sentence(opened("explorer/pages/playground.py", function="9" * 400))
    assert "9" * 50 in said and len(said) < 300
