"""A catalog that an earlier version made: it opens, is drawn, is merged, and goes on.

`old_catalog/6be4b78.tar.xz` was made by the commit of that name: two models of one problem, an
answer of each kind, and one that was killed after 30 of 169 points, its job still in the spool.
"""

import tarfile
from pathlib import Path

import pytest

from explorer.ask import questions
from explorer.ask.subject_names import subject_names
from explorer.contracts.checkpoint import Checkpoint
from explorer.importing.order import order_import
from explorer.kinds import KINDS, kind_named
from explorer.kinds.sharpness import SHARPNESS
from explorer.kinds.surface import SURFACE
from explorer.render.export.thumbnail import thumbnail
from explorer.supervisor import result_numbers
from store import CannotMerge, Catalog
from tests.tiny import (
    ROOT,
    agreed,
    ended,
    supervised,
    until_stored,
)

BROKEN = """UPDATE questions SET settings = '{"no": 1}' WHERE key = ?"""
KINDS_THEN = 11  # of which there is an answer
HALF_DONE = "Convexity map of other"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder with the catalog, its problem file and the weights of one model."""
    with tarfile.open(ROOT / "tests" / "old_catalog" / "6be4b78.tar.xz") as packed:
        packed.extractall(tmp_path / "old")  # our own file; the Python of Debian 12 has no filter
    return tmp_path / "old"


def test_every_answer_is_there_and_is_drawn(old: Path) -> None:
    """An answer of each kind, whole; each gives its small picture; nothing is damaged."""
    catalog = Catalog(old / "catalog")
    stored_questions, count = catalog.questions(limit=100)
    kinds = {question.kind for question in stored_questions}
    assert count == 13 and len(kinds) == KINDS_THEN and kinds <= {kind.name for kind in KINDS}
    assert [q.title for q in stored_questions if q.status != "complete"] == [HALF_DONE]
    for question in stored_questions:
        result = questions.result_of(catalog, question)
        picture = thumbnail(kind_named(question.kind), result, subject_names(catalog, question))
        assert picture.startswith(b"\x89PNG"), question.title
    assert catalog.check_integrity(contents=True) == []


def test_every_whole_answer_gets_its_numbers(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each kind some, by names that conditions can have; what is damaged holds up no other."""
    monkeypatch.setattr(result_numbers, "ANSWERS_A_STEP", 5)
    catalog = Catalog(old / "catalog")
    first = catalog.questions(status="complete", order="created", descending=True)[0][0]
    catalog._write(lambda c: c.execute(BROKEN, [first.key]))
    keeper = result_numbers.NumbersKeeper(catalog)
    for _ in range(5):
        keeper.keep_up()
    whole = catalog.questions(status="complete", limit=100)[0]
    numbers = catalog.numbers([question.key for question in whole])
    assert set(numbers) == {question.key for question in whole} - {first.key}
    for question in whole:
        assert question.key == first.key or numbers[question.key], question.title
    names = catalog.filter_names()
    assert all(name.replace(".", "").isidentifier() for name in names)
    for kind in {question.kind for question in whole} - {first.kind}:
        assert any(name.startswith(f"{kind}.") for name in names), kind


def test_numbers_that_a_kind_has_come_to_name_are_computed_of_old_answers(old: Path) -> None:
    """An answer whose numbers are stored gets the new ones; those of other kinds are left alone."""
    catalog = Catalog(old / "catalog")
    result_numbers.NumbersKeeper(catalog).keep_up()
    of_kind = {q.kind: q.key for q in catalog.questions(status="complete", limit=100)[0]}
    surface, other = of_kind[SURFACE.name], of_kind[SHARPNESS.name]
    before = catalog.numbers([surface])[surface]
    assert {"basins", "smad", "total_persistence"} <= before.keys()
    for key in (surface, other):  # as an earlier program has left them
        catalog.set_numbers(key, {"loss": before["loss"]}, catalog.question(key).units_done)
    named = catalog.recall(result_numbers.NAMES_KEY, {})
    catalog.remember(result_numbers.NAMES_KEY, {**named, SURFACE.name: ["loss"]})
    result_numbers.NumbersKeeper(catalog).keep_up()
    again = catalog.numbers([surface])[surface]
    assert {n: v[0] for n, v in again.items()} == {n: v[0] for n, v in before.items()}
    assert list(catalog.numbers([other])[other]) == ["loss"]


def test_rows_that_no_kind_reads_hold_up_no_other(old: Path) -> None:
    """An answer whose reading meets an index out of range is left out once; the others are told."""
    catalog = Catalog(old / "catalog")
    broken = next(q for q in catalog.questions(limit=100)[0] if q.kind == SHARPNESS.name)
    catalog._write(lambda c: c.execute(f"UPDATE {SHARPNESS.table} SET why = 99"))  # noqa: S608
    keeper = result_numbers.NumbersKeeper(catalog)
    keeper.keep_up()
    with pytest.raises(IndexError):
        _ = questions.result_of(catalog, broken).numbers
    keys = {question.key for question in catalog.questions(status="complete", limit=100)[0]}
    assert set(catalog.numbers(list(keys))) == keys - {broken.key}


def test_numbers_wait_while_pieces_come(old: Path) -> None:
    """Each piece changes the catalog: meanwhile nobody looks, until an answer is whole or rest."""
    catalog = Catalog(old / "catalog")
    keeper = result_numbers.NumbersKeeper(catalog)

    def has_numbers() -> bool:
        return bool(catalog.numbers([key]))

    def take_numbers() -> None:
        catalog._write(lambda c: c.execute("DELETE FROM result_numbers"))

    key = catalog.questions(status="complete")[0][0].key
    keeper.keep_up(at_work=True)  # at first what a former run has left out
    keeper.keep_up(at_work=True)
    assert has_numbers()
    take_numbers()
    keeper.keep_up(at_work=True)
    assert not has_numbers()
    keeper.expect()
    keeper.keep_up(at_work=True)
    assert has_numbers()
    keeper.keep_up(at_work=True)
    take_numbers()
    keeper.keep_up(at_work=True)
    assert not has_numbers()
    keeper.keep_up()
    assert has_numbers()


def test_it_is_merged_into_a_new_one(old: Path, tmp_path: Path) -> None:
    """All its models, points, answers come; a second time brings nothing."""
    catalog = Catalog(tmp_path / "new")
    before = Catalog(old / "catalog")
    with pytest.raises(CannotMerge, match="open it once with this program"):
        catalog.merge(old / "catalog")
    before.check()
    catalog.merge(old / "catalog")
    assert {m.id for m in catalog.models()} == {m.id for m in before.models()}
    assert catalog.questions(limit=100)[1] == 13
    for question in before.questions(limit=100)[0]:
        table = kind_named(question.kind).table
        ours, theirs = (c.values(question.key, table) for c in (catalog, before))
        assert ours.keys() == theirs.keys()
        assert all((ours[name].tobytes() == theirs[name].tobytes()) for name in ours)
    assert not any(vars(catalog.merge(old / "catalog")).values())


def test_what_was_half_done_goes_on(old: Path) -> None:
    """After the problem is imported from where it lies now: the 30 points stay, the rest comes."""
    with supervised(old / "catalog") as (catalog, _):
        (question,) = catalog.questions(status="open")[0]
        table = kind_named(question.kind).table
        stored = catalog.values(question.key, table)
        weights = [Checkpoint(file=old / "other.safetensors")]
        job = order_import(catalog, agreed(old / "problem.py"), {}, weights, "other")
        assert ended(catalog, job).status == "done"
        questions.resume(catalog, catalog.question(question.key))
        until_stored(catalog, lambda: catalog.question(question.key).status == "complete")
        values = catalog.values(question.key, table)
    rows = [values["unit"].tolist().index(unit) for unit in stored["unit"]]
    assert len(stored["unit"]) == 30 and sorted(values["unit"]) == list(range(169))
    assert all((values[name][rows] == stored[name]).all() for name in stored if name != "unit")
