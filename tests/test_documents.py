"""Figures and studies in the catalog: named, changed, thrown away and taken back, merged."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import Catalog, UnknownEntry

CONTENT = {"panels": [{"key": "q1", "look": {"log": True}}], "width": 3.25}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    opened = Catalog(tmp_path / "catalog")
    opened.check()
    return opened


def names(catalog: Catalog, what: str = "figure") -> list[str]:
    return [document.name for document in catalog.documents(what)]


def test_what_is_kept_comes_back(catalog: Catalog) -> None:
    """Name without blanks around it, content as it was, times in UTC; a study is no figure."""
    before = datetime.now(UTC)
    id = catalog.add_document("figure", "  Figure 1 ", CONTENT)
    catalog.add_document("study", "Figure 1", {})
    (figure,) = catalog.documents("figure")
    assert (figure.name, figure.content, figure.deleted) == ("Figure 1", CONTENT, None)
    assert figure == catalog.document("figure", id) == catalog.document_named("figure", "Figure 1")
    assert figure.created is not None
    assert before <= figure.created <= datetime.now(UTC)
    other = {"panels": []}
    catalog.change_document("figure", id, other)
    changed = catalog.document("figure", id)
    assert (changed.content, changed.created) == (other, figure.created)
    assert changed.changed is not None
    assert changed.changed >= figure.created


@pytest.mark.parametrize("name", ["", "  ", "a" * 121, "two\nlines", "bell\a", "taken", " taken "])
def test_a_name_that_cannot_be_is_refused(catalog: Catalog, name: str) -> None:
    """For a new one and for another name of an old one; nothing is changed."""
    catalog.add_document("figure", "taken", CONTENT)
    other = catalog.add_document("figure", "other", CONTENT)
    with pytest.raises(ValueError, match="name"):
        catalog.add_document("figure", name, CONTENT)
    with pytest.raises(ValueError, match="name"):
        catalog.rename_document("figure", other, name)
    assert names(catalog) == ["other", "taken"]
    catalog.rename_document("figure", other, "other")  # its own
    catalog.rename_document("figure", other, "third")
    assert names(catalog) == ["taken", "third"]


def test_what_is_deleted_can_be_taken_back(catalog: Catalog) -> None:
    """It lies in the trash, frees its name, and comes back under another if that is taken."""
    id = catalog.add_document("figure", "one", CONTENT)
    catalog.delete_document("figure", id)
    assert names(catalog) == []
    (entry,) = catalog.trash()
    assert (entry.what, entry.id, entry.title) == ("figure", id, "one")
    catalog.add_document("figure", "one", {})
    catalog.add_document("figure", "one (2)", {})
    catalog.restore(entry)
    assert names(catalog) == ["one", "one (2)", "one (3)"]
    assert catalog.document("figure", id).content == CONTENT
    catalog.delete_document("figure", id)
    catalog.empty_trash()
    assert catalog.trash() == []
    with pytest.raises(UnknownEntry):
        catalog.document("figure", id)


def test_who_is_not_there_is_named(catalog: Catalog) -> None:
    """Every way to one that is not there is refused with its sort."""
    for refused in (
        lambda: catalog.document("figure", "x"),
        lambda: catalog.document_named("figure", "x"),
        lambda: catalog.change_document("figure", "x", {}),
        lambda: catalog.rename_document("figure", "x", "y"),
        lambda: catalog.delete_document("figure", "x"),
        lambda: catalog.restore_document("figure", "x"),
    ):
        with pytest.raises(UnknownEntry, match="figure"):
            refused()


def test_merging_brings_documents(catalog: Catalog, tmp_path: Path) -> None:
    """Those that are not here; ours stay as they are, the other's trash stays behind."""
    other = Catalog(tmp_path / "other")
    other.check()
    other.add_document("figure", "theirs", CONTENT)
    gone = other.add_document("figure", "gone", CONTENT)
    other.delete_document("figure", gone)
    other.close()
    catalog.merge(tmp_path / "other")
    (brought,) = catalog.documents("figure")
    assert (brought.name, brought.content) == ("theirs", CONTENT)
    catalog.change_document("figure", brought.id, {"mine": 1})
    catalog.merge(tmp_path / "other")
    assert [document.content for document in catalog.documents("figure")] == [{"mine": 1}]


def test_two_of_one_name_come_from_a_merge(catalog: Catalog, tmp_path: Path) -> None:
    """The one changed last is meant by the name."""
    other = Catalog(tmp_path / "other")
    other.check()
    other.add_document("figure", "one", {"theirs": 1})
    other.close()
    mine = catalog.add_document("figure", "one", {"mine": 1})
    catalog.merge(tmp_path / "other")
    assert names(catalog) == ["one", "one"]
    assert catalog.document_named("figure", "one").content == {"mine": 1}
    catalog.delete_document("figure", mine)
    assert catalog.document_named("figure", "one").content == {"theirs": 1}
